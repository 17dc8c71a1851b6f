// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// File descriptors that a forked child gives back, and that stay ours although the program may close them.
//
// A lock of flock(2) belongs to the open file description, which a forked child shares: unlocking it in the child would
// unlock the parent, and keeping it open in the child would keep the lock alive when the parent is killed. So each
// descriptor of this library stands in a table, from which the child closes them all, without unlocking, before
// fork() returns there.
//
// A program may close descriptors that it does not know (closefrom(3), daemon-like start-up code), and open files of its
// own under their numbers. Those must be neither used nor closed here. So each open file of ours is branded, where the
// system has something that nobody else uses, and the brand is looked at before a descriptor that was left alone for
// a while is trusted.
#pragma once

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <new>
#include <utility>

#include <named_lock/detail/abi.hpp>

#define NAMED_LOCK_OUT_OF_LINE [[gnu::noinline]]

// One of each in a process, also when several shared libraries with hidden symbols include this header.
#define NAMED_LOCK_ONE_PER_PROCESS [[gnu::visibility("default")]]

namespace nlock::NAMED_LOCK_ABI::detail {

/// While there is one, pthread_cancel() of its thread waits: unwinding would end the process where nothing may throw, and
/// musl and macOS unwind nothing at all. Around every call of this library that is a cancellation point (man 7 pthreads).
class cancellation_shield {
  public:
#if defined(PTHREAD_CANCEL_DISABLE)  // Android has none
    cancellation_shield() noexcept { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
    ~cancellation_shield() { ::pthread_setcancelstate(before_, &before_); }
#else
    cancellation_shield() noexcept {}
    ~cancellation_shield() {}
#endif
    cancellation_shield(const cancellation_shield&) = delete;
    cancellation_shield& operator=(const cancellation_shield&) = delete;

  private:
    [[maybe_unused]] int before_ = 0;
};

/// What tells a thread whether fork() may have run between two moments. Opening a file and writing it down in the table
/// are two steps, and a fork in between would give the child a descriptor that it does not know of.
///
/// Nobody is made to wait without end for anybody, because an open(2) on a hung server does not return, and because
/// fork handlers of others may lock a mutex that is held around an acquisition: fork() waits a moment for those who are
/// opening, and who opens waits a moment for fork(). Where that was not enough, the file is opened again before anything
/// is locked with it (descriptor::from).
class fork_observer {
  public:
    struct moment {
        std::uint32_t forks;
    };

    moment begin() noexcept {
        opening_.fetch_add(1);  // first, so that a fork that begins now sees it, or is seen
        for (int i = 0; i < patience_for_fork && others_fork(); ++i) {
            opening_.fetch_sub(1);
            sleep_a_moment();
            opening_.fetch_add(1);
        }
        return {ended_.load()};
    }
    /// Whether there may have been a fork since. This thread itself forks only after what its handlers do has ended.
    bool end(moment since) noexcept {
        const bool forked = others_fork() || ended_.load() != since.forks;
        opening_.fetch_sub(1);
        return forked;
    }

    // Around fork().
    void before() noexcept {
        const cancellation_shield shield;
        this_thread_forks() = true;
        under_way_.fetch_add(1);
        for (int i = 0; i < patience_for_opening && opening_.load() != 0; ++i) sleep_a_moment();
    }
    void after() noexcept {
        ended_.fetch_add(1);
        under_way_.fetch_sub(1);
        this_thread_forks() = false;
    }
    /// The child has no thread but this one.
    void after_in_child() noexcept {
        opening_.store(0);
        under_way_.store(0);
        this_thread_forks() = false;
    }

  private:
    // In moments of some 60 us, as Linux rounds sleeps: a busy machine may take long over a fork, and nobody wants to wait
    // long for a fork because a file server hangs.
    static constexpr int patience_for_fork = 4000;
    static constexpr int patience_for_opening = 500;

    static bool& this_thread_forks() noexcept {
        thread_local bool forks = false;
        return forks;
    }
    [[nodiscard]] bool others_fork() const noexcept { return under_way_.load() > (this_thread_forks() ? 1 : 0); }

    static void sleep_a_moment() noexcept {  // not sched_yield, which may starve a thread of lower priority
        const timespec moment{0, 10'000};
        ::nanosleep(&moment, nullptr);
    }

    std::atomic<int> opening_{0};
    std::atomic<int> under_way_{0};
    std::atomic<std::uint32_t> ended_{0};
};

#if defined(F_SETSIG)
inline constexpr bool has_signals = true;
inline constexpr int set_signal = F_SETSIG;
inline constexpr int get_signal = F_GETSIG;
#else
inline constexpr bool has_signals = false;
inline constexpr int set_signal = -1;
inline constexpr int get_signal = -1;
#endif

/// What tells an open file of ours from all others, also when it has another number. To ask for it never blocks, unlike
/// fstat(2) on a network file system.
///
/// A lock file's is its position, as nobody reads or writes there: another one for each file that is opened, so that the
/// parts of a process that have nothing in common take no file of each other for their own. All others have the signal
/// that they would send if they were O_ASYNC (man 2 fcntl), which none of ours is.
using file_brand = std::int32_t;
inline constexpr file_brand unbranded = 0;
inline constexpr file_brand by_signal = -1;
inline constexpr int our_signal = 59;

inline file_brand brand_by_signal(int fd) noexcept {
    return has_signals && ::fcntl(fd, set_signal, our_signal) == 0 ? by_signal : unbranded;
}

inline std::uint64_t scattered(std::uint64_t x) noexcept {  // splitmix64 (Steele, Lea, Flood 2014)
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
}

inline file_brand brand_by_position(int fd) noexcept {
    static std::atomic<std::uint32_t> count{0};  // its address is this part's alone
    const std::uint64_t number = reinterpret_cast<std::uintptr_t>(&count) + ++count * 0x9E3779B97F4A7C15;
    const auto position = static_cast<file_brand>(scattered(number) >> 33 | 1);  // which any file system can express
    return ::lseek(fd, position, SEEK_SET) == position ? position : unbranded;
}

inline bool has_brand(int fd, file_brand brand) noexcept {
    return brand == by_signal ? ::fcntl(fd, get_signal) == our_signal : ::lseek(fd, 0, SEEK_CUR) == brand;
}

/// The set of this library's open descriptors, which grows as they do. Readable at any moment, also by a forked child.
class descriptor_table {
  public:
    class entry {
      public:
        void write(int fd, file_brand brand) noexcept {
            brand_.store(brand);
            fd_.store(fd);
        }
        bool claim() noexcept {
            int nobody = free;
            return fd_.load() == free && fd_.compare_exchange_strong(nobody, claimed);
        }
        void clear() noexcept { fd_.store(free); }
        /// The number is another descriptor's now: also of ours, so that the brand alone would not tell.
        void expire(int fd) noexcept { fd_.compare_exchange_strong(fd, expired); }

        /// Whether it is still what was written down, and no other file has its number.
        [[nodiscard]] bool is_ours() const noexcept {
            const int fd = fd_.load();
            const file_brand brand = brand_.load();
            return fd >= 0 && (brand == unbranded || has_brand(fd, brand));
        }
        [[nodiscard]] file_brand brand() const noexcept { return brand_.load(); }
        void close_in_child() noexcept {
            if (fd_.load() >= 0 && is_ours()) ::close(fd_.load());
            clear();
        }

      private:
        static constexpr int free = -1;
        static constexpr int claimed = -2;
        static constexpr int expired = -3;

        std::atomic<int> fd_{free};
        std::atomic<file_brand> brand_{unbranded};
    };

    /// An entry of the caller's, or null if there is no memory for one.
    entry* claim() noexcept {
        for (block* b = latest_.load();; b = following(*b)) {
            if (b == nullptr) return nullptr;
            for (entry& e : b->entries) {
                if (!e.claim()) continue;
                latest_.store(b);
                return &e;
            }
        }
    }

    /// `fd` was given out anew: whoever had it before has lost it to the program.
    void expire(int fd) noexcept {
        for (block* b = &first_; b != nullptr; b = b->next.load()) {
            for (entry& e : b->entries) e.expire(fd);
        }
    }

    void close_all_in_child() noexcept {
        for (block* b = &first_; b != nullptr; b = b->next.load()) {
            for (entry& e : b->entries) e.close_in_child();
        }
    }

  private:
    struct block {
        std::array<entry, 31> entries{};
        std::atomic<block*> next{nullptr};
    };

    /// The block after the last one is the first; a new one where all were full.
    block* following(block& b) noexcept {
        if (block* next = b.next.load()) return next;
        if (latest_.exchange(&first_) != &first_) return &first_;
        block* const made = new (std::nothrow) block;
        block* next = nullptr;
        if (made == nullptr || b.next.compare_exchange_strong(next, made)) return made;
        delete made;
        return next;
    }

    block first_{};
    std::atomic<block*> latest_{&first_};  // the one in which there was a free entry
};

/// What static guards, and threads that still run, may use after the end of main().
template <class T>
union never_destroyed {
    T value;
    constexpr never_destroyed() noexcept : value{} {}
    never_destroyed(const never_destroyed&) = delete;
    never_destroyed& operator=(const never_destroyed&) = delete;
    ~never_destroyed() {}
};

NAMED_LOCK_ONE_PER_PROCESS inline fork_observer process_forks;
NAMED_LOCK_ONE_PER_PROCESS inline descriptor_table process_descriptors;
NAMED_LOCK_ONE_PER_PROCESS inline std::atomic<std::uint32_t> process_fork_generation{0};
NAMED_LOCK_ONE_PER_PROCESS inline std::atomic<void (*)()> process_after_fork_in_child{nullptr};

inline std::uint32_t fork_generation() noexcept { return process_fork_generation.load(std::memory_order_acquire); }

inline void install_fork_handlers(void (*in_child)()) {
    process_after_fork_in_child.store(in_child);
    const int error = ::pthread_atfork([] { process_forks.before(); }, [] { process_forks.after(); },
                                       [] {
                                           process_fork_generation.fetch_add(1);
                                           process_descriptors.close_all_in_child();
                                           process_forks.after_in_child();
                                           process_after_fork_in_child.load()();
                                       });
    if (error != 0) throw std::bad_alloc{};  // its only error
}

/// An open descriptor. In a forked child it is empty: the child's copy was closed by the fork handler, and its number
/// may belong to another file by now.
class descriptor {
  public:
    descriptor() = default;
    descriptor(descriptor&& other) noexcept
        : fd_{std::exchange(other.fd_, -1)}, generation_{other.generation_}, entry_{other.entry_} {}
    descriptor& operator=(descriptor&& other) noexcept {
        if (this != &other) {
            close();
            fd_ = std::exchange(other.fd_, -1);
            generation_ = other.generation_;
            entry_ = other.entry_;
        }
        return *this;
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() { close(); }

    /// The descriptor that `open` returns, or an empty one with errno set. It may be called again.
    template <class Open, class Brand = file_brand (*)(int) noexcept>
    static descriptor from(Open&& open, Brand brand = brand_by_signal) {
        constexpr int enough = 10;
        const cancellation_shield shield;
        for (int attempt = 1;; ++attempt) {
            const auto before = process_forks.begin();
            descriptor result = written_down(above_standard_streams(open()), brand);
            const bool forked = process_forks.end(before);
            // A child may have a copy that it does not close: of this open file, so that the next one must be another.
            if (!forked || !result || attempt == enough) return result;
        }
    }

    /// The same for what can be called only once, and is not locked: should a child keep a copy, it does no harm.
    template <class Open>
    static descriptor from_once(Open&& open) {
        const cancellation_shield shield;
        const auto before = process_forks.begin();
        descriptor result = written_down(above_standard_streams(open()), brand_by_signal);
        (void)process_forks.end(before);
        return result;
    }

    /// Another one of the same open file, with a number from `least` on.
    [[nodiscard]] descriptor copy(int least) const {
        return from([&] { return ::fcntl(get(), F_DUPFD_CLOEXEC, least); }, [this](int) { return entry_->brand(); });
    }

    [[nodiscard]] int get() const noexcept { return generation_ == fork_generation() ? fd_ : -1; }
    explicit operator bool() const noexcept { return get() >= 0; }

    /// False: the program has closed it, and its number may be another file's.
    [[nodiscard]] bool is_ours() const noexcept { return get() >= 0 && entry_->is_ours(); }

    /// Whether is_ours() can tell.
    [[nodiscard]] bool is_branded() const noexcept { return get() >= 0 && entry_->brand() != unbranded; }

    /// Unless the program has done so.
    void close() noexcept {
        if (fd_ >= 0) close_open();
    }

  private:
    template <class Brand>
    static descriptor written_down(int fd, Brand brand) noexcept {
        descriptor result;
        if (fd < 0) return result;
        result.entry_ = process_descriptors.claim();
        if (result.entry_ == nullptr) {
            ::close(fd);
            errno = ENOMEM;
            return result;
        }
        process_descriptors.expire(fd);  // before it bears a brand that another thread may look for
        result.entry_->write(fd, brand(fd));
        result.fd_ = fd;
        result.generation_ = fork_generation();
        return result;
    }

    NAMED_LOCK_OUT_OF_LINE void close_open() noexcept {
        const int fd = std::exchange(fd_, -1);
        if (generation_ != fork_generation()) return;
        const cancellation_shield shield;
        const int saved_errno = errno;
        // fork() copies the descriptors before it copies the memory: the child could have the one and not the other.
        const auto before = process_forks.begin();
        // Closed before it is struck out, so that the table never knows less than there is. Never again on EINTR or EIO:
        // the number may already be somebody else's (man 2 close).
        if (entry_->is_ours()) ::close(fd);
        entry_->clear();
        (void)process_forks.end(before);
        errno = saved_errno;
    }

    /// Where the standard streams are closed, a file would take their place, and what is printed would go into it.
    static int above_standard_streams(int fd) noexcept {
        if (fd < 0 || fd > STDERR_FILENO) return fd;
        const int result = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        const int saved_errno = errno;
        ::close(fd);
        errno = saved_errno;
        return result;
    }

    int fd_ = -1;
    std::uint32_t generation_ = 0;
    descriptor_table::entry* entry_ = nullptr;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

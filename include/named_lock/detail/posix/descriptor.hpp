// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// File descriptors that a forked child gives back.
//
// A lock of flock(2) belongs to the open file description, which a forked child shares: unlocking it in the child would
// unlock the parent, and keeping it open in the child would keep the lock alive when the parent is killed. So each
// descriptor of this library is marked in a table, from which the child closes them all, without unlocking, before
// fork() returns there.
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

namespace nlock::detail {

/// A descriptor must be marked in the same step in which it is opened, or a fork in between would lose it. Threads
/// pass this gate, at once and side by side, around both; fork() closes the gate and waits until it is empty.
class fork_gate {
  public:
    void enter() noexcept {
        while (inside_.fetch_add(1), closed_.load()) {
            inside_.fetch_sub(1);
            while (closed_.load()) sleep_a_moment();
        }
    }
    void leave() noexcept { inside_.fetch_sub(1); }

    void close() noexcept {
        closed_.store(true);
        while (inside_.load() != 0) sleep_a_moment();
    }
    void open() noexcept { closed_.store(false); }
    /// In a forked child: a thread that the child does not have may have been on its way back in enter().
    void open_afresh() noexcept {
        inside_.store(0);
        open();
    }

    class passage {
      public:
        explicit passage(fork_gate& gate) noexcept : gate_{gate} { gate_.enter(); }
        ~passage() { gate_.leave(); }
        passage(const passage&) = delete;
        passage& operator=(const passage&) = delete;

      private:
        fork_gate& gate_;
    };

  private:
    static void sleep_a_moment() noexcept {  // not sched_yield, which may starve a thread of lower priority
        const timespec moment{0, 10'000};
        ::nanosleep(&moment, nullptr);
    }

    std::atomic<int> inside_{0};
    std::atomic<bool> closed_{false};
};

/// The set of this library's open descriptors, readable at any moment: one bit each.
class descriptor_table {
  public:
    static constexpr int capacity = 1 << 20;  // Linux' usual fs.nr_open

    void add(int fd) noexcept {
        const std::size_t used = word(fd) + 1;
        std::size_t known = words_used_.load();
        while (known < used && !words_used_.compare_exchange_weak(known, used)) {
        }
        bits_[word(fd)].fetch_or(bit(fd));
    }
    void remove(int fd) noexcept { bits_[word(fd)].fetch_and(~bit(fd)); }

    void close_all() noexcept {
        for (std::size_t i = 0; i < words_used_.load(); ++i) {
            const std::uint64_t marked = bits_[i].exchange(0);
            for (int b = 0; marked != 0 && b < 64; ++b) {
                if ((marked >> b & 1) != 0) ::close(static_cast<int>(i) * 64 + b);
            }
        }
    }

  private:
    static std::size_t word(int fd) noexcept { return static_cast<std::size_t>(fd) / 64; }
    static std::uint64_t bit(int fd) noexcept { return std::uint64_t{1} << (fd % 64); }

    std::array<std::atomic<std::uint64_t>, capacity / 64> bits_{};  // zero pages until they are used
    std::atomic<std::size_t> words_used_{0};
};

#define NAMED_LOCK_OUT_OF_LINE [[gnu::noinline]]

// One of each in a process, also when several shared libraries with hidden symbols include this header.
#define NAMED_LOCK_ONE_PER_PROCESS [[gnu::visibility("default")]]
NAMED_LOCK_ONE_PER_PROCESS inline fork_gate process_fork_gate;
NAMED_LOCK_ONE_PER_PROCESS inline descriptor_table process_descriptors;
NAMED_LOCK_ONE_PER_PROCESS inline std::atomic<std::uint32_t> process_fork_generation{0};
NAMED_LOCK_ONE_PER_PROCESS inline std::atomic<void (*)()> process_before_fork{nullptr};
NAMED_LOCK_ONE_PER_PROCESS inline std::atomic<void (*)()> process_after_fork{nullptr};

inline std::uint32_t fork_generation() noexcept { return process_fork_generation.load(std::memory_order_acquire); }

inline void install_fork_handlers(void (*before)(), void (*after)()) {
    process_before_fork.store(before);
    process_after_fork.store(after);
    const int error = ::pthread_atfork(
        [] {
            process_before_fork.load()();
            process_fork_gate.close();
        },
        [] {
            process_fork_gate.open();
            process_after_fork.load()();
        },
        [] {
            process_fork_generation.fetch_add(1);
            process_descriptors.close_all();
            process_fork_gate.open_afresh();
            process_after_fork.load()();
        });
    if (error != 0) throw std::bad_alloc{};  // its only error
}

/// An open descriptor. In a forked child it is empty: the child's copy was closed by the fork handler, and its number
/// may belong to another file by now.
class descriptor {
  public:
    descriptor() = default;
    descriptor(descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)}, generation_{other.generation_} {}
    descriptor& operator=(descriptor&& other) noexcept {
        if (this != &other) {
            close();
            fd_ = std::exchange(other.fd_, -1);
            generation_ = other.generation_;
        }
        return *this;
    }
    ~descriptor() { close(); }

    /// The descriptor that `open` returns, or an empty one with errno set.
    template <class Open>
    static descriptor from(Open&& open) {
        const fork_gate::passage passage{process_fork_gate};
        descriptor result;
        const int fd = above_standard_streams(open());
        if (fd >= descriptor_table::capacity) {
            ::close(fd);
            errno = EMFILE;
        } else if (fd >= 0) {
            process_descriptors.add(fd);
            result.fd_ = fd;
            result.generation_ = fork_generation();
        }
        return result;
    }

    /// Gives it another number: one from `least` on. Left as it is if the system has none.
    void renumber(int least) noexcept {
        descriptor copy = from([&] { return ::fcntl(get(), F_DUPFD_CLOEXEC, least); });
        if (copy) *this = std::move(copy);
    }

    [[nodiscard]] int get() const noexcept { return generation_ == fork_generation() ? fd_ : -1; }
    explicit operator bool() const noexcept { return get() >= 0; }

    void close() noexcept {
        if (fd_ >= 0) close_open();
    }

  private:
    NAMED_LOCK_OUT_OF_LINE void close_open() noexcept {
        if (const int fd = std::exchange(fd_, -1); generation_ == fork_generation()) {
            const int saved_errno = errno;
            const fork_gate::passage passage{process_fork_gate};
            process_descriptors.remove(fd);
            ::close(fd);  // never again on EINTR or EIO: the number may already be somebody else's (man 2 close)
            errno = saved_errno;
        }
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
};

}  // namespace nlock::detail

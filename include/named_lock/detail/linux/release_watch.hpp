// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The release_watch of Linux: a bell, which the line rings, and inotify for all that does not know the line: releases by
// other programs and the ends of processes close the file, which inotify reports. It reports no unlock, and no remote
// change (man 7 inotify), so the waiter polls as well.
#pragma once

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <new>
#include <utility>

#include <named_lock/detail/deadline.hpp>
#include <named_lock/detail/linux/bell.hpp>
#include <named_lock/detail/linux/cancellation_event.hpp>
#include <named_lock/detail/linux/poll.hpp>
#include <named_lock/detail/posix/descriptor.hpp>
#include <named_lock/detail/posix/file.hpp>
#include <named_lock/detail/watch_event.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// The one inotify instance of a process, made when somebody has waited for a while. All its waiters share it, because a
/// user has 128 of them (fs.inotify.max_user_instances), and closing one takes 5 to 15 ms. Whichever waiter wakes first
/// takes the events and rings the bells of those whom they concern.
class file_events {
  public:
    struct listener {
        const bell& own_bell;
        std::atomic<int> watch{none};
        file_identity file{};
        std::atomic<watch_event> heard{watch_event::none};
        listener* next = nullptr;

        void hear(watch_event what) noexcept {
            watch_event before = heard.load();
            while (before < what && !heard.compare_exchange_weak(before, what)) {
            }
        }
    };

    /// False: the system has no instance or no watch left, or cannot watch that file. It is named by its descriptor: a path
    /// may lead to another file.
    ///
    /// The system asks the file's server whether it may be read, with the mutex unlocked, because that may hang. An event
    /// that comes before the answer is lost: who begins to watch looks at the file after that.
    bool add(listener& who, const file_handle& file) noexcept {
        const int instance = list(who, file);
        if (instance < 0) return false;
        std::array<char, 32> name;
        std::snprintf(name.data(), name.size(), "/proc/self/fd/%d", file.get());
        const int watch = ::inotify_add_watch(instance, name.data(), IN_CLOSE | moved_mask);
        const std::scoped_lock lock{mutex_};
        if (who.watch != coming) return false;  // lose_all()
        who.watch = watch;
        if (watch < 0) take_out(who);
        return watch >= 0;
    }

    void remove(listener& who) noexcept {
        const std::scoped_lock lock{mutex_};
        if (!take_out(who)) return;
        if (!is_shared(who) && events_.is_ours()) ::inotify_rm_watch(events_.get(), who.watch);
        who.watch = none;
    }

    /// To be polled; changes only while nobody listens.
    [[nodiscard]] int fd() const noexcept { return events_.get(); }

    /// For all; `self` needs no bell.
    void take(listener& self) noexcept {
        const cancellation_shield shield;
        const std::scoped_lock lock{mutex_};
        self_ = &self;
        if (!events_.is_ours()) return lose_all();
        std::array<char, 4096> buffer;
        const auto size = ::read(events_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno != EAGAIN) tell_all(watch_event::moved);  // what cannot be read may be that
        inotify_event event;
        for (std::size_t at = 0; size > 0 && at + sizeof event <= static_cast<std::size_t>(size);
             at += sizeof event + event.len) {
            std::memcpy(&event, buffer.data() + at, sizeof event);
            tell(event);
        }
    }

    /// In a forked child: whose threads are gone.
    void start_afresh() noexcept {
        new (&mutex_) std::mutex;
        events_.close();
        first_ = nullptr;
        closed_until_ = {};
    }

  private:
    static constexpr std::uint32_t moved_mask = IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT;
    static constexpr int none = -1;    // no watch
    static constexpr int coming = -2;  // the system has been asked for it

    /// The instance, which will watch that file; or -1.
    int list(listener& who, const file_handle& file) noexcept {
        const std::scoped_lock lock{mutex_};
        if (!open()) return -1;
        who.watch = coming;
        who.file = file.identity();
        who.heard.store(watch_event::none);
        who.next = std::exchange(first_, &who);
        return events_.get();
    }

    /// False: it is not listed.
    bool take_out(const listener& who) noexcept {
        listener** at = &first_;
        while (*at != nullptr && *at != &who) at = &(*at)->next;
        if (*at == nullptr) return false;
        *at = who.next;
        return true;
    }

    bool open() noexcept {
        if (events_.is_ours()) return true;
        lose_all();
        // To refuse one takes the kernel as long as to close one: not at every wait.
        if (deadline::clock::now() < closed_until_) return false;
        events_ = descriptor::from([] { return ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK); });
        if (!events_) closed_until_ = deadline::clock::now() + std::chrono::seconds{1};
        return static_cast<bool>(events_);
    }

    /// The program has closed the instance: who listens must begin anew.
    void lose_all() noexcept {
        self_ = nullptr;  // who took events last may sleep again
        tell_all(watch_event::moved);
        while (first_ != nullptr) std::exchange(first_, first_->next)->watch = none;  // which then may go at once
        events_.close();
    }

    /// The system has one watch for all who watch a file.
    [[nodiscard]] bool is_shared(const listener& gone) const noexcept {
        for (const listener* l = first_; l != nullptr; l = l->next) {
            if (l->watch == gone.watch || (l->watch == coming && l->file == gone.file)) return true;
        }
        return false;
    }

    void tell(const inotify_event& event) noexcept {
        if ((event.mask & IN_Q_OVERFLOW) != 0) return tell_all(watch_event::moved);
        const bool moved = (event.mask & moved_mask) != 0;
        if (!moved && (event.mask & IN_CLOSE) == 0) return;
        for (listener* l = first_; l != nullptr; l = l->next) {
            if (l->watch == event.wd) tell(*l, moved ? watch_event::moved : watch_event::hint);
        }
    }
    void tell_all(watch_event what) noexcept {
        for (listener* l = first_; l != nullptr; l = l->next) tell(*l, what);
    }
    void tell(listener& who, watch_event what) const noexcept {
        who.hear(what);
        if (&who != self_) who.own_bell.ring();
    }

    std::mutex mutex_{};
    descriptor events_{};
    listener* first_ = nullptr;
    const listener* self_ = nullptr;  // who takes events now
    deadline::clock::time_point closed_until_{};
};

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wexit-time-destructors"  // which does nothing
#pragma clang diagnostic ignored "-Wglobal-constructors"
#endif
NAMED_LOCK_ONE_PER_PROCESS inline never_destroyed<file_events> process_file_events;
#if defined(__clang__)
#pragma clang diagnostic pop
#endif

class release_watch {
  public:
    release_watch(const release_watch&) = delete;
    release_watch& operator=(const release_watch&) = delete;

    /// Null when the process has no descriptor left.
    static kept_watch open() {
        kept_watch watch{new release_watch};
        if (watch->bell_.fd() < 0) return nullptr;
        return watch;
    }

    /// Where the line calls this waiter; or no_address, and it must watch the file.
    [[nodiscard]] bell_address address() const noexcept { return bell_.address(); }

    [[nodiscard]] bool is_watching() const noexcept { return listener_.watch >= 0; }
    bool watch(const file_handle& file, const std::filesystem::path& /*path*/) noexcept {
        unwatch();
        return process_file_events.value.add(listener_, file);
    }
    void unwatch() noexcept {
        if (is_watching()) process_file_events.value.remove(listener_);
    }

    /// For who waits elsewhere for wait() to have something to tell. -1: there is none.
    [[nodiscard]] int bell_fd() const noexcept { return bell_.fd(); }
    [[nodiscard]] int events_fd() const noexcept { return is_watching() ? process_file_events.value.fd() : -1; }

    watch_event wait(std::chrono::nanoseconds longest, const cancellation_event* stop = nullptr) noexcept {
        const cancellation_shield shield;
        const deadline end{longest};
        for (;;) {
            // Two, also where one does not exist (man 2 poll): a wait with one is somebody else's.
            std::array<pollfd, 3> sources{{{bell_fd(), POLLIN, 0},
                                           {events_fd(), POLLIN, 0},
                                           {stop != nullptr ? stop->fd() : -1, POLLIN, 0}}};
            const int ready = poll_for(sources.data(), stop != nullptr ? 3 : 2, end.remaining());
            if (ready < 0 && stop == nullptr && !end.has_passed()) continue;  // else a handler may have set it
            if (!bell_.is_ours()) return watch_event::lost;
            if (ready <= 0 || sources[2].revents != 0) return watch_event::none;
            if (sources[1].revents != 0) process_file_events.value.take(listener_);
            const bool rang = sources[0].revents != 0;
            if (rang) bell_.silence();
            const watch_event heard = listener_.heard.exchange(watch_event::none);
            if (rang || heard != watch_event::none) return (std::max)(heard, rang ? watch_event::called : heard);
            // Else it was for another waiter of this process, of which there may be news without end.
            if (is_flooded()) return watch_event::others;
            if (end.has_passed()) return watch_event::none;
        }
    }

    void interrupt() noexcept { bell_.ring(); }
    void use_turn() noexcept {}  // the line knows

    /// Linux frees the files of a process that is killed from the highest descriptor down, and an inotify instance takes
    /// it 5 to 15 ms: the instance must not come before the lock. (Measured: 22 ms until the next grant, else 0.7 ms.)
    void keep_above(file_handle& file) noexcept {
        if (is_watching() && file.get() < process_file_events.value.fd()) file.renumber(process_file_events.value.fd() + 1);
    }

    /// False in a forked child, whose parent goes on using it, and where the program has closed it.
    [[nodiscard]] bool is_usable() const noexcept { return bell_.is_ours(); }

    static void start_afresh_in_child() noexcept {
        process_voice.value.start_afresh();
        process_file_events.value.start_afresh();
    }

    release_watch* next_idle = nullptr;

  private:
    static constexpr int most_for_others = 64;
    static constexpr std::chrono::milliseconds moment{8};

    release_watch() = default;

    /// Looked at after each event that was for others: whether there were too many of them lately.
    bool is_flooded() noexcept {
        const auto now = deadline::clock::now();
        if (now - moment_began_ > moment) {
            moment_began_ = now;
            for_others_ = 0;
        }
        return ++for_others_ >= most_for_others;
    }

    bell bell_{};
    file_events::listener listener_{bell_};
    deadline::clock::time_point moment_began_{};
    int for_others_ = 0;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

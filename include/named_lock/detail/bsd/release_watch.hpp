// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The release_watch of macOS and FreeBSD. macOS reports an unlock of flock(2) itself (NOTE_FUNLOCK), which closing the
// file is too; FreeBSD reports every close (man 2 kqueue). Locks of fcntl and remote changes are not reported by macOS,
// so the waiter polls as well.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/event.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <utility>

#include <named_lock/detail/bsd/cancellation_event.hpp>
#include <named_lock/detail/bsd/queue.hpp>
#include <named_lock/detail/line_place.hpp>
#include <named_lock/detail/posix/descriptor.hpp>
#include <named_lock/detail/posix/file.hpp>
#include <named_lock/detail/posix/timespec.hpp>
#include <named_lock/detail/watch_event.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

#if defined(NOTE_FUNLOCK)
inline constexpr std::uint32_t release_notes = NOTE_FUNLOCK;
inline constexpr int open_to_watch = O_EVTONLY;  // does not keep the volume from being unmounted
#else
inline constexpr std::uint32_t release_notes = NOTE_CLOSE | NOTE_CLOSE_WRITE;
inline constexpr int open_to_watch = O_RDONLY;
#endif

class release_watch {
  public:
    /// Null when the process has no descriptor left.
    static kept_watch open() {
        descriptor queue = open_queue();
        if (!queue || !change_queue(queue, EVFILT_USER, 0, EV_ADD | EV_CLEAR, 0)) return nullptr;
        return kept_watch{new release_watch{std::move(queue)}};
    }

    /// No line calls anybody here.
    [[nodiscard]] static bell_address address() noexcept { return no_address; }
    [[nodiscard]] bool is_watching() const noexcept { return static_cast<bool>(file_); }
    bool watch(const file_handle& /*file*/, const std::filesystem::path& path) noexcept {
        constexpr int how = open_to_watch | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
        file_ = descriptor::from([&] { return ::open(path.c_str(), how); });
        return file_ && change_queue(queue_, EVFILT_VNODE, file_.get(), EV_ADD | EV_CLEAR, release_notes | moved_notes);
    }

    void unwatch() noexcept { file_.close(); }  // which ends its events too

    /// For who waits elsewhere for wait() to have something to tell.
    [[nodiscard]] int fd() const noexcept { return queue_.get(); }

    watch_event wait(std::chrono::nanoseconds longest, const cancellation_event* stop = nullptr) noexcept {
        const cancellation_shield shield;
        if (stop != nullptr && !wait_for_any(longest, *stop)) return watch_event::none;
        const taken events = take(longest);
        return !events.any ? watch_event::none : events.moved ? watch_event::moved : watch_event::hint;
    }

    template <class File>
    void keep_above(File&) noexcept {}
    void use_turn() noexcept {}
    static void start_afresh_in_child() noexcept {}
    void interrupt() noexcept { change_queue(queue_, EVFILT_USER, 0, 0, NOTE_TRIGGER); }

    [[nodiscard]] bool is_usable() const noexcept { return static_cast<bool>(queue_); }

    release_watch* next_idle = nullptr;

  private:
    static constexpr std::uint32_t moved_notes = NOTE_DELETE | NOTE_RENAME | NOTE_LINK | NOTE_REVOKE;

    struct taken {
        bool any;
        bool moved;
    };

    explicit release_watch(descriptor queue) noexcept : queue_{std::move(queue)} {}

    /// True: there are events to take. False: `stop` was set, or `longest` is over.
    bool wait_for_any(std::chrono::nanoseconds longest, const cancellation_event& stop) const noexcept {
        std::array<pollfd, 2> sources{{{queue_.get(), POLLIN, 0}, {stop.fd(), POLLIN, 0}}};
        ::poll(sources.data(), sources.size(), poll_pause(longest));
        return sources[0].revents != 0;
    }

    /// Takes the events that come within `longest`.
    taken take(std::chrono::nanoseconds longest) noexcept {
        const timespec timeout = to_timespec(longest);
        std::array<struct kevent, 2> events{};
        const int count = ::kevent(queue_.get(), nullptr, 0, events.data(), static_cast<int>(events.size()), &timeout);
        if (count < 0 && errno != EINTR) {  // without memory: a pause, so that the waiter polls and does not spin
            const timespec moment{0, 1'000'000};
            ::nanosleep(&moment, nullptr);
            return {false, false};
        }
        bool moved = false;
        for (int i = 0; i < count; ++i) {
            const struct kevent& event = events[static_cast<std::size_t>(i)];
            if (event.filter == EVFILT_VNODE && (event.fflags & moved_notes) != 0) moved = true;
        }
        return {count != 0, moved};
    }

    descriptor queue_;
    descriptor file_;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

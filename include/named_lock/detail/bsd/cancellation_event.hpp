// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <poll.h>
#include <sys/event.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <system_error>

#include <named_lock/detail/bsd/queue.hpp>
#include <named_lock/detail/posix/descriptor.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// What a waiter that can be cancelled sleeps on as well: a kqueue with an event of its own. To trigger that is one system
/// call, which a signal handler may make.
class cancellation_event {
  public:
    /// Throws std::system_error.
    cancellation_event() : queue_{open_queue()} {
        if (!queue_ || !apply(EV_ADD, 0)) {
            throw std::system_error{errno, std::generic_category(), "cannot make a cancellation"};
        }
    }
    cancellation_event(const cancellation_event&) = delete;
    cancellation_event& operator=(const cancellation_event&) = delete;

    /// Async-signal-safe.
    void set() noexcept {
        const int saved_errno = errno;
        if (is_usable()) apply(0, NOTE_TRIGGER);
        errno = saved_errno;
    }
    void reset() noexcept {
        if (!is_usable()) return;
        apply(EV_DELETE, 0);
        apply(EV_ADD, 0);
    }

    /// False in a forked child, which has no kqueue of its parent, and where the program has closed it.
    [[nodiscard]] bool is_usable() const noexcept { return ::getpid() == maker_ && queue_.is_ours(); }

    [[nodiscard]] int fd() const noexcept { return queue_.get(); }

    /// Until it is set or `longest` is over, or less.
    void wait(std::chrono::nanoseconds longest) const noexcept {
        const cancellation_shield shield;
        pollfd source{is_usable() ? queue_.get() : -1, POLLIN, 0};
        ::poll(&source, 1, poll_pause(longest));
    }

  private:
    bool apply(std::uint16_t action, std::uint32_t notes) const noexcept {
        return change_queue(queue_, EVFILT_USER, 0, action, notes);
    }

    descriptor queue_;
    const pid_t maker_ = ::getpid();
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <system_error>

#include <named_lock/detail/linux/poll.hpp>
#include <named_lock/detail/posix/descriptor.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// What a waiter that can be cancelled sleeps on as well: an eventfd, because write(2) is async-signal-safe.
class cancellation_event {
  public:
    /// Throws std::system_error.
    cancellation_event() : fd_{descriptor::from([] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); })} {
        if (!fd_) throw std::system_error{errno, std::generic_category(), "cannot make a cancellation"};
    }
    cancellation_event(const cancellation_event&) = delete;
    cancellation_event& operator=(const cancellation_event&) = delete;

    /// Async-signal-safe.
    void set() noexcept {
        const int saved_errno = errno;
        if (is_usable()) {
            const cancellation_shield shield;
            const std::uint64_t once = 1;
            [[maybe_unused]] const auto size = ::write(fd_.get(), &once, sizeof once);
        }
        errno = saved_errno;
    }
    void reset() noexcept {
        if (!is_usable()) return;
        const cancellation_shield shield;
        std::uint64_t taken = 0;
        [[maybe_unused]] const auto size = ::read(fd_.get(), &taken, sizeof taken);
    }

    /// False in a forked child, also while its fork handlers still run, and where the program has closed it.
    [[nodiscard]] bool is_usable() const noexcept { return ::getpid() == maker_ && fd_.is_ours(); }

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

    /// Until it is set or `longest` is over, or less.
    void wait(std::chrono::nanoseconds longest) const noexcept {
        const cancellation_shield shield;
        pollfd source{is_usable() ? fd_.get() : -1, POLLIN, 0};
        poll_for(&source, 1, longest);
    }

  private:
    descriptor fd_;
    const pid_t maker_ = ::getpid();
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <fcntl.h>
#include <sys/event.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <named_lock/detail/posix/descriptor.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// A kqueue; empty, with errno, when the process has no descriptor left.
inline descriptor open_queue() noexcept {
    return descriptor::from([] {
        const int fd = ::kqueue();
        if (fd >= 0) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        return fd;
    });
}

inline bool change_queue(const descriptor& queue, std::int16_t filter, int fd, std::uint16_t action,
                         std::uint32_t notes) noexcept {
    struct kevent change {};
    change.ident = static_cast<std::uintptr_t>(fd);
    change.filter = filter;
    change.flags = action;
    change.fflags = notes;
    return ::kevent(queue.get(), &change, 1, nullptr, 0, nullptr) == 0;
}

/// For poll(2), rounded up. A long one is cut short.
inline int poll_pause(std::chrono::nanoseconds longest) noexcept {
    constexpr std::int64_t most = 1'000'000;
    const auto pause = std::chrono::ceil<std::chrono::duration<std::int64_t, std::milli>>(longest).count();
    return static_cast<int>((std::min)(pause, most));
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <poll.h>

#include <cerrno>
#include <chrono>
#include <ctime>

#include <named_lock/detail/posix/timespec.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// How many are ready. 0: nothing has come within `longest`; -1: look again.
inline int poll_for(pollfd* sources, nfds_t count, std::chrono::nanoseconds longest) noexcept {
    timespec timeout = to_timespec(longest);
    const int ready = ::ppoll(sources, count, &timeout, nullptr);
    if (ready >= 0 || errno == EINTR) return ready;
    // Without memory, or with RLIMIT_NOFILE below `count`: a pause, so that the waiter polls and does not spin.
    constexpr long moment = 1'000'000;
    if (timeout.tv_sec != 0 || timeout.tv_nsec > moment) timeout = {0, moment};
    ::nanosleep(&timeout, nullptr);
    return 0;
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

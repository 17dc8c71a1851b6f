// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The clock of leases and of the deadlines beside them.
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>

#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail::etcd {

/// Goes on while the machine sleeps, as the leases at the server do. std::chrono::steady_clock is CLOCK_MONOTONIC on
/// Linux, which stands still then: a holder would wake up and believe that its lease has all its time left.
struct boot_clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<boot_clock>;
    static constexpr bool is_steady = true;

    static time_point now() noexcept {
#if defined(CLOCK_BOOTTIME)
        std::timespec time{};
        ::clock_gettime(CLOCK_BOOTTIME, &time);
        return time_point{std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec}};
#else
        return time_point{std::chrono::steady_clock::now().time_since_epoch()};
#endif
    }
};

using time_point = boot_clock::time_point;
inline constexpr time_point never = (time_point::max)();

/// The moment at which `timeout` from now is over; never for a negative one, and for one that the clock cannot express.
inline time_point time_after(std::chrono::nanoseconds timeout) noexcept {
    const time_point now = boot_clock::now();
    return timeout < std::chrono::nanoseconds::zero() || timeout >= never - now ? never : now + timeout;
}

}  // namespace nlock::NAMED_LOCK_ABI::detail::etcd

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <chrono>
#include <ctime>
#include <ratio>

#include <named_lock/detail/abi.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// A pause for the system, whose seconds may have 32 bits: no waiter sleeps for more than an hour at once (backoff.hpp).
inline timespec to_timespec(std::chrono::nanoseconds time) noexcept {
    using system_seconds = std::chrono::duration<decltype(timespec::tv_sec)>;
    using system_nanoseconds = std::chrono::duration<decltype(timespec::tv_nsec), std::nano>;
    const auto seconds = std::chrono::duration_cast<system_seconds>(time);
    timespec result{};
    result.tv_sec = seconds.count();
    result.tv_nsec = std::chrono::duration_cast<system_nanoseconds>(time - seconds).count();
    return result;
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <chrono>
#include <cstdint>

#include <named_lock/detail/forward.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// Where a waiter can be woken by other processes.
using bell_address = std::uint64_t;
inline constexpr bell_address no_address = 0;

inline std::chrono::microseconds in_microseconds(std::chrono::steady_clock::time_point time) noexcept {
    return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch());
}

/// A place in the line of processes that wait for a file, as the others see it.
struct line_place {
    bell_address address = no_address;
    std::chrono::microseconds since{};  // on the steady clock, which is one for all processes
    lock_kind kind = lock_kind::exclusive;

    /// One order for all, so that of two waiters who look at each other one is first. Both must take the times from the
    /// marks: two who read the clock again could each find the other one first, and sleep beside a free lock.
    [[nodiscard]] bool came_before(const line_place& other) const noexcept {
        return since != other.since ? since < other.since : address < other.address;
    }
    friend bool operator==(const line_place& a, const line_place& b) noexcept {
        return a.address == b.address && a.since == b.since && a.kind == b.kind;
    }
};

/// What a look at the line shows: of the others, the one who came first.
struct line_view {
    enum { nobody, waiter, hidden } what = nobody;  // hidden: the line cannot be seen
    line_place place{};

    [[nodiscard]] bool shows_waiter() const noexcept { return what == waiter; }
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

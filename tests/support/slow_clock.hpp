// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <chrono>

namespace nlock_test {

/// A clock that goes at half the speed of the steady clock, as one that is set back all the time, and started elsewhere.
struct slow_clock {
    using duration = std::chrono::microseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<slow_clock>;
    [[maybe_unused]] static constexpr bool is_steady = true;
    static time_point now() {
        const auto elapsed = std::chrono::steady_clock::now().time_since_epoch();
        return time_point{std::chrono::duration_cast<duration>(elapsed / 2) - std::chrono::hours{1000}};
    }
};

}  // namespace nlock_test

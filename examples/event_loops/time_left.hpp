// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <algorithm>
#include <chrono>

/// For event loops that count in milliseconds: not before that time, and within an hour.
inline unsigned milliseconds_until(std::chrono::steady_clock::time_point time) {
    using namespace std::chrono_literals;
    const auto left = std::min<std::chrono::nanoseconds>(time - std::chrono::steady_clock::now(), 1h);
    return static_cast<unsigned>(std::max(std::chrono::ceil<std::chrono::milliseconds>(left), 0ms).count());
}

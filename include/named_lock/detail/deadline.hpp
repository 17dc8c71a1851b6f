// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The moment at which a time-out is over.
#pragma once

#include <algorithm>
#include <chrono>

#include <named_lock/detail/timeout.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// A point on the steady clock, or never. Also never: one that the clock cannot express.
class deadline {
  public:
    using clock = std::chrono::steady_clock;

    deadline() = default;  // never
    explicit deadline(std::chrono::nanoseconds timeout) : deadline{clock::now(), timeout} {}
    deadline(clock::time_point start, std::chrono::nanoseconds timeout) {
        if (timeout >= std::chrono::nanoseconds::zero() && timeout < (clock::time_point::max)() - start) {
            end_ = start + timeout;
        }
    }

    [[nodiscard]] bool is_never() const noexcept { return end_ == (clock::time_point::max)(); }
    [[nodiscard]] bool has_passed() const noexcept { return !is_never() && clock::now() >= end_; }
    [[nodiscard]] clock::time_point time() const noexcept { return end_; }

    /// What is left until then: not negative, or endless.
    [[nodiscard]] std::chrono::nanoseconds remaining() const noexcept {
        return is_never() ? endless
                          : (std::max)(std::chrono::nanoseconds{end_ - clock::now()}, std::chrono::nanoseconds::zero());
    }

    /// `pause`, cut short so that it does not go past the deadline.
    [[nodiscard]] std::chrono::nanoseconds limit(std::chrono::nanoseconds pause) const noexcept {
        return is_never() ? pause : (std::min)(pause, remaining());
    }

  private:
    clock::time_point end_ = (clock::time_point::max)();
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

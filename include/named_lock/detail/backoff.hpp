// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

namespace nlock::detail {

/// How long a waiter sleeps before it tries again.
///
/// With a watch it listens: until the release is reported, else for a pause that quadruples up to the caller's longest.
/// The pause is short after an event, because for a foreign holder that just closes the file, Linux reports the close a
/// moment *before* it drops the lock (fs/file_table.c, __fput).
///
/// Where many wait, all are woken by each release and all but one in vain. So a waiter that was woken in vain rests: it
/// is deaf for a while, four times longer each time until it hears nothing any more. The longest rest is the same for
/// all, and not learnt from the waits: those who had waited long would then try less often than the others.
///
/// Without a watch it polls.
///
/// The longest rest and the longest pause between polls weigh attempts in vain, which keep two cores busy in a crowd,
/// against how long nobody may notice that a holder was killed. (Measured, holds of 100 us: 64 processes 7,200 grants a
/// second instead of 6,400 with 8 ms and 4 ms; with 32 ms and 16 ms 7,600, but up to 76 ms after a kill.)
class backoff {
  public:
    static constexpr std::chrono::nanoseconds shortest = std::chrono::microseconds{50};

    backoff(std::chrono::milliseconds longest, std::chrono::nanoseconds first_rest)
        : longest_{std::clamp(longest, std::chrono::milliseconds{1}, std::chrono::milliseconds{std::chrono::hours{1}})},
          rest_{(std::min)(first_rest, longest_)} {}

    [[nodiscard]] bool must_rest() const noexcept { return must_rest_; }

    std::chrono::nanoseconds next_rest() noexcept {
        must_rest_ = false;
        pause_ = rest_;
        rest_ = (std::min)({rest_ * 4, longest_rest, longest_});
        return jittered(pause_);
    }

    std::chrono::nanoseconds next_listen() noexcept { return pause_ = (std::min)(pause_ * 4, longest_); }

    std::chrono::nanoseconds next_poll() noexcept {
        return jittered(std::exchange(pause_, (std::min)({pause_ * 2, longest_poll, longest_})));
    }

    void heard_event() noexcept { must_rest_ = true; }
    void heard_nothing() noexcept { rest_ = shortest; }

    /// What the next waiter for this lock shall start with, as there may be as many waiters then. Less than a quarter, so
    /// that it shrinks where each waiter rests once only.
    [[nodiscard]] std::chrono::nanoseconds first_rest() const noexcept { return (std::max)(rest_ / 8, shortest); }

  private:
    static constexpr std::chrono::nanoseconds longest_rest = std::chrono::milliseconds{16};
    static constexpr std::chrono::nanoseconds longest_poll = std::chrono::milliseconds{8};

    /// Up to a quarter less, so that waiters do not stay in step.
    static std::chrono::nanoseconds jittered(std::chrono::nanoseconds pause) noexcept {
        return pause - std::chrono::steady_clock::now().time_since_epoch() % (pause / 4);
    }

    std::chrono::nanoseconds longest_;
    std::chrono::nanoseconds rest_ = shortest;
    std::chrono::nanoseconds pause_ = shortest;
    bool must_rest_ = false;
};

}  // namespace nlock::detail

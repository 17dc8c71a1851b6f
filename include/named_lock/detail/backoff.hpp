// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <algorithm>
#include <chrono>

namespace nlock::detail {

/// How long a waiter sleeps before it tries again.
///
/// With a watch it listens: until the release is reported, else for a pause that quadruples up to the caller's longest.
/// The pause is short after an event, because for a foreign holder that just closes the file, Linux reports the close a
/// moment *before* it drops the lock (fs/file_table.c, __fput).
///
/// Where many wait, all are woken by each release and all but one in vain. So a waiter that was woken in vain rests: it
/// is deaf for a while that doubles each time, until it hears nothing any more. Without a watch it can only rest. How
/// long a rest has proved right for a lock is kept for its next waiter.
class backoff {
  public:
    static constexpr std::chrono::nanoseconds shortest = std::chrono::microseconds{50};

    backoff(std::chrono::milliseconds longest, std::chrono::nanoseconds rest)
        : longest_{std::max(longest, std::chrono::milliseconds{1})}, rest_{rest} {}

    [[nodiscard]] bool must_rest() const noexcept { return must_rest_; }

    std::chrono::nanoseconds next_rest() noexcept {
        must_rest_ = false;
        pause_ = rest_;
        rest_ = std::min({rest_ * 2, longest_rest, longest_});
        return jittered(pause_);
    }

    std::chrono::nanoseconds next_listen() noexcept { return pause_ = std::min(pause_ * 4, longest_); }

    void heard_event() noexcept { must_rest_ = true; }
    void heard_nothing() noexcept { rest_ = shortest; }

    /// What the next waiter shall start with.
    [[nodiscard]] std::chrono::nanoseconds rest() const noexcept { return std::max(rest_ / 2, shortest); }

  private:
    static constexpr std::chrono::nanoseconds longest_rest = std::chrono::milliseconds{8};

    /// Between three quarters of `pause` and all of it, so that waiters do not stay in step.
    static std::chrono::nanoseconds jittered(std::chrono::nanoseconds pause) noexcept {
        return pause - std::chrono::steady_clock::now().time_since_epoch() % (pause / 4);
    }

    std::chrono::nanoseconds longest_;
    std::chrono::nanoseconds rest_;
    std::chrono::nanoseconds pause_ = shortest;
    bool must_rest_ = false;
};

}  // namespace nlock::detail

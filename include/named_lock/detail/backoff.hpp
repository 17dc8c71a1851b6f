// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <algorithm>
#include <chrono>

#include <named_lock/detail/abi.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// How long a waiter that hears nothing sleeps before it looks again. It is the safety net, and all there is for what the
/// system does not report: holders who unlock and stay open (flock -u, Java, lockf), remote file systems.
///
/// The pause is a part of the time waited so far, so that whatever was missed is noticed late by that part at most, at
/// the same price in a long wait. After an event it is short again, because for a foreign holder that just closes the
/// file, Linux reports the close a moment *before* it drops the lock (fs/file_table.c, __fput).
class backoff {
  public:
    explicit backoff(std::chrono::milliseconds longest)
        : longest_{std::clamp(longest, std::chrono::milliseconds{1},
                              std::chrono::milliseconds{std::chrono::hours{1}})} {}

    /// For one who would be the next. `hears`: a watch reports releases by others. `least`: unless it has heard something.
    std::chrono::nanoseconds next(std::chrono::nanoseconds waited, bool hears, std::chrono::nanoseconds least) noexcept {
        constexpr int part = 8;
        const std::chrono::nanoseconds longest = hears ? longest_ : (std::min)(longest_, longest_when_deaf);
        const auto regular = (std::max)((std::min)((std::max)(waited / part, shortest), longest), least);
        const std::chrono::nanoseconds pause = (std::min)(after_event_, regular);
        if (after_event_ < regular) after_event_ *= 4;
        return jittered(pause);
    }

    /// For one behind others, who will call it: two such pauses, in which the same others are first, make the longest.
    [[nodiscard]] std::chrono::nanoseconds next_behind() const noexcept { return jittered(longest_ / 2); }

    /// For one behind others that heard an event which may have been for them.
    [[nodiscard]] static std::chrono::nanoseconds grace() noexcept { return jittered(std::chrono::milliseconds{5}); }

    void heard_event() noexcept { after_event_ = shortest / 2; }

  private:
    static constexpr std::chrono::nanoseconds shortest = std::chrono::microseconds{100};
    static constexpr std::chrono::nanoseconds longest_when_deaf = std::chrono::milliseconds{8};

    /// Up to a quarter less, so that waiters do not stay in step.
    static std::chrono::nanoseconds jittered(std::chrono::nanoseconds pause) noexcept {
        return pause - std::chrono::steady_clock::now().time_since_epoch() % (pause / 4);
    }

    std::chrono::nanoseconds longest_;
    std::chrono::nanoseconds after_event_ = std::chrono::hours{1};
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

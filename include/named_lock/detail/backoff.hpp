// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <algorithm>
#include <chrono>

namespace nlock::detail {

/// The pauses between attempts of a waiter: short ones first, four times longer each, up to the caller's longest.
/// The short ones are needed even where releases are reported: for a foreign holder that just closes the file, Linux
/// reports the close a moment *before* it drops the lock (fs/file_table.c, __fput).
class backoff {
  public:
    explicit backoff(std::chrono::milliseconds longest) : longest_{std::max(longest, std::chrono::milliseconds{1})} {}

    [[nodiscard]] std::chrono::nanoseconds next() noexcept {
        const auto pause = next_;
        next_ = std::min(longest_, next_ * 4);
        return pause;
    }

    void restart() noexcept { next_ = shortest; }

  private:
    static constexpr std::chrono::nanoseconds shortest = std::chrono::microseconds{50};

    std::chrono::nanoseconds longest_;
    std::chrono::nanoseconds next_ = shortest;
};

}  // namespace nlock::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <chrono>
#include <thread>

#include <named_lock/detail/abi.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// Where a waiter has nothing to sleep on but time: it looks at the request now and then.
class cancellation_event {
  public:
    void set() noexcept {}
    void reset() noexcept {}
    [[nodiscard]] static bool is_usable() noexcept { return false; }
    void wait(std::chrono::nanoseconds longest) const noexcept { std::this_thread::sleep_for(longest); }
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

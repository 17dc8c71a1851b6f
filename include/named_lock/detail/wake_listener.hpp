// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <named_lock/detail/abi.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// What is told that a waiter is woken which does not sleep.
struct wake_listener {
    using function = void(wake_listener&) noexcept;

    explicit wake_listener(function& f) noexcept : tell{f} {}
    wake_listener(const wake_listener&) = delete;
    wake_listener& operator=(const wake_listener&) = delete;

    function& tell;  // called with the state's mutex locked
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <vector>

#include <named_lock/detail/abi.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// Who is at a lock, as far as the system tells.
struct lock_party {
    std::vector<lock_holder> holders;
    std::vector<lock_waiter> waiters;  // with the names of their programs only if they were asked for
    bool may_hide_holders = false;  // there may be some that cannot be seen from here
};

struct lock_look {
    lock_party party{};
    bool is_held = false;
    bool is_shared = false;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

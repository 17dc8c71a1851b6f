// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <string>
#include <vector>

#include <named_lock/detail/abi.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// What is asked for beside holders and waiters.
enum class party_detail { none, waiter_names, circle };

/// Who is at a lock, as far as the system tells.
struct lock_party {
    std::vector<lock_holder> holders;
    std::vector<lock_waiter> waiters;
    bool may_hide_holders = false;  // there may be some that cannot be seen from here
    std::string circle{};           // which holder waits for a lock that this process holds, in words; or empty
};

struct lock_look {
    lock_party party{};
    bool is_held = false;
    bool is_shared = false;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

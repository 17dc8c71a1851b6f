// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <filesystem>
#include <vector>

#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// Who is at a lock: this system does not tell.
struct lock_party {
    std::vector<lock_holder> holders;
    std::vector<lock_waiter> waiters;
    bool may_hide_holders = false;
};

inline lock_party party_at(const std::filesystem::path&, lock_method) { return {}; }

}  // namespace nlock::NAMED_LOCK_ABI::detail

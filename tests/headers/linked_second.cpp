// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include "linked.hpp"

#include <chrono>

#include <named_lock/acquire_all.hpp>
#include <named_lock/named_lock.hpp>

nlock::guard acquire_elsewhere(const char* name, const char* locks_dir) {
    return nlock::named_lock{name, locks_dir}.acquire(std::chrono::seconds{10});
}

bool is_locked_elsewhere(const char* name, const char* locks_dir) {
    return nlock::named_lock{name, locks_dir}.is_locked();
}

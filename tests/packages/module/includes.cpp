// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <named_lock.hpp>

int holds_seen_by_the_header(const char* name, const char* locks_dir) {
    return static_cast<int>(nlock::named_lock{name, locks_dir}.lock_count());
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Two guards of one hold would give it up twice.
// expect: deleted
#include <utility>

#include <named_lock/named_lock.hpp>

int main() {
    auto guard = nlock::named_lock{"copy_guard"}.acquire();
#ifdef BAD
    auto copy = guard;
#else
    auto moved = std::move(guard);
#endif
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// expect: deleted
#include <utility>

#include <named_lock/named_lock.hpp>

int main() {
    auto guard = nlock::named_lock{"assign_guard"}.acquire();
    nlock::guard other;
#ifdef BAD
    other = guard;
#else
    other = std::move(guard);
#endif
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A guard that nobody keeps gives the lock up at once: the critical section would be unprotected.
// expect: ignoring return|discarding return
#include <named_lock/named_lock.hpp>

int main() {
    nlock::named_lock lock{"discard_acquire"};
#ifdef BAD
    lock.acquire();
#else
    auto guard = lock.acquire();
#endif
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Nobody would know whether the lock was acquired.
// expect: ignoring return|discarding return
#include <chrono>

#include <named_lock/named_lock.hpp>

int main() {
    nlock::named_lock lock{"discard_try_acquire"};
#ifdef BAD
    lock.try_acquire(std::chrono::seconds{1});
#else
    auto guard = lock.try_acquire(std::chrono::seconds{1});
#endif
}

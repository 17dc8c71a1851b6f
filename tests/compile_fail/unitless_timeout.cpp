// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Seconds or milliseconds? A number alone is no time-out.
// expect: no matching|no overloaded
#include <chrono>

#include <named_lock/named_lock.hpp>

int main() {
    nlock::named_lock lock{"unitless_timeout"};
#ifdef BAD
    auto guard = lock.acquire(10);
#else
    auto guard = lock.acquire(std::chrono::seconds{10});
#endif
}

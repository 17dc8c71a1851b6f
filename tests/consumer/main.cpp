// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <chrono>
#include <iostream>

#include <named_lock/named_lock.hpp>

int main() {
    nlock::named_lock lock{"consumer", "locks"};
    const auto guard = lock.acquire(std::chrono::seconds{10});
    std::cout << lock.name() << (lock.is_locked() ? " is" : " is not") << " locked\n";
    return lock.is_locked() ? 0 : 1;
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <chrono>

#include <named_lock/named_lock.hpp>

int main() {
    const nlock::guard guard = nlock::named_lock{"test_package", "locks"}.acquire(std::chrono::seconds{10});
    return guard ? 0 : 1;
}

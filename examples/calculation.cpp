// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Three ways to hold a lock while something is calculated.
//
// Each adds 1 to the number in calculation.txt, in the current directory. What to look at: the number grows by 3 with
// every run, also when several programs run at once:
//
//     for i in 1 2 3 4 5 6 7 8; do ./calculation & done; wait; cat calculation.txt
#include <chrono>
#include <exception>
#include <fstream>
#include <iostream>
#include <mutex>

#include <named_lock/named_lock.hpp>

using namespace std::chrono_literals;

namespace {

/// Right only while nobody else does the same: between reading and writing the number must not change.
void calculate(const char* way) {
    int number = 0;
    std::ifstream{"calculation.txt"} >> number;
    ++number;
    std::ofstream{"calculation.txt"} << number << '\n';
    std::cout << way << number << '\n';
}

/// try ... finally, spelled in C++: every way out has to give the lock up.
void with_try_and_catch(nlock::named_lock& lock) {
    lock.lock();
    try {
        calculate("try and catch:    ");
    } catch (...) {
        lock.unlock();
        throw;
    }
    lock.unlock();
}

/// The same with a guard: it gives the lock up on every way out, by itself.
void with_a_guard(nlock::named_lock& lock) {
    const auto guard = lock.acquire(10s);
    calculate("guard:            ");
}

/// A named_lock is a mutex to the standard library: std::scoped_lock, std::unique_lock and std::shared_lock take it.
void with_a_scoped_lock(nlock::named_lock& lock) {
    const std::scoped_lock hold{lock};
    calculate("std::scoped_lock: ");
}

}  // namespace

int main() {
    try {
        nlock::named_lock lock{"calculation"};  // the file locks/calculation.lock
        with_try_and_catch(lock);
        with_a_guard(lock);
        with_a_scoped_lock(lock);
    } catch (const std::exception& e) {
        std::cerr << "calculation: " << e.what() << '\n';
        return 1;
    }
}

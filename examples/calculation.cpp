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
#include <iostream>
#include <mutex>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "numbers.hpp"
#include "options.hpp"

using namespace std::chrono_literals;

namespace {

/// Right only while nobody else does the same: between reading and writing the number must not change.
void calculate(const char* way) {
    const std::vector<int> found = read_numbers("calculation.txt");
    const int number = found.empty() ? 1 : found.front() + 1;
    write_numbers("calculation.txt", {number});
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

int main(int argc, char** argv) {
    const small_program self{"calculation", "Adds 3 to the number in calculation.txt, holding a lock in three ways."};
    return run_example(self, argc, argv, [](const auto&) {
        nlock::named_lock lock{"calculation"};  // the file locks/calculation.lock
        with_try_and_catch(lock);
        with_a_guard(lock);
        with_a_scoped_lock(lock);
        return 0;
    });
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What a program does that cannot catch anything. linked_first.cpp has its main().
#include <chrono>
#include <optional>
#include <system_error>

#include <named_lock/named_lock.hpp>

#include "linked.hpp"

const char* what_does_not_hold_without_exceptions(const char* locks_dir) {
    using namespace std::chrono_literals;
    std::error_code why;
    nlock::lock_options options;
    options.locks_dir = locks_dir;
    options.reentrant = false;
    if (nlock::named_lock::make("a/b", options, why)) return "a bad name makes no lock";
    if (why != std::errc::invalid_argument) return "a bad name is an invalid argument";
    std::optional<nlock::named_lock> lock = nlock::named_lock::make("without", options, why);
    if (!lock || why) return "a good name makes a lock";
    const nlock::guard held = lock->try_acquire(why);
    if (!held || why) return "a free lock is acquired";
    if (lock->try_acquire(1ms, why) || why != std::errc::timed_out) return "a held lock is a time-out";
    const double zero = 0;
    if (lock->try_acquire(std::chrono::duration<double>{zero / zero}, why)) return "NaN is no time-out";
    if (why != std::errc::invalid_argument) return "NaN is an invalid argument";
    return nullptr;
}

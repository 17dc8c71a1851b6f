// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Compiled once for each build of the library, and for the program.
#include "plugin.hpp"

#include <named_lock/named_lock.hpp>

namespace {

nlock::named_lock* lock = nullptr;  // as long as the part is loaded, and after

#define NAMED_LOCK_TEXT(x) NAMED_LOCK_TEXT_AS_IS(x)
#define NAMED_LOCK_TEXT_AS_IS(x) #x

constexpr nlock_test::plugin this_part{
    NAMED_LOCK_TEXT(NAMED_LOCK_ABI), [](const char* locks_dir) { lock = new nlock::named_lock{"x", locks_dir}; },
    [] { return lock->try_lock(); }, [] { lock->lock(); },
    [] { lock->release(); },         [] { return static_cast<unsigned>(lock->lock_count()); },
};

}  // namespace

const nlock_test::plugin* nlock_test_get_plugin() { return &this_part; }

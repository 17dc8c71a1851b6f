// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What a part of a process offers to the others, in C's terms alone: they may have been built with another version of the
// library, with another standard library or with another layout of it.
#pragma once

namespace nlock_test {

/// Uses the lock "x" in the directory that it is told first, from any thread.
struct plugin {
    const char* abi;  // the name of its build of the library
    void (*use)(const char* locks_dir);
    bool (*try_acquire)();
    void (*acquire)();
    void (*release)();  // the thread's latest hold, if it has one
    unsigned (*lock_count)();
};

using get_plugin = const plugin*();

}  // namespace nlock_test

extern "C" [[gnu::visibility("default")]] nlock_test::get_plugin nlock_test_get_plugin;

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Options of which only some are named: no compiler warns (gcc's -Wmissing-field-initializers) of the others.
#include <named_lock/named_lock.hpp>

nlock::lock_options partial_options();
nlock::lock_holder holder_without_name();

nlock::lock_options partial_options() {
    using namespace std::chrono_literals;
#if defined(__cpp_designated_initializers)
    return {.timeout = 10s, .reentrant = false};
#else
    return {"locks", 10s};
#endif
}

nlock::lock_holder holder_without_name() { return {4242}; }

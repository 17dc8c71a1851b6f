// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Names that macros of a system's headers would take away from whoever includes ours: <sys/sysmacros.h> has these.
#include <named_lock/named_lock.hpp>
#include <named_lock/probe.hpp>

struct release_number {
    int major, minor;
    release_number(int first, int second) : major(first), minor(second) {}
    static int makedev(int a, int b) { return a + b; }
};

#if defined(major) || defined(minor) || defined(makedev)
#error "macros of <sys/sysmacros.h>"
#endif

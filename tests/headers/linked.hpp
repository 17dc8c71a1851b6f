// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <named_lock/named_lock.hpp>

/// Defined in linked_second.cpp: acquires `name` in `locks_dir` there.
nlock::guard acquire_elsewhere(const char* name, const char* locks_dir);

/// Defined in without_exceptions.cpp, where it is part of the program.
const char* what_does_not_hold_without_exceptions(const char* locks_dir);

/// Defined in linked_second.cpp: is an object made there held by this thread?
bool is_locked_elsewhere(const char* name, const char* locks_dir);

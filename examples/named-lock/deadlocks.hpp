// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Processes that wait for each other in a circle.
#pragma once

#include <string>
#include <vector>

#include <named_lock/directories.hpp>

struct deadlock_part {
    nlock::lock_holder process;
    std::string holds;
    std::string waits_for;  ///< which the next part holds, and the first one after the last
};
using deadlock = std::vector<deadlock_part>;

/// Each circle among these locks, as far as the system tells who holds them; of those that share a process, one. A
/// named-lock that holds a lock waits for what its command waits for. A process may have threads that do not wait, or give
/// up after a time: a hint, like all that is known of others.
std::vector<deadlock> find_deadlocks(const std::vector<nlock::lock_status>& locks);

/// "deadlock: 4242 (report) holds a, waits for b; 4300 (import) holds b, waits for a"
std::string to_string(const deadlock& circle);

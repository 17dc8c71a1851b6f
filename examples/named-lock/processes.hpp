// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// By which names people know the processes at a lock. All of it is a hint.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <named_lock/options.hpp>

/// Of another named-lock that runs a command, or waits to do so: what that command is called. Else empty.
std::string command_of(const nlock::lock_holder& process);

/// Calls a process after its command, where it is another named-lock that runs one.
void name_after_command(nlock::lock_holder& process);
std::vector<nlock::lock_holder> named_after_commands(std::vector<nlock::lock_holder> processes);

/// The process, its parent, and so on; as far as the system tells.
std::vector<std::int64_t> ancestry_of(std::int64_t pid);

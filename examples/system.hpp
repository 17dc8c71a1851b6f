// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What the example exclusive needs of the system beside the lock.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

// The first three are those of sysexits.h, the others those of the shell.
inline constexpr int exit_usage = 64;
inline constexpr int exit_lock_unusable = 71;
inline constexpr int exit_timeout = 75;
inline constexpr int exit_cannot_run = 126;
inline constexpr int exit_not_found = 127;
inline constexpr int exit_signal = 128;  // plus the number of the signal

/// The arguments in UTF-8, without the program's name.
std::vector<std::string> start(int argc, char** argv);

std::filesystem::path to_path(const std::string& utf8);

/// Whoever waits for us wants to read "held by pid 4242 (backup)", not "(exclusive)".
void take_the_name_of(const std::vector<std::string>& command);

/// Runs the command as a child and returns the exit status that stands for its end.
int run(const std::vector<std::string>& command);

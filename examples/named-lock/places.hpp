// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Where the locks of the command line are, and how times are told.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include <named_lock/named_lock.hpp>

#include "command_line.hpp"

/// -d's, $NAMED_LOCK_DIR, or the user's own. Throws lock_error if it was given, does not exist and shall not be made.
std::filesystem::path locks_dir_of(const place& where);

/// By its name, or the file that a name with a slash is.
nlock::named_lock lock_of(const std::string& name, const place& where, nlock::lock_options options = {});

/// "0.4 s", "12 s", "3 min 20 s", "2 h 5 min", "3 d 4 h"
std::string in_words(std::chrono::duration<double> time);

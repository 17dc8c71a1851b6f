// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What named-lock tells of locks, and purge.
#pragma once

#include <filesystem>

#include "command_line.hpp"

// Each returns the exit status.
int list_locks(const command_line& wanted);
int tell_who(const command_line& wanted);
int purge(const command_line& wanted);
int probe(const std::filesystem::path& dir);

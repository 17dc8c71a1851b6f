// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include "command_line.hpp"

/// Runs the command while the locks are held. Returns the exit status.
int run_with_locks(const run_options& wanted, const place& where);

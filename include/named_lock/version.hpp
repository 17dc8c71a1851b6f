// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

/// @file

/// @{
/// The version of this library, as numbers and as text: semantic versioning.
/// @since 1.0.0
#define NAMED_LOCK_VERSION_MAJOR 1
#define NAMED_LOCK_VERSION_MINOR 0
#define NAMED_LOCK_VERSION_PATCH 0
#define NAMED_LOCK_VERSION "1.0.0"
/// @}

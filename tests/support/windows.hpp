// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// <windows.h> without its macros min, max and small, for the tests only: the library does not include it.
#pragma once

#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#if !defined(WIN32_LEAN_AND_MEAN)
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The library compiled once: in a program that is built with NAMED_LOCK_COMPILED, one source file includes this, and all
// others get declarations from the public headers. CMake's target named_lock::compiled does both.
//
//     #include <named_lock/compiled.hpp>
//
// It needs exceptions; the others may do without them, and without run-time type information: what throws then ends the
// program, and named_lock::make() and try_acquire(std::error_code&) do not throw.
#pragma once

#if !defined(NAMED_LOCK_COMPILED)
#error "named_lock: compiled.hpp is for a program that defines NAMED_LOCK_COMPILED in all of its source files."
#endif

#include <named_lock/detail/acquire_all_impl.hpp>
#include <named_lock/detail/cancellation_impl.hpp>
#include <named_lock/detail/directories_impl.hpp>
#include <named_lock/detail/errors_impl.hpp>
#include <named_lock/detail/guard_impl.hpp>
#include <named_lock/detail/named_lock_impl.hpp>
#include <named_lock/detail/options_impl.hpp>
#include <named_lock/detail/pending_acquire_impl.hpp>
#include <named_lock/detail/probe_impl.hpp>
#include <named_lock/detail/timeout_impl.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

const char headers_and_compiled_are_mixed = 0;

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Catch2, be it version 3 or 2: TEST_CASE and its kin, generators, and the matchers for strings under the names of
// version 3. On top of them SKIP_TEST("reason").
#pragma once

#include <string>

#if defined(__has_feature)
#define NLOCK_TEST_HAS_FEATURE(feature) __has_feature(feature)
#else
#define NLOCK_TEST_HAS_FEATURE(feature) 0
#endif

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/interfaces/catch_interfaces_capture.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#else
#include <catch2/catch.hpp>

namespace Catch::Matchers {
inline auto ContainsSubstring(const std::string& text) { return Contains(text); }
}  // namespace Catch::Matchers
#endif

namespace nlock_test {

/// The allocators of AddressSanitizer (before clang 18) and ThreadSanitizer (before clang 19) do not prepare for fork():
/// a child forked while another thread allocates may hang in its first malloc. A test that does this has to skip then.
/// Other threads that are asleep while it forks do no harm.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool fork_beside_busy_threads_may_hang = true;
#else
inline constexpr bool fork_beside_busy_threads_may_hang =
    NLOCK_TEST_HAS_FEATURE(address_sanitizer) || NLOCK_TEST_HAS_FEATURE(thread_sanitizer);
#endif

void note_skipped(const std::string& test, const std::string& reason);  // in catch_main.cpp
}  // namespace nlock_test

/// Ends a test case that cannot run here: ctest shows it as skipped, and tests/run.sh lists it with its reason.
/// Only in the body of a TEST_CASE. A test case that has failed before stays failed.
#define SKIP_TEST(reason)                                                                                              \
    do {                                                                                                               \
        ::nlock_test::note_skipped(::Catch::getResultCapture().getCurrentTestName(), reason);                          \
        return;                                                                                                        \
    } while (false)

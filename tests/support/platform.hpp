// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What differs between systems in tests that run on all of them.
#pragma once

#include <filesystem>
#include <string>

#include "support/catch.hpp"

namespace nlock_test {

#if defined(_WIN32)
inline constexpr bool on_windows = true;
#else
inline constexpr bool on_windows = false;
#endif

#if defined(NAMED_LOCK_QEMU)
inline constexpr bool under_qemu = true;
#else
inline constexpr bool under_qemu = false;
#endif

/// How often to repeat what a system call takes part in: under Wine each is a conversation between processes.
constexpr int repetitions(int times) { return on_windows ? times / 10 : times; }

/// Whether named_lock::holders() can tell.
#if defined(__linux__)
inline constexpr bool tells_holders = true;
#else
inline constexpr bool tells_holders = false;
#endif

inline std::string utf8_of(const std::filesystem::path& path) {
    const auto text = path.u8string();  // of char8_t in C++20
    return {text.begin(), text.end()};
}

inline std::filesystem::path from_utf8(const std::string& text) {
#if defined(__cpp_char8_t)
    return std::u8string{text.begin(), text.end()};
#else
    return std::filesystem::u8path(text);
#endif
}

}  // namespace nlock_test

/// Ends a test case that says what Windows does not have, or does in another way.
#define SKIP_ON_WINDOWS(reason)                                                                                        \
    do {                                                                                                               \
        if (::nlock_test::on_windows) SKIP_TEST(reason);                                                               \
    } while (false)

/// Ends a test case in which a worker forks, which has a thread beside.
#define SKIP_UNDER_QEMU()                                                                                              \
    do {                                                                                                               \
        if (::nlock_test::under_qemu)                                                                                  \
            SKIP_TEST("qemu-user fails an assertion of its own if a program with threads forks");                      \
    } while (false)

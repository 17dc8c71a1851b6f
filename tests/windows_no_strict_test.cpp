// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The library beside a <windows.h> that has one type for all handles. It is the compiler that tests it, clang above all.
#if defined(_WIN32)
#if !defined(NO_STRICT)
#define NO_STRICT
#endif
#include <named_lock/detail/platform.hpp>
#include <named_lock/named_lock.hpp>

#include "support/windows.hpp"

#include <type_traits>

#include "support/catch.hpp"

namespace windows_no_strict_test {

static_assert(std::is_same_v<HMODULE, void*>);
static_assert(std::is_same_v<HMODULE, nlock::detail::windows::module_handle>);

TEST_CASE("the library's declarations stand beside a <windows.h> that is not strict") {
    CHECK(GetModuleHandleW(L"kernel32") == nlock::detail::windows::GetModuleHandleW(L"kernel32"));
}

}  // namespace windows_no_strict_test
#endif

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// nlock::NAMED_LOCK_ABI, the namespace that everything of this library is in. Nobody else has to name it.
//
// Parts of one process may have been built with two versions of these headers, with two standard libraries, or with two
// layouts of one. The linker knows functions and variables by their names alone and takes one of each for all parts, also
// under RTLD_LOCAL (STB_GNU_UNIQUE): one part would work on what another has laid out differently. So the name says what
// the layout depends on. Parts whose names differ have nothing in common, and exclude each other as processes do.
//
// The whole version is in it, because every release may change what is shared. The language level is not: C++20 adds
// member functions here, which have names of their own, and changes nothing else.
//
// It is not inline: C++17 cannot say that in `namespace nlock::X::detail`, and clang++ warns where the word is missing. Nor
// can it be left out there: to clang++ (14, 16), `namespace nlock::detail` then means the inline one for those who look a
// name up (CWG 2061), but not for the linker.
#pragma once

#if __cplusplus < 201703L && (!defined(_MSVC_LANG) || _MSVC_LANG < 201703L)
#error "named_lock needs C++17 or a later language level."
#endif
#if !defined(NAMED_LOCK_COMPILED) && \
    ((defined(__GNUC__) && !defined(__EXCEPTIONS)) || (defined(_MSC_VER) && !defined(_CPPUNWIND)))
#error "named_lock needs exceptions, which are switched off here. Or link named_lock::compiled."
#endif

// On what one object of the program defines, if it is made with NAMED_LOCK_COMPILED (compiled.hpp); else all of them do.
#if defined(NAMED_LOCK_COMPILED)
#define NAMED_LOCK_INLINE
#else
#define NAMED_LOCK_INLINE inline
#endif

#include <cstdint>  // which tells the standard library, too

#include <named_lock/version.hpp>

#define NAMED_LOCK_ABI_JOIN(a, b) NAMED_LOCK_ABI_JOIN_AS_IS(a, b)
#define NAMED_LOCK_ABI_JOIN_AS_IS(a, b) a##b

#if defined(_LIBCPP_ABI_VERSION)
#define NAMED_LOCK_ABI_LIBRARY NAMED_LOCK_ABI_JOIN(_libcxx, _LIBCPP_ABI_VERSION)
#elif defined(_GLIBCXX_INLINE_VERSION) && _GLIBCXX_INLINE_VERSION
#define NAMED_LOCK_ABI_LIBRARY _libstdcxx_versioned
#elif defined(_GLIBCXX_USE_CXX11_ABI) && _GLIBCXX_USE_CXX11_ABI
#define NAMED_LOCK_ABI_LIBRARY _libstdcxx_cxx11
#elif defined(__GLIBCXX__)
#define NAMED_LOCK_ABI_LIBRARY _libstdcxx
#else  // MSVC's, whose linker refuses to mix its layouts
#define NAMED_LOCK_ABI_LIBRARY _std
#endif

#if defined(_GLIBCXX_DEBUG) || defined(_LIBCPP_DEBUG) || defined(_LIBCPP_ENABLE_DEBUG_MODE)
#define NAMED_LOCK_ABI_CLASSES NAMED_LOCK_ABI_JOIN(NAMED_LOCK_ABI_LIBRARY, _debug_mode)
#else
#define NAMED_LOCK_ABI_CLASSES NAMED_LOCK_ABI_LIBRARY
#endif

#if UINTPTR_MAX > 0xFFFFFFFF || !defined(_FILE_OFFSET_BITS) || _FILE_OFFSET_BITS != 64  // struct stat is the usual one
#define NAMED_LOCK_ABI_LAYOUT NAMED_LOCK_ABI_CLASSES
#elif defined(_TIME_BITS) && _TIME_BITS == 64
#define NAMED_LOCK_ABI_LAYOUT NAMED_LOCK_ABI_JOIN(NAMED_LOCK_ABI_CLASSES, _time64)
#else
#define NAMED_LOCK_ABI_LAYOUT NAMED_LOCK_ABI_JOIN(NAMED_LOCK_ABI_CLASSES, _offset64)
#endif

#define NAMED_LOCK_ABI_NAME(x, y, z, layout) NAMED_LOCK_ABI_NAME_AS_IS(x, y, z, layout)
#define NAMED_LOCK_ABI_NAME_AS_IS(x, y, z, layout) v##x##_##y##_##z##layout
#define NAMED_LOCK_ABI                                                                                                 \
    NAMED_LOCK_ABI_NAME(NAMED_LOCK_VERSION_MAJOR, NAMED_LOCK_VERSION_MINOR, NAMED_LOCK_VERSION_PATCH,                  \
                        NAMED_LOCK_ABI_LAYOUT)

namespace nlock {
namespace NAMED_LOCK_ABI {}
using namespace NAMED_LOCK_ABI;
}  // namespace nlock

// A program uses one way, the headers or named_lock::compiled. Both have the same names, so that there is one registry
// whatever happens; linkers that compare what is thread-local (GNU's) report a program that mixes them, and those of Windows
// anyway.
namespace nlock::NAMED_LOCK_ABI::detail {
#if defined(NAMED_LOCK_COMPILED)
extern const char headers_and_compiled_are_mixed;
#if defined(__GNUC__)
[[gnu::used]] static const char* const way_of_this_object = &headers_and_compiled_are_mixed;
#endif
#elif defined(__GNUC__) && !defined(_WIN32)
[[gnu::used]] inline thread_local char headers_and_compiled_are_mixed = 0;
#endif
}  // namespace nlock::NAMED_LOCK_ABI::detail

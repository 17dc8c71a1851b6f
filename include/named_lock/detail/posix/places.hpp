// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Where lock files may be kept on POSIX, and how one is removed.
#pragma once

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include <named_lock/errors.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

inline std::filesystem::path native_of(std::string_view name) { return name; }

/// Of the environment; empty unless it is an absolute path.
inline std::filesystem::path place_named_by(const char* variable) {
    const char* const value = std::getenv(variable);
    const std::filesystem::path place = value != nullptr ? value : "";
    return place.is_absolute() ? place : std::filesystem::path{};
}

inline std::filesystem::path home() {
    std::filesystem::path place = place_named_by("HOME");
    if (!place.empty()) return place;
    std::array<char, 4096> text;
    passwd user{};
    passwd* found = nullptr;
    ::getpwuid_r(::getuid(), &user, text.data(), text.size(), &found);
    if (found != nullptr && found->pw_dir != nullptr) place = found->pw_dir;
    if (place.is_absolute()) return place;
    throw lock_error{std::errc::no_such_file_or_directory, "find", "~", "this user has no home directory"};
}

#if defined(__APPLE__)
inline std::filesystem::path user_place() { return home() / "Library" / "Caches"; }
inline std::filesystem::path machine_place(const std::filesystem::path& program) {
    return std::filesystem::path{"/Library/Caches"} / program / "locks";
}
#else
inline std::filesystem::path user_place() {
    const std::filesystem::path place = place_named_by("XDG_RUNTIME_DIR");
    return place.empty() ? home() / ".cache" : place;
}
inline std::filesystem::path machine_place(const std::filesystem::path& program) {
    std::error_code none;
    const bool has_run = std::filesystem::is_directory("/run/lock", none);
    return std::filesystem::path{has_run ? "/run/lock" : "/var/lock"} / program;
}
#endif

/// False: it stays.
template <class Guard>
bool remove_held_file(Guard& held) noexcept {
    return ::unlink(held.path().c_str()) == 0;
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

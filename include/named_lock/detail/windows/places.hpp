// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Where lock files may be kept on Windows, and how one is removed.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include <named_lock/detail/windows/api.hpp>
#include <named_lock/detail/windows/file.hpp>
#include <named_lock/detail/windows/path.hpp>
#include <named_lock/errors.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {
namespace windows {
extern "C" {
__declspec(dllimport) dword __stdcall GetEnvironmentVariableW(const wchar_t*, wchar_t* buffer, dword size);
}
}  // namespace windows

inline std::filesystem::path native_of(std::string_view name) {
    std::wstring native;
    append_utf8(native, name);
    return native;
}

inline std::filesystem::path place_named_by(const wchar_t* variable) {
    const std::filesystem::path place = text_from([&](wchar_t* text, windows::dword size) {
        return windows::GetEnvironmentVariableW(variable, text, size);
    });
    if (place.is_absolute()) return place;
    throw lock_error{std::errc::no_such_file_or_directory, "find", variable, "the environment does not name it"};
}

inline std::filesystem::path user_place() { return place_named_by(L"LOCALAPPDATA"); }
inline std::filesystem::path machine_place(const std::filesystem::path& program) {
    return place_named_by(L"ProgramData") / program / "locks";
}

/// False: it stays.
template <class Guard>
bool remove_held_file(Guard& held) {
    const std::filesystem::path file = held.path();
    held.release();
    return remove_released_file(file);
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The locks directory on Windows: the one name that it has, and its creation.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>

#include <named_lock/detail/windows/api.hpp>
#include <named_lock/detail/windows/identity.hpp>
#include <named_lock/detail/windows/path.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// Not std::filesystem's: that of MinGW takes the server from \\server\share. The extended form is absolute and means
/// what it says; GetFullPathNameW would take dots and spaces from its end.
inline std::filesystem::path absolute_path(const std::filesystem::path& path, std::error_code&) {
    if (starts_with(path.native(), extended)) return path;
    windows::SetLastError(0);
    std::wstring name = full_name(path.native());
    if (!name.empty()) return name;
    const windows::dword error = windows::GetLastError();  // Wine tells none for a name of spaces
    throw windows_error{error == 0 ? windows::invalid_name : error, "resolve", path};
}

/// The name of an open directory, in the extended form; empty if it has none, as on a volume without a letter.
inline std::wstring final_name_of(const windows::handle& directory) {
    return text_from([&](wchar_t* text, windows::dword size) {
        return windows::GetFinalPathNameByHandleW(directory.get(), text, size, 0);
    });
}

inline windows::handle open_directory(const std::wstring& name) {
    constexpr windows::dword all = windows::share_read | windows::share_write | windows::share_delete;
    return windows::handle{windows::CreateFileW(native_name{name}.get(), windows::read_attributes, all, nullptr,
                                                windows::open_existing, windows::open_directories_too, nullptr)};
}

/// `name` with its links and short names resolved, in the extended form; empty if it does not exist, or cannot be
/// resolved.
inline std::wstring resolved(const std::wstring& name) {
    const windows::handle directory = open_directory(name);
    if (!directory) return {};
    std::wstring found = final_name_of(directory);
    // Wine 8 tells \\?\C:\x. as \\?\C:\x, which is another one.
    const bool is_itself =
        !starts_with(name, extended) || identity_of(open_directory(found).get()) == identity_of(directory.get());
    return is_itself ? found : name;
}

/// Links and short names resolved, and in the case in which it was created. Asked of the system, because the standard
/// libraries answer differently, that of MinGW by the text alone.
inline std::filesystem::path canonical_directory(const std::filesystem::path& path, std::error_code&) {
    const std::wstring& name = path.native();
    const std::size_t root = root_size(name);
    const std::size_t end = (std::max)(root, name.find_last_not_of(L'\\') + 1);
    for (std::size_t existing = end;;) {
        std::wstring found = resolved(name.substr(0, existing));
        if (!found.empty()) {
            if (existing < end && found.back() != L'\\') found += L'\\';
            const std::size_t missing = existing < end && name[existing] == L'\\' ? existing + 1 : existing;
            return without_prefix(found.append(name, missing, end - missing));
        }
        if (existing <= root) return without_prefix(name);
        existing = (std::max)(root, name.rfind(L'\\', existing - 1));
    }
}

inline bool names_directory(const std::filesystem::path& path) {
    const windows::dword attributes = windows::GetFileAttributesW(native_name{path}.get());
    return attributes != windows::no_attributes && (attributes & windows::directory) != 0;
}

/// Creates a directory and its parents; the error, or 0 if it is there. Not std::filesystem's: that one cannot take long
/// paths everywhere.
inline windows::dword make_directories(const std::filesystem::path& path) {
    if (windows::CreateDirectoryW(native_name{path}.get(), nullptr) != 0) return 0;
    windows::dword error = windows::GetLastError();
    if (error == windows::path_not_found && root_size(path.native()) < path.native().size()) {
        if (const windows::dword of_parent = make_directories(path.parent_path())) return of_parent;
        if (windows::CreateDirectoryW(native_name{path}.get(), nullptr) != 0) return 0;
        error = windows::GetLastError();
    }
    return names_directory(path) ? 0 : error;
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Paths and error messages on Windows: UTF-8 here, UTF-16 there, and more than 260 characters.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <named_lock/detail/message.hpp>
#include <named_lock/detail/windows/api.hpp>
#include <named_lock/errors.hpp>

namespace nlock::detail {

inline void append_utf8(std::filesystem::path::string_type& path, std::string_view name) {
    constexpr unsigned utf8 = 65001;
    const auto size = static_cast<int>(name.size());
    const std::size_t end = path.size();
    path.resize(end + name.size());  // UTF-16 never has more units
    const int wide = windows::MultiByteToWideChar(utf8, 0, name.data(), size, &path[end], size);
    path.resize(end + static_cast<std::size_t>(wide));
}

/// `error` in the system's words, in UTF-8, and as a number that can be searched for: "Access is denied. (error 5)".
inline std::string words_of(windows::dword error) {
    std::array<wchar_t, 512> words;
    windows::dword size = windows::FormatMessageW(windows::from_system | windows::ignore_inserts, nullptr, error, 0,
                                                  words.data(), static_cast<windows::dword>(words.size()), nullptr);
    while (size > 0 && (words[size - 1] == L'\r' || words[size - 1] == L'\n' || words[size - 1] == L' ')) --size;
    const std::string number = "error " + std::to_string(error);
    if (size == 0) return number;
    return text_of(std::filesystem::path{std::wstring{words.data(), size}}) + " (" + number + ")";
}

/// A lock_error with such words: those of std::system_category are in the code page of the process, or in older
/// MinGWs the words for an errno of that number.
class windows_error : public lock_error {
  public:
    windows_error(windows::dword error, std::string_view operation, const std::filesystem::path& path)
        : lock_error{std::error_code{static_cast<int>(error), std::system_category()},
                     path,
                     failure_message(operation, path, words_of(error)),
                     {}} {}
};

/// `path` for the system. Paths of more than 259 characters, directories of more than 247, are understood only in the
/// extended form, which takes no relative path and no slash (learn.microsoft.com, "Maximum Path Length Limitation").
class native_name {
  public:
    explicit native_name(const std::filesystem::path& path) : name_{path.c_str()} {
        constexpr std::size_t longest = 247;
        const std::wstring_view plain = path.native();
        if (plain.size() <= longest || plain.substr(0, 4) == LR"(\\?\)" || plain.substr(0, 4) == LR"(\\.\)") return;
        const bool is_remote = plain.substr(0, 2) == LR"(\\)";
        extended_ = is_remote ? LR"(\\?\UNC)" : LR"(\\?\)";
        extended_.append(is_remote ? plain.substr(1) : plain);
        std::replace(extended_.begin(), extended_.end(), L'/', L'\\');
        name_ = extended_.c_str();
    }
    native_name(const native_name&) = delete;
    native_name& operator=(const native_name&) = delete;

    [[nodiscard]] const wchar_t* get() const noexcept { return name_; }

  private:
    std::wstring extended_;
    const wchar_t* name_;
};

/// A name in the extended form, written as everybody else writes it. What has no other form stays.
inline std::wstring without_prefix(std::wstring name) {
    constexpr std::wstring_view local = LR"(\\?\)";
    constexpr std::wstring_view remote = LR"(\\?\UNC\)";
    if (name.compare(0, remote.size(), remote) == 0) return LR"(\\)" + name.substr(remote.size());
    const bool has_drive = name.compare(0, local.size(), local) == 0 && name.size() > 6 && name[5] == L':';
    return has_drive ? name.substr(local.size()) : name;
}

/// The name of an open file or directory; empty if it has none, as on a volume without a letter.
inline std::wstring final_name_of(const windows::handle& file) {
    std::wstring name(windows::GetFinalPathNameByHandleW(file.get(), nullptr, 0, 0), L'\0');
    const auto size = static_cast<windows::dword>(name.size());
    name.resize(windows::GetFinalPathNameByHandleW(file.get(), name.data(), size, 0));
    return without_prefix(std::move(name));
}

/// Not std::filesystem's: that of MinGW takes the server from \\server\share.
inline std::filesystem::path absolute_path(const std::filesystem::path& path, std::error_code& error) {
    std::wstring name(windows::GetFullPathNameW(path.c_str(), 0, nullptr, nullptr), L'\0');
    const auto size = static_cast<windows::dword>(name.size());
    name.resize(windows::GetFullPathNameW(path.c_str(), size, name.data(), nullptr));
    if (name.empty()) error.assign(static_cast<int>(windows::GetLastError()), std::system_category());
    return without_prefix(std::move(name));
}

/// Links and short names resolved, and in the case in which it was created. Asked of the system, because the standard
/// libraries answer differently, that of MinGW by the text alone.
inline std::filesystem::path canonical_directory(const std::filesystem::path& path, std::error_code&) {
    constexpr windows::dword all = windows::share_read | windows::share_write | windows::share_delete;
    std::wstring missing;
    for (std::filesystem::path existing = path;; existing = existing.parent_path()) {
        if (!existing.has_relative_path() && !existing.has_root_name()) break;  // MinGW's parent of a server
        const windows::handle directory{windows::CreateFileW(native_name{existing}.get(), windows::read_attributes, all,
                                                             nullptr, windows::open_existing,
                                                             windows::open_directories_too, nullptr)};
        if (directory) {
            std::wstring name = final_name_of(directory);
            if (name.empty()) break;
            if (name.back() == L'\\' && !missing.empty()) name.pop_back();
            return name + missing;
        }
        if (!existing.has_relative_path()) break;
        if (existing.has_filename()) missing.insert(0, L'\\' + existing.filename().native());
    }
    return path;
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
    if (error == windows::path_not_found && path.has_relative_path() && path != path.parent_path()) {
        if (const windows::dword of_parent = make_directories(path.parent_path())) return of_parent;
        if (windows::CreateDirectoryW(native_name{path}.get(), nullptr) != 0) return 0;
        error = windows::GetLastError();
    }
    return names_directory(path) ? 0 : error;
}

}  // namespace nlock::detail

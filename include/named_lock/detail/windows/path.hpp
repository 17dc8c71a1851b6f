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

namespace nlock::NAMED_LOCK_ABI::detail {

/// Before a name in the extended form, which the system takes as it is: see native_name.
inline constexpr std::wstring_view extended = LR"(\\?\)";
inline constexpr std::wstring_view extended_remote = LR"(\\?\UNC\)";

inline bool starts_with(std::wstring_view path, std::wstring_view prefix) noexcept {
    return path.substr(0, prefix.size()) == prefix;
}

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
    return to_utf8(std::wstring_view{words.data(), size}) + " (" + number + ")";
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
        if (plain.size() <= longest || starts_with(plain, extended) || starts_with(plain, LR"(\\.\)")) return;
        const bool is_remote = starts_with(plain, LR"(\\)");
        longer_ = is_remote ? extended_remote : extended;
        longer_.append(is_remote ? plain.substr(2) : plain);
        std::replace(longer_.begin(), longer_.end(), L'/', L'\\');
        name_ = longer_.c_str();
    }
    native_name(const native_name&) = delete;
    native_name& operator=(const native_name&) = delete;

    [[nodiscard]] const wchar_t* get() const noexcept { return name_; }

  private:
    std::wstring longer_{};
    const wchar_t* name_;
};

/// What `ask(buffer, size)` writes; empty if it fails. It is asked until the buffer suffices: what it told before may
/// have grown meanwhile, as when another thread changes the working directory.
template <class Ask>
std::wstring text_from(Ask ask) {
    constexpr std::size_t usually_enough = 260;
    std::wstring text(usually_enough, L'\0');
    for (;;) {
        const std::size_t size = ask(text.data(), static_cast<windows::dword>(text.size()));
        const bool suffices = size < text.size();
        text.resize(suffices ? size : size + 1);
        if (suffices) return text;
    }
}

/// As every program of Windows understands it that does not use the extended form; empty if it has no meaning.
inline std::wstring full_name(const std::wstring& name) {
    return text_from([&](wchar_t* text, windows::dword size) {
        return windows::GetFullPathNameW(name.c_str(), size, text, nullptr);
    });
}

/// A name in the extended form, written as everybody else writes it. It stays where the other form would name another
/// file: without the dots and spaces at its end, or a device.
inline std::wstring without_prefix(std::wstring name) {
    if (!starts_with(name, extended)) return name;
    const bool is_remote = starts_with(name, extended_remote);
    std::wstring plain = is_remote ? LR"(\\)" + name.substr(extended_remote.size()) : name.substr(extended.size());
    return full_name(plain) == plain ? plain : name;
}

/// How much of an absolute path has no parent: the drive, the volume, the server with its share.
inline std::size_t root_size(std::wstring_view path) noexcept {
    const bool is_extended = starts_with(path, extended) || starts_with(path, LR"(\\.\)");
    const bool is_remote = is_extended ? starts_with(path, extended_remote) : starts_with(path, LR"(\\)");
    std::size_t end = is_extended ? (is_remote ? extended_remote : extended).size() : is_remote ? 2 : 0;
    int parts = is_remote ? 2 : 1;
    for (; parts > 0 && end < path.size(); --parts) end = (std::min)(path.find(L'\\', end), path.size() - 1) + 1;
    return end;
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

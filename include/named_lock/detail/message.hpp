// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The words of the exceptions.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/name_rules.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

inline std::string to_utf8(std::string_view utf8) { return std::string{utf8}; }

/// UTF-16 as UTF-8. Windows allows half a surrogate pair in a path, where u8string() throws: it becomes U+FFFD.
template <class Unit>
std::string to_utf8(std::basic_string_view<Unit> utf16) {
    std::string text;
    for (std::size_t i = 0; i < utf16.size(); ++i) {
        const auto unit = [&](std::size_t at) { return at < utf16.size() ? static_cast<char32_t>(utf16[at]) : 0; };
        char32_t code = unit(i);
        if (code >= 0xD800 && code < 0xDC00 && unit(i + 1) >= 0xDC00 && unit(i + 1) < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (unit(++i) - 0xDC00);
        } else if (code >= 0xD800 && code < 0xE000) {
            code = 0xFFFD;
        }
        const int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        constexpr unsigned lead[]{0, 0xC0, 0xE0, 0xF0};
        text += static_cast<char>(lead[more] | (code >> (6 * more)));
        for (int left = more; left > 0; --left) text += static_cast<char>(0x80 | ((code >> (6 * (left - 1))) & 0x3F));
    }
    return text;
}

inline std::string utf8_of(const std::filesystem::path& path) {
    return to_utf8(std::basic_string_view<std::filesystem::path::value_type>{path.native()});
}

/// As it can be printed: a directory may have a name that does something to a terminal.
inline std::string text_of(const std::filesystem::path& path) { return printable(utf8_of(path)); }

inline std::string failure_message(std::string_view operation, const std::filesystem::path& path,
                                   std::string_view cause) {
    return std::string{"cannot "}.append(operation).append(" ").append(text_of(path)).append(": ").append(cause);
}

inline constexpr std::string_view not_told_apart = "its file system does not tell files apart";

inline std::string not_acquired(std::string_view name, const std::filesystem::path& path) {
    return std::string{"lock '"}.append(printable(name)).append("' (").append(text_of(path)).append(") was not acquired");
}

/// "10 s", "1.5 s", "250 ms", "0.02 ms", "0 s". Not negative.
inline std::string in_words(std::chrono::nanoseconds time) {
    const bool in_seconds = time >= std::chrono::seconds{1} || time.count() == 0;
    const long long unit = in_seconds ? 1'000'000'000 : 1'000'000;
    std::array<char, 40> digits;  // put together from whole numbers: %g would print the comma of some locales
    const long long count = time.count();
    std::snprintf(digits.data(), digits.size(), "%lld.%0*lld", count / unit, in_seconds ? 9 : 6, count % unit);
    std::string words = digits.data();
    words.erase(words.find_last_not_of('0') + 1);
    if (words.back() == '.') words.pop_back();
    return words += in_seconds ? " s" : " ms";
}

inline std::string timeout_message(std::string_view name, const std::filesystem::path& path,
                                   std::chrono::nanoseconds timeout, const std::vector<lock_holder>& holders,
                                   held_by known = held_by::unknown, std::size_t others_wait = 0,
                                   std::string_view circle = {}) {
    std::string message = not_acquired(name, path);
    if (timeout >= std::chrono::nanoseconds::zero()) message.append(" within ").append(in_words(timeout));
    if (holders.empty() && known == held_by::this_process) message.append("; held by this process");
    if (holders.empty() && known == held_by::another_process) {
        message.append("; held by a process that cannot be seen from here");
    }
    if (!holders.empty()) message.append("; held by ").append(to_string(holders));
    if (others_wait != 0) {
        message.append("; ").append(std::to_string(others_wait)).append(others_wait == 1 ? " other waits" : " others wait");
    }
    if (!circle.empty()) message.append("; perhaps a deadlock: ").append(circle);
    return message;
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

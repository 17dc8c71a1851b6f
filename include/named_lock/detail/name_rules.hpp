// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The rules for names, and how one is printed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <named_lock/lock_name.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

inline constexpr std::size_t longest_lock_name = 250;  // with ".lock" 255, the usual limit of a file name
inline constexpr std::string_view lock_file_suffix = ".lock";

/// One character of UTF-8 at the head of `text`; length 0 where it is not well-formed (Unicode 15, table 3-7:
/// no overlong form, no surrogate, nothing above U+10FFFF).
struct utf8_character {
    std::size_t length;
    char32_t code;
};

inline utf8_character first_utf8_character(std::string_view text) noexcept {
    const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return {1, lead};
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {0, 0};
    char32_t code = lead & (0x7Fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return {0, 0};
        code = (code << 6) | (byte(i) & 0x3Fu);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (overlong || surrogate || code > 0x10FFFF) return {0, 0};
    return {length, code};
}

/// Windows opens a device for these names whatever extension follows (learn.microsoft.com, "Naming Files, Paths, and
/// Namespaces"); the superscripts one to three count as digits there.
inline bool is_device_name(std::string_view name) {
    std::string_view base = name.substr(0, name.find('.'));
    base = base.substr(0, base.find_last_not_of(' ') + 1);
    constexpr std::size_t shortest = 3;
    constexpr std::size_t longest = 7;
    if (base.size() < shortest || base.size() > longest) return false;
    std::string upper{base};
    for (char& c : upper) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    base = upper;
    for (const std::string_view device : {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}) {
        if (base == device) return true;
    }
    const std::string_view port = base.substr(0, 3);
    if (port != "COM" && port != "LPT") return false;
    const std::string_view number = base.substr(3);
    if (number.size() == 1) return number[0] >= '1' && number[0] <= '9';
    return number == "\xC2\xB9" || number == "\xC2\xB2" || number == "\xC2\xB3";
}

/// The rule that `name` breaks, or null.
inline const char* broken_name_rule(std::string_view name) {
    if (name.empty()) return "it is empty";
    if (name.size() > longest_lock_name) return "it is longer than 250 bytes";
    if (name == "." || name == "..") return "it names a directory";
    for (std::string_view rest = name; !rest.empty();) {
        const utf8_character c = first_utf8_character(rest);
        if (c.length == 0) return "it is not valid UTF-8";
        if (c.code < 0x20 || (c.code >= 0x7F && c.code < 0xA0)) return "it contains a control character";
        if (c.code < 0x80 && std::string_view{"/\\<>:\"|?*"}.find(rest[0]) != std::string_view::npos) {
            return "it contains one of / \\ < > : \" | ? *";
        }
        rest.remove_prefix(c.length);
    }
    if (is_device_name(name)) return "it is the name of a device on Windows";
    return nullptr;
}

/// `name` as it can be printed: of a byte that no terminal should get, its number (\\xNN).
inline std::string printable(std::string_view name) {
    constexpr const char* hex = "0123456789ABCDEF";
    std::string shown;
    while (!name.empty()) {
        const utf8_character c = first_utf8_character(name);
        const std::size_t length = c.length == 0 ? 1 : c.length;
        const bool legible = c.length != 0 && c.code >= 0x20 && (c.code < 0x7F || c.code >= 0xA0);
        for (const char byte : name.substr(0, length)) {
            if (legible) {
                shown += byte;
            } else {
                const auto value = static_cast<unsigned char>(byte);
                shown.append("\\x").append(1, hex[value >> 4]).append(1, hex[value & 0xF]);
            }
        }
        name.remove_prefix(length);
    }
    return shown;
}

/// "x" of "x.lock"; empty for a file that is called otherwise.
inline std::string_view name_in(std::string_view file_name) noexcept {
    if (file_name.size() < lock_file_suffix.size()) return {};
    const std::size_t end = file_name.size() - lock_file_suffix.size();
    return file_name.substr(end) == lock_file_suffix ? file_name.substr(0, end) : std::string_view{};
}

inline std::string_view checked_lock_name(std::string_view name) {
    if (const char* rule = broken_name_rule(name)) {
        throw invalid_lock_name{"invalid lock name '" + printable(name) + "': " + rule};
    }
    return name;
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

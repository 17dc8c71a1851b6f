// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// lock_name.hpp against a second opinion: the same rules, written down in the slowest and plainest way.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <named_lock/detail/name_rules.hpp>

#include "input.hpp"

namespace {

std::string encoded(unsigned long code) {
    const auto last = [code](unsigned shift) { return static_cast<char>(0x80 + (code >> shift) % 64); };
    if (code < 0x80) return {static_cast<char>(code)};
    if (code < 0x800) return {static_cast<char>(0xC0 + (code >> 6)), last(0)};
    if (code < 0x10000) return {static_cast<char>(0xE0 + (code >> 12)), last(6), last(0)};
    return {static_cast<char>(0xF0 + (code >> 18)), last(12), last(6), last(0)};
}

/// The characters of `text`, or none if it is not UTF-8: whatever is read must give the same bytes when it is written.
std::vector<unsigned long> characters_of(std::string_view text, bool& is_utf8) {
    std::vector<unsigned long> found;
    is_utf8 = false;
    while (!text.empty()) {
        const auto lead = static_cast<unsigned char>(text[0]);
        std::size_t length = 0;
        while (length < 8 && (lead >> (7 - length)) % 2 == 1) ++length;  // ones at its head
        unsigned long code = lead;
        if (length > 4 || length > text.size()) return {};
        if (length > 0) code = lead % (1u << (7 - length));
        length = std::max<std::size_t>(length, 1);
        for (std::size_t i = 1; i < length; ++i) code = code * 64 + static_cast<unsigned char>(text[i]) % 64;
        if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {};
        if (encoded(code) != text.substr(0, length)) return {};
        found.push_back(code);
        text.remove_prefix(length);
    }
    is_utf8 = true;
    return found;
}

bool is_control(unsigned long code) { return code < 32 || (code >= 127 && code <= 159); }

std::vector<std::string> devices() {
    std::vector<std::string> all{"con", "prn", "aux", "nul", "conin$", "conout$"};
    for (const std::string port : {"com", "lpt"}) {
        for (const char* number : {"1", "2", "3", "4", "5", "6", "7", "8", "9", "\u00B9", "\u00B2", "\u00B3"}) {
            all.push_back(port + number);
        }
    }
    return all;
}

bool is_good(std::string_view name) {
    if (name.empty() || name.size() > 250 || name == "." || name == "..") return false;
    bool is_utf8 = false;
    for (const unsigned long code : characters_of(name, is_utf8)) {
        if (is_control(code)) return false;
        if (code < 128 && std::string{"/\\<>:\"|?*"}.find(static_cast<char>(code)) != std::string::npos) return false;
    }
    if (!is_utf8) return false;
    std::string stem;
    for (const char c : name) {
        if (c == '.') break;
        stem += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    while (!stem.empty() && stem.back() == ' ') stem.pop_back();
    static const std::vector<std::string> reserved = devices();
    return std::find(reserved.begin(), reserved.end(), stem) == reserved.end();
}

/// What is shown of a name can go to any terminal, and says all that is not shown as it is.
void check_printable(std::string_view name) {
    const std::string shown = nlock::detail::printable(name);
    bool is_utf8 = false;
    for (const unsigned long code : characters_of(shown, is_utf8)) MUST(!is_control(code));
    MUST(is_utf8);
    bool name_is_utf8 = false;
    const auto codes = characters_of(name, name_is_utf8);
    if (name_is_utf8 && std::none_of(codes.begin(), codes.end(), is_control)) MUST(shown == name);
    MUST(shown.size() >= name.size() && shown.size() <= 4 * name.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string name{reinterpret_cast<const char*>(data), size};
    const char* rule = nlock::detail::broken_name_rule(name);
    MUST((rule == nullptr) == is_good(name));
    check_printable(name);
    try {
        (void)nlock::detail::checked_lock_name(name);
        MUST(rule == nullptr);
    } catch (const nlock::invalid_lock_name& e) {
        MUST(rule != nullptr);
        MUST(std::string{e.what()}.find(rule) != std::string::npos);
    }
    return 0;
}

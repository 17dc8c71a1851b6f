// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Which names are good, which are refused, and what the refusal says.
#include "support/catch.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/platform.hpp"
#include "support/temp_dir.hpp"
#include "support/thrown.hpp"

namespace name_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using namespace std::string_literals;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;
using nlock::invalid_lock_name;
using nlock::named_lock;

bool is_accepted(std::string_view name) {
    try {
        const named_lock lock{name, "/nowhere/at/all"};
        return lock.name() == name;
    } catch (const invalid_lock_name&) {
        return false;
    }
}

std::string refusal_of(std::string_view name) {
    return thrown_by<invalid_lock_name>([&] { named_lock{name, "/nowhere/at/all"}; }).what();
}

/// Name in hexadecimal, for the report of a failed test.
std::string bytes_of(std::string_view name) {
    constexpr const char* digits = "0123456789ABCDEF";
    std::string shown;
    for (const char c : name.substr(0, 20)) {
        const auto byte = static_cast<unsigned char>(c);
        shown.append(1, digits[byte / 16]).append(1, digits[byte % 16]).append(1, ' ');
    }
    return shown + "(" + std::to_string(name.size()) + " bytes)";
}

std::string repeated(int times, const std::string& text) {
    std::string result;
    for (int i = 0; i < times; ++i) result += text;
    return result;
}

/// `code` in UTF-8, also where Unicode forbids it.
std::string utf8(char32_t code) {
    const auto byte = [](char32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
    if (code < 0x80) return {byte(code)};
    if (code < 0x800) return {byte(0xC0 | code >> 6), byte(0x80 | (code & 0x3F))};
    if (code < 0x10000) return {byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F))};
    return {byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 0x3F)), byte(0x80 | (code >> 6 & 0x3F)),
            byte(0x80 | (code & 0x3F))};
}

}  // namespace

TEST_CASE("a good name becomes the file's name as it is") {
    const std::string name = GENERATE(
        as<std::string>{}, "calculation", "invoice_saved", "x", "$langs", "$creating_task", "$metadata_import",
        "$code_updating", "$save_build_id", "$build_checking", "$report_conversion", "$copying database", "...", "..x",
        ".hidden", "x.", " x", "x ", "x.lock", "a b  c", "UPPER lower", "~", "-", "--help", "!#%&'()+,;=@[]^`{}",
        "\xC3\xA9", "\xE5\x90\x8D\xE5\x89\x8D", "\xF0\x9F\x94\x92", "e\xCC\x81", "\xC2\xA0", "\xEF\xBB\xBF");
    CAPTURE(name);
    temp_dir dir;
    named_lock lock{name, dir.path()};
    CHECK(lock.name() == name);
    CHECK(utf8_of(lock.path().filename()) == name + ".lock");
    const auto guard = lock.acquire();
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator{dir.path()}) files.push_back(utf8_of(entry.path().filename()));
    CHECK(files == std::vector{name + ".lock"});
}

TEST_CASE("a name may have 250 bytes, whatever characters they are") {
    temp_dir dir;
    for (const std::string& name : {repeated(250, "n"), repeated(125, "\xC3\xA9"), repeated(83, "\xE2\x82\xAC") + "x",
                                    repeated(62, "\xF0\x9F\x94\x92") + "xx", repeated(249, " ") + "."}) {
        INFO(bytes_of(name));
        REQUIRE(name.size() == 250);
        named_lock lock{name, dir.path()};
        CHECK(lock.acquire());
        CHECK(fs::exists(dir.path() / from_utf8(name + ".lock")));
    }
}

TEST_CASE("a name of more than 250 bytes is refused") {
    for (const std::string& name : {repeated(251, "n"), repeated(125, "\xC3\xA9") + "x",
                                    repeated(63, "\xF0\x9F\x94\x92"), repeated(100000, "n")}) {
        INFO(bytes_of(name));
        CHECK_FALSE(is_accepted(name));
        CHECK_THAT(refusal_of(name), ContainsSubstring("250"));
    }
}

TEST_CASE("an empty name and the names of directories are refused") {
    CHECK_FALSE(is_accepted(""));
    CHECK_FALSE(is_accepted(std::string_view{}));
    CHECK_FALSE(is_accepted("."));
    CHECK_FALSE(is_accepted(".."));
    CHECK_THAT(refusal_of(""), ContainsSubstring("empty"));
    CHECK_THAT(refusal_of(".."), ContainsSubstring("'..'"));
}

TEST_CASE("the case of a name counts") {
    SKIP_ON_WINDOWS("the file system there does not tell upper from lower case");
    temp_dir dir;
    named_lock lower{"name", dir.path()};
    named_lock upper{"NAME", dir.path()};
    const auto guard = lower.acquire();
    CHECK(lower.path().filename() == "name.lock");
    CHECK(upper.path().filename() == "NAME.lock");
    CHECK_FALSE(upper.is_locked());
    CHECK(seen_by_others(upper) == seen::free);
}

TEST_CASE("a name is not normalized: different bytes are different locks") {
    temp_dir dir;
    named_lock composed{"\xC3\xA9", dir.path()};
    named_lock decomposed{"e\xCC\x81", dir.path()};
    CHECK(composed.path() != decomposed.path());
    const auto guard = composed.acquire();
    CHECK_FALSE(decomposed.is_locked());
}

TEST_CASE("a name needs no terminating NUL") {
    const std::string_view part = std::string_view{"first second"}.substr(0, 5);
    const named_lock lock{part, "/nowhere/at/all"};
    CHECK(lock.name() == "first");
    CHECK(lock.path() == fs::absolute("/nowhere/at/all/first.lock"));
}

TEST_CASE("control characters are refused wherever they are") {
    std::vector<char32_t> codes;
    for (char32_t code = 0; code < 0x20; ++code) codes.push_back(code);
    for (char32_t code = 0x7F; code < 0xA0; ++code) codes.push_back(code);
    for (const char32_t code : codes) {
        const std::string control = utf8(code);
        for (const std::string& name : {control, control + "x", "x" + control, "x" + control + "y"}) {
            INFO(bytes_of(name));
            CHECK_FALSE(is_accepted(name));
            CHECK_THAT(refusal_of(name), ContainsSubstring("control character"));
        }
    }
}

TEST_CASE("separators and what Windows forbids are refused wherever they are") {
    for (const char c : "/\\<>:\"|?*"s) {
        const std::string bad{c};
        for (const std::string& name : {bad, bad + "x", "x" + bad, "x" + bad + "y"}) {
            INFO(bytes_of(name));
            CHECK_FALSE(is_accepted(name));
            CHECK_THAT(refusal_of(name), ContainsSubstring("/ \\ < > : \" | ? *"));
        }
    }
    CHECK_FALSE(is_accepted("../x"));
    CHECK_FALSE(is_accepted("/absolute"));
    CHECK_FALSE(is_accepted("C:x"));
}

TEST_CASE("all other characters of ASCII are accepted") {
    const std::string forbidden = "/\\<>:\"|?*";
    for (char c = 0x20; c < 0x7F; ++c) {
        if (forbidden.find(c) != std::string::npos) continue;
        INFO("character " << c);
        CHECK(is_accepted("x"s + c));
        CHECK(is_accepted(std::string{c}) == (c != '.'));
    }
}

TEST_CASE("sequences that are not UTF-8 are refused wherever they are") {
    struct group {
        const char* fault;
        std::vector<std::string> sequences;
    };
    const std::vector<group> groups{
        {"continuation without a lead", {"\x80", "\xBF", "\x80\x80"}},
        {"two bytes for what needs one", {"\xC0\x80", "\xC0\xAF", "\xC1\xBF"}},
        {"three bytes for what needs less", {"\xE0\x80\x80", "\xE0\x80\xAF", "\xE0\x9F\xBF"}},
        {"four bytes for what needs less", {"\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF"}},
        {"surrogates", {"\xED\xA0\x80", "\xED\xAF\xBF", "\xED\xB0\x80", "\xED\xBF\xBF", "\xED\xA0\xBD\xED\xB4\x92"}},
        {"above U+10FFFF", {"\xF4\x90\x80\x80", "\xF4\xBF\xBF\xBF", "\xF5\x80\x80\x80", "\xF7\xBF\xBF\xBF"}},
        {"no lead at all", {"\xF8\x88\x80\x80\x80", "\xFC\x84\x80\x80\x80\x80", "\xFE", "\xFF", "\xFF\xFE"}},
        {"truncated", {"\xC3", "\xE2", "\xE2\x82", "\xF0", "\xF0\x9F", "\xF0\x9F\x94"}},
        {"interrupted by ASCII", {"\xC3\x28", "\xE2\x28\xA1", "\xE2\x82\x28", "\xF0\x28\x8C\xBC", "\xF0\x90\x28\xBC"}},
        {"interrupted by a lead", {"\xC3\xC3\xA9", "\xE2\xE2\x82\xAC", "\xF0\x9F\xF0\x9F\x94\x92"}},
        {"Latin-1", {"\xE9", "\xE9t\xE9"}}};
    for (const auto& [fault, sequences] : groups) {
        for (const std::string& bad : sequences) {
            for (const std::string& name : {bad, bad + "x", "x" + bad, "\xC3\xA9" + bad + "\xC3\xA9"}) {
                INFO(fault << ": " << bytes_of(name));
                CHECK_FALSE(is_accepted(name));
                CHECK_THAT(refusal_of(name), ContainsSubstring("UTF-8"));
            }
        }
    }
}

TEST_CASE("the first and last character of each length of UTF-8 are accepted") {
    const std::u32string codes = U"\u00A0\u07FF\u0800\u0FFF\u1000\uCFFF\uD000\uD7FF\uE000\uFFFD\uFFFE\uFFFF"
                                 U"\U00010000\U0003FFFF\U00040000\U000FFFFF\U00100000\U0010FFFF";
    for (const char32_t code : codes) {
        INFO(bytes_of(utf8(code)));
        CHECK(is_accepted(utf8(code)));
        CHECK(is_accepted("x" + utf8(code) + "y"));
    }
}

TEST_CASE("of all pairs of bytes above ASCII those are accepted that encode a printable character") {
    std::string wrong;
    for (int lead = 0x80; lead <= 0xFF; ++lead) {
        for (int next = 0x80; next <= 0xFF; ++next) {
            const std::string name{static_cast<char>(lead), static_cast<char>(next)};
            const bool encodes = lead >= 0xC2 && lead <= 0xDF && next <= 0xBF;
            const bool is_control = lead == 0xC2 && next < 0xA0;
            if (is_accepted(name) != (encodes && !is_control)) wrong += bytes_of(name) + "\n";
        }
    }
    CHECK(wrong == "");
}

TEST_CASE("the names of Windows' devices are refused, in any case and with any extension") {
    std::vector<std::string> devices{"con", "prn", "aux", "nul", "conin$", "conout$"};
    for (const std::string port : {"com", "lpt"}) {
        for (char digit = '1'; digit <= '9'; ++digit) devices.push_back(port + digit);
        for (const char* superscript : {"\xC2\xB9", "\xC2\xB2", "\xC2\xB3"}) devices.push_back(port + superscript);
    }
    for (const std::string& device : devices) {
        std::string upper = device;
        for (char& c : upper) {
            if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        }
        std::string mixed = device;
        mixed[0] = upper[0];
        for (const std::string& spelled : {device, upper, mixed}) {
            for (const char* extension : {"", ".", ".txt", ".tar.gz", " ", "  ", " .txt", ".lock"}) {
                const std::string name = spelled + extension;
                INFO(name);
                CHECK_FALSE(is_accepted(name));
                CHECK_THAT(refusal_of(name), ContainsSubstring("device"));
            }
        }
    }
}

TEST_CASE("names that only resemble those of devices are accepted") {
    for (const char* name :
         {"console", "xcon", "con_",  "a.con",       ".con",  "nul1",   "null",    "aux-1", "com",  "lpt",
          "com10",   "comx", "com1x", "lpt\xC3\xA9", "conin", "conout", "conin$x", "$con",  " con", "co n"}) {
        INFO(name);
        CHECK(is_accepted(name));
    }
}

TEST_CASE("a refusal shows the name") {
    for (const char* name : {"a/b", "what?", "nul.txt", "..", "\xC3\xA9:\xF0\x9F\x94\x92"}) {
        CHECK_THAT(refusal_of(name), ContainsSubstring("'"s + name + "'"));
    }
}

TEST_CASE("a refusal shows the name legibly, whatever bytes it has") {
    std::set<std::string> texts;
    const std::vector<std::string> ugly{"\n",       "\r",   "\x1B[31m", "\x7F",        "\0"s,
                                        "\xC2\x9B", "\xFF", "\xC3",     "\xED\xA0\x80"};
    for (const std::string& part : ugly) {
        const std::string text = refusal_of("before" + part + "after");
        INFO(text);
        CHECK(std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; }));
        CHECK_THAT(text, ContainsSubstring("before") && ContainsSubstring("after"));
        texts.insert(text);
    }
    CHECK(texts.size() == ugly.size());
}

TEST_CASE("each rule has a reason of its own") {
    std::set<std::string> reasons;
    const std::vector<std::string> names{"", "..", repeated(251, "n"), "\n", "/", "\xFF", "nul"};
    for (const std::string& name : names) {
        const std::string text = refusal_of(name);
        reasons.insert(text.substr(text.rfind('\'') + 1));
    }
    CHECK(reasons.size() == names.size());
}

TEST_CASE("a bad name is refused before anything is touched, with each constructor") {
    temp_dir dir;
    const auto locks_dir = dir.path() / "locks";
    nlock::lock_options options;
    options.locks_dir = locks_dir;
    for (const std::string& name : {""s, ".."s, "a/b"s, "a\0b"s, "\xFF"s, "NUL"s, repeated(251, "n")}) {
        INFO(bytes_of(name));
        CHECK_THROWS_AS(named_lock(name), invalid_lock_name);
        CHECK_THROWS_AS(named_lock(name, locks_dir), invalid_lock_name);
        CHECK_THROWS_AS(named_lock(name, options), invalid_lock_name);
        CHECK_THROWS_AS(named_lock(name, 1s), invalid_lock_name);
        CHECK_THROWS_AS(named_lock(name, options), std::invalid_argument);
    }
    CHECK(fs::is_empty(dir.path()));
}

}  // namespace name_test

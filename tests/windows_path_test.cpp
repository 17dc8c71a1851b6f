// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Paths of Windows that std::filesystem, or the usual form of a path, cannot express; and how messages show them.
#include "support/catch.hpp"

#if defined(_WIN32)
#include "support/windows.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <named_lock/detail/message.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/named_lock.hpp>
#include <named_lock/probe.hpp>

#include "support/platform.hpp"
#include "support/temp_dir.hpp"
#include "support/thrown.hpp"

namespace windows_path_test {
namespace {

using namespace nlock_test;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;
namespace detail = nlock::detail;
using nlock::named_lock;

/// `path` in the form in which the system takes it as it is.
std::wstring extended(const fs::path& path) { return LR"(\\?\)" + path.native(); }

bool is_there(const std::wstring& name) { return GetFileAttributesW(name.c_str()) != INVALID_FILE_ATTRIBUTES; }

/// A directory, removed at the end with one lock file in it, which std::filesystem could not do.
class extended_dir {
  public:
    explicit extended_dir(std::wstring name) : name_{std::move(name)} { CreateDirectoryW(name_.c_str(), nullptr); }
    extended_dir(const extended_dir&) = delete;
    extended_dir& operator=(const extended_dir&) = delete;
    ~extended_dir() {
        DeleteFileW((name_ + L"\\x.lock").c_str());
        RemoveDirectoryW(name_.c_str());
    }
    [[nodiscard]] const std::wstring& name() const noexcept { return name_; }

  private:
    std::wstring name_;
};

/// Sets the working directory until its end.
class working_dir {
  public:
    explicit working_dir(const fs::path& dir) : before_{fs::current_path()} { fs::current_path(dir); }
    working_dir(const working_dir&) = delete;
    working_dir& operator=(const working_dir&) = delete;
    ~working_dir() { SetCurrentDirectoryW(before_.c_str()); }

  private:
    fs::path before_;
};

}  // namespace

TEST_CASE("UTF-16 becomes UTF-8, and what is no character U+FFFD") {
    const auto utf8 = [](std::u16string_view text) { return detail::to_utf8(text); };
    CHECK(utf8(u"a\u00E4\u540D\U0001F512\uFFFF") == "a\xC3\xA4\xE5\x90\x8D\xF0\x9F\x94\x92\xEF\xBF\xBF");
    const std::u16string high(1, char16_t{0xD83D});
    const std::u16string low(1, char16_t{0xDD12});
    const std::string replaced = "\xEF\xBF\xBD";
    CHECK(utf8(high) == replaced);
    CHECK(utf8(low + high) == replaced + replaced);
    CHECK(utf8(high + u"a" + high + high + low) == replaced + "a" + replaced + "\xF0\x9F\x94\x92");
}

TEST_CASE("half a surrogate pair in a path does not get in the way of a message") {
    const std::wstring half(1, wchar_t{0xD83D});
    const fs::path nowhere{LR"(\\?\Q:\)" + half};
    const auto e = thrown_by<nlock::lock_error>([&] { (void)named_lock{"x", nowhere}.acquire(); });
    CHECK_THAT(e.what(), ContainsSubstring("\xEF\xBF\xBD"));
    CHECK_THAT(nlock::lock_timeout("x", nowhere, nlock::forever, {}).what(), ContainsSubstring("\xEF\xBF\xBD"));
    CHECK_THAT(nlock::lock_cancelled("x", nowhere).what(), ContainsSubstring("\xEF\xBF\xBD"));
    CHECK_THAT(thrown_by<nlock::lock_error>([&] { (void)nlock::probe(nowhere); }).what(),
               ContainsSubstring("\xEF\xBF\xBD"));
}

TEST_CASE("a directory whose name ends in a dot or a space is itself, in the extended form") {
    const std::wstring tail = GENERATE(L"tail.", L"tail ", L"tail. .");
    const bool exists = GENERATE(true, false);
    temp_dir dir;
    const extended_dir locks{extended(dir.path() / "locks")};
    const extended_dir there{locks.name() + L"\\" + (exists ? tail : L"tail")};
    const extended_dir wanted{locks.name() + L"\\" + tail};
    if (!exists) RemoveDirectoryW(wanted.name().c_str());
    {
        named_lock lock{"x", wanted.name()};
        const auto guard = lock.acquire();
        CHECK(is_there(wanted.name() + L"\\x.lock"));
        CHECK_FALSE(is_there(locks.name() + L"\\tail\\x.lock"));
        CHECK(named_lock{"x", wanted.name()}.is_locked());
        CHECK_FALSE(named_lock{"x", locks.name() + L"\\tail"}.is_locked());
        CHECK(named_lock{"x", wanted.name() + L"\\"}.is_locked());
    }
}

TEST_CASE("the extended form of a usual name is the same locks directory, there or not") {
    temp_dir dir;
    const fs::path locks = dir.path() / "a" / "b";
    CHECK(named_lock{"x", extended(locks)}.path() == locks / "x.lock");
    CHECK(named_lock{"x", extended(locks) + L"\\"}.path() == locks / "x.lock");
    fs::create_directories(locks);
    CHECK(named_lock{"x", extended(locks)}.path() == locks / "x.lock");
}

TEST_CASE("what has no parent on Windows") {
    const auto root_of = [](std::wstring_view path) { return std::wstring{path.substr(0, detail::root_size(path))}; };
    CHECK(root_of(LR"(C:\a\b)") == LR"(C:\)");
    CHECK(root_of(LR"(C:)") == LR"(C:)");
    CHECK(root_of(LR"(\\server\share\a)") == LR"(\\server\share\)");
    CHECK(root_of(LR"(\\server\share)") == LR"(\\server\share)");
    CHECK(root_of(LR"(\\server)") == LR"(\\server)");
    CHECK(root_of(LR"(\\?\C:\a)") == LR"(\\?\C:\)");
    CHECK(root_of(LR"(\\?\UNC\server\share\a)") == LR"(\\?\UNC\server\share\)");
    CHECK(root_of(LR"(\\?\Volume{0}\a)") == LR"(\\?\Volume{0}\)");
    CHECK(root_of(L"").empty());
}

TEST_CASE("a locks directory whose name means nothing is an error") {
    const std::wstring name = GENERATE(L" ", L"   ");
    const auto e = thrown_by<nlock::lock_error>([&] { (void)named_lock{"x", fs::path{name}}; });
    CHECK(e.code().category() == std::system_category());
    CHECK(e.code().value() == ERROR_INVALID_NAME);
    CHECK(e.path() == fs::path{name});
    CHECK_THAT(e.what(), ContainsSubstring("cannot resolve ") && ContainsSubstring("(error 123)"));
}

TEST_CASE("a text that grows while the system is asked for it is asked for again") {
    std::wstring text(300, L'a');
    int asked = 0;
    const auto grows = [&](wchar_t* buffer, DWORD size) {
        if (++asked == 2) text.append(400, L'b');
        if (size <= text.size()) return static_cast<DWORD>(text.size() + 1);
        std::copy(text.begin(), text.end(), buffer);
        return static_cast<DWORD>(text.size());
    };
    CHECK(detail::text_from(grows) == text);
    CHECK(asked == 3);
    CHECK(detail::text_from([](wchar_t*, DWORD) { return DWORD{0}; }).empty());
}

TEST_CASE("probe takes a relative path of more than 260 characters") {
    temp_dir dir;
    const fs::path relative{std::string(130, 'a') + "\\" + std::string(130, 'b')};
    const std::wstring first = extended(dir.path() / relative.parent_path());
    const extended_dir outer{first};
    const extended_dir inner{extended(dir.path() / relative)};
    const working_dir here{dir.path()};
    CHECK(nlock::probe(relative).exclusive_locks_exclude);
    CHECK(nlock::probe(dir.path() / relative).exclusive_locks_exclude);
    CHECK(RemoveDirectoryW(inner.name().c_str()) != 0);  // that is: nothing was left in it
}

TEST_CASE("probe and resolve tell a Windows error in UTF-8, with its number") {
    temp_dir dir;
    const fs::path missing = dir.path() / "missing";
    const auto e = thrown_by<nlock::lock_error>([&] { (void)nlock::probe(missing); });
    CHECK(e.code().value() == ERROR_FILE_NOT_FOUND);
    CHECK(e.path() == missing);
    CHECK(e.what() == "cannot probe " + utf8_of(missing) + ": " + detail::words_of(ERROR_FILE_NOT_FOUND));
}

TEST_CASE("a directory in which nothing can be made is an error at once") {
    const fs::path denied{"Z:\\sys"};  // Wine's: nobody can create anything there
    std::error_code unknown;
    if (!fs::is_directory(denied, unknown)) SKIP_TEST("there is no directory here in which nobody can create a file");
    named_lock lock{"x", denied};
    const auto start = std::chrono::steady_clock::now();
    const auto e = thrown_by<nlock::lock_error>([&] { (void)lock.acquire(std::chrono::milliseconds{10}); });
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds{400});
    CHECK((e.code().value() == ERROR_ACCESS_DENIED || e.code().value() == ERROR_WRITE_PROTECT));
    CHECK_THAT(e.what(), ContainsSubstring("cannot open Z:\\sys\\x.lock: "));
}

}  // namespace windows_path_test
#endif

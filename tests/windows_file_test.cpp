// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The lock file on Windows, where files are shared, deleted and named in other ways.
#include "support/catch.hpp"

#if defined(_WIN32)
#include "support/windows.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/platform.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"
#include "support/worker.hpp"

namespace windows_file_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;
using nlock::named_lock;

class open_file {
  public:
    explicit open_file(const fs::path& path, DWORD access, DWORD sharing)
        : handle_{CreateFileW(path.c_str(), access, sharing, nullptr, OPEN_ALWAYS, 0, nullptr)} {}
    open_file(const open_file&) = delete;
    open_file& operator=(const open_file&) = delete;
    ~open_file() { close(); }

    [[nodiscard]] bool is_open() const noexcept { return handle_ != INVALID_HANDLE_VALUE; }
    [[nodiscard]] HANDLE get() const noexcept { return handle_; }
    void close() noexcept {
        if (is_open()) CloseHandle(std::exchange(handle_, INVALID_HANDLE_VALUE));
    }

  private:
    HANDLE handle_;
};

constexpr DWORD read_and_write = GENERIC_READ | GENERIC_WRITE;
constexpr DWORD shared_with_all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

void write_file(const fs::path& path, const std::string& content) { std::ofstream{path, std::ios::binary} << content; }

std::string content_of(const fs::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

/// Whether `name` is, letter by letter, the name of a file in `dir`.
bool is_in(const fs::path& dir, const std::wstring& name) {
    for (const auto& entry : fs::directory_iterator{dir}) {
        if (entry.path().filename().native() == name) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("on Windows, the content of the lock file is neither read nor written nor truncated") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    write_file(lock.path(), "not ours\n");
    const auto written = fs::last_write_time(lock.path());
    { const auto guard = lock.acquire(); }
    { const auto guard = lock.acquire_shared(); }
    {
        const foreign_hold foreign{lock};
        CHECK_FALSE(lock.try_acquire());
        CHECK_THROWS_AS(lock.acquire(5ms), nlock::lock_timeout);
    }
    CHECK(fs::last_write_time(lock.path()) == written);
    CHECK(content_of(lock.path()) == "not ours\n");
}

TEST_CASE("nobody can delete or move a lock file that is held or waited for") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto guard = lock.acquire();
    CHECK(DeleteFileW(lock.path().c_str()) == 0);
    CHECK(MoveFileW(lock.path().c_str(), (dir.path() / "away").c_str()) == 0);
    CHECK(fs::exists(lock.path()));
    const open_file who_could_delete{lock.path(), DELETE, shared_with_all};
    CHECK_FALSE(who_could_delete.is_open());
}

TEST_CASE("a file that another program has for itself is waited for") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    open_file alone{lock.path(), read_and_write, 0};
    REQUIRE(alone.is_open());
    CHECK_FALSE(lock.try_acquire());
    CHECK_THROWS_AS(lock.acquire(20ms), nlock::lock_timeout);
    worker waiter{dir};
    waiter.let_wait("acquire -1 x");
    CHECK(waiter.is_silent());
    alone.close();
    CHECK(waiter.read_line() == "ok");
    CHECK_FALSE(lock.try_acquire());
}

TEST_CASE("a file that is being deleted is waited for, and a new one is locked then") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    write_file(lock.path(), "old");
    open_file last_user{lock.path(), GENERIC_READ | DELETE, shared_with_all};
    REQUIRE(last_user.is_open());
    REQUIRE(DeleteFileW(lock.path().c_str()) != 0);
    CHECK_FALSE(lock.try_acquire());
    CHECK_THROWS_AS(lock.acquire(20ms), nlock::lock_timeout);
    worker waiter{dir};
    waiter.let_wait("acquire -1 x");
    last_user.close();
    CHECK(waiter.read_line() == "ok");
    CHECK(fs::file_size(lock.path()) == 0);
}

TEST_CASE("a lock file that may only be read is locked too") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    write_file(lock.path(), "");
    REQUIRE(SetFileAttributesW(lock.path().c_str(), FILE_ATTRIBUTE_READONLY) != 0);
    {
        const auto guard = lock.acquire(5s);
        worker other{dir};
        CHECK(other.ask("try x") == "busy");
    }
    SetFileAttributesW(lock.path().c_str(), FILE_ATTRIBUTE_NORMAL);
}

TEST_CASE("a started program inherits no lock file") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto guard = lock.acquire();
    worker started_meanwhile{dir};  // with inheritable handles inherited
    guard.release();
    const open_file alone{lock.path(), read_and_write, 0};
    CHECK(alone.is_open());
}

TEST_CASE("a directory in the place of the lock file is an error, at once") {
    temp_dir dir;
    fs::create_directory(dir.path() / "x.lock");
    const auto e = thrown_by<nlock::lock_error>([&] { (void)named_lock{"x", dir.path()}.acquire(); });
    CHECK(e.code() == std::errc::is_a_directory);
    CHECK_THAT(e.what(), ContainsSubstring("cannot open " + utf8_of(e.path())));
}

TEST_CASE("a Windows error has the system's words and its number") {
    const fs::path nowhere{"\\\\?\\Q:\\locks"};
    const auto e = thrown_by<nlock::lock_error>([&] { (void)named_lock{"x", nowhere}.acquire(); });
    CHECK(e.code().category() == std::system_category());
    CHECK_THAT(e.what(), ContainsSubstring("cannot create the directory of ") &&
                             ContainsSubstring(" (error " + std::to_string(e.code().value()) + ")"));
}

TEST_CASE("a UTF-8 name is the file's UTF-16 name") {
    temp_dir dir;
    const auto guard = named_lock{"\xC3\xA4 \xE5\x90\x8D \xF0\x9F\x94\x92", dir.path()}.acquire();
    CHECK(is_in(dir.path(), L"\u00E4 \u540D \xD83D\xDD12.lock"));
}

TEST_CASE("a path may be longer than 260 characters") {
    temp_dir dir;
    fs::path locks_dir = dir.path();
    for (int i = 0; i < 8; ++i) locks_dir /= std::string(40, static_cast<char>('a' + i));
    named_lock lock{std::string(200, 'n'), locks_dir};
    REQUIRE(lock.path().native().size() > 520);
    const auto guard = lock.acquire();
    CHECK(lock.is_locked());
    CHECK_FALSE(in_another_thread([&] { return static_cast<bool>(lock.try_acquire(5ms)); }));
    worker other{locks_dir};
    CHECK(other.ask("try " + lock.name()) == "busy");
    CHECK(GetFileAttributesW((LR"(\\?\)" + lock.path().native()).c_str()) != INVALID_FILE_ATTRIBUTES);
    // The standard library of MinGW cannot remove such a path.
    CHECK(named_lock{lock.name(), fs::path{LR"(\\?\)" + locks_dir.native()}}.path() == lock.path());
}

TEST_CASE("slashes, backslashes and the case of letters make no other locks directory") {
    temp_dir dir;
    fs::create_directory(dir.path() / "Locks");
    named_lock lock{"x", dir.path() / "Locks"};
    const auto guard = lock.acquire();
    CHECK(named_lock{"x", dir.path().generic_wstring() + L"/locks/"}.is_locked());
    CHECK(named_lock{"x", dir.path().native() + L"\\LOCKS\\.\\..\\lOcKs"}.is_locked());
    CHECK(named_lock{"x", LR"(\\?\)" + (dir.path() / "Locks").native()}.is_locked());
}

TEST_CASE("names that differ in the case of letters alone are one file on Windows, and exclude each other") {
    temp_dir dir;
    const auto guard = named_lock{"name", dir.path()}.acquire();
    CHECK_FALSE(named_lock{"NAME", dir.path()}.try_acquire());
}

}  // namespace windows_file_test
#endif

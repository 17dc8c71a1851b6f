// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Exactly that file: named_lock::at(). And what a guard tells of its lock.
#include "support/catch.hpp"

#include <filesystem>
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

namespace at_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using namespace std::string_literals;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;
using nlock::guard;
using nlock::named_lock;

}  // namespace

TEST_CASE("a lock at a file is that file, whatever it is called") {
    temp_dir dir;
#if defined(_WIN32)
    const std::string name = GENERATE(as<std::string>{}, "app", ".lock", "x.lck", "x.lock", "a b");
#else
    const std::string name =
        GENERATE(as<std::string>{}, "app", ".lock", "x.lck", "x.lock", "a b", "...", "NUL", "a:b", "\x1B[2J", "\xFF");
#endif
    const fs::path file = dir.path() / name;
    named_lock lock = named_lock::at(file);
    CHECK(lock.path() == file);
    CHECK(lock.name() == name);
    CHECK_FALSE(fs::exists(file));

    const auto guard = lock.acquire();
    CHECK(fs::is_regular_file(file));
    CHECK(guard.name() == name);
    CHECK(seen_by_others(lock) == seen::exclusive);
}

TEST_CASE("a lock at the file of a name is the lock of that name") {
    temp_dir dir;
    named_lock named{"x", dir.path()};
    named_lock at_file = named_lock::at(dir.path() / "x.lock");
    CHECK(at_file.path() == named.path());
    CHECK(at_file.name() == "x.lock");
    CHECK(named.name() == "x");

    const auto by_name = named.acquire();
    const auto by_file = at_file.acquire(0s);
    CHECK(named.lock_count() == 2);
    CHECK(by_name.name() == "x");
    CHECK(by_file.name() == "x.lock");
    CHECK(by_name.path() == by_file.path());
}

TEST_CASE("a name is not the lock at a file that is called so without a suffix") {
    temp_dir dir;
    named_lock at_file = named_lock::at(dir.path() / "x");
    const auto guard = at_file.acquire();
    named_lock named{"x", dir.path()};
    CHECK(named.path() == dir.path() / "x.lock");
    CHECK(named.name() == "x");
    CHECK_FALSE(named.is_locked());
}

TEST_CASE("a lock at a file excludes other processes") {
    temp_dir dir;
    worker other{dir};
    other.tell("try x");
    named_lock lock = named_lock::at(dir.path() / "x.lock");
    CHECK_FALSE(lock.try_acquire());
    other.tell("release");
    CHECK(lock.try_acquire());
}

TEST_CASE("the directory of a lock at a file is made absolute, resolved and created like a locks directory") {
    temp_dir dir;
    fs::create_directory(dir.path() / "real");
    const fs::path real = dir.path() / "real" / "app";
    CHECK(named_lock::at(dir.path() / "." / "real" / "app").path() == real);
    CHECK(named_lock::at(dir.path() / "real" / ".." / "real" / "app").path() == real);
#if !defined(_WIN32)
    fs::create_directory_symlink("real", dir.path() / "link");
    CHECK(named_lock::at(dir.path() / "link" / "app").path() == real);
#endif
    const fs::path here = fs::canonical(fs::current_path());
    CHECK(named_lock::at("app").path() == here / "app");
    CHECK(named_lock::at(fs::path{"a"} / "app").path() == here / "a" / "app");

    const fs::path missing = dir.path() / "missing" / "too" / "app";
    const auto guard = named_lock::at(missing).acquire();
    CHECK(fs::is_regular_file(missing));
}

TEST_CASE("a lock at a file has its options, but for the directory") {
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path() / "unused";
    options.timeout = 3ms;
    options.reentrant = false;
    named_lock lock = named_lock::at(dir.path() / "app", options);
    CHECK(lock.timeout() == 3ms);
    const auto guard = lock.acquire();
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(fs::exists(options.locks_dir));
}

TEST_CASE("a path that names no file is refused") {
    const fs::path path = GENERATE(as<fs::path>{}, "", ".", "..", "/", "dir/", "dir/.", "dir/..", "dir/app\0"s,
                                   "dir\0/app"s, "\0"s);
    CAPTURE(path);
    const auto refusal = thrown_by<nlock::lock_error>([&] { (void)named_lock::at(path); });
    CHECK(refusal.code() == std::errc::invalid_argument);
    CHECK(refusal.path() == path);
    CHECK_THAT(refusal.what(), ContainsSubstring("it names no file"));
}

#if !defined(_WIN32)
TEST_CASE("a file's name that does something to a terminal is shown by its bytes") {
    temp_dir dir;
    named_lock lock = named_lock::at(dir.path() / "\x1B[2J");
    const auto guard = lock.acquire();
    in_another_thread([&] {
        const std::string message = thrown_by<nlock::lock_timeout>([&] { (void)lock.acquire(0s); }).what();
        CHECK_THAT(message, ContainsSubstring("lock '\\x1B[2J'"));
        CHECK(message.find('\x1B') == std::string::npos);
    });
}

TEST_CASE("a lock at a symlink is refused") {
    temp_dir dir;
    fs::create_symlink("app", dir.path() / "link");
    named_lock lock = named_lock::at(dir.path() / "link");
    CHECK(lock.path() == dir.path() / "link");
    CHECK_THROWS_AS(lock.acquire(), nlock::lock_error);
    CHECK_FALSE(fs::exists(dir.path() / "app"));
}
#endif

TEST_CASE("a lock has a name, a directory and a time-out") {
    temp_dir dir;
    const named_lock lock{"x", dir.path(), 10s};
    CHECK(lock.path() == dir.path() / "x.lock");
    CHECK(lock.timeout() == 10s);
}

TEST_CASE("a guard tells the name and the path of its lock, also without the lock") {
    temp_dir dir;
    guard first = named_lock{"x", dir.path()}.acquire();
    CHECK(first.name() == "x");
    CHECK(first.path() == dir.path() / "x.lock");

    guard second = std::move(first);
    CHECK(second.name() == "x");
    second = named_lock::at(dir.path() / "app").acquire();
    CHECK(second.name() == "app");
    CHECK(second.path() == dir.path() / "app");
}

TEST_CASE("an empty guard has no name and no path") {
    temp_dir dir;
    guard released = named_lock{"x", dir.path()}.acquire();
    released.release();
    const guard never;
    for (const guard* empty : {static_cast<const guard*>(&released), &never}) {
        CHECK(empty->name().empty());
        CHECK(empty->path().empty());
    }
}

}  // namespace at_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What says why instead of throwing: make(), and try_acquire() with a std::error_code.
#include "support/catch.hpp"

#include <chrono>
#include <filesystem>
#include <limits>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"

namespace error_code_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using namespace std::string_literals;
namespace fs = std::filesystem;
using nlock::guard;
using nlock::lock_options;
using nlock::named_lock;

const std::error_code stale = std::make_error_code(std::errc::broken_pipe);

using maker = std::optional<named_lock>(std::string_view, lock_options, std::error_code&) noexcept;
[[maybe_unused]] constexpr maker* makes = &named_lock::make;  // without the copy of an argument, which may throw
static_assert(noexcept(std::declval<named_lock&>().try_acquire(std::declval<std::error_code&>())));
static_assert(noexcept(std::declval<named_lock&>().try_acquire(std::declval<std::chrono::seconds>(), std::declval<std::error_code&>())));
static_assert(noexcept(std::declval<named_lock&>().try_acquire_shared(std::declval<std::error_code&>())));
static_assert(noexcept(std::declval<named_lock&>().try_acquire_shared(std::declval<std::chrono::seconds>(), std::declval<std::error_code&>())));
static_assert(std::is_same_v<decltype(named_lock::make("x", {}, std::declval<std::error_code&>())),
                             std::optional<named_lock>>);

/// What each of the four says.
template <class Check>
void check_all(named_lock lock, Check check) {
    std::error_code why = stale;
    check(lock.try_acquire(why), why);
    why = stale;
    check(lock.try_acquire(5ms, why), why);
    why = stale;
    check(lock.try_acquire_shared(why), why);
    why = stale;
    check(lock.try_acquire_shared(5ms, why), why);
}

template <class Code>
auto is_refused_with(Code code) {
    return [code](const guard& guard, std::error_code why) {
        CHECK_FALSE(guard);
        CHECK(why == code);
    };
}

template <class Thrown>
lock_options options_that_throw(const temp_dir& dir, Thrown thrown) {
    lock_options options;
    options.locks_dir = dir.path();
    options.on_wait = [thrown](const nlock::lock_wait&) { throw thrown; };
    return options;
}

}  // namespace

TEST_CASE("a lock that is made without throwing is the one that the constructor makes") {
    temp_dir dir;
    lock_options options;
    options.locks_dir = dir.path();
    options.timeout = 3ms;
    std::error_code why = stale;
    const auto lock = named_lock::make("x", options, why);
    REQUIRE(lock);
    CHECK_FALSE(why);
    CHECK(lock->name() == "x");
    CHECK(lock->path() == dir.path() / "x.lock");
    CHECK(lock->timeout() == 3ms);
}

TEST_CASE("a bad name or directory makes no lock, and says that it is an invalid argument") {
    temp_dir dir;
    lock_options good;
    good.locks_dir = dir.path();
    lock_options bad;
    bad.locks_dir = "a\0b"s;
    std::error_code why;
    CHECK_FALSE(named_lock::make("a/b", good, why));
    CHECK(why == std::errc::invalid_argument);
    why = stale;
    CHECK_FALSE(named_lock::make("", good, why));
    CHECK(why == std::errc::invalid_argument);
    why = stale;
    CHECK_FALSE(named_lock::make("x", bad, why));
    CHECK(why == std::errc::invalid_argument);
}

TEST_CASE("success clears the error code") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    check_all(lock, [](const guard& guard, std::error_code why) {
        CHECK(guard);
        CHECK_FALSE(why);
    });
    std::error_code why;
    const auto exclusive = lock.try_acquire(why);
    CHECK(seen_by_others(lock) == seen::exclusive);
}

TEST_CASE("a shared attempt that tells why is shared") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    std::error_code why;
    const auto reading = lock.try_acquire_shared(why);
    CHECK(seen_by_others(lock) == seen::shared);
}

TEST_CASE("a lock that somebody else holds is told as timed out") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    SECTION("a thread") {
        const auto held = lock.acquire();
        in_another_thread([&] { check_all(lock, is_refused_with(std::errc::timed_out)); });
    }
    SECTION("another program") {
        const foreign_hold held{lock};
        check_all(lock, is_refused_with(std::errc::timed_out));
    }
}

TEST_CASE("what would be thrown is told by its code") {
    temp_dir dir;
    SECTION("a directory where the lock file should be") {
        fs::create_directory(dir.path() / "x.lock");
        check_all(named_lock{"x", dir.path()}, [](const guard& guard, std::error_code why) {
            CHECK_FALSE(guard);
            CHECK(why);
            CHECK(why != std::errc::timed_out);
            CHECK(why != stale);
        });
    }
    SECTION("a missing directory") {
        lock_options options;
        options.locks_dir = dir.path() / "missing";
        options.create_directories = false;
        check_all(named_lock{"x", options}, is_refused_with(std::errc::no_such_file_or_directory));
    }
    SECTION("an upgrade") {
        named_lock lock{"x", dir.path()};
        const auto reading = lock.acquire_shared();
        std::error_code why;
        is_refused_with(std::errc::resource_deadlock_would_occur)(lock.try_acquire(1s, why), why);
    }
    SECTION("no number") {
        std::error_code why;
        const std::chrono::duration<double> nan{std::numeric_limits<double>::quiet_NaN()};
        is_refused_with(std::errc::invalid_argument)(named_lock{"x", dir.path()}.try_acquire(nan, why), why);
    }
}

TEST_CASE("what on_wait throws ends the wait, and is told by a code") {
    temp_dir dir;
    const foreign_hold held{named_lock{"x", dir.path()}};
    const auto why_not = [&](auto thrown) {
        std::error_code why;
        CHECK_FALSE(named_lock{"x", options_that_throw(dir, thrown)}.try_acquire(1min, why));
        return why;
    };
    CHECK(why_not(std::system_error{stale}) == stale);
    CHECK(why_not(std::system_error{std::error_code{}}) == std::errc::operation_canceled);
    CHECK(why_not(std::bad_alloc{}) == std::errc::not_enough_memory);
    CHECK(why_not(42) == std::errc::operation_canceled);
}

}  // namespace error_code_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The interface that other programs are written against: signatures, types and named requirements. Most of it is
// checked by the compiler; that [[nodiscard]] warns is checked in compile_fail/.
#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <ratio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/temp_dir.hpp"

namespace contract_test {
namespace {

using namespace std::chrono_literals;
using namespace nlock_test;
namespace fs = std::filesystem;
using nlock::guard;
using nlock::lock_options;
using nlock::named_lock;

template <class A, class B>
constexpr bool same = std::is_same_v<A, B>;

template <class T>
using plain = std::remove_cv_t<std::remove_reference_t<T>>;

// ---- values ----

static_assert(same<decltype(nlock::forever), const std::chrono::nanoseconds>);
static_assert(nlock::forever.count() == -1);

static_assert(std::is_enum_v<nlock::lock_method> && !std::is_convertible_v<nlock::lock_method, int>);
static_assert(nlock::lock_method::flock != nlock::lock_method::fcntl);

static_assert(std::is_aggregate_v<nlock::lock_holder>);
static_assert(same<decltype(nlock::lock_holder::pid), std::int64_t>);
static_assert(same<decltype(nlock::lock_holder::process), std::string>);

static_assert(std::is_aggregate_v<nlock::lock_wait>);
static_assert(same<decltype(nlock::lock_wait::path), const fs::path&>);
static_assert(same<decltype(nlock::lock_wait::holders), std::vector<nlock::lock_holder>>);

static_assert(std::is_aggregate_v<lock_options>);
static_assert(same<decltype(lock_options::locks_dir), fs::path>);
static_assert(same<decltype(lock_options::timeout), std::chrono::nanoseconds>);
static_assert(same<decltype(lock_options::poll_interval), std::chrono::milliseconds>);
static_assert(same<decltype(lock_options::permissions), std::optional<fs::perms>>);
static_assert(same<decltype(lock_options::method), nlock::lock_method>);
static_assert(same<decltype(lock_options::reentrant), bool>);
static_assert(same<decltype(lock_options::on_wait), std::function<void(const nlock::lock_wait&)>>);

// ---- guard ----

static_assert(std::is_nothrow_default_constructible_v<guard>);
static_assert(!std::is_copy_constructible_v<guard> && !std::is_copy_assignable_v<guard>);
static_assert(std::is_nothrow_move_constructible_v<guard> && std::is_nothrow_move_assignable_v<guard>);
static_assert(std::is_nothrow_swappable_v<guard> && std::is_nothrow_destructible_v<guard>);
static_assert(std::is_constructible_v<bool, const guard&> && !std::is_convertible_v<const guard&, bool>);
static_assert(same<decltype(std::declval<guard&>().release()), void>);

// ---- named_lock ----

static_assert(std::is_copy_constructible_v<named_lock> && std::is_copy_assignable_v<named_lock>);
static_assert(std::is_move_constructible_v<named_lock> && std::is_move_assignable_v<named_lock>);
static_assert(std::is_nothrow_destructible_v<named_lock>);
static_assert(!std::is_default_constructible_v<named_lock>);

static_assert(std::is_constructible_v<named_lock, std::string_view>);
static_assert(std::is_constructible_v<named_lock, const char*>);
static_assert(std::is_constructible_v<named_lock, std::string>);
static_assert(!std::is_convertible_v<std::string_view, named_lock>);
static_assert(!std::is_convertible_v<const char*, named_lock>);
static_assert(std::is_constructible_v<named_lock, std::string_view, lock_options>);
static_assert(std::is_constructible_v<named_lock, std::string_view, fs::path>);
static_assert(std::is_constructible_v<named_lock, const char*, const char*>);
static_assert(std::is_constructible_v<named_lock, const char*, std::string>);
static_assert(std::is_constructible_v<named_lock, std::string_view, std::chrono::nanoseconds>);
static_assert(std::is_constructible_v<named_lock, const char*, std::chrono::seconds>);
static_assert(std::is_constructible_v<named_lock, const char*, std::chrono::hours>);
static_assert(!std::is_constructible_v<named_lock, const char*, int>);  // 10 what?
static_assert(!std::is_constructible_v<named_lock, const char*, double>);

using lock_ref = named_lock&;
using const_lock_ref = const named_lock&;

static_assert(same<decltype(std::declval<const_lock_ref>().name()), const std::string&>);
static_assert(same<decltype(std::declval<const_lock_ref>().path()), const fs::path&>);
static_assert(same<decltype(std::declval<const_lock_ref>().timeout()), std::chrono::nanoseconds>);
static_assert(noexcept(std::declval<const_lock_ref>().name()));
static_assert(noexcept(std::declval<const_lock_ref>().path()));
static_assert(noexcept(std::declval<const_lock_ref>().timeout()));
static_assert(same<decltype(std::declval<const_lock_ref>().is_locked()), bool>);
static_assert(same<decltype(std::declval<const_lock_ref>().lock_count()), std::size_t>);
static_assert(same<decltype(std::declval<const_lock_ref>().holders()), std::vector<nlock::lock_holder>>);

static_assert(same<decltype(std::declval<lock_ref>().acquire()), guard>);
static_assert(same<decltype(std::declval<lock_ref>().try_acquire()), guard>);
static_assert(same<decltype(std::declval<lock_ref>().acquire_shared()), guard>);
static_assert(same<decltype(std::declval<lock_ref>().try_acquire_shared()), guard>);
static_assert(same<decltype(std::declval<lock_ref>().release()), void>);
static_assert(same<decltype(&named_lock::release), void (named_lock::*)(bool)>);
static_assert(same<decltype(std::declval<named_lock>().acquire()), guard>);  // the one-liner: a temporary

static_assert(same<decltype(&named_lock::lock), void (named_lock::*)()>);
static_assert(same<decltype(&named_lock::try_lock), bool (named_lock::*)()>);
static_assert(same<decltype(&named_lock::unlock), void (named_lock::*)()>);
static_assert(same<decltype(&named_lock::lock_shared), void (named_lock::*)()>);
static_assert(same<decltype(&named_lock::try_lock_shared), bool (named_lock::*)()>);
static_assert(same<decltype(&named_lock::unlock_shared), void (named_lock::*)()>);

/// Every member that takes a duration takes this one.
template <class Duration>
constexpr bool takes_duration() {
    using d = const Duration&;
    static_assert(same<decltype(std::declval<lock_ref>().acquire(std::declval<d>())), guard>);
    static_assert(same<decltype(std::declval<lock_ref>().try_acquire(std::declval<d>())), guard>);
    static_assert(same<decltype(std::declval<lock_ref>().acquire_shared(std::declval<d>())), guard>);
    static_assert(same<decltype(std::declval<lock_ref>().try_acquire_shared(std::declval<d>())), guard>);
    static_assert(same<decltype(std::declval<lock_ref>().try_lock_for(std::declval<d>())), bool>);
    static_assert(same<decltype(std::declval<lock_ref>().try_lock_shared_for(std::declval<d>())), bool>);
    static_assert(same<decltype(nlock::acquire_all(std::declval<std::vector<named_lock>>(), std::declval<d>())),
                       std::vector<guard>>);
#if defined(__cpp_lib_jthread)
    using stop = std::stop_token;
    static_assert(same<decltype(std::declval<lock_ref>().acquire(stop{}, std::declval<d>())), guard>);
    static_assert(same<decltype(std::declval<lock_ref>().try_acquire(stop{}, std::declval<d>())), guard>);
    static_assert(same<decltype(std::declval<lock_ref>().acquire_shared(stop{}, std::declval<d>())), guard>);
    static_assert(same<decltype(std::declval<lock_ref>().try_acquire_shared(stop{}, std::declval<d>())), guard>);
#endif
    return true;
}

using third_of_a_second = std::chrono::duration<int, std::ratio<1, 3>>;
using float_seconds = std::chrono::duration<float>;
using long_double_days = std::chrono::duration<long double, std::ratio<86400>>;
using byte_seconds = std::chrono::duration<unsigned char>;
using picoseconds = std::chrono::duration<std::int64_t, std::pico>;

static_assert(takes_duration<std::chrono::nanoseconds>() && takes_duration<std::chrono::milliseconds>() &&
              takes_duration<std::chrono::minutes>() && takes_duration<std::chrono::hours>());
static_assert(takes_duration<third_of_a_second>() && takes_duration<float_seconds>() &&
              takes_duration<long_double_days>() && takes_duration<byte_seconds>() && takes_duration<picoseconds>());

/// The try_lock_*_until take this time point.
template <class TimePoint>
constexpr bool takes_time_point() {
    using t = const TimePoint&;
    static_assert(same<decltype(std::declval<lock_ref>().try_lock_until(std::declval<t>())), bool>);
    static_assert(same<decltype(std::declval<lock_ref>().try_lock_shared_until(std::declval<t>())), bool>);
    return true;
}

static_assert(takes_time_point<std::chrono::steady_clock::time_point>());
static_assert(takes_time_point<std::chrono::system_clock::time_point>());
static_assert(takes_time_point<std::chrono::time_point<std::chrono::steady_clock, float_seconds>>());
static_assert(takes_time_point<std::chrono::time_point<std::chrono::system_clock, std::chrono::hours>>());

#if defined(__cpp_lib_jthread)
static_assert(same<decltype(std::declval<lock_ref>().acquire(std::stop_token{})), guard>);
static_assert(same<decltype(std::declval<lock_ref>().try_acquire(std::stop_token{})), guard>);
static_assert(same<decltype(std::declval<lock_ref>().acquire_shared(std::stop_token{})), guard>);
static_assert(same<decltype(std::declval<lock_ref>().try_acquire_shared(std::stop_token{})), guard>);
#endif

static_assert(same<decltype(nlock::acquire_all(std::declval<std::vector<named_lock>>())), std::vector<guard>>);

// ---- exceptions ----

template <class Derived, class Base>  // derived publicly, and once
constexpr bool is_a = std::is_base_of_v<Base, Derived>&& std::is_convertible_v<Derived*, Base*>;

static_assert(is_a<nlock::lock_error, std::system_error>);
static_assert(is_a<nlock::lock_timeout, nlock::lock_error>);
static_assert(is_a<nlock::lock_cancelled, nlock::lock_error>);
static_assert(!is_a<nlock::lock_cancelled, nlock::lock_timeout> && !is_a<nlock::lock_timeout, nlock::lock_cancelled>);
static_assert(is_a<nlock::invalid_lock_name, std::invalid_argument>);
static_assert(!is_a<nlock::invalid_lock_name, nlock::lock_error>);

static_assert(same<plain<decltype(std::declval<const nlock::lock_error&>().path())>, fs::path>);
static_assert(same<decltype(std::declval<const nlock::lock_timeout&>().timeout()), std::chrono::nanoseconds>);
static_assert(
    same<plain<decltype(std::declval<const nlock::lock_timeout&>().holders())>, std::vector<nlock::lock_holder>>);

// What is thrown is copied: a copy that throws would end the program.
static_assert(std::is_nothrow_copy_constructible_v<nlock::lock_error>);
static_assert(std::is_nothrow_copy_constructible_v<nlock::lock_timeout>);
static_assert(std::is_nothrow_copy_constructible_v<nlock::lock_cancelled>);
static_assert(std::is_nothrow_copy_constructible_v<nlock::invalid_lock_name>);

}  // namespace

TEST_CASE("lock_options have the documented defaults") {
    const lock_options options;
    CHECK(options.locks_dir == "locks");
    CHECK(options.timeout == nlock::forever);
    CHECK(options.poll_interval == 50ms);
    CHECK_FALSE(options.permissions.has_value());
    CHECK(options.method == nlock::lock_method::flock);
    CHECK(options.reentrant);
    CHECK_FALSE(options.on_wait);
    CHECK(options.courtesy == 2s);
    CHECK(options.keep_open);
    CHECK(options.create_directories);
    CHECK_FALSE(options.remove_on_release);
    CHECK_FALSE(options.apply_umask);
    CHECK(options.on_wait_interval == 0ms);
}

TEST_CASE("lock_options can be listed in the documented order") {
    const lock_options options{
        "dir", 1s,   2ms, fs::perms::owner_read, nlock::lock_method::fcntl, false, [](const nlock::lock_wait&) {},
        3s,    false, false, true,  false, 4ms};
    const auto& [locks_dir, timeout, poll_interval, permissions, method, reentrant, on_wait, courtesy, keep_open,
                 create_directories, remove_on_release, apply_umask, on_wait_interval] = options;
    CHECK(locks_dir == "dir");
    CHECK(timeout == 1s);
    CHECK(poll_interval == 2ms);
    CHECK(permissions == fs::perms::owner_read);
    CHECK(method == nlock::lock_method::fcntl);
    CHECK_FALSE(reentrant);
    CHECK(on_wait);
    CHECK(courtesy == 3s);
    CHECK_FALSE(keep_open);
    CHECK_FALSE(create_directories);
    CHECK(remove_on_release);
    CHECK_FALSE(apply_umask);
    CHECK(on_wait_interval == 4ms);
}

TEST_CASE("lock_holder and lock_wait can be listed in the documented order") {
    const nlock::lock_holder holder{42, "report"};
    CHECK(holder.pid == 42);
    CHECK(holder.process == "report");
    const fs::path path{"x.lock"};
    const nlock::lock_wait wait{path, {holder}};
    CHECK(&wait.path == &path);
    REQUIRE(wait.holders.size() == 1);
    CHECK(wait.holders[0].pid == 42);
}

TEST_CASE("a lock is constructed from a name alone, or with a directory, a time-out or options") {
    const fs::path here = fs::canonical(fs::current_path());

    const named_lock plain_lock{"x"};
    CHECK(plain_lock.name() == "x");
    CHECK(plain_lock.path() == here / "locks" / "x.lock");
    CHECK(plain_lock.timeout() == nlock::forever);

    const named_lock in_directory{"x", "/nowhere/at/all"};
    CHECK(in_directory.path() == fs::absolute("/nowhere/at/all/x.lock"));
    CHECK(in_directory.timeout() == nlock::forever);

    const named_lock with_timeout{"x", 10s};
    CHECK(with_timeout.path() == plain_lock.path());
    CHECK(with_timeout.timeout() == 10s);

    lock_options options;
    options.locks_dir = "/nowhere/at/all";
    options.timeout = 3ms;
    const named_lock with_options{"x", options};
    CHECK(with_options.path() == in_directory.path());
    CHECK(with_options.timeout() == 3ms);

    CHECK_FALSE(fs::exists("/nowhere"));
}

#if defined(__cpp_designated_initializers)
TEST_CASE("options can be named where the lock is constructed") {
    const named_lock lock{"x", {.locks_dir = "/nowhere/at/all", .timeout = 3s, .reentrant = false}};
    CHECK(lock.path() == fs::absolute("/nowhere/at/all/x.lock"));
    CHECK(lock.timeout() == 3s);
}
#endif

TEST_CASE("a lock that is copied or moved is the same lock with the same options") {
    temp_dir dir;
    lock_options options;
    options.locks_dir = dir.path();
    options.timeout = 7s;
    named_lock original{"x", options};
    const auto guard = original.acquire();

    named_lock copy{original};
    CHECK(copy.path() == original.path());
    CHECK(copy.timeout() == 7s);
    CHECK(copy.is_locked());

    named_lock moved{std::move(copy)};
    CHECK(moved.path() == original.path());
    CHECK(moved.is_locked());

    named_lock assigned{"y", dir.path()};
    assigned = original;
    CHECK(assigned.name() == "x");
    CHECK(assigned.timeout() == 7s);
    CHECK(assigned.is_locked());

    named_lock move_assigned{"y", dir.path()};
    move_assigned = std::move(moved);
    CHECK(move_assigned.name() == "x");
    CHECK(move_assigned.is_locked());
}

TEST_CASE("nothing is touched before the first acquisition, which creates directory and file") {
    temp_dir dir;
    const fs::path locks_dir = dir.path() / "a" / "b";
    named_lock lock{"x", locks_dir};
    CHECK_FALSE(lock.is_locked());
    CHECK(lock.lock_count() == 0);
    CHECK(lock.holders().empty());
    lock.release();
    CHECK_FALSE(fs::exists(dir.path() / "a"));

    const auto guard = lock.acquire();
    CHECK(fs::is_regular_file(locks_dir / "x.lock"));
}

TEMPLATE_TEST_CASE("a free lock is acquired with any type of time-out", "", std::chrono::nanoseconds,
                   std::chrono::minutes, third_of_a_second, float_seconds, long_double_days, byte_seconds,
                   picoseconds) {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    constexpr TestType timeout{1};
    CHECK(lock.acquire(timeout));
    CHECK(lock.try_acquire(timeout));
    CHECK(lock.acquire_shared(timeout));
    CHECK(lock.try_acquire_shared(timeout));
    CHECK(nlock::acquire_all({lock}, timeout).size() == 1);
    REQUIRE(lock.try_lock_for(timeout));
    lock.unlock();
    REQUIRE(lock.try_lock_shared_for(timeout));
    lock.unlock_shared();
}

}  // namespace contract_test

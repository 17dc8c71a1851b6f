// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include "support/catch.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/platform.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"

namespace guard_test {
namespace {

using namespace nlock_test;
using nlock::guard;
using nlock::named_lock;

nlock::lock_options options_in(const temp_dir& dir, bool reentrant) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.reentrant = reentrant;
    return options;
}

guard acquire_in_function(const temp_dir& dir) {
    named_lock lock{"x", dir.path()};
    auto guard = lock.acquire();
    return guard;
}

}  // namespace

TEST_CASE("a guard holds the lock until its scope ends") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    {
        const auto guard = lock.acquire();
        CHECK(guard);
        CHECK(seen_by_others(lock) == seen::exclusive);
    }
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a guard of a shared hold holds it shared until its scope ends") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    {
        const auto guard = lock.acquire_shared();
        CHECK(guard);
        CHECK(seen_by_others(lock) == seen::shared);
    }
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a guard gives up its hold when an exception leaves its scope") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    seen inside = seen::free;
    try {
        const auto guard = lock.acquire();
        inside = seen_by_others(lock);
        throw std::runtime_error{"from the critical section"};
    } catch (const std::runtime_error&) {
        CHECK(seen_by_others(lock) == seen::free);
    }
    CHECK(inside == seen::exclusive);
}

TEST_CASE("an empty guard is false and releases nothing") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto held = lock.acquire();
    {
        guard empty;
        CHECK_FALSE(empty);
        empty.release();
        CHECK_FALSE(empty);
    }
    CHECK(seen_by_others(lock) == seen::exclusive);
}

TEST_CASE("a guard that is moved from is empty, and the other one holds") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto first = lock.acquire();
    {
        guard second{std::move(first)};
        CHECK_FALSE(first);  // NOLINT(bugprone-use-after-move): it is promised to be empty
        CHECK(second);
        first.release();
        CHECK(lock.lock_count() == 1);
        CHECK(seen_by_others(lock) == seen::exclusive);
    }
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a guard that is assigned to gives up the hold it had") {
    temp_dir dir;
    named_lock a{"a", dir.path()};
    named_lock b{"b", dir.path()};
    auto guard_of_a = a.acquire();
    auto guard_of_b = b.acquire();

    guard_of_a = std::move(guard_of_b);
    CHECK(guard_of_a);
    CHECK_FALSE(guard_of_b);  // NOLINT(bugprone-use-after-move)
    CHECK(seen_by_others(a) == seen::free);
    CHECK(seen_by_others(b) == seen::exclusive);

    guard_of_a = guard{};
    CHECK_FALSE(guard_of_a);
    CHECK(seen_by_others(b) == seen::free);
}

TEST_CASE("a guard that is assigned a second hold of the same lock keeps it held") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto guard = lock.acquire();
    guard = lock.acquire();
    CHECK(guard);
    CHECK(lock.lock_count() == 1);
    CHECK(seen_by_others(lock) == seen::exclusive);
}

TEST_CASE("a guard that is moved to itself keeps its hold") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto guard = lock.acquire();
    auto& same = guard;
    guard = std::move(same);
    CHECK(guard);
    CHECK(lock.lock_count() == 1);
    CHECK(seen_by_others(lock) == seen::exclusive);
    guard.release();
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("swapped guards have each other's hold") {
    temp_dir dir;
    named_lock a{"a", dir.path()};
    named_lock b{"b", dir.path()};
    auto first = a.acquire();
    auto second = b.acquire();
    std::swap(first, second);
    first.release();
    CHECK(seen_by_others(a) == seen::exclusive);
    CHECK(seen_by_others(b) == seen::free);
    second.release();
    CHECK(seen_by_others(a) == seen::free);
}

TEST_CASE("a guard gives up its hold once, however often it is released") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto outer = lock.acquire();
    {
        auto inner = lock.acquire();
        inner.release();
        CHECK_FALSE(inner);
        CHECK(lock.lock_count() == 1);
        inner.release();
        CHECK(lock.lock_count() == 1);
    }
    CHECK(lock.lock_count() == 1);
    CHECK(seen_by_others(lock) == seen::exclusive);
}

TEST_CASE("a guard does not give up the hold that somebody else has by then") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    guard later;
    {
        auto early = lock.acquire();
        early.release();
        later = in_another_thread([&] { return lock.acquire(); });
    }
    CHECK(later);
    CHECK(seen_by_others(lock) == seen::exclusive);
}

TEST_CASE("a guard is false as soon as its hold is gone") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto first = lock.acquire();
    auto second = lock.acquire();
    first.release();
    CHECK_FALSE(first);
    CHECK(second);
    lock.release(true);
    CHECK_FALSE(second);
}

TEST_CASE("a guard outlives the lock object") {
    temp_dir dir;
    const auto other_object = named_lock{"x", dir.path()};
    std::optional<named_lock> lock{std::in_place, "x", dir.path()};
    auto guard = lock->acquire();
    lock.reset();
    CHECK(guard);
    CHECK(seen_by_others(other_object) == seen::exclusive);
    guard.release();
    CHECK(seen_by_others(other_object) == seen::free);
}

TEST_CASE("a guard outlives all lock objects of its path") {
    temp_dir dir;
    const auto path = named_lock{"x", dir.path()}.path();
    auto guard = named_lock{"x", dir.path()}.acquire();
    CHECK(guard);
    CHECK_FALSE(foreign_hold::is_possible(path, hold_kind::shared));
    CHECK(seen_by_others(named_lock{"x", dir.path()}) == seen::exclusive);
    CHECK(named_lock{"x", dir.path()}.is_locked());
    guard.release();
    CHECK(foreign_hold::is_possible(path, hold_kind::exclusive));
}

TEST_CASE("a guard can be returned from a function") {
    temp_dir dir;
    const auto guard = acquire_in_function(dir);
    CHECK(guard);
    CHECK(seen_by_others(named_lock{"x", dir.path()}) == seen::exclusive);
}

TEST_CASE("a guard can be tested in the condition that acquires it") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    bool entered = false;
    if (const auto guard = lock.try_acquire()) entered = seen_by_others(lock) == seen::exclusive;
    CHECK(entered);
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a guard that is moved to another thread still holds, and gives up there") {
    const bool reentrant = GENERATE(true, false);
    CAPTURE(reentrant);
    temp_dir dir;
    named_lock lock{"x", options_in(dir, reentrant)};
    auto guard = lock.acquire();
    event may_end;
    event has_guard;
    task other{[&, moved = std::move(guard)]() mutable {
        const auto kept = std::move(moved);
        has_guard.happen();
        return may_end.wait() && kept;
    }};
    REQUIRE(has_guard.wait());
    CHECK_FALSE(guard);  // NOLINT(bugprone-use-after-move)
    CHECK(seen_by_others(lock) == seen::exclusive);
    CHECK(lock.lock_count() == 1);  // still of the thread that acquired it, or of none
    may_end.happen();
    CHECK(other.get());
    CHECK(seen_by_others(lock) == seen::free);
    CHECK(lock.lock_count() == 0);
}

TEST_CASE("a thread that has been given a guard does not hold the lock itself") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto guard = lock.acquire();
    struct result {
        bool moved_guard;
        bool is_locked;
        bool entered;
    };
    const auto there = in_another_thread([&, moved = std::move(guard)]() mutable {
        const auto kept = std::move(moved);
        return result{static_cast<bool>(kept), lock.is_locked(), static_cast<bool>(lock.try_acquire())};
    });
    CHECK(there.moved_guard);
    CHECK_FALSE(there.is_locked);
    CHECK_FALSE(there.entered);
}

TEST_CASE("a guard keeps the lock after the end of the thread that acquired it") {
    const bool reentrant = GENERATE(true, false);
    CAPTURE(reentrant);
    temp_dir dir;
    named_lock lock{"x", options_in(dir, reentrant)};
    auto guard = in_another_thread([&] { return lock.acquire(); });
    CHECK(guard);
    CHECK(seen_by_others(lock) == seen::exclusive);
    guard.release();
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("guards live in containers, and each gives up when it is erased") {
    temp_dir dir;
    std::vector<named_lock> locks;
    std::vector<guard> guards;
    for (const char* name : {"a", "b", "c", "d", "e"}) {
        locks.emplace_back(name, dir.path());
        guards.push_back(locks.back().acquire());
    }
    guards.erase(guards.begin() + 1);
    CHECK(seen_by_others(locks[0]) == seen::exclusive);
    CHECK(seen_by_others(locks[1]) == seen::free);
    CHECK(seen_by_others(locks[2]) == seen::exclusive);
    guards.clear();
    for (const auto& lock : locks) CHECK(seen_by_others(lock) == seen::free);

    std::map<std::string, guard> by_name;
    by_name["a"] = locks[0].acquire();
    by_name.emplace("b", locks[1].acquire());
    by_name.erase("a");
    CHECK(seen_by_others(locks[0]) == seen::free);
    CHECK(seen_by_others(locks[1]) == seen::exclusive);
}

TEST_CASE("a guard on the heap or in an optional gives up when that goes") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto on_heap = std::make_shared<guard>(lock.acquire());
    std::optional<guard> in_optional{lock.acquire()};
    on_heap.reset();
    CHECK(seen_by_others(lock) == seen::exclusive);
    in_optional.reset();
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("giving up does not throw when the lock file and its directory are gone") {
    SKIP_ON_WINDOWS("nobody can remove an open lock file there");
    temp_dir dir;
    named_lock lock{"x", dir.path() / "locks"};
    auto released = lock.acquire();
    {
        const auto destroyed = lock.acquire();
        std::filesystem::remove_all(dir.path() / "locks");
    }  // a destructor that throws ends the program
    released.release();
    CHECK_FALSE(lock.is_locked());
    CHECK(lock.try_acquire());
    CHECK(std::filesystem::exists(lock.path()));
}

TEST_CASE("a guard that is destroyed while an exception is thrown gives up too") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    struct object {
        guard held;
        explicit object(guard g) : held{std::move(g)} { throw std::runtime_error{"from a constructor"}; }
    };
    CHECK_THROWS_AS(object{lock.acquire()}, std::runtime_error);
    CHECK(seen_by_others(lock) == seen::free);
}

}  // namespace guard_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// named_lock under the guards and algorithms of the standard library.
#include "support/catch.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"

namespace standard_face_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using nlock::named_lock;
using std::chrono::steady_clock;

nlock::guard held_by_another_thread(named_lock lock) {
    return in_another_thread([&] { return lock.acquire(); });
}

}  // namespace

TEST_CASE("std::lock_guard holds a named lock") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    {
        const std::lock_guard held{lock};
        CHECK(seen_by_others(lock) == seen::exclusive);
    }
    CHECK(seen_by_others(lock) == seen::free);
    lock.lock();
    {
        const std::lock_guard adopted{lock, std::adopt_lock};
        CHECK(seen_by_others(lock) == seen::exclusive);
    }
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("std::unique_lock locks a free named lock with each of its constructors") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto check = [&](std::unique_lock<named_lock> held) {
        CHECK(held.owns_lock());
        CHECK(seen_by_others(lock) == seen::exclusive);
    };
    check(std::unique_lock{lock});
    CHECK(seen_by_others(lock) == seen::free);
    check(std::unique_lock{lock, std::try_to_lock});
    CHECK(seen_by_others(lock) == seen::free);
    check(std::unique_lock{lock, 1h});
    CHECK(seen_by_others(lock) == seen::free);
    check(std::unique_lock{lock, steady_clock::now() + 1h});
    CHECK(seen_by_others(lock) == seen::free);
    check(std::unique_lock{lock, std::chrono::system_clock::now() + 1h});
    CHECK(seen_by_others(lock) == seen::free);
    lock.lock();
    check(std::unique_lock{lock, std::adopt_lock});
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("std::unique_lock does not own a named lock that is held elsewhere, and releases nothing") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto others = held_by_another_thread(lock);
    {
        const std::unique_lock tried{lock, std::try_to_lock};
        CHECK_FALSE(tried);
        const std::unique_lock timed{lock, 5ms};
        CHECK_FALSE(timed);
        const std::unique_lock until{lock, steady_clock::now() + 5ms};
        CHECK_FALSE(until);
        const std::unique_lock deferred{lock, std::defer_lock};
        CHECK_FALSE(deferred);
    }
    CHECK(others);
    CHECK(seen_by_others(lock) == seen::exclusive);
}

TEST_CASE("std::unique_lock locks and unlocks a named lock later") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    std::unique_lock held{lock, std::defer_lock};
    CHECK(seen_by_others(lock) == seen::free);
    held.lock();
    CHECK(seen_by_others(lock) == seen::exclusive);
    held.unlock();
    CHECK(seen_by_others(lock) == seen::free);
    CHECK(held.try_lock());
    held.unlock();
    CHECK(held.try_lock_for(1h));
    held.unlock();
    CHECK(held.try_lock_until(steady_clock::now() + 1h));
    std::unique_lock moved{std::move(held)};
    CHECK(seen_by_others(lock) == seen::exclusive);
    CHECK(moved.release() == &lock);
    CHECK(seen_by_others(lock) == seen::exclusive);
    lock.unlock();
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("std::unique_lock lets the default time-out through, and owns nothing then") {
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.timeout = 5ms;
    named_lock lock{"x", options};
    const auto others = held_by_another_thread(lock);
    std::unique_lock held{lock, std::defer_lock};
    CHECK_THROWS_AS(held.lock(), nlock::lock_timeout);
    CHECK_FALSE(held);
    CHECK_THROWS_AS(std::lock_guard{lock}, nlock::lock_timeout);
    CHECK(lock.lock_count() == 0);
    CHECK(others);
}

TEST_CASE("std::scoped_lock holds two named locks, and gives both up when an exception passes") {
    temp_dir dir;
    named_lock a{"a", dir.path()};
    named_lock b{"b", dir.path()};
    {
        const std::scoped_lock both{a, b};
        CHECK(seen_by_others(a) == seen::exclusive);
        CHECK(seen_by_others(b) == seen::exclusive);
    }
    const auto failing = [&] {
        const std::scoped_lock both{a, b};
        throw std::runtime_error{"from the critical section"};
    };
    CHECK_THROWS_AS(failing(), std::runtime_error);
    CHECK(seen_by_others(a) == seen::free);
    CHECK(seen_by_others(b) == seen::free);
}

TEST_CASE("std::scoped_lock holds a named lock beside a std::mutex") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    std::mutex mutex;
    {
        const std::scoped_lock both{mutex, lock};
        CHECK(seen_by_others(lock) == seen::exclusive);
        CHECK_FALSE(in_another_thread([&] { return mutex.try_lock(); }));
    }
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("std::scoped_lock gives up the first named lock when the second one times out") {
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.timeout = 5ms;
    named_lock a{"a", options};
    named_lock b{"b", options};
    const auto others = held_by_another_thread(b);
    CHECK_THROWS_AS((std::scoped_lock{a, b}), nlock::lock_timeout);
    CHECK_THROWS_AS((std::scoped_lock{b, a}), nlock::lock_timeout);
    CHECK(seen_by_others(a) == seen::free);
    CHECK(others);
}

TEST_CASE("std::try_lock names the lock that is held, and keeps none") {
    temp_dir dir;
    named_lock a{"a", dir.path()};
    named_lock b{"b", dir.path()};
    named_lock c{"c", dir.path()};
    {
        const auto others = held_by_another_thread(b);
        CHECK(std::try_lock(a, b, c) == 1);
        CHECK(seen_by_others(a) == seen::free);
        CHECK(seen_by_others(c) == seen::free);
    }
    CHECK(std::try_lock(a, b, c) == -1);
    CHECK(seen_by_others(b) == seen::exclusive);
    a.unlock();
    b.unlock();
    c.unlock();
}

TEST_CASE("std::lock takes two locks in opposite orders without deadlock") {
    temp_dir dir;
    int counter = 0;  // no atomic: both locks protect it
    constexpr int rounds = 200;
    const auto work = [&](bool forwards) {
        named_lock a{"a", dir.path()};
        named_lock b{"b", dir.path()};
        for (int i = 0; i < rounds; ++i) {
            if (forwards) {
                std::lock(a, b);
            } else {
                std::lock(b, a);
            }
            const std::lock_guard of_a{a, std::adopt_lock};
            const std::lock_guard of_b{b, std::adopt_lock};
            ++counter;
        }
    };
    task one{[&] { work(true); }};
    task other{[&] { work(false); }};
    one.get();
    other.get();
    CHECK(counter == 2 * rounds);
}

TEST_CASE("std::scoped_lock takes three locks in any order without deadlock") {
    temp_dir dir;
    int counter = 0;
    constexpr int rounds = 100;
    const auto work = [&](const char* first, const char* second, const char* third) {
        named_lock a{first, dir.path()};
        named_lock b{second, dir.path()};
        named_lock c{third, dir.path()};
        for (int i = 0; i < rounds; ++i) {
            const std::scoped_lock all{a, b, c};
            ++counter;
        }
    };
    task one{[&] { work("a", "b", "c"); }};
    task two{[&] { work("b", "c", "a"); }};
    task three{[&] { work("c", "b", "a"); }};
    one.get();
    two.get();
    three.get();
    CHECK(counter == 3 * rounds);
}

TEST_CASE("std::shared_lock holds a free named lock shared with each of its constructors") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto check = [&](std::shared_lock<named_lock> held) {
        CHECK(held.owns_lock());
        CHECK(seen_by_others(lock) == seen::shared);
    };
    check(std::shared_lock{lock});
    CHECK(seen_by_others(lock) == seen::free);
    check(std::shared_lock{lock, std::try_to_lock});
    check(std::shared_lock{lock, 1h});
    check(std::shared_lock{lock, steady_clock::now() + 1h});
    lock.lock_shared();
    check(std::shared_lock{lock, std::adopt_lock});
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("std::shared_lock does not own a named lock that is held exclusively elsewhere") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto others = held_by_another_thread(lock);
    const std::shared_lock tried{lock, std::try_to_lock};
    CHECK_FALSE(tried);
    const std::shared_lock timed{lock, 5ms};
    CHECK_FALSE(timed);
    const std::shared_lock until{lock, std::chrono::system_clock::now() + 5ms};
    CHECK_FALSE(until);
}

TEST_CASE("std::condition_variable_any gives a named lock up while it waits") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    std::condition_variable_any changed;
    std::deque<int> queue;  // the lock protects it
    constexpr int items = 100;
    task consumer{[&] {
        std::vector<int> taken;
        named_lock same{"x", dir.path()};
        while (taken.size() < items) {
            std::unique_lock held{same};
            if (!changed.wait_for(held, patience, [&] { return !queue.empty(); })) break;
            taken.push_back(queue.front());
            queue.pop_front();
        }
        return taken;
    }};
    for (int i = 0; i < items; ++i) {
        {
            const std::lock_guard held{lock};
            queue.push_back(i);
        }
        changed.notify_one();
    }
    const auto taken = consumer.get();
    REQUIRE(taken.size() == items);
    for (int i = 0; i < items; ++i) CHECK(taken[static_cast<std::size_t>(i)] == i);
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("std::condition_variable_any holds the named lock again after a wait that timed out") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    std::condition_variable_any never;
    std::unique_lock held{lock};
    CHECK_FALSE(never.wait_for(held, 5ms, [] { return false; }));
    CHECK(held.owns_lock());
    CHECK(seen_by_others(lock) == seen::exclusive);
}

}  // namespace standard_face_test

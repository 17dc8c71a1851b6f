// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <list>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/platform.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"

namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using nlock::acquire_all;
using nlock::guard;
using nlock::named_lock;
using std::chrono::steady_clock;

nlock::lock_options options_in(const temp_dir& dir) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    return options;
}

std::vector<named_lock> locks_in(const temp_dir& dir, const std::vector<std::string>& names) {
    std::vector<named_lock> locks;
    for (const auto& name : names) locks.emplace_back(name, dir.path());
    return locks;
}

bool are_all(const std::vector<named_lock>& locks, seen expected) {
    return std::all_of(locks.begin(), locks.end(), [=](const auto& l) { return seen_by_others(l) == expected; });
}

}  // namespace

TEST_CASE("acquire_all holds all the locks until the guards go") {
    temp_dir dir;
    const auto locks = locks_in(dir, {"c", "a", "b"});
    {
        const auto guards = acquire_all(locks);
        CHECK(guards.size() == 3);
        CHECK(are_all(locks, seen::exclusive));
    }
    CHECK(are_all(locks, seen::free));
    {
        const auto guards = acquire_all(locks, 1h);
        CHECK(guards.size() == 3);
        CHECK(are_all(locks, seen::exclusive));
    }
    CHECK(are_all(locks, seen::free));
}

TEST_CASE("the guards of acquire_all are in the order of the locks") {
    temp_dir dir;
    std::vector<std::string> names{"a", "b", "c"};
    do {
        const auto locks = locks_in(dir, names);
        auto guards = acquire_all(locks);
        for (std::size_t i = 0; i < locks.size(); ++i) {
            CHECK(guards[i]);
            CHECK(seen_by_others(locks[i]) == seen::exclusive);
            guards[i].release();
            CHECK(seen_by_others(locks[i]) == seen::free);
        }
    } while (std::next_permutation(names.begin(), names.end()));
}

TEST_CASE("acquire_all of no locks gives no guards") {
    CHECK(acquire_all({}).empty());
    CHECK(acquire_all(std::vector<named_lock>{}, 0s).empty());
    CHECK(acquire_all(std::vector<named_lock>{}, nlock::forever).empty());
}

TEST_CASE("acquire_all holds none when one is held elsewhere, and says which") {
    temp_dir dir;
    const auto locks = locks_in(dir, {"c", "a", "d", "b"});
    for (const auto& held : locks) {
        INFO(held.name());
        {
            const foreign_hold foreign{held};
            for (const auto timeout : {0ms, 5ms}) {
                const auto start = steady_clock::now();
                const auto e = thrown_by<nlock::lock_timeout>([&] { (void)acquire_all(locks, timeout); });
                CHECK(steady_clock::now() - start >= timeout);
                CHECK(e.path() == held.path());
                CHECK(e.timeout() == timeout);
                CHECK(e.code() == std::errc::timed_out);
            }
            for (const auto& lock : locks) {
                CHECK_FALSE(lock.is_locked());
                if (lock.path() != held.path()) CHECK(seen_by_others(lock) == seen::free);
            }
        }
        CHECK(acquire_all(locks, 0s).size() == 4);
    }
}

TEST_CASE("acquire_all gives up what it has acquired when an attempt fails otherwise") {
    temp_dir dir;
    { std::ofstream{dir.path() / "file"}; }
    auto locks = locks_in(dir, {"a", "b", "d"});
    SECTION("because there is no directory") {
        const auto broken = locks.emplace(locks.begin() + 1, "c", dir.path() / "file" / "locks");
        const auto path = broken->path();
        const auto e = thrown_by<nlock::lock_error>([&] { (void)acquire_all(locks); });
        CHECK(e.code() != std::errc::timed_out);
        CHECK_FALSE(std::string{e.what()}.empty());
        CHECK(path.string().find(e.path().string()) == 0);
        locks.erase(locks.begin() + 1);
    }
    SECTION("because the thread holds one shared") {
        auto shared = locks[2].acquire_shared();
        const auto e = thrown_by<nlock::lock_error>([&] { (void)acquire_all(locks); });
        CHECK(e.code() == std::errc::resource_deadlock_would_occur);
        CHECK(e.path() == locks[2].path());
        CHECK(seen_by_others(locks[2]) == seen::shared);
        shared.release();
    }
    SECTION("because on_wait throws") {
        auto options = options_in(dir);
        options.on_wait = [](const nlock::lock_wait&) { throw std::runtime_error{"from on_wait"}; };
        locks.emplace_back("c", options);
        const foreign_hold foreign{locks.back()};
        CHECK_THROWS_AS(acquire_all(locks), std::runtime_error);
        locks.pop_back();
    }
    for (const auto& lock : locks) CHECK(lock.lock_count() == 0);
    CHECK(are_all(locks, seen::free));
}

TEST_CASE("a failed acquire_all leaves the holds that the thread had before") {
    temp_dir dir;
    auto locks = locks_in(dir, {"a", "b"});
    const auto before = locks[0].acquire();
    const foreign_hold foreign{locks[1]};
    CHECK_THROWS_AS(acquire_all(locks, 5ms), nlock::lock_timeout);
    CHECK(before);
    CHECK(locks[0].lock_count() == 1);
    CHECK(seen_by_others(locks[0]) == seen::exclusive);
}

TEST_CASE("acquire_all waits until the last of the locks is free") {
    temp_dir dir;
    const auto locks = locks_in(dir, {"a", "b"});
    event a_waits;
    event b_waits;
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait& w) { (w.path.filename() == "a.lock" ? a_waits : b_waits).happen(); };
    foreign_hold of_a{locks[0]};
    foreign_hold of_b{locks[1]};
    task waiter{[&] { return acquire_all({named_lock{"b", options}, named_lock{"a", options}}).size(); }};
    REQUIRE(a_waits.wait());  // in the order of the names
    CHECK(waiter.is_blocked());
    of_a.release();
    REQUIRE(b_waits.wait());
    CHECK(waiter.is_blocked());
    of_b.release();
    CHECK(waiter.get() == 2);
}

TEST_CASE("acquire_all does not deadlock with another one that names the locks in the opposite order") {
    temp_dir dir;
    int counter = 0;  // all of the locks protect it
    constexpr int rounds = repetitions(200);
    const auto work = [&](const std::vector<std::string>& names) {
        const auto locks = locks_in(dir, names);
        for (int i = 0; i < rounds; ++i) {
            const auto guards = acquire_all(locks);
            ++counter;
        }
    };
    task one{[&] { work({"a", "b", "c"}); }};
    task other{[&] { work({"c", "b", "a"}); }};
    one.get();
    other.get();
    CHECK(counter == 2 * rounds);
}

TEST_CASE("acquire_all takes the locks of several directories in one order, whatever their paths") {
    temp_dir dir;
    int counter = 0;
    constexpr int rounds = repetitions(100);
    const auto work = [&](bool forwards) {
        std::vector<named_lock> locks;
        for (const char* directory : {"1", "2"}) {
            for (const char* name : {"a", "b"}) locks.emplace_back(name, dir.path() / directory);
        }
        if (!forwards) std::reverse(locks.begin(), locks.end());
        for (int i = 0; i < rounds; ++i) {
            const auto guards = acquire_all(locks);
            ++counter;
        }
    };
    task one{[&] { work(true); }};
    task other{[&] { work(false); }};
    one.get();
    other.get();
    CHECK(counter == 2 * rounds);
}

TEST_CASE("acquire_all of overlapping groups does not deadlock") {
    temp_dir dir;
    constexpr int philosophers = 5;
    constexpr int meals = 60;
    std::vector<int> forks(philosophers, 0);
    std::list<task<void>> threads;
    for (int i = 0; i < philosophers; ++i) {
        threads.emplace_back([&, i] {
            const int next = (i + 1) % philosophers;
            const auto locks = locks_in(dir, {"fork " + std::to_string(i), "fork " + std::to_string(next)});
            for (int meal = 0; meal < meals; ++meal) {
                const auto guards = acquire_all(locks);
                ++forks[static_cast<std::size_t>(i)];
                ++forks[static_cast<std::size_t>(next)];
            }
        });
    }
    for (auto& t : threads) t.get();
    for (const int used : forks) CHECK(used == 2 * meals);
}

TEST_CASE("the time-out of acquire_all is one for all locks") {
    temp_dir dir;
    event b_waits;
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait& w) {
        if (w.path.filename() == "b.lock") b_waits.happen();
    };
    std::vector<named_lock> locks;
    for (const char* name : {"a", "b"}) locks.emplace_back(name, options);
    foreign_hold of_a{locks[0]};
    const foreign_hold of_b{locks[1]};
    constexpr auto timeout = 1000ms;
    const auto start = steady_clock::now();
    task waiter{[&] {
        try {
            (void)acquire_all(locks, timeout);
        } catch (const nlock::lock_timeout& e) {
            return std::pair{e.path(), e.timeout()};
        }
        return std::pair{std::filesystem::path{"acquired"}, 0ns};
    }};
    CHECK(waiter.is_blocked(timeout * 3 / 4));
    of_a.release();
    REQUIRE(b_waits.wait());
    const auto [path, told] = waiter.get();
    const auto taken = steady_clock::now() - start;
    CHECK(path == locks[1].path());
    CHECK(told == timeout);
    CHECK(taken >= timeout);
    CHECK(taken < timeout * 3 / 4 + timeout);
}

TEST_CASE("without a time-out acquire_all uses that of each lock") {
    temp_dir dir;
    auto options = options_in(dir);
    named_lock for_ever{"a", options};
    options.timeout = 15ms;
    named_lock limited{"b", options};
    {
        const foreign_hold foreign{limited};
        const auto start = steady_clock::now();
        const auto e = thrown_by<nlock::lock_timeout>([&] { (void)acquire_all({limited, for_ever}); });
        CHECK(steady_clock::now() - start >= 15ms);
        CHECK(e.timeout() == 15ms);
        CHECK(e.path() == limited.path());
    }
    event waits;
    options.timeout = nlock::forever;
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    named_lock announcing{"a", options};
    foreign_hold foreign{announcing};
    task waiter{[&] { return acquire_all({limited, announcing}).size(); }};
    REQUIRE(waits.wait());
    CHECK(waiter.is_blocked());
    foreign.release();
    CHECK(waiter.get() == 2);
}

TEST_CASE("a time-out of acquire_all goes before the default ones") {
    temp_dir dir;
    auto options = options_in(dir);
    event waits;
    options.timeout = 0s;
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    const std::vector<named_lock> locks{named_lock{"a", options}, named_lock{"b", options}};
    foreign_hold foreign{locks[0]};
    task waiter{[&] { return acquire_all(locks, -1s).size(); }};
    REQUIRE(waits.wait());
    CHECK(waiter.is_blocked());
    foreign.release();
    CHECK(waiter.get() == 2);
}

TEST_CASE("acquire_all takes time-outs of any size, but no NaN") {
    temp_dir dir;
    const auto locks = locks_in(dir, {"a", "b"});
    CHECK(acquire_all(locks, std::chrono::hours::max()).size() == 2);
    CHECK(acquire_all(locks, std::chrono::duration<double>{std::numeric_limits<double>::infinity()}).size() == 2);
    CHECK(acquire_all(locks, std::chrono::nanoseconds::min()).size() == 2);
    const std::chrono::duration<double> nan{std::numeric_limits<double>::quiet_NaN()};
    CHECK_THROWS_AS(acquire_all(locks, nan), std::invalid_argument);
    CHECK(are_all(locks, seen::free));
}

TEST_CASE("acquire_all enters a reentrant lock as often as it is listed") {
    temp_dir dir;
    auto locks = locks_in(dir, {"a", "b", "a"});
    auto guards = acquire_all(locks, 0s);
    REQUIRE(guards.size() == 3);
    CHECK(locks[0].lock_count() == 2);
    CHECK(locks[1].lock_count() == 1);
    guards[0].release();
    CHECK(seen_by_others(locks[2]) == seen::exclusive);
    guards[2].release();
    CHECK(seen_by_others(locks[2]) == seen::free);
}

TEST_CASE("acquire_all enters locks again that the thread holds") {
    temp_dir dir;
    auto locks = locks_in(dir, {"a", "b"});
    const auto before = locks[0].acquire();
    {
        const auto guards = acquire_all(locks, 0s);
        CHECK(locks[0].lock_count() == 2);
    }
    CHECK(locks[0].lock_count() == 1);
    CHECK(seen_by_others(locks[1]) == seen::free);
}

TEST_CASE("acquire_all refuses to wait for itself: a lock listed twice must be reentrant in both places") {
    temp_dir dir;
    auto options = options_in(dir);
    const named_lock reentrant{"b", options};
    options.reentrant = false;
    const named_lock ownerless{"b", options};
    const named_lock first{"a", options};
    const auto check = [&](const std::vector<named_lock>& locks) {
        const auto e = thrown_by<nlock::lock_error>([&] { (void)acquire_all(locks, 1s); });
        CHECK(e.code() == std::errc::resource_deadlock_would_occur);
        CHECK(e.path() == ownerless.path());
        CHECK(are_all(locks, seen::free));
    };
    check({first, ownerless, ownerless});
    check({ownerless, first, reentrant});
    check({reentrant, ownerless, first});
    CHECK(acquire_all({first, ownerless}, 0s).size() == 2);
}

TEST_CASE("the guards of acquire_all outlive the lock objects") {
    temp_dir dir;
    auto guards = acquire_all({named_lock{"a", dir.path()}, named_lock{"b", dir.path()}});
    const auto locks = locks_in(dir, {"a", "b"});
    CHECK(are_all(locks, seen::exclusive));
    guards.clear();
    CHECK(are_all(locks, seen::free));
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <limits>
#include <list>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <named_lock/detail/deadline.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/platform.hpp"
#include "support/safety_net.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"

namespace acquire_all_test {
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

/// Makes `count` lock files, in the order in which acquire_all takes them.
std::vector<named_lock> locks_in_order(const temp_dir& dir, int count) {
    std::vector<named_lock> locks;
    for (int i = 0; i < count; ++i) {
        locks.emplace_back("lock " + std::to_string(i), dir.path());
        std::ofstream{locks.back().path()};
    }
    std::sort(locks.begin(), locks.end(), [](const named_lock& a, const named_lock& b) {
        return nlock::detail::identity_at(a.path()) < nlock::detail::identity_at(b.path());
    });
    return locks;
}

/// Makes both names of one file: by a hard link, where the case of letters does not do it.
void make_two_names(const std::filesystem::path& directory, const std::string& name, const std::string& other) {
    std::filesystem::create_directories(directory);
    std::ofstream{directory / (name + ".lock")};
    const auto second = directory / (other + ".lock");
    if (!std::filesystem::exists(second)) std::filesystem::create_hard_link(directory / (name + ".lock"), second);
}

/// Whether another program can take the lock soon, and has then given it up again.
bool becomes_free(const named_lock& lock) {
    const nlock::detail::deadline end{patience};
    while (!foreign_hold::is_possible(lock.path(), hold_kind::exclusive)) {
        if (end.has_passed()) return false;
        std::this_thread::yield();
    }
    return true;
}

/// Gives the path of `lock` the file of `other`, which is open: Windows does not let anybody.
void replace_file(const named_lock& lock, const named_lock& other) {
    std::filesystem::rename(other.path(), lock.path());
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
    const auto locks = locks_in_order(dir, 2);
    event first_waits;
    event second_waits;
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait& w) {
        (w.path == locks[0].path() ? first_waits : second_waits).happen();
    };
    foreign_hold of_first{locks[0]};
    foreign_hold of_second{locks[1]};
    task waiter{[&] {
        return acquire_all({named_lock{locks[1].name(), options}, named_lock{locks[0].name(), options}}).size();
    }};
    REQUIRE(first_waits.wait());
    CHECK(waiter.is_blocked());
    of_first.release();
    REQUIRE(second_waits.wait());
    CHECK(waiter.is_blocked());
    of_second.release();
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

TEST_CASE("acquire_all does not deadlock with another one that has other names for the same files") {
    temp_dir dir;
    make_two_names(dir.path(), "a", "A");
    make_two_names(dir.path(), "b", "B");
    std::atomic<int> counter{0};  // ThreadSanitizer does not see that two paths are one file
    constexpr int rounds = repetitions(2000);
    const auto work = [&](const std::vector<std::string>& names) {
        const auto locks = locks_in(dir, names);
        for (int i = 0; i < rounds; ++i) {
            const auto guards = acquire_all(locks, patience / 2);  // which only a deadlock reaches
            counter = counter + 1;  // in two steps, of which one may be lost
        }
    };
    task one{[&] { work({"A", "b"}); }};
    task other{[&] { work({"a", "B"}); }};
    CHECK_NOTHROW(one.get());
    CHECK_NOTHROW(other.get());
    CHECK(counter == 2 * rounds);
}

TEST_CASE("acquire_all refuses a group in which two names are one file") {
    temp_dir dir;
    make_two_names(dir.path(), "a", "A");
    auto options = options_in(dir);
    options.reentrant = GENERATE(true, false);
    const named_lock lock{"a", options};
    const named_lock same{"A", options};
    const named_lock between{"Ab", options};
    for (const auto timeout : {0s, patience / 2}) {
        const auto e = thrown_by<nlock::lock_error>([&] { (void)acquire_all({lock, between, same}, timeout); });
        CHECK(e.code() == std::errc::resource_deadlock_would_occur);
        CHECK(std::string{e.what()}.find(utf8_of(lock.path())) != std::string::npos);
        CHECK(std::string{e.what()}.find(utf8_of(same.path())) != std::string::npos);
        CHECK(are_all({lock, same, between}, seen::free));
    }
}

TEST_CASE("acquire_all refuses two names of one file that it has to make first") {
    temp_dir dir;
    const named_lock lock{"a", dir.path() / "one"};
    const named_lock same{"a", dir.path() / "two"};
    std::filesystem::create_directory(dir.path() / "one");
    std::error_code refused;
    std::filesystem::create_directory_symlink("one", dir.path() / "two", refused);
    if (refused) SKIP_TEST("only privileged users may make symlinks on Windows");
    const auto timeout = GENERATE(0s, patience / 2);
    const auto e = thrown_by<nlock::lock_error>([&] { (void)acquire_all({lock, same}, timeout); });
    CHECK(e.code() == std::errc::resource_deadlock_would_occur);
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("acquire_all gives up what it has when the file that it waits for is replaced by one that comes before") {
    SKIP_ON_WINDOWS("nobody can replace an open lock file there");
    temp_dir dir;
    const auto files = locks_in_order(dir, 3);
    event waits;
    std::atomic<int> told{0};
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait& w) {
        told += w.path == files[2].path() ? 1 : 100;
        waits.happen();
    };
    const foreign_hold of_latest{files[2]};
    foreign_hold of_first{files[0]};
    task group{[&] {
        return acquire_all({named_lock{files[1].name(), options}, named_lock{files[2].name(), options}});
    }};
    REQUIRE(waits.wait());
    CHECK(seen_by_others(files[1]) == seen::exclusive);
    replace_file(files[2], files[0]);
    CHECK(becomes_free(files[1]));
    CHECK(group.is_blocked());
    of_first.release();
    const auto guards = group.get();
    CHECK(seen_by_others(files[1]) == seen::exclusive);
    CHECK(seen_by_others(files[2]) == seen::exclusive);
    CHECK(told == 1);
}

TEST_CASE("acquire_all holds nothing that comes after a replaced file of which a thread here has the lock") {
    SKIP_ON_WINDOWS("nobody can replace an open lock file there");
    temp_dir dir;
    const auto files = locks_in_order(dir, 3);
    event waits;
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    auto held = named_lock{files[0]}.acquire();
    replace_file(files[0], files[2]);
    task group{[&] {
        return acquire_all({named_lock{files[1].name(), options}, named_lock{files[0].name(), options}}).size();
    }};
    REQUIRE(waits.wait());
    CHECK(seen_by_others(files[1]) == seen::free);
    CHECK(group.is_blocked());
    held.release();
    CHECK(group.get() == 2);
}

TEST_CASE("acquire_all gives up what it has when a thread before it finds a replaced file that comes before") {
    SKIP_ON_WINDOWS("nobody can replace an open lock file there");
    temp_dir dir;
    const auto files = locks_in_order(dir, 3);
    event thread_waits;
    event group_waits;
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait&) { thread_waits.happen(); };
    event may_release;
    const foreign_hold of_latest{files[2]};
    foreign_hold of_first{files[0]};
    const bool is_free = GENERATE(false, true);
    if (is_free) of_first.release();
    task thread{[&] {
        const auto guard = named_lock{files[2].name(), options}.acquire();
        return may_release.wait();
    }};
    REQUIRE(thread_waits.wait());
    CHECK(thread.is_blocked());
    auto quiet = options_in(dir);
    quiet.on_wait = [&](const nlock::lock_wait&) { group_waits.happen(); };
    task group{[&] { return acquire_all({named_lock{files[1].name(), quiet}, named_lock{files[2].name(), quiet}}); }};
    REQUIRE(group_waits.wait());
    CHECK(group.is_blocked());
    CHECK(seen_by_others(files[1]) == seen::exclusive);
    replace_file(files[2], files[0]);
    CHECK(becomes_free(files[1]));
    CHECK(group.is_blocked());
    of_first.release();
    may_release.happen();
    CHECK(thread.get());
    CHECK(group.get().size() == 2);
}

#if defined(__linux__)
TEST_CASE("acquire_all gives up what it has when a thread that does not wait gets a replaced file that comes before") {
    temp_dir dir;
    const auto files = locks_in_order(dir, 3);
    event is_stuck;
    event may_go_on;
    const foreign_hold of_latest{files[2]};
    task thread{[&] {  // is first in its process, and does not come to see the new file
        int attempts = 0;
        instead_of_flock = [&](int file, int operation) {
            if (++attempts == 2) {
                is_stuck.happen();
                if (!may_go_on.wait()) return -1;
            }
            return static_cast<int>(::syscall(SYS_flock, file, operation));
        };
        return static_cast<bool>(named_lock{files[2]}.try_acquire(patience));
    }};
    REQUIRE(is_stuck.wait());
    task group{[&] { return acquire_all({files[1], files[2]}); }};
    CHECK(group.is_blocked());
    CHECK(seen_by_others(files[1]) == seen::exclusive);
    replace_file(files[2], files[0]);
    auto held = named_lock{files[2]}.try_acquire();
    REQUIRE(held);
    CHECK(becomes_free(files[1]));
    held.release();
    may_go_on.happen();
    CHECK(thread.get());
    CHECK(group.get().size() == 2);
}
#endif

TEST_CASE("acquire_all ends although the holders remove the files") {
    SKIP_ON_WINDOWS("nobody can remove an open lock file there");
    temp_dir dir;
    const std::vector<std::string> names{"a", "b", "c"};
    int counter = 0;
    constexpr int rounds = 150;
    const auto work = [&](unsigned seed) {
        std::mt19937 random{seed};
        auto order = names;
        for (int i = 0; i < rounds; ++i) {
            std::shuffle(order.begin(), order.end(), random);
            const auto guards = acquire_all(locks_in(dir, order), patience / 2);
            ++counter;
            if (i % 8 == 0) std::filesystem::remove(dir.path() / (order[0] + ".lock"));
        }
    };
    std::list<task<void>> threads;
    for (unsigned seed = 1; seed <= 3; ++seed) threads.emplace_back([&, seed] { work(seed); });
    for (auto& t : threads) CHECK_NOTHROW(t.get());
    CHECK(counter == 3 * rounds);
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
    const auto files = locks_in_order(dir, 2);
    event second_waits;
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait& w) {
        if (w.path == files[1].path()) second_waits.happen();
    };
    std::vector<named_lock> locks;
    for (const auto& file : files) locks.emplace_back(file.name(), options);
    foreign_hold of_first{locks[0]};
    const foreign_hold of_second{locks[1]};
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
    of_first.release();
    REQUIRE(second_waits.wait());
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
        const auto check_refused = [&] {
            const auto e = thrown_by<nlock::lock_error>([&] { (void)acquire_all(locks, 10ms); });
            CHECK(e.code() == std::errc::resource_deadlock_would_occur);
            CHECK(e.path() == ownerless.path());
        };
        check_refused();
        CHECK(are_all(locks, seen::free));
        const foreign_hold elsewhere{ownerless};  // for which it does not wait
        check_refused();
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

}  // namespace acquire_all_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// lock_options::on_wait: when it is called, what it is told and what it may do.
#include "support/catch.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <list>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/slow_clock.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"

namespace on_wait_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlock::guard;
using nlock::lock_wait;
using nlock::named_lock;

named_lock lock_with(const temp_dir& dir, std::function<void(const lock_wait&)> on_wait) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.on_wait = std::move(on_wait);
    return named_lock{"x", options};
}

/// All members that may wait, with a time-out that ends the wait; each gives up what it got.
std::vector<std::function<void(named_lock&)>> ways_that_wait() {
    return {[](named_lock& l) { (void)l.acquire(5ms); },
            [](named_lock& l) { (void)l.acquire_shared(5ms); },
            [](named_lock& l) { (void)l.try_acquire(5ms); },
            [](named_lock& l) { (void)l.try_acquire_shared(5ms); },
            [](named_lock& l) {
                if (l.try_lock_for(5ms)) l.unlock();
            },
            [](named_lock& l) {
                if (l.try_lock_shared_until(std::chrono::steady_clock::now() + 5ms)) l.unlock_shared();
            }};
}

struct failure : std::runtime_error {
    failure() : runtime_error{"from on_wait"} {}
};

#if defined(__linux__)
std::ptrdiff_t open_descriptors() {
    return std::distance(fs::directory_iterator{"/proc/self/fd"}, fs::directory_iterator{});
}
#endif

}  // namespace

TEST_CASE("on_wait is called once by each acquisition that has to wait") {
    temp_dir dir;
    int calls = 0;
    auto lock = lock_with(dir, [&](const lock_wait&) { ++calls; });
    const bool held_by_thread = GENERATE(true, false);
    CAPTURE(held_by_thread);
    std::list<foreign_hold> foreign;
    guard others;
    if (held_by_thread) {
        others = in_another_thread([&] { return lock.acquire(); });
    } else {
        foreign.emplace_back(lock);
    }
    int expected = 0;
    for (const auto& wait : ways_that_wait()) {
        try {
            wait(lock);
        } catch (const nlock::lock_timeout&) {
        }
        CHECK(calls == ++expected);
    }
}

TEST_CASE("on_wait is called again and again while it waits, if there is an interval, in its thread") {
    temp_dir dir;
    const bool queued = GENERATE(false, true);  // behind a thread of this process
    CAPTURE(queued);
    std::atomic<int> calls{0};
    event often;
    event front_waits;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.poll_interval = std::chrono::hours{1};
    options.on_wait = [&](const lock_wait&) { front_waits.happen(); };
    named_lock fronts_lock{"x", options};
    options.on_wait_interval = 1ms;
    options.on_wait = [&](const lock_wait& wait) {
        if (wait.path.filename() == "x.lock" && ++calls == 5) often.happen();  // no CHECK: another thread has them
    };
    named_lock lock{"x", options};
    foreign_hold foreign{lock};
    std::list<task<bool>> front;
    if (queued) {
        front.emplace_back([&] { return static_cast<bool>(fronts_lock.acquire()); });
        REQUIRE(front_waits.wait());
    }
    task waiter{[&] { return static_cast<bool>(lock.acquire()); }};
    CHECK(often.wait());
    CHECK(waiter.is_blocked());
    foreign.release();
    CHECK(waiter.get());
    for (auto& t : front) CHECK(t.get());
}

namespace {

/// One that is set back by an hour when it is asked for the second time.
struct clock_set_back {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<clock_set_back>;
    [[maybe_unused]] static constexpr bool is_steady = false;
    static inline std::atomic<int> asked{0};
    static time_point now() { return time_point{++asked == 1 ? std::chrono::hours{1} : std::chrono::hours{0}}; }
};

}  // namespace

TEST_CASE("on_wait goes on being called when the clock was set back meanwhile") {
    temp_dir dir;
    std::atomic<int> calls{0};
    event often;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.on_wait_interval = 1ms;
    options.on_wait = [&](const lock_wait&) {
        if (clock_set_back::asked > 1 && ++calls == 3) often.happen();
    };
    named_lock lock{"x", options};
    foreign_hold foreign{lock};
    task waiter{[&] { return lock.try_lock_until(clock_set_back::time_point{1h + 1ms}); }};
    CHECK(often.wait());
    foreign.release();
    CHECK(waiter.get());
}

TEST_CASE("on_wait is called once if the interval is longer than any wait") {
    temp_dir dir;
    int calls = 0;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.on_wait_interval = (std::chrono::milliseconds::max)();  // more nanoseconds than there are
    options.on_wait = [&](const lock_wait&) { ++calls; };
    named_lock lock{"x", options};
    const foreign_hold foreign{lock};
    CHECK_FALSE(lock.try_acquire(20ms));
    CHECK(calls == 1);
}

TEST_CASE("what a later call of on_wait throws leaves acquire, and the place with it") {
    temp_dir dir;
    int calls = 0;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.on_wait_interval = 1ms;
    options.on_wait = [&](const lock_wait&) {
        if (++calls == 3) throw failure{};
    };
    named_lock lock{"x", options};
    {
        const foreign_hold foreign{lock};
        CHECK_THROWS_AS((void)lock.acquire(), failure);
        CHECK(calls == 3);
        CHECK(lock.waiters().empty());
    }
    CHECK(lock.try_acquire());
}

TEST_CASE("on_wait is called once however often the waiter wakes up") {
    temp_dir dir;
    std::atomic<int> calls{0};
    event waits;
    auto lock = lock_with(dir, [&](const lock_wait&) {
        ++calls;
        waits.happen();
    });
    foreign_hold foreign{lock};
    task waiter{[&] { return static_cast<bool>(lock.acquire()); }};
    REQUIRE(waits.wait());
    for (int i = 0; i < 50; ++i) {  // each wakes whoever watches the file
        CHECK_FALSE(foreign_hold::is_possible(lock.path(), hold_kind::exclusive));
    }
    CHECK(waiter.is_blocked());
    foreign.release();
    CHECK(waiter.get());
    CHECK(calls == 1);
}

TEST_CASE("on_wait is called once although the clock of the deadline is set back") {
    temp_dir dir;
    int calls = 0;
    auto lock = lock_with(dir, [&](const lock_wait&) { ++calls; });
    const foreign_hold foreign{lock};
    CHECK_FALSE(lock.try_lock_until(slow_clock::now() + 20ms));
    CHECK(calls == 1);
    CHECK_FALSE(lock.try_lock_shared_until(slow_clock::now() + 20ms));
    CHECK(calls == 2);
}

TEST_CASE("on_wait is not called by an acquisition that need not wait") {
    temp_dir dir;
    int calls = 0;
    auto lock = lock_with(dir, [&](const lock_wait&) { ++calls; });
    for (const auto& wait : ways_that_wait()) wait(lock);
    const auto held = lock.acquire();
    for (const auto& wait : ways_that_wait()) wait(lock);  // enters again
    CHECK(calls == 0);
}

TEST_CASE("on_wait is not called by a single attempt") {
    temp_dir dir;
    int calls = 0;
    auto lock = lock_with(dir, [&](const lock_wait&) { ++calls; });
    const foreign_hold foreign{lock};
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(lock.try_acquire_shared());
    CHECK_FALSE(lock.try_acquire(0s));
    CHECK_FALSE(lock.try_lock());
    CHECK_FALSE(lock.try_lock_shared());
    CHECK_FALSE(lock.try_lock_for(0s));
    CHECK_FALSE(lock.try_lock_until(std::chrono::system_clock::now() - 1s));
    CHECK_THROWS_AS(lock.acquire(0s), nlock::lock_timeout);
    CHECK(calls == 0);
}

TEST_CASE("on_wait is called in the thread that waits") {
    temp_dir dir;
    std::thread::id called_in;
    auto lock = lock_with(dir, [&](const lock_wait&) { called_in = std::this_thread::get_id(); });
    const foreign_hold foreign{lock};
    const auto waiter = in_another_thread([&] {
        (void)lock.try_acquire(5ms);
        return std::this_thread::get_id();
    });
    CHECK(called_in == waiter);
    CHECK(called_in != std::this_thread::get_id());
}

TEST_CASE("on_wait is told the path and who holds the lock") {
    temp_dir dir;
    fs::path path;
    std::vector<nlock::lock_holder> holders;
    auto lock = lock_with(dir, [&](const lock_wait& wait) {
        path = wait.path;
        holders = wait.holders;
    });
    const foreign_hold foreign{lock};
    CHECK_FALSE(lock.try_acquire(5ms));
    CHECK(path == lock.path());
#if defined(__linux__)
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == ::getpid());
    std::ifstream comm{"/proc/self/comm"};
    std::string name;
    std::getline(comm, name);
    CHECK(holders[0].process == name);
#endif
}

TEST_CASE("what on_wait throws leaves the acquisition, and nothing is held") {
    temp_dir dir;
    auto lock = lock_with(dir, [](const lock_wait&) { throw failure{}; });
    {
        const foreign_hold foreign{lock};
        for (const auto& wait : ways_that_wait()) CHECK_THROWS_AS(wait(lock), failure);
        CHECK(lock.lock_count() == 0);
    }
    CHECK(seen_by_others(lock) == seen::free);
    CHECK(lock.acquire(0s));
}

TEST_CASE("what on_wait throws leaves the holder and the other waiters alone") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto held = lock.acquire();
    event waits;
    auto waiting_lock = lock_with(dir, [&](const lock_wait&) { waits.happen(); });
    task waiter{[&] { return static_cast<bool>(waiting_lock.acquire()); }};
    REQUIRE(waits.wait());
    const bool thrown = in_another_thread([&] {
        auto throwing_lock = lock_with(dir, [](const lock_wait&) { throw failure{}; });
        try {
            (void)throwing_lock.acquire();
        } catch (const failure&) {
            return true;
        }
        return false;
    });
    CHECK(thrown);
    CHECK(held);
    CHECK(waiter.is_blocked());
    held.release();
    CHECK(waiter.get());
    CHECK(seen_by_others(lock) == seen::free);
}

#if defined(__linux__)
TEST_CASE("an on_wait that throws leaks no descriptor") {
    temp_dir dir;
    auto lock = lock_with(dir, [](const lock_wait&) { throw failure{}; });
    const foreign_hold foreign{lock};
    CHECK_THROWS_AS(lock.acquire(), failure);
    const auto before = open_descriptors();
    for (int i = 0; i < 20; ++i) CHECK_THROWS_AS(lock.acquire(), failure);
    CHECK(open_descriptors() == before);
}
#endif

TEST_CASE("on_wait may ask the lock itself and use other locks") {
    temp_dir dir;
    bool entered_other = false;
    bool entered_same = true;
    bool is_locked = true;
    std::size_t holders = 0;
    event called;
    named_lock lock{"x", dir.path()};
    auto waiting_lock = lock_with(dir, [&](const lock_wait&) {
        entered_other = static_cast<bool>(named_lock{"y", dir.path()}.acquire(0s));
        entered_same = static_cast<bool>(lock.try_acquire());
        is_locked = lock.is_locked();
        holders = lock.holders().size();
        called.happen();
    });
    auto held = lock.acquire();
    task waiter{[&] { return static_cast<bool>(waiting_lock.acquire()); }};
    REQUIRE(called.wait());
    CHECK(entered_other);
    CHECK_FALSE(entered_same);
    CHECK_FALSE(is_locked);
#if defined(__linux__)
    CHECK(holders == 1);
#endif
    held.release();
    CHECK(waiter.get());
}

TEST_CASE("on_wait may wait for other locks") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    named_lock other{"y", dir.path()};
    auto held = lock.acquire();
    auto held_other = other.acquire();
    event waits_for_other;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.on_wait = [&](const lock_wait&) { waits_for_other.happen(); };
    auto waiting_lock = lock_with(dir, [&](const lock_wait&) { (void)named_lock{"y", options}.acquire(); });
    task waiter{[&] { return static_cast<bool>(waiting_lock.acquire()); }};
    REQUIRE(waits_for_other.wait());
    CHECK(waiter.is_blocked());
    held_other.release();
    CHECK(waiter.is_blocked());
    held.release();
    CHECK(waiter.get());
}

TEST_CASE("on_wait may end the hold that is waited for") {
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.reentrant = false;
    guard held;
    SECTION("by its guard") {
        options.on_wait = [&](const lock_wait&) { held.release(); };
    }
    SECTION("by release") {
        options.on_wait = [&](const lock_wait&) { named_lock{"x", options}.release(); };
    }
    named_lock lock{"x", options};
    held = lock.acquire();
    CHECK(in_another_thread([&] { return static_cast<bool>(lock.acquire()); }));
    CHECK_FALSE(held);
}

TEST_CASE("an acquisition whose on_wait has acquired the lock enters it again") {
    temp_dir dir;
    std::list<foreign_hold> foreign;
    event is_inside;
    event other_waits;
    guard own;
    auto lock = lock_with(dir, [&](const lock_wait&) {
        foreign.clear();
        own = named_lock{"x", dir.path()}.acquire();
        is_inside.happen();
        (void)other_waits.wait();  // and is at the front of the queue by then
        std::this_thread::sleep_for(a_while);
    });
    auto others_lock = lock_with(dir, [&](const lock_wait&) { other_waits.happen(); });
    foreign.emplace_back(lock);
    task waiter{[&] {
        const bool entered = static_cast<bool>(lock.try_acquire(patience / 4)) && lock.lock_count() == 2;
        own.release();
        return entered;
    }};
    REQUIRE(is_inside.wait());
    task other{[&] { return static_cast<bool>(others_lock.acquire()); }};
    CHECK(waiter.get());
    CHECK(other.get());
}

TEST_CASE("a lock that is freed during on_wait is acquired right after it") {
    temp_dir dir;
    std::list<foreign_hold> foreign;
    auto lock = lock_with(dir, [&](const lock_wait&) { foreign.clear(); });
    foreign.emplace_back(lock);
    CHECK(in_another_thread([&] { return static_cast<bool>(lock.acquire()); }));
}

TEST_CASE("each object calls the on_wait of its own options, a copy that of the original") {
    temp_dir dir;
    int one_calls = 0;
    int other_calls = 0;
    auto one = lock_with(dir, [&](const lock_wait&) { ++one_calls; });
    auto other = lock_with(dir, [&](const lock_wait&) { ++other_calls; });
    auto copy = one;
    const foreign_hold foreign{one};
    CHECK_FALSE(one.try_acquire(5ms));
    CHECK(one_calls == 1);
    CHECK_FALSE(other.try_acquire(5ms));
    CHECK(other_calls == 1);
    CHECK_FALSE(copy.try_acquire(5ms));
    CHECK(one_calls == 2);
}

}  // namespace on_wait_test

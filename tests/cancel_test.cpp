// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Stop requests. Nothing here in C++17, which has none.
#include "support/catch.hpp"

#if __has_include(<version>)
#include <version>
#endif

#if defined(__cpp_lib_jthread)

#include <chrono>
#include <filesystem>
#include <functional>
#include <list>
#include <optional>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"

namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using nlock::guard;
using nlock::named_lock;
using std::chrono::steady_clock;

/// The lock "x" in `dir`: tells when it has to wait, and never polls while a test lasts.
named_lock announcing(const temp_dir& dir, event& waits, bool reentrant = true) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.poll_interval = 1h;
    options.reentrant = reentrant;
    options.on_wait = [&waits](const nlock::lock_wait&) { waits.happen(); };
    return named_lock{"x", options};
}

enum class ending { acquired, empty, cancelled, timed_out };

std::ostream& operator<<(std::ostream& out, ending e) {
    constexpr const char* words[]{"acquired", "empty", "cancelled", "timed out"};
    return out << words[static_cast<int>(e)];
}

/// One way of acquiring with a token, and how it ends when it is cancelled.
struct way {
    const char* name;
    ending when_cancelled;
    guard (*acquire)(named_lock&, std::stop_token);
};

const std::vector<way>& waiting_ways() {
    static const std::vector<way> ways{
        {"acquire", ending::cancelled, [](named_lock& l, std::stop_token s) { return l.acquire(s); }},
        {"acquire with a time-out", ending::cancelled,
         [](named_lock& l, std::stop_token s) { return l.acquire(s, patience * 2); }},
        {"acquire for ever", ending::cancelled,
         [](named_lock& l, std::stop_token s) { return l.acquire(s, nlock::forever); }},
        {"try_acquire with a time-out", ending::empty,
         [](named_lock& l, std::stop_token s) { return l.try_acquire(s, patience * 2); }},
        {"acquire_shared", ending::cancelled, [](named_lock& l, std::stop_token s) { return l.acquire_shared(s); }},
        {"acquire_shared with a time-out", ending::cancelled,
         [](named_lock& l, std::stop_token s) { return l.acquire_shared(s, patience * 2); }},
        {"try_acquire_shared with a time-out", ending::empty,
         [](named_lock& l, std::stop_token s) { return l.try_acquire_shared(s, patience * 2); }}};
    return ways;
}

const std::vector<way>& all_ways() {
    static const std::vector<way> ways = [] {
        std::vector<way> all = waiting_ways();
        all.push_back(
            {"try_acquire", ending::empty, [](named_lock& l, std::stop_token s) { return l.try_acquire(s); }});
        all.push_back({"try_acquire_shared", ending::empty,
                       [](named_lock& l, std::stop_token s) { return l.try_acquire_shared(s); }});
        return all;
    }();
    return ways;
}

ending ending_of(const way& w, named_lock& lock, std::stop_token stop) {
    try {
        return w.acquire(lock, std::move(stop)) ? ending::acquired : ending::empty;
    } catch (const nlock::lock_cancelled&) {
        return ending::cancelled;
    } catch (const nlock::lock_timeout&) {
        return ending::timed_out;
    }
}

}  // namespace

TEST_CASE("a stop request ends the wait for another program") {
    for (const way& w : waiting_ways()) {
        INFO(w.name);
        temp_dir dir;
        event waits;
        auto lock = announcing(dir, waits);
        const foreign_hold foreign{lock};
        std::stop_source stop;
        task waiter{[&] { return ending_of(w, lock, stop.get_token()); }};
        REQUIRE(waits.wait());
        CHECK(waiter.is_blocked());
        stop.request_stop();
        CHECK(waiter.get() == w.when_cancelled);
        CHECK(lock.lock_count() == 0);
    }
}

TEST_CASE("a stop request ends the wait for another thread") {
    const bool reentrant = GENERATE(true, false);
    CAPTURE(reentrant);
    for (const way& w : waiting_ways()) {
        INFO(w.name);
        temp_dir dir;
        event waits;
        auto lock = announcing(dir, waits, reentrant);
        const auto held = lock.acquire();
        std::stop_source stop;
        task waiter{[&] { return ending_of(w, lock, stop.get_token()); }};
        REQUIRE(waits.wait());
        CHECK(waiter.is_blocked());
        stop.request_stop();
        CHECK(waiter.get() == w.when_cancelled);
        CHECK(held);
        CHECK(lock.lock_count() == 1);
    }
}

TEST_CASE("a stop request ends a wait in the queue behind another thread that waits on the system") {
    for (const way& w : waiting_ways()) {
        INFO(w.name);
        temp_dir dir;
        event front_waits;
        event next_waits;
        auto fronts_lock = announcing(dir, front_waits);
        auto next_lock = announcing(dir, next_waits);
        foreign_hold foreign{fronts_lock};
        task front{[&] { return static_cast<bool>(fronts_lock.acquire()); }};
        REQUIRE(front_waits.wait());
        CHECK(front.is_blocked(10ms));
        std::stop_source stop;
        task next{[&] { return ending_of(w, next_lock, stop.get_token()); }};
        REQUIRE(next_waits.wait());
        CHECK(next.is_blocked(10ms));
        stop.request_stop();
        CHECK(next.get() == w.when_cancelled);
        CHECK(front.is_blocked(10ms));
        foreign.release();
        CHECK(front.get());
    }
}

TEST_CASE("a stop request ends a long wait at once") {
    // By then the waiter looks only every few seconds by itself.
    temp_dir dir;
    event waits;
    auto lock = announcing(dir, waits);
    const foreign_hold foreign{lock};
    std::stop_source stop;
    task waiter{[&] { return static_cast<bool>(lock.try_acquire(stop.get_token(), nlock::forever)); }};
    REQUIRE(waits.wait());
    CHECK(waiter.is_blocked(1200ms));
    const auto start = steady_clock::now();
    stop.request_stop();
    CHECK_FALSE(waiter.get());
    CHECK(steady_clock::now() - start < 1s);
}

TEST_CASE("a stop request before the call ends it without an attempt") {
    for (const way& w : all_ways()) {
        INFO(w.name);
        temp_dir dir;
        named_lock lock{"x", dir.path() / "locks"};
        std::stop_source stop;
        stop.request_stop();
        CHECK(ending_of(w, lock, stop.get_token()) == w.when_cancelled);
        CHECK_FALSE(std::filesystem::exists(dir.path() / "locks"));
        CHECK_FALSE(lock.is_locked());
    }
}

TEST_CASE("a stop request before the call goes before a hold that could be entered again, and before on_wait") {
    for (const way& w : all_ways()) {
        INFO(w.name);
        temp_dir dir;
        event waits;
        auto lock = announcing(dir, waits);
        std::stop_source stop;
        stop.request_stop();
        {
            const auto held = lock.acquire();
            CHECK(ending_of(w, lock, stop.get_token()) == w.when_cancelled);
            CHECK(lock.lock_count() == 1);
        }
        const foreign_hold foreign{lock};
        CHECK(ending_of(w, lock, stop.get_token()) == w.when_cancelled);
        CHECK_FALSE(waits.has_happened());
    }
}

TEST_CASE("a stop request after the grant changes nothing") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    std::stop_source stop;
    auto guard = lock.acquire(stop.get_token());
    stop.request_stop();
    CHECK(guard);
    CHECK(seen_by_others(lock) == seen::exclusive);
    guard.release();
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a stop request that comes when lock and guard are gone harms nobody") {
    temp_dir dir;
    std::stop_source stop;
    { const auto guard = named_lock{"x", dir.path()}.acquire(stop.get_token(), 1s); }
    CHECK(stop.request_stop());
}

TEST_CASE("lock_cancelled tells code, path and name, and is no time-out") {
    temp_dir dir;
    named_lock lock{"calculation", dir.path()};
    std::stop_source stop;
    stop.request_stop();
    const auto e = thrown_by<nlock::lock_cancelled>([&] { (void)lock.acquire(stop.get_token()); });
    CHECK(e.code() == std::errc::operation_canceled);
    CHECK(e.path() == lock.path());
    CHECK(std::string{e.what()} ==
          "lock 'calculation' (" + lock.path().string() + ") was not acquired: cancelled by a stop request");
    CHECK_THROWS_AS(lock.acquire(stop.get_token()), nlock::lock_error);
}

TEST_CASE("a free lock is acquired with a token, in all ways") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    std::stop_source stop;
    for (const way& w : all_ways()) {
        INFO(w.name);
        CHECK(ending_of(w, lock, stop.get_token()) == ending::acquired);
        CHECK(ending_of(w, lock, std::stop_token{}) == ending::acquired);
    }
    auto shared = lock.acquire_shared(stop.get_token());
    CHECK(seen_by_others(lock) == seen::shared);
    shared.release();
    auto exclusive = lock.acquire(stop.get_token());
    CHECK(seen_by_others(lock) == seen::exclusive);
}

TEST_CASE("a try with a token makes one attempt") {
    temp_dir dir;
    event waits;
    auto lock = announcing(dir, waits);
    const foreign_hold foreign{lock};
    std::stop_source stop;
    CHECK_FALSE(lock.try_acquire(stop.get_token()));
    CHECK_FALSE(lock.try_acquire_shared(stop.get_token()));
    CHECK_FALSE(lock.try_acquire(stop.get_token(), 0s));
    CHECK_THROWS_AS(lock.acquire(stop.get_token(), 0s), nlock::lock_timeout);
    CHECK_FALSE(waits.has_happened());
}

TEST_CASE("with a token the time-out still counts, and is not called a cancellation") {
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.timeout = 20ms;
    named_lock lock{"x", options};
    const foreign_hold foreign{lock};
    std::stop_source stop;
    const auto check = [&](auto&& acquire) {
        const auto start = steady_clock::now();
        CHECK(thrown_by<nlock::lock_timeout>(acquire).timeout() == 20ms);
        CHECK(steady_clock::now() - start >= 20ms);
    };
    check([&] { (void)lock.acquire(stop.get_token()); });
    check([&] { (void)lock.acquire_shared(stop.get_token()); });
    check([&] { (void)lock.acquire(stop.get_token(), 20ms); });
    check([&] { (void)lock.acquire_shared(std::stop_token{}, 20ms); });
    const auto start = steady_clock::now();
    CHECK_FALSE(lock.try_acquire(stop.get_token(), 20ms));
    CHECK_FALSE(lock.try_acquire_shared(std::stop_token{}, 20ms));
    CHECK(steady_clock::now() - start >= 40ms);
}

TEST_CASE("a released lock ends the wait although a token was given") {
    temp_dir dir;
    event waits;
    auto lock = announcing(dir, waits);
    foreign_hold foreign{lock};
    std::stop_source stop;
    task waiter{[&] { return static_cast<bool>(lock.acquire(stop.get_token())); }};
    REQUIRE(waits.wait());
    CHECK(waiter.is_blocked());
    foreign.release();
    CHECK(waiter.get());
}

TEST_CASE("a stop request by on_wait ends the acquisition") {
    for (const way& w : waiting_ways()) {
        INFO(w.name);
        temp_dir dir;
        std::stop_source stop;
        nlock::lock_options options;
        options.locks_dir = dir.path();
        options.on_wait = [&](const nlock::lock_wait&) { stop.request_stop(); };
        named_lock lock{"x", options};
        const foreign_hold foreign{lock};
        CHECK(in_another_thread([&] { return ending_of(w, lock, stop.get_token()); }) == w.when_cancelled);
    }
}

TEST_CASE("a stop request to one waiter does not reach the others") {
    temp_dir dir;
    event one_waits;
    event other_waits;
    auto ones_lock = announcing(dir, one_waits);
    auto others_lock = announcing(dir, other_waits);
    foreign_hold foreign{ones_lock};
    std::stop_source ones_stop;
    std::stop_source others_stop;
    task one{[&] { return static_cast<bool>(ones_lock.try_acquire(ones_stop.get_token(), nlock::forever)); }};
    REQUIRE(one_waits.wait());
    CHECK(one.is_blocked(10ms));
    task other{[&] { return static_cast<bool>(others_lock.try_acquire(others_stop.get_token(), nlock::forever)); }};
    REQUIRE(other_waits.wait());
    ones_stop.request_stop();
    CHECK_FALSE(one.get());
    CHECK(other.is_blocked());
    foreign.release();
    CHECK(other.get());
}

TEST_CASE("one stop request ends all waits that have its token") {
    temp_dir dir;
    std::stop_source stop;
    std::list<event> waits;
    std::list<task<bool>> threads;
    const foreign_hold foreign{named_lock{"x", dir.path()}};
    const foreign_hold foreign_of_other{named_lock{"y", dir.path()}};
    for (int i = 0; i < 8; ++i) {
        nlock::lock_options options;
        options.locks_dir = dir.path();
        options.poll_interval = 1h;
        options.on_wait = [&happened = waits.emplace_back()](const nlock::lock_wait&) { happened.happen(); };
        threads.emplace_back([&stop, lock = named_lock{i % 2 == 0 ? "x" : "y", options}]() mutable {
            return static_cast<bool>(lock.try_acquire(stop.get_token(), nlock::forever));
        });
    }
    for (const auto& e : waits) REQUIRE(e.wait());
    for (const auto& t : threads) CHECK(t.is_blocked(10ms));
    stop.request_stop();
    for (auto& t : threads) CHECK_FALSE(t.get());
}

TEST_CASE("a jthread that waits for a lock ends when it is destroyed") {
    temp_dir dir;
    event waits;
    auto lock = announcing(dir, waits);
    const foreign_hold foreign{lock};
    std::optional<ending> end;
    {
        const std::jthread thread{[&](std::stop_token stop) { end = ending_of(waiting_ways().front(), lock, stop); }};
        REQUIRE(waits.wait());
    }
    CHECK(end == ending::cancelled);
}

TEST_CASE("a stop request beside a release either cancels or acquires, and leaves nothing held") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    int wrong = 0;
    for (int i = 0; i < 200; ++i) {
        std::stop_source stop;
        event waits;
        auto waiting_lock = announcing(dir, waits);
        auto held = lock.acquire();
        task waiter{[&] { return ending_of(waiting_ways().front(), waiting_lock, stop.get_token()); }};
        REQUIRE(waits.wait());
        task stopper{[&] { stop.request_stop(); }};
        held.release();
        stopper.get();
        const auto end = waiter.get();
        if (end != ending::acquired && end != ending::cancelled) ++wrong;
        if (!foreign_hold::is_possible(lock.path(), hold_kind::exclusive)) ++wrong;
    }
    CHECK(wrong == 0);
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a thread that is cancelled as its turn comes leaves the turn to the next one") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    for (int i = 0; i < 100; ++i) {
        std::stop_source stop;
        event front_waits;
        event next_waits;
        auto fronts_lock = announcing(dir, front_waits);
        auto next_lock = announcing(dir, next_waits);
        auto held = lock.acquire();
        task front{[&] { return ending_of(waiting_ways().front(), fronts_lock, stop.get_token()); }};
        REQUIRE(front_waits.wait());
        task next{[&] { return static_cast<bool>(next_lock.acquire()); }};
        REQUIRE(next_waits.wait());
        task stopper{[&] { stop.request_stop(); }};
        held.release();
        REQUIRE(next.get());
        (void)front.get();
    }
}

#endif

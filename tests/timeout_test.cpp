// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Time-outs and points in time: for ever, one attempt, never early, never void.
#include "support/catch.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <functional>
#include <limits>
#include <list>
#include <optional>
#include <ratio>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/platform.hpp"
#include "support/slow_clock.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"

namespace timeout_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using nlock::named_lock;
using std::chrono::duration;
using std::chrono::steady_clock;

nlock::lock_options options_in(const temp_dir& dir) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    return options;
}

/// One way of acquiring with a limit. True: acquired (and given up again); false: timed out.
struct way {
    std::string name;
    std::function<bool(named_lock&)> acquire;
};

/// Acquires with `acquire`, a time-out told by exception.
template <class Acquire>
bool is_in_time(Acquire acquire) {
    try {
        return static_cast<bool>(acquire());
    } catch (const nlock::lock_timeout&) {
        return false;
    }
}

/// All ways of acquiring exclusively, or shared, with a time-out of `timeout`.
template <class Duration>
std::vector<way> ways_with(Duration timeout, hold_kind kind) {
    if (kind == hold_kind::exclusive) {
        return {
            {"acquire", [=](named_lock& l) { return is_in_time([&] { return l.acquire(timeout); }); }},
            {"try_acquire", [=](named_lock& l) { return static_cast<bool>(l.try_acquire(timeout)); }},
            {"try_lock_for", [=](named_lock& l) { return l.try_lock_for(timeout) && (l.unlock(), true); }},
        };
    }
    return {
        {"acquire_shared", [=](named_lock& l) { return is_in_time([&] { return l.acquire_shared(timeout); }); }},
        {"try_acquire_shared", [=](named_lock& l) { return static_cast<bool>(l.try_acquire_shared(timeout)); }},
        {"try_lock_shared_for",
         [=](named_lock& l) { return l.try_lock_shared_for(timeout) && (l.unlock_shared(), true); }},
    };
}

template <class Duration>
std::vector<way> ways_with(Duration timeout) {
    auto ways = ways_with(timeout, hold_kind::exclusive);
    for (auto& w : ways_with(timeout, hold_kind::shared)) ways.push_back(std::move(w));
    return ways;
}

template <class TimePoint>
std::vector<way> ways_until(TimePoint time) {
    return {
        {"try_lock_until", [=](named_lock& l) { return l.try_lock_until(time) && (l.unlock(), true); }},
        {"try_lock_shared_until",
         [=](named_lock& l) { return l.try_lock_shared_until(time) && (l.unlock_shared(), true); }},
    };
}

/// Checks that each of the ways stays blocked while the lock is held, and acquires it when it is released.
void check_that_they_wait_for_ever(const temp_dir& dir, const std::vector<way>& ways) {
    std::list<event> waits;
    std::list<foreign_hold> holds;
    std::list<task<bool>> threads;
    int number = 0;
    for (const way& w : ways) {
        auto options = options_in(dir);
        options.on_wait = [&happened = waits.emplace_back()](const nlock::lock_wait&) { happened.happen(); };
        named_lock lock{"for ever " + std::to_string(++number), options};
        holds.emplace_back(lock);
        threads.emplace_back([=]() mutable { return w.acquire(lock); });
    }
    auto w = ways.begin();
    for (const auto& e : waits) {
        INFO(w->name << ", number " << w - ways.begin());
        ++w;
        REQUIRE(e.wait(patience / 4));
    }
    CHECK(threads.front().is_blocked());
    for (const auto& t : threads) CHECK(t.is_blocked(0ms));
    holds.clear();
    for (auto& t : threads) CHECK(t.get());
}

}  // namespace

// ---- for ever, and one attempt ----

TEST_CASE("a negative time-out waits for ever, but is zero in the standard library's face") {
    temp_dir dir;
    auto ways = ways_with(nlock::forever);
    for (auto& w : ways_with(-1s)) ways.push_back(std::move(w));
    for (auto& w : ways_with(duration<double>{-0.001})) ways.push_back(std::move(w));
    for (auto& w : ways_with(std::chrono::hours::min(), hold_kind::exclusive)) ways.push_back(std::move(w));
    for (auto& w : ways_with(duration<float>{-std::numeric_limits<float>::infinity()}, hold_kind::shared)) {
        ways.push_back(std::move(w));
    }
    const auto is_standard = [](const way& w) { return w.name.find("_for") != std::string::npos; };
    const auto standard = std::stable_partition(ways.begin(), ways.end(), [&](const way& w) { return !is_standard(w); });
    REQUIRE(ways.end() - standard == 8);
    named_lock held{"held", dir.path()};
    const foreign_hold foreign{held};
    for (auto w = standard; w != ways.end(); ++w) {
        INFO(w->name);
        CHECK_FALSE(w->acquire(held));
    }
    ways.erase(standard, ways.end());
    check_that_they_wait_for_ever(dir, ways);
}

TEST_CASE("a time-out too large for the clock means for ever") {
    temp_dir dir;
    auto ways = ways_with(std::chrono::hours::max());
    for (auto& w : ways_with(std::chrono::nanoseconds::max())) ways.push_back(std::move(w));
    for (auto& w : ways_with(std::chrono::seconds::max(), hold_kind::exclusive)) ways.push_back(std::move(w));
    for (auto& w : ways_with(duration<double>{std::numeric_limits<double>::infinity()})) ways.push_back(std::move(w));
    for (auto& w : ways_with(duration<double>{1e300}, hold_kind::exclusive)) ways.push_back(std::move(w));
    for (auto& w : ways_with(duration<float, std::nano>{9.3e18F}, hold_kind::shared)) ways.push_back(std::move(w));
    for (auto& w : ways_with(duration<double, std::exa>{1}, hold_kind::exclusive)) ways.push_back(std::move(w));
    for (auto& w : ways_with(duration<unsigned long long, std::ratio<86400>>::max(), hold_kind::shared)) {
        ways.push_back(std::move(w));
    }
    check_that_they_wait_for_ever(dir, ways);
}

TEST_CASE("a point in time too far for the clock means for ever") {
    temp_dir dir;
    using doubles_of_steady_clock = std::chrono::time_point<steady_clock, duration<double>>;
    auto ways = ways_until(steady_clock::time_point::max());
    for (auto& w : ways_until(std::chrono::system_clock::time_point::max())) ways.push_back(std::move(w));
    for (auto& w : ways_until(slow_clock::time_point::max())) ways.push_back(std::move(w));
    for (auto& w : ways_until(doubles_of_steady_clock{duration<double>{1e300}})) ways.push_back(std::move(w));
    check_that_they_wait_for_ever(dir, ways);
}

TEMPLATE_TEST_CASE("a point in time beyond the range of its clock's own unit is for ever, or long past", "",
                   steady_clock, std::chrono::system_clock, slow_clock) {
    temp_dir dir;
    using hours = std::chrono::time_point<TestType, std::chrono::hours>;
    named_lock lock{"x", dir.path()};
    {
        const foreign_hold foreign{lock};
        for (const way& w : ways_until(hours::min())) {
            INFO(w.name);
            CHECK_FALSE(in_another_thread([&] { return w.acquire(lock); }));
        }
    }
    for (const way& w : ways_until(hours::min())) CHECK(w.acquire(lock));
    check_that_they_wait_for_ever(dir, ways_until(hours::max()));
}

TEST_CASE("a zero time-out is one attempt: it succeeds when the lock is free") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto ways = ways_with(0s);
    for (auto& w : ways_with(duration<double>{-0.0})) ways.push_back(std::move(w));
    for (const way& w : ways) {
        INFO(w.name);
        CHECK(w.acquire(lock));
    }
    CHECK(lock.try_acquire());
    CHECK(lock.try_acquire_shared());
    REQUIRE(lock.try_lock());
    lock.unlock();
    REQUIRE(lock.try_lock_shared());
    lock.unlock_shared();
}

TEST_CASE("a zero time-out is one attempt: it fails without waiting when the lock is held") {
    const bool held_by_thread = GENERATE(true, false);
    CAPTURE(held_by_thread);
    temp_dir dir;
    event waits;
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    named_lock lock{"x", options};
    std::optional<foreign_hold> foreign;
    nlock::guard threads_hold;
    if (held_by_thread) {
        threads_hold = in_another_thread([&] { return lock.acquire(); });
    } else {
        foreign.emplace(lock);
    }
    auto ways = ways_with(0s);
    for (auto& w : ways_with(duration<double>{0})) ways.push_back(std::move(w));
    for (const way& w : ways) {
        INFO(w.name);
        CHECK_FALSE(w.acquire(lock));
    }
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(lock.try_acquire_shared());
    CHECK_FALSE(lock.try_lock());
    CHECK_FALSE(lock.try_lock_shared());
    CHECK_FALSE(waits.has_happened());
    CHECK(thrown_by<nlock::lock_timeout>([&] { (void)lock.acquire(0s); }).timeout() == 0s);
}

// ---- never early, and the last attempt at the deadline ----

TEST_CASE("no time-out is over early") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const foreign_hold foreign{lock};
    const auto check = [&](auto timeout) {
        for (const way& w : ways_with(timeout)) {
            const std::chrono::duration<double> seconds = timeout;
            INFO(w.name << " with " << seconds.count() << " s");
            const auto start = steady_clock::now();
            CHECK_FALSE(w.acquire(lock));
            const duration<long double> taken = steady_clock::now() - start;
            CHECK(taken >= duration<long double>{timeout});
        }
    };
    check(1ns);
    check(999us);
    check(20ms);
    check(duration<double>{0.0123456789});
    check(duration<float, std::milli>{7.7F});
    check(duration<int, std::ratio<1, 300>>{2});
    check(duration<std::int64_t, std::pico>{5'000'000'001});
}

TEST_CASE("no time-out of a thread that queues behind another is over early") {
    temp_dir dir;
    auto lock = named_lock{"x", dir.path()};
    const auto others_hold = in_another_thread([&] { return lock.acquire(); });
    for (const auto timeout : {500us, 3000us, 20000us}) {
        for (const way& w : ways_with(timeout)) {
            INFO(w.name << " with " << timeout.count() << " us");
            const auto start = steady_clock::now();
            CHECK_FALSE(w.acquire(lock));
            CHECK(steady_clock::now() - start >= timeout);
        }
    }
}

TEST_CASE("the attempt at the deadline is not skipped") {
    // Nothing reports this release, and polling backs off to an hour: only the last attempt can notice.
    const auto kind = GENERATE(hold_kind::exclusive, hold_kind::shared);
    temp_dir dir;
    auto options = options_in(dir);
    options.poll_interval = 1h;
    event waits;
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    named_lock lock{"x", options};
    foreign_hold foreign{lock};
    task waiter{[&] {
        return static_cast<bool>(kind == hold_kind::shared ? lock.try_acquire_shared(700ms) : lock.try_acquire(700ms));
    }};
    REQUIRE(waits.wait());
    CHECK(waiter.is_blocked(350ms));
    foreign.release_unseen();
    CHECK(waiter.get());
}

TEST_CASE("a queued thread makes its attempt at the deadline although another one waits on the system") {
    temp_dir dir;
    event front_waits;
    event next_waits;
    const auto lock_announcing = [&](event& waits) {
        auto options = options_in(dir);
        options.poll_interval = 1h;
        options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
        return named_lock{"x", options};
    };
    auto fronts_lock = lock_announcing(front_waits);
    auto next_lock = lock_announcing(next_waits);
    foreign_hold foreign{fronts_lock};
    event front_has_it;
    event may_end;
    task front{[&] {
        const auto guard = fronts_lock.acquire();
        front_has_it.happen();
        return may_end.wait();
    }};
    REQUIRE(front_waits.wait());
    CHECK(front.is_blocked());
    task next{[&] { return static_cast<bool>(next_lock.try_acquire(600ms)); }};
    REQUIRE(next_waits.wait());
    CHECK(next.is_blocked(350ms));
    foreign.release_unseen();
    const bool next_had_it = next.get();
    CHECK((next_had_it || front_has_it.wait(20ms)));
    may_end.happen();
    foreign.release();  // reported
    CHECK(front.get());
}

TEST_CASE("a lock that is released before the deadline is acquired") {
    temp_dir dir;
    std::list<event> waits;
    for (const way& w : ways_with(patience)) {
        INFO(w.name);
        auto options = options_in(dir);
        options.on_wait = [&happened = waits.emplace_back()](const nlock::lock_wait&) { happened.happen(); };
        named_lock lock{"x", options};
        foreign_hold foreign{lock};
        task waiter{[&] { return w.acquire(lock); }};
        REQUIRE(waits.back().wait());
        foreign.release();
        CHECK(waiter.get());
    }
}

TEST_CASE("a time-out is measured from the call: what on_wait takes counts") {
    temp_dir dir;
    auto options = options_in(dir);
    event never;
    options.on_wait = [&](const nlock::lock_wait&) { (void)never.wait(800ms); };
    named_lock lock{"x", options};
    const foreign_hold foreign{lock};
    const auto start = steady_clock::now();
    CHECK_FALSE(lock.try_acquire(800ms));
    CHECK(steady_clock::now() - start < 1600ms);
}

TEST_CASE("a poll interval of any length delays no time-out and keeps no processor busy") {
    temp_dir dir;
    auto options = options_in(dir);
    options.poll_interval = GENERATE(std::chrono::milliseconds::max(), std::chrono::milliseconds::min(), -1ms, 0ms);
    CAPTURE(options.poll_interval.count());
    named_lock lock{"x", options};
    const foreign_hold foreign{lock};
    const auto start = steady_clock::now();
    const auto used_before = std::clock();
    CHECK_FALSE(lock.try_acquire(500ms));
    const double used = static_cast<double>(std::clock() - used_before) / CLOCKS_PER_SEC;  // a busy loop uses it all
    CHECK(steady_clock::now() - start < 5s);
    if (!on_windows) CHECK(used < 0.25);  // std::clock() counts all time there
}

// ---- what is refused, and what is thrown ----

TEMPLATE_TEST_CASE("a time-out that is no number is an invalid argument", "", float, double, long double) {
    temp_dir dir;
    named_lock lock{"x", dir.path() / "locks"};
    const duration<TestType> nan{std::numeric_limits<TestType>::quiet_NaN()};
    CHECK_THROWS_AS(lock.acquire(nan), std::invalid_argument);
    CHECK_THROWS_AS(lock.acquire(-nan), std::invalid_argument);
    CHECK_THROWS_AS(lock.try_acquire(nan), std::invalid_argument);
    CHECK_THROWS_AS(lock.acquire_shared(nan), std::invalid_argument);
    CHECK_THROWS_AS(lock.try_acquire_shared(nan), std::invalid_argument);
    CHECK_THROWS_AS(lock.try_lock_for(nan), std::invalid_argument);
    using time_of_nan = std::chrono::time_point<steady_clock, duration<TestType>>;
    CHECK_THROWS_AS(lock.try_lock_until(time_of_nan{nan}), std::invalid_argument);
    CHECK_THROWS_AS(lock.try_lock_shared_for(nan), std::invalid_argument);
    CHECK_THROWS_AS(nlock::acquire_all({lock}, nan), std::invalid_argument);
    CHECK_FALSE(std::filesystem::exists(dir.path() / "locks"));
    CHECK_FALSE(lock.is_locked());
}

TEST_CASE("the default time-out comes from the options") {
    temp_dir dir;
    const auto timeout = GENERATE(0ms, 15ms);
    auto options = options_in(dir);
    options.timeout = timeout;
    named_lock lock{"x", options};
    CHECK(lock.timeout() == timeout);
    const foreign_hold foreign{lock};
    const auto check = [&](auto&& acquire) {
        const auto start = steady_clock::now();
        const auto e = thrown_by<nlock::lock_timeout>(acquire);
        CHECK(steady_clock::now() - start >= timeout);
        CHECK(e.timeout() == timeout);
    };
    check([&] { (void)lock.acquire(); });
    check([&] { (void)lock.acquire_shared(); });
    check([&] { lock.lock(); });
    check([&] { lock.lock_shared(); });
    CHECK_FALSE(lock.is_locked());
}

TEST_CASE("the default time-out comes from the constructor") {
    temp_dir dir;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(dir.path());  // where "locks" is made
    named_lock lock{"x", 15ms};
    std::filesystem::current_path(before);
    CHECK(lock.timeout() == 15ms);
    const foreign_hold foreign{lock};
    CHECK(thrown_by<nlock::lock_timeout>([&] { (void)lock.acquire(); }).timeout() == 15ms);
    CHECK(thrown_by<nlock::lock_timeout>([&] { lock.lock_shared(); }).timeout() == 15ms);
}

TEST_CASE("a time-out of the call goes before the default one, and a try makes one attempt whatever the default") {
    temp_dir dir;
    auto options = options_in(dir);
    named_lock patient{"x", options};
    options.timeout = 0ms;
    named_lock hasty{"x", options};
    foreign_hold foreign{patient};
    CHECK(thrown_by<nlock::lock_timeout>([&] { (void)patient.acquire(5ms); }).timeout() == 5ms);
    CHECK_FALSE(patient.try_acquire());
    CHECK_FALSE(patient.try_acquire_shared());
    CHECK_FALSE(patient.try_lock());
    CHECK_FALSE(patient.try_lock_shared());
    task waiter{[&] { return static_cast<bool>(hasty.acquire(nlock::forever)); }};
    CHECK(waiter.is_blocked());
    foreign.release();
    CHECK(waiter.get());
}

TEST_CASE("objects of one lock have each their own default time-out") {
    temp_dir dir;
    auto options = options_in(dir);
    options.timeout = 5ms;
    named_lock one{"x", options};
    options.timeout = 10ms;
    named_lock other{"x", options};
    const foreign_hold foreign{one};
    CHECK(thrown_by<nlock::lock_timeout>([&] { (void)one.acquire(); }).timeout() == 5ms);
    CHECK(thrown_by<nlock::lock_timeout>([&] { (void)other.acquire(); }).timeout() == 10ms);
}

TEST_CASE("lock_timeout tells code, path and time-out, and leaves nothing held") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    {
        const foreign_hold foreign{lock};
        const auto e = thrown_by<nlock::lock_timeout>([&] { (void)lock.acquire(duration<double, std::milli>{2.5}); });
        CHECK(e.code() == std::errc::timed_out);
        CHECK(e.path() == lock.path());
        CHECK(e.timeout() == 2500us);
        CHECK_THROWS_AS(lock.acquire(0s), nlock::lock_error);
        CHECK_THROWS_AS(lock.acquire(0s), std::system_error);
    }
    CHECK(lock.lock_count() == 0);
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("the text of a lock_timeout names lock, path, time and holders") {
    temp_dir dir;
    named_lock lock{"calculation", dir.path()};
    const foreign_hold foreign{lock};
    const auto text_of = [&](auto timeout) {
        return in_another_thread([=]() mutable {
            try {
                (void)lock.acquire(timeout);
            } catch (const nlock::lock_timeout& e) {
                std::string holders;
                if (!e.holders().empty()) holders = "; held by " + to_string(e.holders());
                return std::pair{std::string{e.what()}, holders};
            }
            return std::pair{std::string{"acquired"}, std::string{}};
        });
    };
    const std::string start = "lock 'calculation' (" + lock.path().string() + ") was not acquired within ";
    const auto check = [&](auto timeout, const std::string& in_words) {
        const auto [text, holders] = text_of(timeout);
        CHECK(text == start + in_words + holders);
    };
    check(0s, "0 s");
    check(20ms, "20 ms");
    check(1500us, "1.5 ms");
    check(1s, "1 s");
    check(duration<double>{1.25}, "1.25 s");
    check(duration<double>{0.1}, "100 ms");                  // which no double is
    check(duration<float>{0.3F}, "300.000012 ms");           // the float is that far off
    check(duration<double, std::nano>{0.1}, "0.000001 ms");  // not zero, which is one attempt
#if defined(__linux__)
    CHECK_THAT(text_of(0s).first, ContainsSubstring("; held by pid " + std::to_string(::getpid()) + " ("));
#endif
}

TEST_CASE("the text of a lock_timeout of no end names no time") {
    const std::string text = "lock 'x' (x.lock) was not acquired";
    CHECK(nlock::lock_timeout{"x", "x.lock", nlock::forever, {}}.what() == text);
    CHECK(nlock::lock_timeout{"x", "x.lock", -1500ms, {{42, "job"}}}.what() == text + "; held by pid 42 (job)");
}

// ---- points in time ----

TEMPLATE_TEST_CASE("try_lock_until waits until that time and no less", "", steady_clock, std::chrono::system_clock,
                   slow_clock) {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const foreign_hold foreign{lock};
    const auto soon = TestType::now() + 20ms;
    CHECK_FALSE(lock.try_lock_until(soon));
    CHECK(TestType::now() >= soon);
    const auto later = std::chrono::time_point_cast<duration<double>>(TestType::now() + 10ms);
    CHECK_FALSE(lock.try_lock_shared_until(later));
    CHECK(TestType::now() >= later);
}

TEMPLATE_TEST_CASE("try_lock_until a point in the past makes one attempt", "", steady_clock, std::chrono::system_clock,
                   slow_clock) {
    temp_dir dir;
    event waits;
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    named_lock lock{"x", options};
    const auto check = [&](auto time) {
        for (const way& w : ways_until(time)) {
            INFO(w.name);
            {
                const foreign_hold foreign{lock};
                CHECK_FALSE(w.acquire(lock));
            }
            CHECK(w.acquire(lock));
        }
    };
    check(TestType::now());
    check(TestType::now() - 1h);
    check(typename TestType::time_point{} - 2000h);  // before now for each of them
    check(TestType::time_point::min());
    CHECK_FALSE(waits.has_happened());
}

TEMPLATE_TEST_CASE("try_lock_until acquires a lock that is released in time", "", steady_clock,
                   std::chrono::system_clock, slow_clock) {
    temp_dir dir;
    event waits;
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    named_lock lock{"x", options};
    foreign_hold foreign{lock};
    task waiter{[&] { return lock.try_lock_until(TestType::now() + patience); }};
    REQUIRE(waits.wait());
    CHECK(waiter.is_blocked());
    foreign.release();
    CHECK(waiter.get());
}

// ---- no combination of options voids a time-out ----

TEST_CASE("no combination of options voids a time-out") {
    temp_dir dir;
    const auto method = GENERATE(nlock::lock_method::flock, nlock::lock_method::fcntl);
    const auto held_as = GENERATE(hold_kind::exclusive, hold_kind::shared);
    const auto held_by_thread = GENERATE(true, false);
    std::list<task<std::string>> threads;
    int number = 0;
    for (const bool reentrant : {true, false}) {
        for (const auto kind : {hold_kind::exclusive, hold_kind::shared}) {
            if (held_as == hold_kind::shared && kind == hold_kind::shared) continue;  // does not wait
            threads.emplace_back([&, reentrant, kind, name = "x" + std::to_string(++number)]() -> std::string {
                constexpr auto timeout = 5ms;
                auto options = options_in(dir);
                options.method = method;
                options.reentrant = reentrant;
                options.timeout = timeout;
                named_lock holder{name, options};
                std::optional<foreign_hold> foreign;
                nlock::guard threads_hold;
                if (held_by_thread) {
                    threads_hold = in_another_thread(
                        [&] { return held_as == hold_kind::shared ? holder.acquire_shared(0s) : holder.acquire(0s); });
                } else {
                    foreign.emplace(holder, held_as, method);
                }
                auto ways = ways_with(timeout, kind);
                if (kind == hold_kind::exclusive) {
                    ways.push_back(
                        {"lock", [](named_lock& l) { return is_in_time([&] { return l.lock(), l.unlock(), true; }); }});
                } else {
                    ways.push_back({"lock_shared", [](named_lock& l) {
                                        return is_in_time([&] { return l.lock_shared(), l.unlock_shared(), true; });
                                    }});
                }
                for (const auto poll_interval : {0ms, 1ms, 50ms, 3600000ms}) {
                    for (const bool has_on_wait : {true, false}) {
                        options.poll_interval = poll_interval;
                        options.permissions = std::filesystem::perms::owner_all;
                        options.on_wait = nullptr;
                        if (has_on_wait) options.on_wait = [](const nlock::lock_wait&) {};
                        named_lock lock{name, options};
                        for (const way& w : ways) {
                            const auto start = steady_clock::now();
                            const bool acquired = w.acquire(lock);
                            const auto taken = steady_clock::now() - start;
                            if (acquired) return w.name + " acquired a lock that is held";
                            if (taken < timeout) return w.name + " gave up early";
                        }
                    }
                }
                return "";
            });
        }
    }
    for (auto& t : threads) CHECK(t.get() == "");
}

}  // namespace timeout_test

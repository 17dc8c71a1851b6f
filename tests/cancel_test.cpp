// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Requests to stop, by a cancellation, and by a std::stop_source where there is one.
#include "support/catch.hpp"

#if __has_include(<version>)
#include <version>
#endif
#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

#include <chrono>
#include <filesystem>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/acquire_all.hpp>
#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"

namespace cancel_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using nlock::guard;
using nlock::named_lock;
using std::chrono::steady_clock;

class by_cancellation {
  public:
    [[nodiscard]] const nlock::cancellation& get() const noexcept { return stop_; }
    void stop() noexcept { stop_.cancel(); }

  private:
    nlock::cancellation stop_;
};

#if defined(__cpp_lib_jthread)
class by_stop_source {
  public:
    [[nodiscard]] std::stop_token get() const noexcept { return stop_.get_token(); }
    void stop() noexcept { stop_.request_stop(); }

  private:
    std::stop_source stop_;
};
#define ALL_REQUESTS by_cancellation, by_stop_source
#else
#define ALL_REQUESTS by_cancellation
#endif

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

/// One way of acquiring, and how it ends when it is stopped.
template <class Request>
struct way {
    const char* name;
    ending when_stopped;
    guard (*acquire)(named_lock&, const Request&);
};

guard first_of(std::vector<guard> guards) { return std::move(guards.front()); }

template <class Request>
const std::vector<way<Request>>& waiting_ways() {
    using request = const Request&;
    static const std::vector<way<Request>> ways{
        {"acquire", ending::cancelled, [](named_lock& l, request s) { return l.acquire(s.get()); }},
        {"acquire with a time-out", ending::cancelled,
         [](named_lock& l, request s) { return l.acquire(s.get(), patience * 2); }},
        {"acquire for ever", ending::cancelled,
         [](named_lock& l, request s) { return l.acquire(s.get(), nlock::forever); }},
        {"try_acquire with a time-out", ending::empty,
         [](named_lock& l, request s) { return l.try_acquire(s.get(), patience * 2); }},
        {"acquire_shared", ending::cancelled, [](named_lock& l, request s) { return l.acquire_shared(s.get()); }},
        {"acquire_shared with a time-out", ending::cancelled,
         [](named_lock& l, request s) { return l.acquire_shared(s.get(), patience * 2); }},
        {"try_acquire_shared with a time-out", ending::empty,
         [](named_lock& l, request s) { return l.try_acquire_shared(s.get(), patience * 2); }},
        {"acquire_all", ending::cancelled,
         [](named_lock& l, request s) { return first_of(nlock::acquire_all(s.get(), {l})); }},
        {"acquire_all with a time-out", ending::cancelled,
         [](named_lock& l, request s) { return first_of(nlock::acquire_all(s.get(), {l}, patience * 2)); }},
        {"acquire_all_shared", ending::cancelled,
         [](named_lock& l, request s) { return first_of(nlock::acquire_all_shared(s.get(), {l})); }},
        {"acquire_all_shared with a time-out", ending::cancelled,
         [](named_lock& l, request s) { return first_of(nlock::acquire_all_shared(s.get(), {l}, patience * 2)); }}};
    return ways;
}

template <class Request>
std::vector<way<Request>> all_ways() {
    using request = const Request&;
    auto ways = waiting_ways<Request>();
    ways.push_back({"try_acquire", ending::empty, [](named_lock& l, request s) { return l.try_acquire(s.get()); }});
    ways.push_back({"try_acquire_shared", ending::empty,
                    [](named_lock& l, request s) { return l.try_acquire_shared(s.get()); }});
    return ways;
}

template <class Request>
ending ending_of(const way<Request>& w, named_lock& lock, const Request& request) {
    try {
        return w.acquire(lock, request) ? ending::acquired : ending::empty;
    } catch (const nlock::lock_cancelled&) {
        return ending::cancelled;
    } catch (const nlock::lock_timeout&) {
        return ending::timed_out;
    }
}

}  // namespace

TEMPLATE_TEST_CASE("a request ends the wait for another program", "", ALL_REQUESTS) {
    for (const way<TestType>& w : waiting_ways<TestType>()) {
        INFO(w.name);
        temp_dir dir;
        event waits;
        auto lock = announcing(dir, waits);
        const foreign_hold foreign{lock};
        TestType request;
        task waiter{[&] { return ending_of(w, lock, request); }};
        REQUIRE(waits.wait());
        CHECK(waiter.is_blocked());
        request.stop();
        CHECK(waiter.get() == w.when_stopped);
        CHECK(lock.lock_count() == 0);
    }
}

TEMPLATE_TEST_CASE("a request ends the wait for another thread", "", ALL_REQUESTS) {
    const bool reentrant = GENERATE(true, false);
    CAPTURE(reentrant);
    for (const way<TestType>& w : waiting_ways<TestType>()) {
        INFO(w.name);
        temp_dir dir;
        event waits;
        auto lock = announcing(dir, waits, reentrant);
        const auto held = lock.acquire();
        TestType request;
        task waiter{[&] { return ending_of(w, lock, request); }};
        REQUIRE(waits.wait());
        CHECK(waiter.is_blocked());
        request.stop();
        CHECK(waiter.get() == w.when_stopped);
        CHECK(held);
        CHECK(lock.lock_count() == 1);
    }
}

TEMPLATE_TEST_CASE("a request ends a wait in the queue behind another thread that waits on the system", "",
                   ALL_REQUESTS) {
    for (const way<TestType>& w : waiting_ways<TestType>()) {
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
        TestType request;
        task next{[&] { return ending_of(w, next_lock, request); }};
        REQUIRE(next_waits.wait());
        CHECK(next.is_blocked(10ms));
        request.stop();
        CHECK(next.get() == w.when_stopped);
        CHECK(front.is_blocked(10ms));
        foreign.release();
        CHECK(front.get());
    }
}

TEMPLATE_TEST_CASE("a request ends a long wait at once", "", ALL_REQUESTS) {
    // By then the waiter looks only every few seconds by itself.
    temp_dir dir;
    event waits;
    auto lock = announcing(dir, waits);
    const foreign_hold foreign{lock};
    TestType request;
    task waiter{[&] { return static_cast<bool>(lock.try_acquire(request.get(), nlock::forever)); }};
    REQUIRE(waits.wait());
    CHECK(waiter.is_blocked(1200ms));
    const auto start = steady_clock::now();
    request.stop();
    CHECK_FALSE(waiter.get());
    CHECK(steady_clock::now() - start < 1s);
}

TEMPLATE_TEST_CASE("a request before the call ends it without an attempt", "", ALL_REQUESTS) {
    for (const way<TestType>& w : all_ways<TestType>()) {
        INFO(w.name);
        temp_dir dir;
        named_lock lock{"x", dir.path() / "locks"};
        TestType request;
        request.stop();
        CHECK(ending_of(w, lock, request) == w.when_stopped);
        CHECK_FALSE(std::filesystem::exists(dir.path() / "locks"));
        CHECK_FALSE(lock.is_locked());
    }
}

TEMPLATE_TEST_CASE("a request before the call goes before a hold that could be entered again, and before on_wait", "",
                   ALL_REQUESTS) {
    for (const way<TestType>& w : all_ways<TestType>()) {
        INFO(w.name);
        temp_dir dir;
        event waits;
        auto lock = announcing(dir, waits);
        TestType request;
        request.stop();
        {
            const auto held = lock.acquire();
            CHECK(ending_of(w, lock, request) == w.when_stopped);
            CHECK(lock.lock_count() == 1);
        }
        const foreign_hold foreign{lock};
        CHECK(ending_of(w, lock, request) == w.when_stopped);
        CHECK_FALSE(waits.has_happened());
    }
}

TEMPLATE_TEST_CASE("a request after the grant changes nothing", "", ALL_REQUESTS) {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    TestType request;
    auto guard = lock.acquire(request.get());
    request.stop();
    CHECK(guard);
    CHECK(seen_by_others(lock) == seen::exclusive);
    guard.release();
    CHECK(seen_by_others(lock) == seen::free);
}

TEMPLATE_TEST_CASE("a request that comes when lock and guard are gone harms nobody", "", ALL_REQUESTS) {
    temp_dir dir;
    TestType request;
    { const auto guard = named_lock{"x", dir.path()}.acquire(request.get(), 1s); }
    request.stop();
}

TEMPLATE_TEST_CASE("lock_cancelled tells code, path and name, and is no time-out", "", ALL_REQUESTS) {
    temp_dir dir;
    named_lock lock{"calculation", dir.path()};
    TestType request;
    request.stop();
    const auto e = thrown_by<nlock::lock_cancelled>([&] { (void)lock.acquire(request.get()); });
    CHECK(e.code() == std::errc::operation_canceled);
    CHECK(e.path() == lock.path());
    CHECK(std::string{e.what()} ==
          "lock 'calculation' (" + lock.path().string() + ") was not acquired: cancelled by a stop request");
    CHECK_THROWS_AS(lock.acquire(request.get()), nlock::lock_error);
}

TEMPLATE_TEST_CASE("a free lock is acquired in all ways", "", ALL_REQUESTS) {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    TestType request;
    for (const way<TestType>& w : all_ways<TestType>()) {
        INFO(w.name);
        CHECK(ending_of(w, lock, request) == ending::acquired);
    }
    auto shared = lock.acquire_shared(request.get());
    CHECK(seen_by_others(lock) == seen::shared);
    shared.release();
    auto exclusive = lock.acquire(request.get());
    CHECK(seen_by_others(lock) == seen::exclusive);
}

TEMPLATE_TEST_CASE("a try that may be stopped makes one attempt", "", ALL_REQUESTS) {
    temp_dir dir;
    event waits;
    auto lock = announcing(dir, waits);
    const foreign_hold foreign{lock};
    TestType request;
    CHECK_FALSE(lock.try_acquire(request.get()));
    CHECK_FALSE(lock.try_acquire_shared(request.get()));
    CHECK_FALSE(lock.try_acquire(request.get(), 0s));
    CHECK_THROWS_AS(lock.acquire(request.get(), 0s), nlock::lock_timeout);
    CHECK_FALSE(waits.has_happened());
}

TEMPLATE_TEST_CASE("the time-out still counts, and is not called a cancellation", "", ALL_REQUESTS) {
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.timeout = 20ms;
    named_lock lock{"x", options};
    const foreign_hold foreign{lock};
    TestType request;
    const auto check = [&](auto&& acquire) {
        const auto start = steady_clock::now();
        CHECK(thrown_by<nlock::lock_timeout>(acquire).timeout() == 20ms);
        CHECK(steady_clock::now() - start >= 20ms);
    };
    check([&] { (void)lock.acquire(request.get()); });
    check([&] { (void)lock.acquire_shared(request.get()); });
    check([&] { (void)lock.acquire(request.get(), 20ms); });
    check([&] { (void)lock.acquire_shared(request.get(), 20ms); });
    const auto start = steady_clock::now();
    CHECK_FALSE(lock.try_acquire(request.get(), 20ms));
    CHECK_FALSE(lock.try_acquire_shared(request.get(), 20ms));
    CHECK(steady_clock::now() - start >= 40ms);
}

TEMPLATE_TEST_CASE("a released lock ends a wait that may be stopped", "", ALL_REQUESTS) {
    temp_dir dir;
    event waits;
    auto lock = announcing(dir, waits);
    foreign_hold foreign{lock};
    TestType request;
    task waiter{[&] { return static_cast<bool>(lock.acquire(request.get())); }};
    REQUIRE(waits.wait());
    CHECK(waiter.is_blocked());
    foreign.release();
    CHECK(waiter.get());
}

TEMPLATE_TEST_CASE("a request by on_wait ends the acquisition", "", ALL_REQUESTS) {
    for (const way<TestType>& w : waiting_ways<TestType>()) {
        INFO(w.name);
        temp_dir dir;
        TestType request;
        nlock::lock_options options;
        options.locks_dir = dir.path();
        options.on_wait = [&](const nlock::lock_wait&) { request.stop(); };
        named_lock lock{"x", options};
        const foreign_hold foreign{lock};
        CHECK(in_another_thread([&] { return ending_of(w, lock, request); }) == w.when_stopped);
    }
}

TEMPLATE_TEST_CASE("a request to one waiter does not reach the others", "", ALL_REQUESTS) {
    temp_dir dir;
    event one_waits;
    event other_waits;
    auto ones_lock = announcing(dir, one_waits);
    auto others_lock = announcing(dir, other_waits);
    foreign_hold foreign{ones_lock};
    TestType ones_stop;
    TestType others_stop;
    task one{[&] { return static_cast<bool>(ones_lock.try_acquire(ones_stop.get(), nlock::forever)); }};
    REQUIRE(one_waits.wait());
    CHECK(one.is_blocked(10ms));
    task other{[&] { return static_cast<bool>(others_lock.try_acquire(others_stop.get(), nlock::forever)); }};
    REQUIRE(other_waits.wait());
    ones_stop.stop();
    CHECK_FALSE(one.get());
    CHECK(other.is_blocked());
    foreign.release();
    CHECK(other.get());
}

TEMPLATE_TEST_CASE("one request ends all waits that were given it", "", ALL_REQUESTS) {
    temp_dir dir;
    TestType request;
    std::list<event> waits;
    std::list<task<bool>> threads;
    const foreign_hold foreign{named_lock{"x", dir.path()}};
    const foreign_hold foreign_of_other{named_lock{"y", dir.path()}};
    for (int i = 0; i < 8; ++i) {
        nlock::lock_options options;
        options.locks_dir = dir.path();
        options.poll_interval = 1h;
        options.on_wait = [&happened = waits.emplace_back()](const nlock::lock_wait&) { happened.happen(); };
        threads.emplace_back([&request, lock = named_lock{i % 2 == 0 ? "x" : "y", options}]() mutable {
            return static_cast<bool>(lock.try_acquire(request.get(), nlock::forever));
        });
    }
    for (const auto& e : waits) REQUIRE(e.wait());
    for (const auto& t : threads) CHECK(t.is_blocked(10ms));
    request.stop();
    for (auto& t : threads) CHECK_FALSE(t.get());
}

TEMPLATE_TEST_CASE("a request beside a release either cancels or acquires, and leaves nothing held", "", ALL_REQUESTS) {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    int wrong = 0;
    for (int i = 0; i < 200; ++i) {
        TestType request;
        event waits;
        auto waiting_lock = announcing(dir, waits);
        auto held = lock.acquire();
        task waiter{[&] { return ending_of(waiting_ways<TestType>().front(), waiting_lock, request); }};
        REQUIRE(waits.wait());
        task stopper{[&] { request.stop(); }};
        held.release();
        stopper.get();
        const auto end = waiter.get();
        if (end != ending::acquired && end != ending::cancelled) ++wrong;
        if (!foreign_hold::is_possible(lock.path(), hold_kind::exclusive)) ++wrong;
    }
    CHECK(wrong == 0);
    CHECK(seen_by_others(lock) == seen::free);
}

TEMPLATE_TEST_CASE("a thread that is cancelled as its turn comes leaves the turn to the next one", "", ALL_REQUESTS) {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    for (int i = 0; i < 100; ++i) {
        TestType request;
        event front_waits;
        event next_waits;
        auto fronts_lock = announcing(dir, front_waits);
        auto next_lock = announcing(dir, next_waits);
        auto held = lock.acquire();
        task front{[&] { return ending_of(waiting_ways<TestType>().front(), fronts_lock, request); }};
        REQUIRE(front_waits.wait());
        task next{[&] { return static_cast<bool>(next_lock.acquire()); }};
        REQUIRE(next_waits.wait());
        task stopper{[&] { request.stop(); }};
        held.release();
        REQUIRE(next.get());
        (void)front.get();
    }
}

TEMPLATE_TEST_CASE("a request ends the wait for a group of locks, and nothing of it stays held", "", ALL_REQUESTS) {
    temp_dir dir;
    event waits;
    auto lock = announcing(dir, waits);
    named_lock other{"y", dir.path()};
    const foreign_hold foreign{lock};
    TestType request;
    task waiter{[&] { return nlock::acquire_all(request.get(), {other, lock, named_lock{"z", dir.path()}}); }};
    REQUIRE(waits.wait());
    CHECK(waiter.is_blocked());
    request.stop();
    CHECK_THROWS_AS(waiter.get(), nlock::lock_cancelled);
    CHECK(seen_by_others(other) == seen::free);
    CHECK_THROWS_AS(nlock::acquire_all_shared(request.get(), {other}), nlock::lock_cancelled);
}

#if defined(__cpp_lib_jthread)
TEST_CASE("a jthread that waits for a lock ends when it is destroyed") {
    temp_dir dir;
    event waits;
    auto lock = announcing(dir, waits);
    const foreign_hold foreign{lock};
    bool was_cancelled = false;
    {
        const std::jthread thread{[&](std::stop_token stop) {
            try {
                (void)lock.acquire(stop);
            } catch (const nlock::lock_cancelled&) {
                was_cancelled = true;
            }
        }};
        REQUIRE(waits.wait());
    }
    CHECK(was_cancelled);
}

TEST_CASE("a token that nobody can stop changes nothing") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    CHECK(lock.acquire(std::stop_token{}));
    const foreign_hold foreign{lock};
    CHECK_THROWS_AS(lock.acquire(std::stop_token{}, 1ms), nlock::lock_timeout);
    CHECK_FALSE(lock.try_acquire_shared(std::stop_token{}, 1ms));
}
#endif

}  // namespace cancel_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// pending_acquire: an acquisition that a program with an event loop steers. What all systems have; pending_linux_test.cpp
// has the rest.
#include "support/catch.hpp"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <named_lock/pending_acquire.hpp>

#include "support/event_loop.hpp"
#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"
#include "support/worker.hpp"

namespace pending_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using nlock::guard;
using nlock::named_lock;
using nlock::pending_acquire;
using std::chrono::steady_clock;

constexpr auto never = (steady_clock::time_point::max)();

nlock::lock_options options_in(const temp_dir& dir) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    return options;
}

static_assert(std::is_nothrow_move_constructible_v<pending_acquire> &&
              std::is_nothrow_move_assignable_v<pending_acquire>);
static_assert(!std::is_copy_constructible_v<pending_acquire> && !std::is_copy_assignable_v<pending_acquire>);
static_assert(!std::is_default_constructible_v<pending_acquire>);
#if defined(_WIN32)
static_assert(std::is_same_v<pending_acquire::native_handle_type, void*>);
#else
static_assert(std::is_same_v<pending_acquire::native_handle_type, int>);
#endif

}  // namespace

// ---- nobody has it ----

TEST_CASE("a pending acquisition does not overtake one that was woken and has not been asked since") {
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    named_lock lock{"x", options};
    auto held = lock.acquire();
    auto first = lock.begin_acquire();
    held.release();
    auto second = lock.begin_acquire();
    CHECK_FALSE(second.try_complete());
    CHECK(first.try_complete());
    CHECK(second.try_complete());
}

TEST_CASE("a pending acquisition of a lock that is free is done at once") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    const bool shared = GENERATE(false, true);
    auto pending = shared ? lock.begin_acquire_shared() : lock.begin_acquire();
    CHECK(has_news(pending));
    CHECK(pending.wake_at() <= steady_clock::now());
    CHECK_FALSE(pending.is_done());
    auto held = pending.try_complete();
    REQUIRE(held);
    CHECK(seen_by_others(lock) == (shared ? seen::shared : seen::exclusive));
    CHECK(pending.is_done());
    held.release();
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a pending acquisition gives its guard once") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    auto pending = lock.begin_acquire();
    const auto held = pending.try_complete();
    CHECK_FALSE(pending.try_complete());
    CHECK_FALSE(has_news(pending));
    CHECK(pending.wake_at() == never);
    pending.cancel();
    CHECK_FALSE(pending.try_complete());
    CHECK(held);
    CHECK(seen_by_others(lock) == seen::exclusive);
}

TEST_CASE("the guard of a pending acquisition outlives it") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    guard held;
    {
        auto pending = named_lock{lock}.begin_acquire();
        held = pending.try_complete();
    }
    CHECK(held);
    CHECK(seen_by_others(lock) == seen::exclusive);
}

TEST_CASE("a lock that was granted is given up if nobody takes the guard") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    const bool destroyed = GENERATE(true, false);
    auto pending = std::make_unique<pending_acquire>(lock.begin_acquire());
    CHECK(seen_by_others(lock) == seen::exclusive);
    if (destroyed) {
        pending = nullptr;
    } else {
        pending->cancel();
        CHECK_THROWS_AS(pending->try_complete(), nlock::lock_cancelled);
    }
    CHECK(seen_by_others(lock) == seen::free);
}

// ---- others have it ----

TEST_CASE("a pending acquisition waits for another process") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    worker holder{dir};
    holder.tell("acquire -1 x");
    auto pending = lock.begin_acquire();
    CHECK_FALSE(pending.try_complete());
    CHECK_FALSE(pending.is_done());
    REQUIRE(gets_to_sleep(pending));
    CHECK_FALSE(has_news(pending));
    holder.tell("release");
    CHECK(has_news(pending, patience));
    CHECK(complete(pending));
}

TEST_CASE("a pending acquisition waits for a thread of its process") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    auto held = in_another_thread([&] { return lock.acquire(); });
    auto pending = lock.begin_acquire();
    REQUIRE(gets_to_sleep(pending));
    CHECK_FALSE(has_news(pending));
    held.release();
    CHECK(has_news(pending, patience));
    CHECK(complete(pending));
}

TEST_CASE("a pending acquisition waits also where its thread holds the lock") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    const bool shared = GENERATE(false, true);
    auto held = shared ? lock.acquire_shared() : lock.acquire();
    auto pending = lock.begin_acquire();
    CHECK_FALSE(pending.try_complete());
    held.release();
    const auto now_held = complete(pending);
    CHECK(lock.lock_count() == 0);  // it is the guard's
    CHECK_FALSE(lock.try_acquire());
}

TEST_CASE("pending acquisitions of a process are served in the order in which they began") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    auto held = std::make_optional(lock.acquire());
    std::list<pending_acquire> line;
    for (int i = 0; i < 5; ++i) line.push_back(lock.begin_acquire());
    for (auto& one : line) CHECK_FALSE(one.try_complete());
    for (auto& next : line) {
        held.reset();
        CHECK(has_news(next, patience));
        for (auto& one : line) {
            if (&one != &next && !one.is_done()) CHECK_FALSE(one.try_complete());
        }
        held = complete(next);
    }
}

TEST_CASE("who is behind another pending acquisition of its process need not wake up") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    const auto held = lock.acquire();
    const auto first = lock.begin_acquire();
    const auto before = steady_clock::now();
    const auto second = lock.begin_acquire();
    const auto third = lock.begin_acquire(1h);
    CHECK(second.wake_at() == never);
    CHECK(third.wake_at() >= before + 1h);
    CHECK(third.wake_at() <= steady_clock::now() + 1h);
    CHECK_FALSE(has_news(second));
}

TEST_CASE("a thread waits behind a pending acquisition, and that behind a thread") {
    temp_dir dir;
    event is_waiting;
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait&) { is_waiting.happen(); };
    named_lock lock{"x", options_in(dir)};
    auto held = lock.acquire();
    auto first = lock.begin_acquire();
    task thread{[&] { return named_lock{"x", options}.acquire(); }};
    REQUIRE(is_waiting.wait());
    held.release();
    held = complete(first);
    CHECK(thread.is_blocked());
    auto last = lock.begin_acquire();
    CHECK_FALSE(last.try_complete());
    held.release();
    held = thread.get();
    CHECK_FALSE(last.try_complete());
    held.release();
    CHECK(complete(last));
}

TEST_CASE("pending shared acquisitions hold together, and wait for an exclusive hold") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    auto held = std::make_optional(lock.acquire());
    auto first = lock.begin_acquire_shared();
    auto second = lock.begin_acquire_shared(1h);
    CHECK_FALSE(first.try_complete());
    CHECK_FALSE(second.try_complete());
    held.reset();
    const auto one = complete(first);
    const auto other = complete(second);
    CHECK(seen_by_others(lock) == seen::shared);
    auto writer = lock.begin_acquire();
    CHECK_FALSE(writer.try_complete());
}

TEST_CASE("a pending reader gives way to a writer that came before it") {
    temp_dir dir;
    auto options = options_in(dir);
    options.courtesy = 1h;
    named_lock lock{"x", options};
    auto held = std::make_optional(lock.acquire_shared());
    auto writer = lock.begin_acquire();
    auto reader = lock.begin_acquire_shared();
    CHECK_FALSE(reader.try_complete());
    held.reset();
    held = complete(writer);
    CHECK_FALSE(reader.try_complete());
    held.reset();
    CHECK(complete(reader));
}

TEST_CASE("a pending reader's courtesy ends") {
    temp_dir dir;
    auto options = options_in(dir);
    options.courtesy = 20ms;
    named_lock lock{"x", options};
    const auto held = lock.acquire_shared();
    auto writer = lock.begin_acquire();
    const auto begin = steady_clock::now();
    auto reader = lock.begin_acquire_shared();
    CHECK(reader.wake_at() <= steady_clock::now() + 20ms);
    CHECK(complete(reader));
    CHECK(steady_clock::now() - begin >= 20ms);
}

TEST_CASE("a pending acquisition gets the lock of a process that was killed") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    worker holder{dir};
    holder.tell("acquire -1 x");
    auto pending = lock.begin_acquire();
    REQUIRE(gets_to_sleep(pending));
    holder.crash();
    CHECK(complete(pending));
}

// ---- its end ----

TEST_CASE("a pending acquisition times out, and not early") {
    temp_dir dir;
    worker holder{dir};
    holder.tell("acquire -1 x");
    auto options = options_in(dir);
    options.timeout = 30ms;
    named_lock lock{"x", options};
    const bool by_default = GENERATE(true, false);
    const bool is_first = GENERATE(true, false);
    std::optional<pending_acquire> before;
    if (!is_first) before = lock.begin_acquire(1h);
    const auto begin = steady_clock::now();
    auto pending = by_default ? lock.begin_acquire() : lock.begin_acquire(30ms);
    CHECK(pending.wake_at() <= steady_clock::now() + 30ms);
    const auto timeout = thrown_by<nlock::lock_timeout>([&] { (void)complete(pending); });
    CHECK(steady_clock::now() - begin >= 30ms);
    CHECK(timeout.timeout() == 30ms);
    CHECK(timeout.path() == lock.path());
#if defined(__linux__)
    REQUIRE(timeout.holders().size() == 1);
    CHECK(timeout.holders()[0].pid == holder.pid());
#endif
    CHECK(pending.is_done());
    CHECK_FALSE(has_news(pending));
    CHECK(pending.wake_at() == never);
    CHECK_THROWS_AS(pending.try_complete(), nlock::lock_timeout);
}

TEST_CASE("a pending acquisition without time makes one attempt") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    {
        auto free = lock.begin_acquire(0ms);
        CHECK(free.try_complete());
    }
    const auto held = lock.acquire();
    auto pending = lock.begin_acquire(0ms);
    CHECK(has_news(pending));
    CHECK(pending.wake_at() <= steady_clock::now());
    CHECK_THROWS_AS(pending.try_complete(), nlock::lock_timeout);
}

TEST_CASE("a time-out that is no number is refused before anything begins") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    CHECK_THROWS_AS(lock.begin_acquire(std::chrono::duration<double>{std::nan("")}), std::invalid_argument);
}

TEST_CASE("a pending acquisition that is cancelled leaves the line, and throws from then on") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    auto held = lock.acquire();
    auto first = lock.begin_acquire();
    auto second = lock.begin_acquire();
    first.cancel();
    first.cancel();
    CHECK(first.is_done());
    CHECK_FALSE(has_news(first));
    CHECK(first.wake_at() == never);
    CHECK_THROWS_AS(first.try_complete(), nlock::lock_cancelled);
    CHECK_THROWS_AS(first.try_complete(), nlock::lock_cancelled);
    held.release();
    CHECK(complete(second));
}

TEST_CASE("a pending acquisition that is cancelled or destroyed when its turn has come passes it on") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    const bool destroyed = GENERATE(true, false);
    worker holder{dir};
    holder.tell("acquire -1 x");
    auto first = std::make_unique<pending_acquire>(lock.begin_acquire());
    const bool to_a_process = GENERATE(true, false);
    std::list<worker> process;
    std::optional<pending_acquire> second;
    REQUIRE(gets_to_sleep(*first));
    if (to_a_process) {
        process.push_back(worker::without_polling(dir));
        process.front().let_wait("acquire -1 x");
    } else {
        second = lock.begin_acquire();
    }
    holder.tell("release");
    CHECK(has_news(*first, patience));
    if (destroyed) {
        first = nullptr;
    } else {
        first->cancel();
    }
    if (to_a_process) {
        CHECK(process.front().read_line() == "ok");
    } else {
        CHECK(complete(*second));
    }
}

TEST_CASE("a pending acquisition that was moved is the same one") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    auto held = lock.acquire();
    auto first = lock.begin_acquire();
    const auto handle = first.native_handle();
    auto moved = std::move(first);
    CHECK(first.is_done());  // NOLINT(bugprone-use-after-move)
    CHECK(moved.native_handle() == handle);
    auto other = lock.begin_acquire();
    first = std::move(moved);
    other = std::move(first);  // and the one that it was ends
    held.release();
    CHECK(has_news(other, patience));
    CHECK(other.native_handle() == handle);
    CHECK(in_another_thread([&] { return complete(other); }));
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a pending acquisition is replaced by the next one of the same lock") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    auto held = lock.acquire();
    auto pending = lock.begin_acquire();
    for (int i = 0; i < 3; ++i) pending = lock.begin_acquire();
    held.release();
    CHECK(complete(pending));
}

// ---- the handle ----

TEST_CASE("the handle is the same for life, and readable only while there is news") {
    temp_dir dir;
    auto options = options_in(dir);
    options.poll_interval = 1min;
    named_lock lock{"x", options};
    worker holder{dir};
    holder.tell("acquire -1 x");
    auto first = lock.begin_acquire();
    auto second = lock.begin_acquire();
    const auto handle = first.native_handle();
    CHECK(handle != second.native_handle());
    REQUIRE(gets_to_sleep(first));
    for (int i = 0; i < 100; ++i) {
        CHECK_FALSE(first.try_complete());
        CHECK_FALSE(second.try_complete());
        REQUIRE_FALSE(has_news(first));
        REQUIRE_FALSE(has_news(second));
    }
    holder.tell("release");
    CHECK(has_news(first, patience));
    CHECK_FALSE(has_news(second));
    auto held = complete(first);
    CHECK_FALSE(has_news(first));
    CHECK(first.native_handle() == handle);
    held.release();
    CHECK(has_news(second, patience));
    held = complete(second);
    CHECK_FALSE(has_news(second));
}

TEST_CASE("an event loop has few calls to make while nothing happens") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};  // with the usual poll interval
    worker holder{dir};
    holder.tell("acquire -1 x");
    std::list<pending_acquire> some;
    for (int i = 0; i < 5; ++i) some.push_back(lock.begin_acquire());
    REQUIRE(gets_to_sleep(some.front()));
    const auto begin = steady_clock::now();
    int calls = 0;
    while (steady_clock::now() < begin + 200ms) {
        sleep_until_due(some.front(), 1h);
        CHECK_FALSE(some.front().try_complete());
        ++calls;
    }
    CHECK(calls <= 30);
    for (auto& one : some) CHECK_FALSE(has_news(one));
}

// ---- errors and on_wait ----

TEST_CASE("what goes wrong is thrown by try_complete") {
    temp_dir dir;
    auto options = options_in(dir);
    options.locks_dir = dir.path() / "file" / "locks";
    std::ofstream{dir.path() / "file"};
    named_lock lock{"x", options};
    auto pending = lock.begin_acquire();
    CHECK(has_news(pending));
    CHECK(pending.wake_at() <= steady_clock::now());
    const auto error = thrown_by<nlock::lock_error>([&] { (void)pending.try_complete(); });
    CHECK(error.path().string().find("file") != std::string::npos);
    CHECK(error.code() != std::errc::timed_out);
    CHECK(pending.is_done());
    CHECK_FALSE(has_news(pending));
}

TEST_CASE("begin_acquire calls on_wait, once and only if it has to wait") {
    temp_dir dir;
    int calls = 0;
    std::vector<nlock::lock_holder> holders;
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait& wait) {
        ++calls;
        holders = wait.holders;
    };
    named_lock lock{"x", options};
    {
        auto pending = lock.begin_acquire();
        CHECK(pending.try_complete());
        CHECK(calls == 0);
    }
    worker holder{dir};
    holder.tell("acquire -1 x");
    auto pending = lock.begin_acquire();
    CHECK(calls == 1);
#if defined(__linux__)
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].pid == holder.pid());
#endif
    REQUIRE(gets_to_sleep(pending));
    holder.tell("release");
    CHECK(complete(pending));
    CHECK(calls == 1);
}

TEST_CASE("what on_wait throws comes out of try_complete, and nobody waits any more") {
    temp_dir dir;
    auto options = options_in(dir);
    options.on_wait = [](const nlock::lock_wait&) { throw std::runtime_error{"from on_wait"}; };
    named_lock lock{"x", options_in(dir)};
    auto held = lock.acquire();
    auto pending = named_lock{"x", options}.begin_acquire();
    CHECK(has_news(pending));
    CHECK_THROWS_WITH(pending.try_complete(), "from on_wait");
    CHECK(pending.is_done());
    auto next = lock.begin_acquire();
    held.release();
    CHECK(complete(next));
}

TEST_CASE("on_wait may begin an acquisition of the same lock") {
    temp_dir dir;
    std::optional<pending_acquire> inner;
    auto options = options_in(dir);
    named_lock plain{"x", options};
    options.on_wait = [&](const nlock::lock_wait&) { inner = plain.begin_acquire(); };
    auto held = plain.acquire();
    auto outer = named_lock{"x", options}.begin_acquire();
    held.release();
    held = complete(*inner);
    CHECK_FALSE(outer.try_complete());
    held.release();
    CHECK(complete(outer));
}

}  // namespace pending_test

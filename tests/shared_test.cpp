// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <list>
#include <shared_mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"

namespace shared_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using nlock::guard;
using nlock::named_lock;

/// An object of the lock "x" in `dir` that tells when it has to wait.
named_lock announcing(const temp_dir& dir, event& waits) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.poll_interval = 1h;  // so that nobody is saved by polling
    options.on_wait = [&waits](const nlock::lock_wait&) { waits.happen(); };
    return named_lock{"x", options};
}

}  // namespace

TEST_CASE("shared holds go together, in other threads and other programs") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto guard = lock.acquire_shared();
    CHECK(in_another_thread([&] { return static_cast<bool>(lock.acquire_shared(0s)); }));
    CHECK(in_another_thread([&] { return static_cast<bool>(lock.try_acquire_shared()); }));
    CHECK(in_another_thread([&] { return lock.try_lock_shared() && (lock.unlock_shared(), true); }));
    CHECK(foreign_hold::is_possible(lock.path(), hold_kind::shared));
}

TEST_CASE("a shared hold keeps exclusive ones out") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto guard = lock.acquire_shared();
    CHECK_FALSE(in_another_thread([&] { return static_cast<bool>(lock.try_acquire()); }));
    CHECK_FALSE(in_another_thread([&] { return lock.try_lock(); }));
    CHECK_FALSE(in_another_thread([&] { return static_cast<bool>(lock.try_acquire(5ms)); }));
    CHECK_FALSE(foreign_hold::is_possible(lock.path(), hold_kind::exclusive));
}

TEST_CASE("an exclusive hold keeps shared ones out") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto guard = lock.acquire();
    CHECK_FALSE(in_another_thread([&] { return static_cast<bool>(lock.try_acquire_shared()); }));
    CHECK_FALSE(in_another_thread([&] { return lock.try_lock_shared(); }));
    CHECK_FALSE(in_another_thread([&] { return static_cast<bool>(lock.try_acquire_shared(5ms)); }));
    CHECK_FALSE(foreign_hold::is_possible(lock.path(), hold_kind::shared));
}

TEST_CASE("another program's shared hold lets shared ones in, and makes exclusive ones wait") {
    temp_dir dir;
    event waits;
    auto lock = announcing(dir, waits);
    foreign_hold foreign{lock, hold_kind::shared};
    CHECK(lock.acquire_shared(0s));
    CHECK_FALSE(lock.try_acquire());
    task writer{[&] { return static_cast<bool>(lock.acquire()); }};
    REQUIRE(waits.wait());
    CHECK(writer.is_blocked());
    foreign.release();
    CHECK(writer.get());
}

TEST_CASE("shared inside exclusive enters again and stays exclusive") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto outer = lock.acquire();
    {
        const auto inner = lock.acquire_shared(0s);
        CHECK(inner);
        CHECK(lock.lock_count() == 2);
        CHECK(seen_by_others(lock) == seen::exclusive);
    }
    CHECK(lock.lock_count() == 1);
    CHECK(seen_by_others(lock) == seen::exclusive);
}

TEST_CASE("exclusive inside shared is refused at once, however it is asked for") {
    temp_dir dir;
    event waits;
    auto lock = announcing(dir, waits);
    auto same = announcing(dir, waits);
    using action = void (*)(named_lock&);
    const action ask = GENERATE(
        as<action>{}, [](named_lock& l) { (void)l.acquire(); }, [](named_lock& l) { (void)l.acquire(0s); },
        [](named_lock& l) { (void)l.acquire(1h); }, [](named_lock& l) { (void)l.acquire(-1s); },
        [](named_lock& l) { (void)l.try_acquire(); }, [](named_lock& l) { (void)l.try_acquire(1h); },
        [](named_lock& l) { l.lock(); }, [](named_lock& l) { (void)l.try_lock(); },
        [](named_lock& l) { (void)l.try_lock_for(1h); },
        [](named_lock& l) { (void)l.try_lock_until(std::chrono::system_clock::now() + 1h); });
    struct result {
        std::error_code code;
        std::string text;
        std::size_t count;
    };
    const auto got = in_another_thread([&] {  // where a wait for ever is noticed
        const auto guard = lock.acquire_shared();
        try {
            ask(same);
        } catch (const nlock::lock_error& e) {
            return result{e.code(), e.what(), lock.lock_count()};
        }
        return result{{}, "nothing was thrown", 0};
    });
    CHECK(got.code == std::errc::resource_deadlock_would_occur);
    CHECK_THAT(got.text, ContainsSubstring(lock.path().string()));
    CHECK(got.count == 1);
    CHECK_FALSE(waits.has_happened());
    CHECK(seen_by_others(named_lock{"x", dir.path()}) == seen::free);
}

TEST_CASE("exclusive inside shared is refused even if other threads hold it shared too") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto others = in_another_thread([&] { return lock.acquire_shared(); });
    const auto mine = lock.acquire_shared();
    const auto e = thrown_by<nlock::lock_error>([&] { (void)lock.acquire(0s); });
    CHECK(e.code() == std::errc::resource_deadlock_would_occur);
    CHECK(e.path() == lock.path());
    CHECK(mine);
    CHECK(others);
    CHECK(seen_by_others(lock) == seen::shared);
}

TEST_CASE("std::shared_lock holds the lock shared") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    {
        const std::shared_lock held{lock};
        CHECK(seen_by_others(lock) == seen::shared);
    }
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("readers in several threads are inside together, each with a hold of its own") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    constexpr int readers = 4;
    std::atomic<int> inside{0};
    event all_inside;
    std::vector<event> may_leave(readers);
    std::list<task<std::size_t>> threads;
    for (int i = 0; i < readers; ++i) {
        threads.emplace_back([&, i] {
            const auto guard = lock.acquire_shared();
            if (++inside == readers) all_inside.happen();
            const bool can_leave = may_leave[static_cast<std::size_t>(i)].wait();
            return can_leave ? lock.lock_count() : 0;
        });
    }
    REQUIRE(all_inside.wait());
    for (auto& e : may_leave) {
        CHECK(seen_by_others(lock) == seen::shared);
        e.happen();
        CHECK(threads.front().get() == 1);
        threads.pop_front();
    }
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("readers hold the lock until the last one goes, whoever came first") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto first = in_another_thread([&] { return lock.acquire_shared(); });
    auto second = in_another_thread([&] { return lock.acquire_shared(); });
    first.release();
    CHECK(seen_by_others(lock) == seen::shared);
    auto third = in_another_thread([&] { return lock.acquire_shared(); });
    second.release();
    CHECK(seen_by_others(lock) == seen::shared);
    third.release();
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a writer gets in when the last of the readers goes") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    event waits;
    auto waiting_lock = announcing(dir, waits);
    auto one = in_another_thread([&] { return lock.acquire_shared(); });
    auto other = in_another_thread([&] { return lock.acquire_shared(); });
    event inside;
    event may_leave;
    task writer{[&] {
        const auto guard = waiting_lock.acquire();
        inside.happen();
        return may_leave.wait();
    }};
    REQUIRE(waits.wait());
    CHECK(writer.is_blocked());
    one.release();
    CHECK(writer.is_blocked());
    CHECK_FALSE(inside.has_happened());
    other.release();
    REQUIRE(inside.wait());
    CHECK(seen_by_others(lock) == seen::exclusive);
    may_leave.happen();
    CHECK(writer.get());
}

TEST_CASE("readers that wait for a writer come in together when it goes") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto writing = lock.acquire();
    constexpr int readers = 4;
    std::atomic<int> inside{0};
    event all_inside;
    std::vector<event> waits(readers);
    std::list<task<bool>> threads;
    for (auto& e : waits) {
        threads.emplace_back([&] {
            auto waiting_lock = announcing(dir, e);
            const auto guard = waiting_lock.acquire_shared();
            if (++inside == readers) all_inside.happen();
            return all_inside.wait();
        });
    }
    for (auto& e : waits) REQUIRE(e.wait());
    for (const auto& t : threads) CHECK(t.is_blocked(10ms));
    CHECK(inside == 0);
    writing.release();
    for (auto& t : threads) CHECK(t.get());
}

TEST_CASE("a reader and a writer that wait together both get in") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    event writer_waits;
    event reader_waits;
    auto writers_lock = announcing(dir, writer_waits);
    auto readers_lock = announcing(dir, reader_waits);
    const bool writer_first = GENERATE(true, false);
    CAPTURE(writer_first);
    auto held = lock.acquire();
    std::atomic<int> writers_inside{0};
    std::atomic<bool> met{false};
    const auto write = [&] {
        const auto guard = writers_lock.acquire();
        ++writers_inside;
        std::this_thread::sleep_for(1ms);
        --writers_inside;
    };
    const auto read = [&] {
        const auto guard = readers_lock.acquire_shared();
        if (writers_inside != 0) met = true;
    };
    std::list<task<void>> threads;
    if (writer_first) threads.emplace_back(write);
    if (writer_first) REQUIRE(writer_waits.wait());
    threads.emplace_back(read);
    REQUIRE(reader_waits.wait());
    if (!writer_first) threads.emplace_back(write);
    REQUIRE(writer_waits.wait());
    held.release();
    for (auto& t : threads) t.get();
    CHECK_FALSE(met);
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a reader enters again while a writer waits") {
    // Were it sent to the end of the queue, it would wait for a writer that waits for it.
    temp_dir dir;
    event writer_waits;
    auto writers_lock = announcing(dir, writer_waits);
    event may_enter_again;
    event inside;
    task reader{[&] {
        named_lock lock{"x", dir.path()};
        const auto outer = lock.acquire_shared();
        inside.happen();
        if (!may_enter_again.wait()) return false;
        const auto inner = lock.acquire_shared();
        return lock.lock_count() == 2;
    }};
    REQUIRE(inside.wait());
    task writer{[&] { return static_cast<bool>(writers_lock.acquire()); }};
    REQUIRE(writer_waits.wait());
    CHECK(writer.is_blocked());
    may_enter_again.happen();
    CHECK(reader.get());
    CHECK(writer.get());
}

TEST_CASE("a writer gets in although readers come and go all the time") {
    temp_dir dir;
    std::atomic<bool> done{false};
    std::atomic<int> entries{0};
    event busy;
    std::list<task<void>> readers;
    for (int i = 0; i < 4; ++i) {
        readers.emplace_back([&] {
            named_lock lock{"x", dir.path()};
            const auto end = std::chrono::steady_clock::now() + patience / 2;
            while (!done && std::chrono::steady_clock::now() < end) {
                const auto guard = lock.acquire_shared();
                if (++entries == 20) busy.happen();
                std::this_thread::sleep_for(2ms);  // the others are inside by then, so that it is hardly ever free
            }
        });
    }
    REQUIRE(busy.wait());
    named_lock lock{"x", dir.path()};
    CHECK(lock.try_acquire(patience / 4));
    done = true;
    for (auto& r : readers) r.get();
}

TEST_CASE("a reader lets a writer that waits in its process go first only for a while") {
    // For ever would be a deadlock: of a holder that waits for the reader, or that is the reader itself.
    temp_dir dir;
    const bool held_here = GENERATE(true, false);
    const bool reentrant = GENERATE(true, false);
    CAPTURE(held_here, reentrant);
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.poll_interval = 1h;
    options.reentrant = reentrant;
    named_lock lock{"x", options};
    guard held;
    std::list<foreign_hold> foreign;
    if (held_here) {
        held = lock.acquire_shared();
    } else {
        foreign.emplace_back(lock, hold_kind::shared);
    }
    event writer_waits;
    auto writers_lock = announcing(dir, writer_waits);
    task writer{[&] { return static_cast<bool>(writers_lock.acquire()); }};
    REQUIRE(writer_waits.wait());
    CHECK(writer.is_blocked());
    std::list<task<bool>> readers;
    for (int i = 0; i < 3; ++i) readers.emplace_back([&] { return static_cast<bool>(lock.acquire_shared()); });
    if (!reentrant) CHECK(lock.try_acquire_shared(patience));
    for (auto& reader : readers) CHECK(reader.get());
    CHECK(writer.is_blocked());
    held.release();
    foreign.clear();
    CHECK(writer.get());
}

TEST_CASE("a try for a shared hold comes back empty if a writer came before it") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto reading = lock.acquire_shared();
    event writer_waits;
    auto writers_lock = announcing(dir, writer_waits);
    task writer{[&] { return static_cast<bool>(writers_lock.acquire()); }};
    REQUIRE(writer_waits.wait());
    CHECK(writer.is_blocked());
    CHECK_FALSE(in_another_thread([&] { return static_cast<bool>(lock.try_acquire_shared()); }));
    reading.release();
    CHECK(writer.get());
    CHECK(in_another_thread([&] { return static_cast<bool>(lock.try_acquire_shared()); }));
}

}  // namespace shared_test

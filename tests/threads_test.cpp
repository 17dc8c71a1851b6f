// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Many threads. The variables that a lock protects here are no atomics, so that ThreadSanitizer checks it too.
#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/platform.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"

namespace threads_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using nlock::guard;
using nlock::named_lock;
using std::chrono::steady_clock;

constexpr int thread_count = 8;

nlock::lock_options options_in(const temp_dir& dir) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    return options;
}

/// Runs `work(number)` in as many threads at once, and waits for all of them.
template <class Work>
void in_threads(int count, Work work) {
    event all_there;
    std::atomic<int> there{0};
    std::list<task<void>> threads;
    for (int i = 0; i < count; ++i) {
        threads.emplace_back([&, i] {
            if (++there == count) all_there.happen();
            if (all_there.wait()) work(i);
        });
    }
    for (auto& t : threads) t.get();
}

/// Two numbers that are equal unless somebody is writing.
struct record {
    std::int64_t first = 0;
    std::int64_t second = 0;

    void write() {
        ++first;
        std::this_thread::yield();  // time for others to meet it half done
        ++second;
    }
    [[nodiscard]] bool is_whole() const { return first == second; }
};

}  // namespace

TEST_CASE("threads that share one object never lose an update") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    record data;
    constexpr int rounds = repetitions(300);
    in_threads(thread_count, [&](int) {
        for (int i = 0; i < rounds; ++i) {
            const auto guard = lock.acquire();
            data.write();
        }
    });
    CHECK(data.first == thread_count * rounds);
    CHECK(data.is_whole());
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("threads with an object each never lose an update") {
    temp_dir dir;
    record data;
    constexpr int rounds = repetitions(300);
    in_threads(thread_count, [&](int) {
        for (int i = 0; i < rounds; ++i) {
            named_lock lock{"x", dir.path()};  // constructed and destroyed all the time
            const auto guard = lock.acquire();
            data.write();
        }
    });
    CHECK(data.first == thread_count * rounds);
    CHECK(data.is_whole());
}

TEST_CASE("threads that acquire in all possible ways never lose an update") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    record data;
    std::atomic<int> writes{0};
    std::atomic<int> broken_reads{0};
    constexpr int rounds = repetitions(150);
    in_threads(thread_count, [&](int number) {
        named_lock own_object{"x", dir.path()};
        named_lock& used = number % 2 == 0 ? lock : own_object;
        const auto write = [&] {
            data.write();
            ++writes;
        };
        const auto read = [&] {
            if (!data.is_whole()) ++broken_reads;
        };
        for (int i = 0; i < rounds; ++i) {
            switch ((i + number) % 8) {
            case 0:
                if (const auto guard = used.acquire()) write();
                break;
            case 1:
                if (const auto guard = used.acquire_shared()) read();
                break;
            case 2:
                if (const auto guard = used.try_acquire()) write();
                break;
            case 3:
                if (const auto guard = used.try_acquire_shared(100us)) read();
                break;
            case 4:
                used.lock();
                write();
                used.unlock();
                break;
            case 5:
                used.lock_shared();
                read();
                used.unlock_shared();
                break;
            case 6:
                if (used.try_lock_for(1ms)) {
                    write();
                    used.release();
                }
                break;
            default: {
                const auto outer = used.acquire();
                const auto inner = used.acquire_shared();
                write();
                used.release(true);
                break;
            }
            }
        }
    });
    CHECK(broken_reads == 0);
    CHECK(data.first == writes);
    CHECK(data.is_whole());
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("time-outs and stop requests at random lose no update and leave nothing held") {
    temp_dir dir;
    record data;
    std::atomic<int> writes{0};
    std::atomic<int> broken_reads{0};
    std::atomic<int> early{0};
    const auto end = steady_clock::now() + 1500ms;
    in_threads(thread_count, [&](int number) {
        std::mt19937 random{static_cast<std::mt19937::result_type>(number)};
        const auto below = [&](int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); };
        named_lock lock{"x", dir.path()};
        while (steady_clock::now() < end) {
            const auto timeout = std::chrono::microseconds{below(2000)};
            const auto start = steady_clock::now();
            guard held;
            bool was_cancelled = false;
            const bool shared = below(3) == 0;
#if defined(__cpp_lib_jthread)
            std::stop_source stop;
            std::jthread canceller;
            if (below(4) == 0) {
                canceller = std::jthread{[&stop] { stop.request_stop(); }};
                was_cancelled = true;
            }
            held = shared ? lock.try_acquire_shared(stop.get_token(), timeout)
                          : lock.try_acquire(stop.get_token(), timeout);
#else
            held = shared ? lock.try_acquire_shared(timeout) : lock.try_acquire(timeout);
#endif
            if (!held) {
                if (!was_cancelled && steady_clock::now() - start < timeout) ++early;
            } else if (shared) {
                if (!data.is_whole()) ++broken_reads;
            } else {
                data.write();
                ++writes;
            }
            if (below(2) == 0) std::this_thread::sleep_for(std::chrono::microseconds{below(300)});
        }
    });
    CHECK(early == 0);
    CHECK(broken_reads == 0);
    CHECK(writes > 0);
    CHECK(data.first == writes);
    CHECK(seen_by_others(named_lock{"x", dir.path()}) == seen::free);
}

TEST_CASE("a lock object may go as soon as the next thread has the lock") {  // as std::mutex may; for the sanitizers
    temp_dir dir;
    for (int i = 0; i < 1000; ++i) {
        auto lock = std::make_unique<named_lock>("x", dir.path());
        named_lock& first = *lock;
        first.lock();
        std::thread next{[&lock] {
            lock->lock();
            lock->unlock();
            lock.reset();
        }};
        if (i % 2 == 0) {
            first.unlock();
        } else {
            first.release();
        }
        next.join();
        REQUIRE(lock == nullptr);
    }
}

TEST_CASE("threads and another program together never lose an update") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    std::atomic<int> inside{0};
    std::atomic<int> met{0};
    constexpr int rounds = repetitions(100);
    const auto enter_and_leave = [&] {
        if (++inside != 1) ++met;
        std::this_thread::yield();
        --inside;
    };
    in_threads(4, [&](int number) {
        for (int i = 0; i < rounds; ++i) {
            if (number != 0) {
                const auto guard = lock.acquire();
                enter_and_leave();
            } else if (foreign_hold::is_possible(lock.path(), hold_kind::exclusive)) {
                try {
                    const foreign_hold foreign{lock};
                    enter_and_leave();
                } catch (const std::system_error&) {  // a thread was faster
                }
            }
        }
    });
    CHECK(met == 0);
}

TEST_CASE("guards that are passed on from thread to thread keep everybody else out") {
    const bool reentrant = GENERATE(true, false);
    CAPTURE(reentrant);
    temp_dir dir;
    auto options = options_in(dir);
    options.reentrant = reentrant;
    named_lock lock{"x", options};
    record data;
    constexpr int rounds = repetitions(100);
    in_threads(4, [&](int) {
        for (int i = 0; i < rounds; ++i) {
            auto guard = lock.acquire();
            data.write();
            task next{[&, moved = std::move(guard)]() mutable {
                data.write();
                moved.release();
            }};
            next.get();
        }
    });
    CHECK(data.first == 4 * rounds * 2);
    CHECK(data.is_whole());
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("all members may be called by many threads on one object") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto path = lock.path();
    std::atomic<int> wrong{0};
    in_threads(4, [&](int number) {
        for (int i = 0; i < 100; ++i) {
            if (number == 0) {
                const auto guard = lock.acquire();
                if (lock.lock_count() != 1) ++wrong;
            } else {
                if (lock.name() != "x" || lock.path() != path || lock.timeout() != nlock::forever) ++wrong;
                if (lock.is_locked() || lock.lock_count() != 0) ++wrong;
                if (number == 1) (void)lock.holders();
                lock.release(true);
                named_lock copy{lock};
                copy = lock;
                if (copy.try_lock_shared()) copy.unlock_shared();
            }
        }
    });
    CHECK(wrong == 0);
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("threads on different names do not wait for each other") {
    temp_dir dir;
    const auto guard = named_lock{"a", dir.path()}.acquire();
    event waits;
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    task waiter{[&] { return static_cast<bool>(named_lock{"a", options}.try_acquire(patience)); }};
    REQUIRE(waits.wait());
    CHECK(in_another_thread([&] { return static_cast<bool>(named_lock{"b", dir.path()}.acquire(0s)); }));
    named_lock{"a", dir.path()}.release();
    CHECK(waiter.get());
}

TEST_CASE("all threads that wait get in, one at a time") {
    temp_dir dir;
    const bool held_by_thread = GENERATE(true, false);
    CAPTURE(held_by_thread);
    named_lock lock{"x", dir.path()};
    std::optional<foreign_hold> foreign;
    guard own;
    if (held_by_thread) {
        own = lock.acquire();
    } else {
        foreign.emplace(lock);
    }
    std::list<event> waits;
    std::list<task<void>> threads;
    std::atomic<int> inside{0};
    std::atomic<int> met{0};
    record data;
    for (int i = 0; i < thread_count; ++i) {
        auto options = options_in(dir);
        options.poll_interval = 1h;
        options.on_wait = [&happened = waits.emplace_back()](const nlock::lock_wait&) { happened.happen(); };
        threads.emplace_back([&, options] {
            const auto guard = named_lock{"x", options}.acquire();
            if (++inside != 1) ++met;
            data.write();
            --inside;
        });
    }
    for (const auto& e : waits) REQUIRE(e.wait());
    for (const auto& t : threads) CHECK(t.is_blocked(10ms));
    own.release();
    foreign.reset();
    for (auto& t : threads) t.get();
    CHECK(met == 0);
    CHECK(data.first == thread_count);
}

TEST_CASE("no thread is overtaken by the others again and again") {
    // Without a queue, the thread that gives up has the best chance to be the next one, every time.
    temp_dir dir;
    constexpr int threads = 4;
    constexpr int rounds = 60;
    constexpr int enough = 15 * threads;
    std::atomic<int> grants{0};
    std::atomic<int> most_overtaken{0};
    std::atomic<int> done{0};
    in_threads(threads, [&](int) {
        named_lock lock{"x", dir.path()};
        for (int i = 0; i < rounds || done < threads; ++i) {
            if (i == rounds) ++done;  // and keeps competing until all have had their turns
            const int before = grants;
            const auto guard = lock.acquire();
            const int overtaken = grants++ - before;
            int most = most_overtaken;
            while (overtaken > most && !most_overtaken.compare_exchange_weak(most, overtaken)) {
            }
            std::this_thread::sleep_for(2ms);  // longer than a thread takes to wake up
        }
    });
    INFO("grants " << grants);
    CHECK(most_overtaken < enough);
}

TEST_CASE("threads at the front of the queue that time out do not disturb the rest") {
    temp_dir dir;
    foreign_hold foreign{named_lock{"x", dir.path()}};
    std::list<event> waits;
    const auto announcing = [&] {
        auto options = options_in(dir);
        options.poll_interval = 1h;
        options.on_wait = [&happened = waits.emplace_back()](const nlock::lock_wait&) { happened.happen(); };
        return named_lock{"x", options};
    };
    std::list<task<bool>> hasty;
    for (const auto timeout : {100ms, 130ms, 160ms}) {
        hasty.emplace_back([lock = announcing(), timeout]() mutable {
            const auto start = steady_clock::now();
            return !lock.try_acquire(timeout) && steady_clock::now() - start >= timeout;
        });
        REQUIRE(waits.back().wait());
    }
    task patient{[lock = announcing()]() mutable { return static_cast<bool>(lock.acquire()); }};
    REQUIRE(waits.back().wait());
    for (auto& t : hasty) CHECK(t.get());
    CHECK(patient.is_blocked());
    foreign.release();
    CHECK(patient.get());
}

TEST_CASE("a thread in the middle of the queue that times out does not disturb the rest") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto held = lock.acquire();
    std::list<event> waits;
    const auto announcing = [&] {
        auto options = options_in(dir);
        options.poll_interval = 1h;
        options.on_wait = [&happened = waits.emplace_back()](const nlock::lock_wait&) { happened.happen(); };
        return named_lock{"x", options};
    };
    task front{[own = announcing()]() mutable { return static_cast<bool>(own.acquire()); }};
    REQUIRE(waits.back().wait());
    CHECK(front.is_blocked(10ms));
    task middle{[own = announcing()]() mutable { return static_cast<bool>(own.try_acquire(30ms)); }};
    REQUIRE(waits.back().wait());
    task last{[own = announcing()]() mutable { return static_cast<bool>(own.acquire()); }};
    REQUIRE(waits.back().wait());
    CHECK_FALSE(middle.get());
    CHECK(front.is_blocked());
    held.release();
    CHECK(front.get());
    CHECK(last.get());
}

TEST_CASE("many locks are constructed, used and destroyed by many threads at once") {
    temp_dir dir;
    std::array<record, 5> data;
    constexpr int rounds = repetitions(300);
    in_threads(thread_count, [&](int number) {
        for (int i = 0; i < rounds; ++i) {
            const auto which = static_cast<std::size_t>(i * 7 + number) % data.size();
            const auto guard = named_lock{"x" + std::to_string(which), dir.path()}.acquire();
            data[which].write();
        }
    });
    std::int64_t writes = 0;
    for (const auto& d : data) {
        CHECK(d.is_whole());
        writes += d.first;
    }
    CHECK(writes == thread_count * rounds);
}

TEST_CASE("an object made while the last other one of its path ends is the same lock as those made after it") {
    temp_dir dir;
    constexpr int names = 5;
    std::atomic<int> grants{0};
    std::atomic<int> strangers{0};
    in_threads(thread_count, [&](int number) {
        for (int i = 0; i < repetitions(5000); ++i) {
            const std::string name = std::to_string((i * 7 + number) % names);
            named_lock lock{name, dir.path()};
            const auto guard = lock.try_acquire();
            if (!guard) continue;
            ++grants;
            if (named_lock{name, dir.path()}.lock_count() != 1) ++strangers;
        }
    });
    CHECK(grants > 0);
    CHECK(strangers == 0);
}

}  // namespace threads_test

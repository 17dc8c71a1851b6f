// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// lock_method::fcntl: locks of open file descriptions, where the system has them.
#include "support/catch.hpp"

#include <fcntl.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/file.h>
#include <sys/syscall.h>
#endif

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <list>
#include <system_error>
#include <thread>
#include <utility>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/safety_net.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"
#if defined(__linux__)
#include "support/proc.hpp"
#endif

namespace method_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using nlock::lock_method;
using nlock::named_lock;

nlock::lock_options fcntl_options(const temp_dir& dir) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.method = lock_method::fcntl;
    return options;
}

}  // namespace

#if defined(F_OFD_SETLK)

TEST_CASE("a lock by fcntl excludes others that lock by fcntl") {
    temp_dir dir;
    named_lock lock{"x", fcntl_options(dir)};
    {
        const auto guard = lock.acquire();
        CHECK(seen_by_others(lock, lock_method::fcntl) == seen::exclusive);
    }
    CHECK(seen_by_others(lock, lock_method::fcntl) == seen::free);
    {
        const auto guard = lock.acquire_shared();
        CHECK(seen_by_others(lock, lock_method::fcntl) == seen::shared);
    }
    CHECK(seen_by_others(lock, lock_method::fcntl) == seen::free);
}

TEST_CASE("a lock by fcntl excludes programs that use lockf") {
    temp_dir dir;
    named_lock lock{"x", fcntl_options(dir)};
    const auto guard = lock.acquire();
    const int file = ::open(lock.path().c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(file >= 0);
    const int result = ::lockf(file, F_TLOCK, 0);  // of the process: still not that of our open file description
    const int error = errno;
    ::close(file);
    CHECK(result == -1);
    CHECK((error == EAGAIN || error == EACCES));
    CHECK(guard);
}

TEST_CASE("a hold by fcntl of another program is waited for") {
    temp_dir dir;
    event waits;
    auto options = fcntl_options(dir);
    options.poll_interval = 1h;
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    named_lock lock{"x", options};
    foreign_hold foreign{lock, hold_kind::exclusive, lock_method::fcntl};
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(lock.try_acquire_shared());
    task waiter{[&] { return static_cast<bool>(lock.acquire()); }};
    REQUIRE(waits.wait());
    CHECK(waiter.is_blocked());
    foreign.release();
    CHECK(waiter.get());
}

TEST_CASE("a shared hold by fcntl of another program lets shared ones in") {
    temp_dir dir;
    named_lock lock{"x", fcntl_options(dir)};
    const foreign_hold foreign{lock, hold_kind::shared, lock_method::fcntl};
    CHECK(lock.try_acquire_shared());
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(lock.try_acquire(5ms));
}

TEST_CASE("a lock by fcntl is entered again, counted and given up like any other") {
    temp_dir dir;
    named_lock lock{"x", fcntl_options(dir)};
    named_lock same{"x", fcntl_options(dir)};
    const auto outer = lock.acquire();
    auto inner = same.acquire(0s);
    auto shared = lock.acquire_shared(0s);
    CHECK(lock.lock_count() == 3);
    inner.release();
    shared.release();
    CHECK(seen_by_others(lock, lock_method::fcntl) == seen::exclusive);
    lock.release(true);
    CHECK_FALSE(outer);
    CHECK(seen_by_others(lock, lock_method::fcntl) == seen::free);
    const auto e = thrown_by<nlock::lock_error>([&] { lock.unlock(); });
    CHECK(e.code() == std::errc::operation_not_permitted);
}

#if defined(__linux__)
TEST_CASE("one whom the system lets in after another thread has come in by the other method stays out") {
    temp_dir dir;
    named_lock by_flock{"x", dir.path()};
    named_lock by_fcntl{"x", fcntl_options(dir)};
    nlock::guard other;
    event is_in;
    task waiter{[&] {
        int attempts = 0;
        instead_of_flock = [&](int file, int operation) {
            const bool is_attempt = operation != LOCK_UN && ++attempts <= 3;
            if (is_attempt && attempts < 3) {
                errno = EWOULDBLOCK;
                return -1;
            }
            const auto result = static_cast<int>(::syscall(SYS_flock, file, operation));
            if (is_attempt) {
                std::thread{[&] { other = by_fcntl.try_acquire(); }}.join();
                is_in.happen();
            }
            return result;
        };
        return static_cast<bool>(by_flock.acquire());
    }};
    REQUIRE(is_in.wait());
    REQUIRE(other);
    CHECK(becomes_true([&] { return foreign_hold::is_possible(by_flock.path(), hold_kind::exclusive); }));
    CHECK_FALSE(foreign_hold::is_possible(by_flock.path(), hold_kind::shared, lock_method::fcntl));
    CHECK(waiter.is_blocked());
    other.release();
    CHECK(waiter.get());
}
#endif

TEST_CASE("exclusive inside shared is refused with fcntl too") {
    temp_dir dir;
    named_lock lock{"x", fcntl_options(dir)};
    const auto guard = lock.acquire_shared();
    const auto e = thrown_by<nlock::lock_error>([&] { (void)lock.acquire(0s); });
    CHECK(e.code() == std::errc::resource_deadlock_would_occur);
    CHECK(seen_by_others(lock, lock_method::fcntl) == seen::shared);
}

TEST_CASE("threads that lock by fcntl never lose an update") {
    temp_dir dir;
    int counter = 0;
    constexpr int rounds = 300;
    std::list<task<void>> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            named_lock lock{"x", fcntl_options(dir)};
            for (int round = 0; round < rounds; ++round) {
                const auto guard = lock.acquire();
                ++counter;
            }
        });
    }
    for (auto& t : threads) t.get();
    CHECK(counter == 4 * rounds);
}

TEST_CASE("a hold by fcntl survives that the process opens and closes the lock file elsewhere") {
    // The classic locks of fcntl would be dropped by any close of the file (man 2 fcntl).
    temp_dir dir;
    named_lock lock{"x", fcntl_options(dir)};
    const auto guard = lock.acquire();
    const int file = ::open(lock.path().c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(file >= 0);
    ::close(file);
    CHECK(seen_by_others(lock, lock_method::fcntl) == seen::exclusive);
}

TEST_CASE("a lock by fcntl that times out says so, and leaves the holder alone") {
    temp_dir dir;
    named_lock lock{"x", fcntl_options(dir)};
    const auto others = in_another_thread([&] { return lock.acquire(); });
    const auto start = std::chrono::steady_clock::now();
    const auto e = thrown_by<nlock::lock_timeout>([&] { (void)lock.acquire(20ms); });
    CHECK(std::chrono::steady_clock::now() - start >= 20ms);
    CHECK(e.timeout() == 20ms);
    CHECK(others);
    CHECK(seen_by_others(lock, lock_method::fcntl) == seen::exclusive);
}

TEST_CASE("a lock held by one method is not entered by the other: other threads wait, the holding one is refused") {
    const auto [held_by, asked_by] =
        GENERATE(std::pair{lock_method::flock, lock_method::fcntl}, std::pair{lock_method::fcntl, lock_method::flock});
    temp_dir dir;
    auto options = fcntl_options(dir);
    options.method = held_by;
    named_lock holder{"x", options};
    event waits;
    options.method = asked_by;
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    named_lock asker{"x", options};
    auto guard = holder.acquire();
    const auto e = thrown_by<nlock::lock_error>([&] { (void)asker.acquire(1h); });
    CHECK(e.code() == std::errc::resource_deadlock_would_occur);
    CHECK_FALSE(waits.has_happened());
    CHECK_FALSE(in_another_thread([&] { return static_cast<bool>(asker.try_acquire_shared()); }));
    task waiter{[&] { return static_cast<bool>(asker.acquire()); }};
    REQUIRE(waits.wait());
    CHECK(waiter.is_blocked());
    guard.release();
    CHECK(waiter.get());
    CHECK(seen_by_others(asker, asked_by) == seen::free);
}

TEST_CASE("shared holds by different methods wait for each other") {
    temp_dir dir;
    named_lock by_flock{"x", dir.path()};
    named_lock by_fcntl{"x", fcntl_options(dir)};
    const auto guard = by_flock.acquire_shared();
    CHECK_FALSE(in_another_thread([&] { return static_cast<bool>(by_fcntl.try_acquire_shared(5ms)); }));
    CHECK(guard);
    CHECK(seen_by_others(by_flock) == seen::shared);
}

TEST_CASE("readers do not wait behind readers that cannot enter yet") {
    temp_dir dir;
    named_lock by_flock{"x", dir.path()};
    event reader_waits;
    auto options = fcntl_options(dir);
    options.on_wait = [&](const nlock::lock_wait&) { reader_waits.happen(); };
    named_lock by_fcntl{"x", options};
    auto guard = by_flock.acquire_shared();
    task other{[&] { return static_cast<bool>(by_fcntl.acquire_shared()); }};
    REQUIRE(reader_waits.wait());
    CHECK(other.is_blocked());
    CHECK(in_another_thread([&] { return static_cast<bool>(by_flock.try_acquire_shared(patience)); }));
    CHECK(other.is_blocked());
    guard.release();
    CHECK(other.get());
}

TEST_CASE("a path that was locked by fcntl is locked by flock afterwards as if nothing had been") {
    temp_dir dir;
    named_lock by_fcntl{"x", fcntl_options(dir)};
    named_lock by_flock{"x", dir.path()};
    CHECK(by_fcntl.acquire());
    auto guard = by_flock.acquire(0s);
    CHECK(seen_by_others(by_flock) == seen::exclusive);
    guard.release();
    CHECK(seen_by_others(by_flock) == seen::free);
    CHECK(by_fcntl.acquire(0s));
}

#elif !defined(_WIN32)

TEST_CASE("without locks of open file descriptions, fcntl is refused") {
    temp_dir dir;
    named_lock lock{"x", fcntl_options(dir)};
    const auto e = thrown_by<nlock::lock_error>([&] { (void)lock.acquire(0s); });
    CHECK(e.code() == std::errc::not_supported);
    CHECK(e.path() == lock.path());
    CHECK_FALSE(lock.is_locked());
}

#else

TEST_CASE("Windows has one way of locking, whatever the option method says") {
    temp_dir dir;
    named_lock lock{"x", fcntl_options(dir)};
    const foreign_hold foreign{lock};
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(named_lock{"x", dir.path()}.try_acquire());
}

#endif

}  // namespace method_test

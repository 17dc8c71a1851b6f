// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What a cancellation has to itself: reset(), signal handlers, its descriptor and what becomes of that. What it has in
// common with a stop_token is in cancel_test.cpp; a handler that interrupts every call, in torture/signals.cpp.
#include "support/catch.hpp"

#if defined(_WIN32)
#include "support/windows.hpp"
#else
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/platform.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#if !defined(_WIN32)
#include "support/child.hpp"
#endif
#if defined(__linux__)
#include "support/own_files.hpp"
#include "support/proc.hpp"
#include "support/worker.hpp"
#endif

namespace cancellation_test {

/// clang's check of virtual calls opens a pipe for each class that it meets.
#define SKIP_WITH_VPTR_CHECK()                                                                                         \
    do {                                                                                                               \
        if (NLOCK_TEST_HAS_FEATURE(undefined_behavior_sanitizer)) {                                                    \
            SKIP_TEST("this sanitizer needs descriptors itself");                                                      \
        }                                                                                                              \
    } while (false)

namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using nlock::cancellation;
using nlock::named_lock;

/// The lock "x" in `dir`: tells when it has to wait, and never polls while a test lasts.
named_lock announcing(const temp_dir& dir, event& waits, nlock::lock_method method = nlock::lock_method::flock) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.poll_interval = 1h;
    options.method = method;
    options.on_wait = [&waits](const nlock::lock_wait&) { waits.happen(); };
    return named_lock{"x", options};
}

/// Of all threads so far.
std::chrono::nanoseconds processor_time() {
#if defined(_WIN32)  // whose std::clock() tells the time since the start
    FILETIME created, ended, kernel, user;
    if (::GetProcessTimes(::GetCurrentProcess(), &created, &ended, &kernel, &user) == 0) return {};
    const auto ticks = [](FILETIME t) { return (std::int64_t{t.dwHighDateTime} << 32) + t.dwLowDateTime; };
    return std::chrono::nanoseconds{100 * (ticks(kernel) + ticks(user))};
#else
    const std::chrono::duration<double> used{static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC)};
    return std::chrono::duration_cast<std::chrono::nanoseconds>(used);  // clock_t may be of any kind
#endif
}

/// A thread that waits for "x", and what it gets.
class waiter {
  public:
    waiter(const temp_dir& dir, const cancellation& stop, nlock::lock_method method = nlock::lock_method::flock)
        : lock_{announcing(dir, waits_, method)}, thread_{[this, &stop] {
              return static_cast<bool>(lock_.try_acquire(stop, nlock::forever));
          }} {}
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    [[nodiscard]] bool waits() const { return waits_.wait() && thread_.is_blocked(); }
    [[nodiscard]] bool is_blocked(std::chrono::milliseconds longest = a_while) const {
        return thread_.is_blocked(longest);
    }
    bool gets_it() { return thread_.get(); }

  private:
    event waits_;
    named_lock lock_;
    task<bool> thread_;
};

}  // namespace

TEST_CASE("a cancellation can be requested twice, and waited with again after a reset") {
    temp_dir dir;
    const foreign_hold foreign{dir.path() / "x.lock"};
    cancellation stop;
    CHECK_FALSE(stop.is_cancelled());
    for (int i = 0; i < 3; ++i) {
        waiter one{dir, stop};
        REQUIRE(one.waits());
        stop.cancel();
        stop.cancel();
        CHECK(stop.is_cancelled());
        CHECK_FALSE(one.gets_it());
        CHECK_FALSE(waiter{dir, stop}.gets_it());
        stop.reset();
        stop.reset();
        CHECK_FALSE(stop.is_cancelled());
    }
}

TEST_CASE("threads that wait with a cancellation use no processor time, and are served in their turns") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    for (int round = 0; round < 3; ++round) {
        cancellation stop;
        std::mutex mutex;
        std::vector<int> served;
        std::list<event> waits;
        std::list<task<void>> threads;
        auto held = lock.acquire();
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&, i, mine = announcing(dir, waits.emplace_back())]() mutable {
                const auto guard = mine.acquire(stop);
                const std::scoped_lock alone{mutex};
                served.push_back(i);
            });
            REQUIRE(waits.back().wait());
            REQUIRE(threads.back().is_blocked(20ms));  // until it is in the queue
        }
        const auto used = processor_time();
        CHECK(threads.back().is_blocked(300ms));
        CHECK(processor_time() - used < 100ms);
        held.release();
        for (auto& thread : threads) thread.get();
        CHECK(served == std::vector<int>{0, 1, 2, 3});
    }
}

TEST_CASE("a thread that waits for its turn with a cancellation keeps its deadline") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto held = lock.acquire();
    const cancellation stop;
    const auto start = std::chrono::steady_clock::now();
    CHECK_FALSE(in_another_thread([&] { return static_cast<bool>(lock.try_acquire(stop, 30ms)); }));
    CHECK(std::chrono::steady_clock::now() - start >= 30ms);
}

#if !defined(_WIN32)

TEST_CASE("a cancellation ends a wait for a lock of fcntl") {
#if !defined(F_OFD_SETLK)
    SKIP_TEST("this system has no locks of open file descriptions");
#else
    temp_dir dir;
    const foreign_hold foreign{dir.path() / "x.lock", hold_kind::exclusive, nlock::lock_method::fcntl};
    cancellation stop;
    waiter one{dir, stop, nlock::lock_method::fcntl};
    REQUIRE(one.waits());
    stop.cancel();
    CHECK_FALSE(one.gets_it());
#endif
}

// ---- signals ----

namespace {

std::atomic<cancellation*> cancelled_by_signal{nullptr};

extern "C" void cancel_on_signal(int) { cancelled_by_signal.load()->cancel(); }

}  // namespace

TEST_CASE("a signal handler ends the wait of the thread that it interrupts") {
    const int flags = GENERATE(0, SA_RESTART);
    const bool held_here = GENERATE(false, true);
    CAPTURE(flags, held_here);
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    nlock::guard own;
    if (held_here) own = lock.acquire();
    const std::list<foreign_hold> foreign = [&] {
        std::list<foreign_hold> holds;
        if (!held_here) holds.emplace_back(lock);
        return holds;
    }();
    cancellation stop;
    cancelled_by_signal = &stop;
    struct sigaction action {};
    action.sa_handler = cancel_on_signal;
    action.sa_flags = flags;
    struct sigaction before {};
    REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);
    event waits;
    std::atomic<pthread_t> thread{};
    auto waiting_lock = announcing(dir, waits);
    task interrupted{[&] {
        thread = ::pthread_self();
        return static_cast<bool>(waiting_lock.try_acquire(stop, nlock::forever));
    }};
    REQUIRE(waits.wait());
    CHECK(interrupted.is_blocked());
    ::pthread_kill(thread, SIGUSR1);
    CHECK_FALSE(interrupted.get());
    ::sigaction(SIGUSR1, &before, nullptr);
}

// ---- descriptors ----

namespace {

/// Leaves the process `count` descriptors to open, while it is there.
class few_descriptors {
  public:
    explicit few_descriptors(int count) {
        ::getrlimit(RLIMIT_NOFILE, &usual_);
        const int next = ::dup(0);
        ::close(next);
        rlimit few = usual_;
        few.rlim_cur = static_cast<rlim_t>(next + count);
        if (::setrlimit(RLIMIT_NOFILE, &few) != 0) throw std::system_error{errno, std::generic_category(), "setrlimit"};
    }
    few_descriptors(const few_descriptors&) = delete;
    few_descriptors& operator=(const few_descriptors&) = delete;
    ~few_descriptors() { ::setrlimit(RLIMIT_NOFILE, &usual_); }

  private:
    rlimit usual_{};
};

}  // namespace

TEST_CASE("a cancellation that has no descriptor left to make is an error") {
    SKIP_WITH_VPTR_CHECK();
    const few_descriptors none{0};
#if defined(__linux__) || defined(__APPLE__) || defined(__FreeBSD__)
    CHECK_THROWS_AS(cancellation{}, std::system_error);
#else
    CHECK_NOTHROW(cancellation{});
#endif
}

TEST_CASE("waits without a descriptor left are ended by a cancellation, and served") {
    SKIP_WITH_VPTR_CHECK();
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    cancellation stop;
    cancellation other_stop;
    SECTION("of threads that queue") {
        auto held = lock.acquire();
        waiter front{dir, other_stop};  // which needs the file
        REQUIRE(front.waits());
        std::optional<few_descriptors> none{0};
        waiter stopped{dir, stop};
        waiter served{dir, other_stop};
        REQUIRE(stopped.waits());
        REQUIRE(served.waits());
        stop.cancel();
        CHECK_FALSE(stopped.gets_it());
        CHECK(served.is_blocked());
        none.reset();
        held.release();
        CHECK(front.gets_it());
        CHECK(served.gets_it());
    }
    SECTION("of the first in line") {
        foreign_hold foreign{lock};
        const few_descriptors one_file{1};
        waiter stopped{dir, stop};
        REQUIRE(stopped.waits());
        stop.cancel();
        CHECK_FALSE(stopped.gets_it());
        waiter served{dir, other_stop};
        REQUIRE(served.waits());
        foreign.release();
        CHECK(served.gets_it());
    }
}

// ---- fork ----

TEST_CASE("a forked child that cancels ends no wait of its parent") {
    temp_dir dir;
    foreign_hold foreign{dir.path() / "x.lock"};
    cancellation stop;
    waiter one{dir, stop};
    REQUIRE(one.waits());
    CHECK(in_child([&]() -> std::string {
              if (stop.is_cancelled()) return "cancelled before";
              stop.cancel();
              return stop.is_cancelled() ? "" : "not cancelled";
          }) == "");
    CHECK_FALSE(stop.is_cancelled());
    const auto used = processor_time();
    CHECK(one.is_blocked(500ms));
    CHECK(processor_time() - used < 100ms);
    foreign.release();
    CHECK(one.gets_it());
}

TEST_CASE("a forked child waits with the cancellation of its parent as with one of its own") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const bool is_cancelled = GENERATE(false, true);
    CAPTURE(is_cancelled);
    auto held = lock.acquire();
#if defined(__linux__)
    worker before{dir};  // who is not the first looks again only when it is called
    before.let_wait("acquire -1 x");
    REQUIRE(gets_in_line(before.pid()));
#endif
    cancellation stop;
    if (is_cancelled) stop.cancel();
    child forked{[&](child& self) -> std::string {
        if (stop.is_cancelled() != is_cancelled) return "not as it was";
        stop.reset();
        waiter in_line{dir, stop};
        if (!in_line.waits()) return "does not wait";
        waiter queued{dir, stop};
        if (!queued.waits()) return "does not queue";
        stop.cancel();
        if (in_line.gets_it() || queued.gets_it()) return "was not cancelled";
        stop.reset();
        waiter served{dir, stop};
        if (!served.waits()) return "does not wait again";
        self.say("waits");
        return served.gets_it() ? "" : "was cancelled";
    }};
    CHECK(forked.read_line() == "waits");
    held.release();
#if defined(__linux__)
    CHECK(before.read_line() == "ok");
    before.tell("release");
#endif
    CHECK(forked.verdict() == "");
}

#if defined(__linux__)

// ---- what the program does to descriptors that it does not know ----

namespace {

#if defined(__SANITIZE_THREAD__)
constexpr bool under_thread_sanitizer = true;
#else
constexpr bool under_thread_sanitizer = NLOCK_TEST_HAS_FEATURE(thread_sanitizer);
#endif

/// Those that a wait with a cancellation needs, but the lock file.
std::vector<int> numbers_of_waits() {
    std::vector<int> numbers;
    for (const int number : open_descriptors()) {
        const auto file = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(number)).string();
        if (file.compare(0, 7, "socket:") == 0 || file.compare(0, 11, "anon_inode:") == 0) numbers.push_back(number);
    }
    return numbers;
}

}  // namespace

TEST_CASE("cancel() leaves errno alone, also where the program has closed the descriptor") {
    cancellation stop;
    const auto numbers = numbers_of_waits();
    REQUIRE_FALSE(numbers.empty());
    for (const int number : numbers) ::close(number);
    errno = E2BIG;
    stop.cancel();
    CHECK(errno == E2BIG);
}

TEST_CASE("a program that closes the descriptors of waits with a cancellation finds its own files untouched") {
    if (under_thread_sanitizer) SKIP_TEST("it reports a descriptor that is closed beside its use");
    const int turn = GENERATE(0, 1, 2);
    CAPTURE(turn);
    temp_dir dir;
    own_files own;
    cancellation stop;
    cancellation other_stop;
    const auto replace_and_cancel = [&] {
        own.replace(numbers_of_waits(), dir.path().string(), turn);
        REQUIRE(own.count() >= 4);
        errno = E2BIG;
        stop.cancel();
        CHECK(errno == E2BIG);
        CHECK(own.changes() == "");
    };
    SECTION("in the queue, and before it") {
        named_lock lock{"x", dir.path()};
        auto held = lock.acquire();
        waiter stopped{dir, stop};
        waiter served{dir, other_stop};
        REQUIRE(stopped.waits());
        REQUIRE(served.waits());
        replace_and_cancel();
        CHECK_FALSE(stopped.gets_it());
        held.release();
        CHECK(served.gets_it());
    }
    SECTION("in the line of processes") {
        worker holder{dir};
        worker before{dir};
        holder.tell("acquire -1 x");
        before.let_wait("acquire -1 x");
        REQUIRE(gets_in_line(before.pid()));
        waiter stopped{dir, stop};
        REQUIRE(stopped.waits());
        named_lock other{"y", dir.path()};
        const auto held = other.acquire();
        task served{[&] { return static_cast<bool>(other.acquire(other_stop)); }};
        REQUIRE(becomes_true([] { return marks_of(::getpid()) == 2; }));
        replace_and_cancel();
        CHECK_FALSE(stopped.gets_it());
        other_stop.cancel();
        CHECK_THROWS_AS(served.get(), nlock::lock_cancelled);
    }
    CHECK(own.changes() == "");
    const foreign_hold foreign{dir.path() / "x.lock"};
    for (int i = 0; i < 2; ++i) {
        stop.reset();
        CHECK_FALSE(stop.is_cancelled());
        waiter again{dir, stop};
        CHECK(again.waits());
        stop.cancel();
        CHECK_FALSE(again.gets_it());
        CHECK(own.changes() == "");
    }
}

TEST_CASE("a wake-up without a request makes no waiter spin, and hides no request") {
    // As of a cancel() whose thread was stopped half-way, while its request was seen, and reset.
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto held = lock.acquire();
    const auto before = numbers_of_waits();
    cancellation stop;
    std::vector<int> event = numbers_of_waits();
    for (const int number : before) event.erase(std::find(event.begin(), event.end(), number));
    REQUIRE(event.size() == 1);
    waiter in_line{dir, stop};
    REQUIRE(in_line.waits());
    waiter queued{dir, stop};
    REQUIRE(queued.waits());
    const auto used = processor_time();
    const std::uint64_t once = 1;
    REQUIRE(::write(event.front(), &once, sizeof once) == sizeof once);
    CHECK(in_line.is_blocked(500ms));
    CHECK(processor_time() - used < 100ms);
    for (int i = 0; i < 1000; ++i) {
        if (::write(event.front(), &once, sizeof once) != sizeof once) break;
    }
    stop.cancel();
    CHECK_FALSE(queued.gets_it());
    CHECK_FALSE(in_line.gets_it());
}

#endif

#endif

}  // namespace cancellation_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// pthread_cancel(): the request waits until the library has returned, and then unwinds the thread with its guards. Without
// the shield each of these ends the test program: "terminate called without an active exception".
#include "support/catch.hpp"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/platform.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/worker.hpp"

namespace pthread_cancel_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using nlock::lock_method;
using nlock::named_lock;

/// Elsewhere the guards of a cancelled thread stay, as all of its objects do.
#if defined(__GLIBC__)
constexpr bool unwinds = true;
#else
constexpr bool unwinds = false;
#endif

/// A thread without C++'s own handling of its end, which may be cancelled.
class cancellable {
  public:
    explicit cancellable(std::function<void()> work) : work_{std::move(work)} {
        const auto run = [](void* self) -> void* {
            static_cast<cancellable*>(self)->work_();
            ::pthread_testcancel();
            return nullptr;
        };
        if (::pthread_create(&thread_, nullptr, run, this) != 0) throw std::runtime_error{"no thread"};
    }
    cancellable(const cancellable&) = delete;
    cancellable& operator=(const cancellable&) = delete;

    void cancel() const { ::pthread_cancel(thread_); }
    [[nodiscard]] bool was_cancelled() const {
        void* result = nullptr;
        return ::pthread_join(thread_, &result) == 0 && result == PTHREAD_CANCELED;
    }

  private:
    std::function<void()> work_;
    pthread_t thread_{};
};

nlock::lock_options options_in(const temp_dir& dir, lock_method method) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.method = method;
    return options;
}

/// Returns some time after `waits` has happened, when the thread sleeps, if that can be seen.
void let_it_sleep(const event& waits, const named_lock& lock, lock_method method) {
    CHECK(waits.wait());
    const auto end = std::chrono::steady_clock::now() + a_while;
    while (std::chrono::steady_clock::now() < end) {
        if (method == lock_method::flock && !lock.waiters().empty()) return;
    }
}

}  // namespace

TEST_CASE("a thread that waits for another program is cancelled once it has the lock, which it gives up") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    temp_dir dir;
    auto options = options_in(dir, method);
    named_lock lock{"x", options};
    worker holder{dir};
    holder.tell(method == lock_method::fcntl ? "method fcntl" : "method flock");
    holder.tell("acquire -1 x");
    event waits;
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    std::atomic<bool> was_inside{false};
    std::atomic<bool> went_on{false};
    cancellable waiter{[&] {
        const auto guard = named_lock{"x", options}.acquire(nlock::forever);
        was_inside = true;
        ::pthread_testcancel();
        went_on = true;
    }};
    let_it_sleep(waits, lock, method);
    waiter.cancel();
    holder.tell("release");
    CHECK(waiter.was_cancelled());
    CHECK(was_inside);
    CHECK_FALSE(went_on);
    CHECK(static_cast<bool>(lock.try_acquire()) == unwinds);
}

TEST_CASE("a thread that waits for another thread is cancelled once it has the lock, which it gives up") {
    temp_dir dir;
    auto options = options_in(dir, lock_method::flock);
    named_lock lock{"x", options};
    auto hold = lock.acquire();
    event waits;
    std::atomic<bool> went_on{false};
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    cancellable waiter{[&] {
        const auto guard = named_lock{"x", options}.acquire(nlock::forever);
        ::pthread_testcancel();
        went_on = true;
    }};
    let_it_sleep(waits, lock, lock_method::fcntl);
    waiter.cancel();
    hold.release();
    CHECK(waiter.was_cancelled());
    CHECK_FALSE(went_on);
    CHECK(static_cast<bool>(lock.try_acquire()) == unwinds);
}

TEST_CASE("a thread with a pending cancellation acquires and gives up, opens and closes") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    const bool keeps = GENERATE(false, true);
    const bool is_waited_for = GENERATE(false, true);
    temp_dir dir;
    auto options = options_in(dir, method);
    options.keep_open = keeps;
    named_lock lock{"x", options};
    worker other{dir};
    other.tell(method == lock_method::fcntl ? "method fcntl" : "method flock");
    std::atomic<int> done{0};
    event is_inside;
    event goes_on;
    cancellable user{[&] {
        {
            const auto guard = lock.acquire();
            ::pthread_cancel(::pthread_self());
            is_inside.happen();
            while (!goes_on.has_happened()) {
            }
            (void)lock.holders();
        }
        ++done;
        { const auto again = lock.try_acquire(10s); }
        ++done;
    }};
    CHECK(is_inside.wait());
    if (is_waited_for) other.write_line("acquire -1 x");
    if (is_waited_for) CHECK(other.read_line() == "waiting");
    goes_on.happen();
    if (is_waited_for) CHECK(other.read_line() == "ok");
    if (is_waited_for) other.tell("release");
    CHECK(user.was_cancelled());
    CHECK(done == 2);
}

TEST_CASE("a thread that is to be cancelled requests, resets and waits with a cancellation of locks") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir, lock_method::flock)};
    const bool held_here = GENERATE(false, true);
    CAPTURE(held_here);
    nlock::guard own;
    worker other{dir};
    if (held_here) {
        own = lock.acquire();
    } else {
        other.tell("acquire -1 x");
    }
    std::atomic<int> done{0};
    nlock::cancellation stop;
    cancellable user{[&] {
        ::pthread_cancel(::pthread_self());
        stop.cancel();
        if (!lock.try_acquire(stop, 10s)) ++done;
        stop.reset();
        if (!lock.try_acquire(stop, 20ms)) ++done;
    }};
    CHECK(user.was_cancelled());
    CHECK(done == 2);
}

}  // namespace pthread_cancel_test

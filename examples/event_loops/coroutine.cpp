// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// co_await for a lock, without a library for it. Needs C++20.
//
// What to look at: start the example timeout in another terminal, in the same directory, and then this one. Its two
// coroutines wait for that lock in one thread; press Enter there, and they have it one after the other.
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <exception>
#include <iostream>
#include <utility>
#include <vector>

#include <named_lock/pending_acquire.hpp>

#include "../options.hpp"
#include "time_left.hpp"

using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

/// What co_await needs of a pending acquisition, and of somebody who calls look() when it is due.
class lock_awaiter {
  public:
    using list = std::vector<lock_awaiter*>;

    lock_awaiter(nlock::pending_acquire pending, list& waiting) : pending_{std::move(pending)}, waiting_{waiting} {}

    bool await_ready() { return look(); }
    void await_suspend(std::coroutine_handle<> waiter) {
        waiter_ = waiter;
        waiting_.push_back(this);
    }
    nlock::guard await_resume() {
        if (failure_ != nullptr) std::rethrow_exception(failure_);
        return std::move(guard_);
    }

    const nlock::pending_acquire& pending() const { return pending_; }
    void resume() { waiter_.resume(); }
    /// True: it is done.
    bool look() {
        try {
            guard_ = pending_.try_complete();
        } catch (...) {
            failure_ = std::current_exception();
        }
        return pending_.is_done();
    }

  private:
    nlock::pending_acquire pending_;
    list& waiting_;
    nlock::guard guard_{};
    std::exception_ptr failure_{};
    std::coroutine_handle<> waiter_{};
};

/// A coroutine that nobody waits for.
struct detached {
    struct promise_type {
        detached get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { throw; }  // to who has resumed it
    };
};

/// The tiny event loop: until nobody waits any more.
void run(lock_awaiter::list& waiting) {
    for (auto next_tick = steady_clock::now() + 100ms; !waiting.empty();) {
        std::vector<pollfd> handles;
        auto next = next_tick;
        for (const auto* w : waiting) {
            handles.push_back({w->pending().native_handle(), POLLIN, 0});
            next = std::min(next, w->pending().wake_at());
        }
        poll(handles.data(), static_cast<nfds_t>(handles.size()), static_cast<int>(milliseconds_until(next)));
        if (steady_clock::now() >= next_tick) {
            std::cout << "tick" << std::endl;
            next_tick += 100ms;
        }
        const auto before = std::exchange(waiting, {});  // who is resumed may add others
        for (std::size_t i = 0; i < before.size(); ++i) {
            const bool is_due = handles[i].revents != 0 || steady_clock::now() >= before[i]->pending().wake_at();
            if (is_due && before[i]->look()) {
                before[i]->resume();
            } else {
                waiting.push_back(before[i]);
            }
        }
    }
}

detached work(const char* who, nlock::named_lock lock, lock_awaiter::list& waiting) {
    const nlock::guard guard = co_await lock_awaiter{lock.begin_acquire(10s), waiting};
    std::cout << "acquired by the " << who << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
    const small_program self{"coroutine", "Ticks until it has had the lock of the example timeout twice."};
    return run_example(self, argc, argv, [](const auto&) {
        lock_awaiter::list waiting;
        work("first", nlock::named_lock{"application"}, waiting);
        work("second", nlock::named_lock{"application"}, waiting);
        run(waiting);
        return 0;
    });
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Waits for a lock in libuv's event loop. What to look at: see epoll.cpp.
#include <uv.h>

#include <chrono>
#include <exception>
#include <iostream>

#include <named_lock/pending_acquire.hpp>

#include "../options.hpp"
#include "time_left.hpp"

namespace {

struct waiter {
    nlock::pending_acquire pending;
    uv_poll_t news{};
    uv_timer_t time{};
    nlock::guard guard{};
    std::exception_ptr failure{};  // which may not pass through libuv

    void look() {
        try {
            guard = pending.try_complete();
        } catch (...) {
            failure = std::current_exception();
        }
        if (pending.is_done()) return uv_stop(news.loop);
        const auto on_time = [](uv_timer_t* t) { static_cast<waiter*>(t->data)->look(); };
        uv_timer_start(&time, on_time, milliseconds_until(pending.wake_at()), 0);
    }
};

}  // namespace

int main(int argc, char** argv) {
    const small_program self{"libuv", "Ticks until it has the lock of the example timeout, for ten seconds at most."};
    return run_example(self, argc, argv, [](const auto&) {
        uv_loop_t* const loop = uv_default_loop();
        waiter w{nlock::named_lock{"application"}.begin_acquire(std::chrono::seconds{10})};
        uv_poll_init(loop, &w.news, w.pending.native_handle());
        uv_timer_init(loop, &w.time);
        w.news.data = w.time.data = &w;
        uv_poll_start(&w.news, UV_READABLE, [](uv_poll_t* p, int, int) { static_cast<waiter*>(p->data)->look(); });
        w.look();
        uv_timer_t ticks;
        uv_timer_init(loop, &ticks);
        const auto on_tick = [](uv_timer_t*) { std::cout << "tick" << std::endl; };
        uv_timer_start(&ticks, on_tick, 100, 100);
        if (!w.pending.is_done()) uv_run(loop, UV_RUN_DEFAULT);
        uv_poll_stop(&w.news);  // before its handle goes
        if (w.failure != nullptr) std::rethrow_exception(w.failure);
        std::cout << "acquired" << std::endl;
        return 0;
    });
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Waits for a lock by epoll, and does other things meanwhile.
//
// What to look at: start the example timeout in another terminal, in the same directory, and then this one. It ticks while
// it waits; press Enter there, and it has the lock at once.
#include <sys/epoll.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include <named_lock/pending_acquire.hpp>

#include "../options.hpp"
#include "time_left.hpp"

using namespace std::chrono_literals;
using std::chrono::steady_clock;

int main(int argc, char** argv) {
    const small_program self{"epoll", "Ticks until it has the lock of the example timeout, for ten seconds at most."};
    return run_example(self, argc, argv, [](const auto&) {
        auto pending = nlock::named_lock{"application"}.begin_acquire(10s);
        const int loop = epoll_create1(EPOLL_CLOEXEC);  // a real program has one already
        epoll_event news{};
        news.events = EPOLLIN;
        epoll_ctl(loop, EPOLL_CTL_ADD, pending.native_handle(), &news);
        auto next_tick = steady_clock::now() + 100ms;
        for (;;) {
            if (const auto guard = pending.try_complete()) {
                std::cout << "acquired" << std::endl;
                return 0;
            }
            int ready = 0;
            while (ready == 0 && steady_clock::now() < pending.wake_at()) {
                const auto next = std::min(pending.wake_at(), next_tick);
                ready = epoll_wait(loop, &news, 1, static_cast<int>(milliseconds_until(next)));
                if (steady_clock::now() < next_tick) continue;
                std::cout << "tick" << std::endl;
                next_tick += 100ms;
            }
        }
    });
}

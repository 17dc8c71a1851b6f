// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Waits for a lock in GLib's main loop, which is GTK's, too. What to look at: see epoll.cpp.
#include <glib-unix.h>

#include <chrono>
#include <exception>
#include <iostream>

#include <named_lock/pending_acquire.hpp>

#include "../options.hpp"
#include "time_left.hpp"

using namespace std::chrono_literals;

namespace {

struct waiter {
    nlock::pending_acquire pending;
    GMainLoop* loop;
    guint time = 0;  // the source that wakes it
    nlock::guard guard{};
    std::exception_ptr failure{};  // which may not pass through GLib

    void look() {
        if (time != 0) g_source_remove(time);
        time = 0;
        try {
            guard = pending.try_complete();
        } catch (...) {
            failure = std::current_exception();
        }
        if (pending.is_done()) return g_main_loop_quit(loop);
        const auto on_time = [](void* w) { return static_cast<waiter*>(w)->wake(); };
        time = g_timeout_add(milliseconds_until(pending.wake_at()), on_time, this);
    }
    gboolean wake() { return time = 0, look(), G_SOURCE_REMOVE; }
};

}  // namespace

int main(int argc, char** argv) {
    const small_program self{"glib", "Ticks until it has the lock of the example timeout, for ten seconds at most."};
    return run_example(self, argc, argv, [](const auto&) {
        waiter wait{nlock::named_lock{"application"}.begin_acquire(10s), g_main_loop_new(nullptr, FALSE)};
        const auto hear = [](int, GIOCondition, void* w) -> gboolean { return static_cast<waiter*>(w)->look(), TRUE; };
        const guint news = g_unix_fd_add(wait.pending.native_handle(), G_IO_IN, hear, &wait);
        wait.look();
        const auto on_tick = [](void*) -> gboolean { return std::cout << "tick" << std::endl, TRUE; };
        g_timeout_add(100, on_tick, nullptr);
        if (!wait.pending.is_done()) g_main_loop_run(wait.loop);
        g_source_remove(news);  // before its handle goes
        g_main_loop_unref(wait.loop);
        if (wait.failure != nullptr) std::rethrow_exception(wait.failure);
        std::cout << "acquired" << std::endl;
        return 0;
    });
}

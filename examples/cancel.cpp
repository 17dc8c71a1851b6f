// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A wait that Ctrl-C ends, in good order. Needs C++20 for std::stop_token.
//
// What to look at: press Ctrl-C while it waits. The wait ends at once, not at a next poll, and main() goes on and can
// clean up. If nothing is pressed, it gives up by itself after two seconds.
//
// Ctrl-C is a signal, and a signal handler may call next to nothing: neither request_stop() nor a lock. So the signals
// are blocked, and a thread that waits for them turns the first into a stop request.
#include <chrono>
#include <csignal>
#include <exception>
#include <future>
#include <iostream>
#include <pthread.h>
#include <stop_token>
#include <thread>
#include <unistd.h>

#include <named_lock/named_lock.hpp>

namespace {

using steady_clock = std::chrono::steady_clock;

/// Blocked in this thread and, before any other thread is started, so in all.
sigset_t block_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGALRM}) sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return signals;
}

}  // namespace

int main() {
    try {
        const sigset_t signals = block_signals();
        nlock::named_lock lock{"cancel"};
        // Somebody else has it for long: a thread here, it might as well be another program.
        const auto held = std::async(std::launch::async, [&] { return lock.acquire(); }).get();

        std::stop_source source;
        steady_clock::time_point stopped_at;
        alarm(2);  // the signal that comes if no other does
        const std::jthread listener{[&] {
            int signal = 0;
            sigwait(&signals, &signal);
            std::cout << (signal == SIGALRM ? "two seconds are over" : "got a signal") << std::endl;
            stopped_at = steady_clock::now();
            source.request_stop();
        }};

        std::cout << "waiting for a lock that nobody gives up; press Ctrl-C" << std::endl;
        try {
            const auto guard = lock.acquire(source.get_token());
            std::cout << "acquired?\n";
            return 1;
        } catch (const nlock::lock_cancelled& e) {
            const auto delay = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - stopped_at);
            std::cout << e.what() << "\nthe wait ended " << delay.count() << " us after the stop request\n";
        }
    } catch (const std::exception& e) {
        std::cerr << "cancel: " << e.what() << '\n';
        return 1;
    }
}

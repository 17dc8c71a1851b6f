// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A wait that Ctrl-C ends, in good order. Needs C++20 for std::stop_token.
//
// What to look at: press Ctrl-C while it waits. The wait ends at once, not at a next poll, and main() goes on and can
// clean up. If nothing is pressed, it gives up by itself after two seconds.
//
// Ctrl-C is a signal, and a signal handler may call next to nothing: neither request_stop() nor a lock. So the signals
// are blocked, and a thread that waits for them turns the first into a stop request. (Windows has a thread for it.)
#include <chrono>
#include <future>
#include <iostream>
#include <stop_token>
#include <thread>
#ifdef _WIN32
#include <windows.h>
#else
#include <csignal>
#include <pthread.h>
#include <unistd.h>
#endif

#include <named_lock/named_lock.hpp>

#include "options.hpp"

namespace {

using steady_clock = std::chrono::steady_clock;

#ifdef _WIN32

HANDLE pressed = nullptr;

void block_signals() {
    pressed = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    SetConsoleCtrlHandler([](DWORD) { return SetEvent(pressed); }, TRUE);
}

bool wait_for_signal() { return WaitForSingleObject(pressed, 2000) == WAIT_OBJECT_0; }

#else

sigset_t signals;

/// In this thread and, before any other thread is started, so in all.
void block_signals() {
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGALRM}) sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

/// False: two seconds are over.
bool wait_for_signal() {
    alarm(2);
    int signal = 0;
    sigwait(&signals, &signal);
    return signal != SIGALRM;
}

#endif

}  // namespace

int main(int argc, char** argv) {
    const small_program self{"cancel", "Waits for a lock that nobody gives up, until Ctrl-C or for two seconds."};
    return run_example(self, argc, argv, [](const auto&) {
        block_signals();
        nlock::named_lock lock{"cancel"};
        // Somebody else has it for long: a thread here, it might as well be another program.
        const auto held = std::async(std::launch::async, [&] { return lock.acquire(); }).get();

        std::stop_source source;
        steady_clock::time_point stopped_at;
        const std::jthread listener{[&] {
            std::cout << (wait_for_signal() ? "got a signal" : "two seconds are over") << std::endl;
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
        return 0;
    });
}

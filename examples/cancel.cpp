// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A wait that Ctrl-C ends, in good order.
//
// What to look at: press Ctrl-C while it waits. The wait ends at once, not at a next poll, and the program goes on, can
// clean up, and ends with the status by which shells know what has happened. If nothing is pressed, it gives up by itself
// after two seconds.
//
// Ctrl-C is a signal, and a signal handler may call next to nothing; cancel() it may. (On Windows it runs in a thread of
// its own, where cancel() is as good.)
#include <chrono>
#include <csignal>
#include <future>
#include <iostream>

#include <named_lock/named_lock.hpp>

#include "options.hpp"

namespace {

nlock::cancellation* to_cancel = nullptr;
volatile std::sig_atomic_t received = 0;

extern "C" void on_signal(int signal) {
    received = signal;
    to_cancel->cancel();
}

}  // namespace

int main(int argc, char** argv) {
    const small_program self{"cancel", "Waits for a lock that nobody gives up, until Ctrl-C or for two seconds."};
    static nlock::cancellation interrupted;  // it must outlive the handler
    to_cancel = &interrupted;
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
    return run_example(self, argc, argv, [](const auto&) {
        nlock::named_lock lock{"cancel"};
        // Somebody else has it for long: a thread here, it might as well be another program.
        const auto held = std::async(std::launch::async, [&] { return lock.acquire(); }).get();

        std::cout << "waiting for a lock that nobody gives up; press Ctrl-C" << std::endl;
        try {
            const auto guard = lock.acquire(interrupted, std::chrono::seconds{2});
            std::cout << "acquired?\n";
            return 1;
        } catch (const nlock::lock_timeout&) {
            std::cout << "two seconds are over\n";
            return 0;
        } catch (const nlock::lock_cancelled& e) {
            std::cout << e.what() << "\nhere it cleans up\n";
            return 128 + received;
        }
    });
}

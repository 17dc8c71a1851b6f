// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// An application of which only one instance may run.
//
// What to look at: start it in one terminal, and again in a second one in the same directory. The second instance waits
// a second, then says that there is another one, and which. End the first with Enter, with Ctrl-C or even with kill -9:
// the next instance starts at once, there is nothing to clean up.
#include <chrono>
#include <iostream>

#include <named_lock/named_lock.hpp>

#include "options.hpp"

using namespace std::chrono_literals;

int main(int argc, char** argv) {
    const small_program self{"timeout", "Runs until Enter is pressed, unless another instance runs already."};
    return run_example(self, argc, argv, [](const auto&) {
        nlock::named_lock lock{"application"};
        try {
            const auto guard = lock.acquire(1s);
            std::cout << "This is the only instance. Press Enter to end it." << std::endl;
            std::cin.get();
            return 0;
        } catch (const nlock::lock_timeout& e) {  // all else is not contention: the lock file cannot be used
            std::cerr << "timeout: Another instance of this application currently holds the lock: " << e.what() << '\n';
            return exit_timeout;
        }
    });
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A periodic job of a server that runs as several processes: only one of them may do it.
//
//     background_job [ROUNDS]
//
// What to look at: start it in two or three terminals in the same directory. One process does the job, the others stand
// by. When that one ends, or is killed (kill -9), another takes over at once: the system releases the lock of a process
// that has ended.
#include <chrono>
#include <iostream>
#include <thread>

#include <named_lock/named_lock.hpp>

#include "options.hpp"

using namespace std::chrono_literals;

namespace {

void stand_by(const nlock::lock_wait& wait) {
    std::cout << "standing by";
    for (const nlock::lock_holder& holder : wait.holders) std::cout << ", pid " << holder.pid << " does the job";
    std::cout << std::endl;
}

void do_the_job(int rounds) {
    nlock::lock_options options;
    options.on_wait = stand_by;
    const auto guard = nlock::named_lock{"background_job", options}.acquire();
    std::cout << "doing the job" << std::endl;
    for (int round = 1; round <= rounds; ++round) {
        std::cout << "round " << round << " of " << rounds << std::endl;
        std::this_thread::sleep_for(300ms);  // the period of the job
    }
}

}  // namespace

int main(int argc, char** argv) {
    const small_program self{"background_job", "Does a job in so many rounds, by default 10, in one process at a time.",
                             " [ROUNDS]", 1};
    return run_example(self, argc, argv, [](const auto& words) {
        do_the_job(words.empty() ? 10 : to_number("ROUNDS", words[0], 1, 1'000'000));
        return 0;
    });
}

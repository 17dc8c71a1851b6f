// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What is left of a lock when many want it all the time: acquisitions per second, each one's share of them, and waits.
// Usage: crowd [--quick] --python PYTHON --peers DIR
#include "contest.hpp"

using namespace std::chrono_literals;

int main(int argc, char** argv) {
    const bench::arguments given{argc, argv};
    const bench::directory dir;
    const nlock::named_lock lock{"crowd", dir.path()};
    { const auto create = nlock::named_lock{lock}.acquire(); }

    for (const auto hold : {100us, 1000us}) {
        for (const int n : {2, 8, 64, 256}) {
            bench::contest(bench::always_wanted(n, hold),
                           {{"kernel flock", {n}, bench::with_kernel_flock(lock.path(), hold)},
                            {"named_lock", {n}, bench::with_named_lock(lock, hold)}},
                           bench::seconds_for(n, hold, given.quick), given.quick ? 1 : 3);
        }
    }
    bench::contest(
        bench::always_wanted(64, 1ms),
        {{"Python filelock", {64}, bench::with_program({given.python, given.peers + "/peer.py"}, lock.path(), 1ms)}},
        given.quick ? 0.2 : 10, 1);
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <chrono>
#include <filesystem>
#include <iostream>
#include <utility>
#include <vector>

import named_lock;

int holds_seen_by_the_header(const char* name, const char* locks_dir);

namespace {
int failures = 0;
void expect(bool truth, const char* what) {
    if (truth) return;
    std::cerr << "not so: " << what << '\n';
    ++failures;
}
}  // namespace

int main(int, char** argv) {
    using namespace std::chrono_literals;
    const char* const locks_dir = argv[1];
    nlock::lock_options options;
    options.locks_dir = locks_dir;
    options.timeout = 10s;
    options.method = nlock::lock_method::flock;
    nlock::named_lock lock{"module", options};
    {
        const nlock::guard guard = lock.acquire();
        expect(guard && lock.is_locked(), "the lock is held");
        expect(holds_seen_by_the_header("module", locks_dir) == 1, "the header sees what the module holds");
        const std::vector<nlock::lock_holder> holders = lock.holders();
        expect(holders.size() == 1, "its holder is known");
    }
    {
        nlock::lock_options own = options;
        own.reentrant = false;
        const nlock::guard first = nlock::named_lock{"other", own}.acquire_shared(nlock::forever);
        try {
            (void)nlock::named_lock{"other", own}.acquire(1ms);
            expect(false, "it is held already");
        } catch (const nlock::lock_timeout& timeout) {
            expect(timeout.path().filename() == "other.lock", "the time-out tells of which file");
        }
    }
    try {
        nlock::named_lock{"a/b", options};
        expect(false, "a slash is refused");
    } catch (const nlock::invalid_lock_name&) {
    }
    expect(nlock::acquire_all({lock, nlock::named_lock{"third", options}}, 10s).size() == 2, "acquire_all has both");
    expect(nlock::probe(locks_dir).exclusive_locks_exclude, "the probe finds that locks exclude");
    std::cout << (failures == 0 ? "the module works\n" : "the module fails\n");
    return failures;
}

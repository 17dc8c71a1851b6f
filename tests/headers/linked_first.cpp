// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Were a function not inline, this would not link; had each translation unit a state of its own, the second
// acquisition would wait for the first.
#include "linked.hpp"

#include <chrono>
#include <cstdlib>
#include <iostream>

#include <named_lock/acquire_all.hpp>

namespace {
void expect(bool truth, const char* what) {
    if (truth) return;
    std::cerr << "not so: " << what << '\n';
    std::exit(1);
}
}  // namespace

int main(int, char** argv) {
    const char* const locks_dir = argv[1];
    nlock::named_lock here{"linked", locks_dir};
    {
        const auto guard = here.acquire();
        expect(is_locked_elsewhere("linked", locks_dir), "the other translation unit knows of the hold made here");
        const auto again = acquire_elsewhere("linked", locks_dir);
        expect(here.lock_count() == 2, "a hold made there counts here");
    }
    expect(!is_locked_elsewhere("linked", locks_dir), "both are given up");
    const auto both = nlock::acquire_all({here, nlock::named_lock{"another", locks_dir}}, std::chrono::seconds{10});
    expect(both.size() == 2, "acquire_all has both");
#if defined(WITHOUT_EXCEPTIONS)
    const char* const untrue = what_does_not_hold_without_exceptions(locks_dir);
    expect(untrue == nullptr, untrue);
#endif
}

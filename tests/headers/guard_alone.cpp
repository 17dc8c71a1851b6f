// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A translation unit that has guards, but makes no lock. It links by itself, however much the compiler keeps out of line.
#include <named_lock/guard.hpp>

#include <utility>
#include <vector>

bool gives_up(nlock::guard& guard);
bool gives_up(nlock::guard& guard) {
    const bool was_held = static_cast<bool>(guard);
    guard.release();
    return was_held;
}

int main() {
    std::vector<nlock::guard> guards(1);
    guards.push_back(std::move(guards.front()));
    return gives_up(guards.back()) ? 1 : 0;
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The others: programs that lock the file without this library, and how a lock looks to them and to other threads.
#pragma once

#include <ostream>

#include <named_lock/named_lock.hpp>

#include "support/threads.hpp"

namespace nlock_test {
enum class hold_kind { shared, exclusive };
}  // namespace nlock_test

#if defined(_WIN32)
#include "support/foreign_hold_windows.hpp"
#else
#include "support/foreign_hold_posix.hpp"
#endif

namespace nlock_test {

/// How a lock looks from outside.
enum class seen {
    free,         // anybody may take it
    shared,       // others may hold it shared
    exclusive,    // nobody may
    differently,  // threads and programs disagree, or an exclusive hold would be possible but not a shared one
};

inline std::ostream& operator<<(std::ostream& out, seen s) {
    constexpr const char* words[]{"free", "shared", "exclusive", "differently"};
    return out << words[static_cast<int>(s)];
}

/// How another thread and another program see `lock`, from one attempt each. Not while somebody waits for it.
inline seen seen_by_others(nlock::named_lock lock, nlock::lock_method how = nlock::lock_method::flock) {
    const auto look = [](bool exclusive_possible, bool shared_possible) {
        if (exclusive_possible) return shared_possible ? seen::free : seen::differently;
        return shared_possible ? seen::shared : seen::exclusive;
    };
    const seen by_programs = look(foreign_hold::is_possible(lock.path(), hold_kind::exclusive, how),
                                  foreign_hold::is_possible(lock.path(), hold_kind::shared, how));
    const seen by_threads = in_another_thread([&] {
        const bool exclusive_possible = static_cast<bool>(lock.try_acquire());
        return look(exclusive_possible, static_cast<bool>(lock.try_acquire_shared()));
    });
    return by_programs == by_threads ? by_programs : seen::differently;
}

}  // namespace nlock_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What an event loop does with a pending_acquire, for one that has nothing else to do.
#pragma once

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include <named_lock/pending_acquire.hpp>

#include "support/threads.hpp"
#if defined(_WIN32)
#include "support/windows.hpp"
#else
#include <poll.h>
#endif

namespace nlock_test {

/// Whether there is news within that time.
inline bool has_news(const nlock::pending_acquire& pending,
                     std::chrono::milliseconds longest = std::chrono::milliseconds{0}) {
#if defined(_WIN32)
    return WaitForSingleObject(pending.native_handle(), static_cast<DWORD>(longest.count())) == WAIT_OBJECT_0;
#else
    pollfd handle{pending.native_handle(), POLLIN, 0};
    return ::poll(&handle, 1, static_cast<int>(longest.count())) == 1;
#endif
}

/// How long it lets one sleep without news.
inline std::chrono::nanoseconds time_until_wake(const nlock::pending_acquire& pending) {
    using clock = std::chrono::steady_clock;
    const auto wake_at = pending.wake_at();
    return wake_at == (clock::time_point::max)() ? std::chrono::nanoseconds{(clock::duration::max)()}
                                                 : wake_at - clock::now();
}

/// Waits for news, or for its time; but no time comes that is `cut_from` away: see safety_net.hpp.
inline void sleep_until_due(const nlock::pending_acquire& pending, std::chrono::nanoseconds cut_from) {
    using std::chrono::milliseconds;
    const auto left = time_until_wake(pending);
    const bool cuts = left >= cut_from;
    const auto longest = cuts ? milliseconds{patience}
                              : std::chrono::ceil<milliseconds>((std::min)(left, std::chrono::nanoseconds{patience}));
    if (!has_news(pending, (std::max)(longest, milliseconds{0})) && cuts) throw std::runtime_error{"no news has come"};
}

/// Its guard, in the end.
inline nlock::guard complete(nlock::pending_acquire& pending,
                             std::chrono::nanoseconds cut_from = (std::chrono::nanoseconds::max)()) {
    const auto end = std::chrono::steady_clock::now() + patience;
    for (;;) {
        if (auto guard = pending.try_complete()) return guard;
        if (pending.is_done()) throw std::runtime_error{"it is done"};
        if (std::chrono::steady_clock::now() > end) throw std::runtime_error{"it is still pending"};
        sleep_until_due(pending, cut_from);
    }
}

/// Until the quick looks at the beginning of a wait are over, and it sleeps for that long or more.
inline bool gets_to_sleep(nlock::pending_acquire& pending,
                          std::chrono::nanoseconds longest = std::chrono::milliseconds{20}) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (time_until_wake(pending) < longest) {
        sleep_until_due(pending, longest);
        if (pending.try_complete() || std::chrono::steady_clock::now() > end) return false;
    }
    return true;
}

}  // namespace nlock_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/detail/abi.hpp>
#include <named_lock/detail/deadline.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/guard.hpp>
#include <named_lock/named_lock.hpp>

namespace nlock::NAMED_LOCK_ABI {
namespace detail {

struct group_acquisition {
    /// Everybody takes the locks in one order, so that no two callers can wait for each other. By name first: a
    /// directory that two processes know by different paths still has its names in one order.
    static std::vector<std::size_t> order_of(const std::vector<named_lock>& locks) {
        std::vector<std::size_t> order;
        for (std::size_t i = 0; i < locks.size(); ++i) order.push_back(i);
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            const int by_name = locks[a].name().compare(locks[b].name());
            const int by_path = by_name != 0 ? by_name : locks[a].path().compare(locks[b].path());
            return by_path != 0 ? by_path < 0 : a < b;
        });
        return order;
    }

    /// The same lock twice in a group is entered again, which a lock that is not reentrant would wait for, for ever.
    static void refuse_self_deadlock(const named_lock& lock, const named_lock& next) {
        if (lock.path() != next.path() || (lock.is_reentrant() && next.is_reentrant())) return;
        throw lock_error{std::errc::resource_deadlock_would_occur, "acquire", lock.path(),
                         "it is in the group twice and not reentrant"};
    }

    template <class TimeoutOf>
    static std::vector<guard> acquire(std::vector<named_lock>& locks, TimeoutOf timeout_of) {
        const auto start = deadline::clock::now();
        const std::vector<std::size_t> order = order_of(locks);
        for (std::size_t i = 1; i < order.size(); ++i) refuse_self_deadlock(locks[order[i - 1]], locks[order[i]]);
        std::vector<guard> guards(locks.size());
        for (const std::size_t i : order) {
            const std::chrono::nanoseconds timeout = timeout_of(locks[i]);
            guards[i] = locks[i].try_acquire(deadline{start, timeout}.remaining());
            if (!guards[i]) locks[i].throw_timeout(timeout);  // what the caller asked for, not what was left of it
        }
        return guards;
    }
};

}  // namespace detail

/// Acquires all the locks exclusively, or none: what was acquired is released before anything is thrown. Never
/// deadlocks against another acquire_all, in whatever order the two name their locks. guards[i] belongs to locks[i].
/// Each lock has its own default time-out, counted from the call. Throws as acquire() does; and lock_error with
/// std::errc::resource_deadlock_would_occur if a lock that is not reentrant is named twice.
/// Thread safety: any thread; a thread that already holds other locks can deadlock with others, as ever.
[[nodiscard]] inline std::vector<guard> acquire_all(std::vector<named_lock> locks) {
    return detail::group_acquisition::acquire(locks, [](const named_lock& lock) { return lock.timeout(); });
}

/// The same with one time-out for all, counted from the call.
template <class Rep, class Period>
[[nodiscard]] std::vector<guard> acquire_all(std::vector<named_lock> locks,
                                             std::chrono::duration<Rep, Period> timeout) {
    const std::chrono::nanoseconds limit = detail::to_timeout(timeout);
    return detail::group_acquisition::acquire(locks, [limit](const named_lock&) { return limit; });
}

}  // namespace nlock::NAMED_LOCK_ABI

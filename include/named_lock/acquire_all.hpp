// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <chrono>
#include <optional>
#include <vector>
#if __cplusplus > 201703L || (defined(_MSVC_LANG) && _MSVC_LANG > 201703L)
#include <version>
#endif
#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

#include <named_lock/cancellation.hpp>
#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/stop_signal.hpp>
#include <named_lock/detail/timeout.hpp>
#include <named_lock/guard.hpp>
#include <named_lock/named_lock.hpp>

namespace nlock::NAMED_LOCK_ABI {
namespace detail {

/// Without a time-out: each lock's own.
std::vector<guard> acquire_group(std::vector<named_lock>& locks, lock_kind kind,
                                 std::optional<std::chrono::nanoseconds> timeout, const stop_signal* stop = nullptr);
std::vector<guard> acquire_group(std::vector<named_lock>& locks, lock_kind kind,
                                 std::optional<std::chrono::nanoseconds> timeout, const cancellation& stop);

void wake_group(const std::vector<named_lock>& locks, const stop_signal& signal) noexcept;

#if defined(__cpp_lib_jthread)
inline std::vector<guard> acquire_group(std::vector<named_lock>& locks, lock_kind kind,
                                        std::optional<std::chrono::nanoseconds> timeout, const std::stop_token& stop) {
    return until_stopped(
        stop, [&](const stop_signal& signal) { wake_group(locks, signal); },
        [&](const stop_signal* signal) { return acquire_group(locks, kind, timeout, signal); });
}
#endif

}  // namespace detail

/// Acquires all the locks exclusively, or none: what was acquired is released before anything is thrown. Never
/// deadlocks against another acquire_all, in whatever order and by whatever names the two give their locks, also when files
/// are replaced meanwhile: it may then give up what it has and begin again. guards[i] belongs to locks[i]. Each lock has its
/// own default time-out, counted from the call.
///
/// Errors: throws as acquire() does; and lock_error with
/// std::errc::resource_deadlock_would_occur if it would wait for itself: at once, because a lock that is not reentrant is
/// named twice; or when it has the one, because two names are one file.
///
/// Thread safety: any thread; a thread that already holds other locks can deadlock with others, as ever.
/// @since 1.0.0
[[nodiscard]] inline std::vector<guard> acquire_all(std::vector<named_lock> locks) {
    return detail::acquire_group(locks, detail::lock_kind::exclusive, {});
}

/// The same with one time-out for all, counted from the call.
/// @since 1.0.0
template <class Rep, class Period>
[[nodiscard]] std::vector<guard> acquire_all(std::vector<named_lock> locks,
                                             std::chrono::duration<Rep, Period> timeout) {
    return detail::acquire_group(locks, detail::lock_kind::exclusive, detail::to_timeout(timeout));
}

/// The same, all shared.
/// @since 1.0.0
[[nodiscard]] inline std::vector<guard> acquire_all_shared(std::vector<named_lock> locks) {
    return detail::acquire_group(locks, detail::lock_kind::shared, {});
}
template <class Rep, class Period>
[[nodiscard]] std::vector<guard> acquire_all_shared(std::vector<named_lock> locks,
                                                    std::chrono::duration<Rep, Period> timeout) {
    return detail::acquire_group(locks, detail::lock_kind::shared, detail::to_timeout(timeout));
}

/// The same, cut short by a cancellation: then it throws lock_cancelled.
/// @since 1.0.0
[[nodiscard]] inline std::vector<guard> acquire_all(const cancellation& stop, std::vector<named_lock> locks) {
    return detail::acquire_group(locks, detail::lock_kind::exclusive, {}, stop);
}
template <class Rep, class Period>
[[nodiscard]] std::vector<guard> acquire_all(const cancellation& stop, std::vector<named_lock> locks,
                                             std::chrono::duration<Rep, Period> timeout) {
    return detail::acquire_group(locks, detail::lock_kind::exclusive, detail::to_timeout(timeout), stop);
}
[[nodiscard]] inline std::vector<guard> acquire_all_shared(const cancellation& stop, std::vector<named_lock> locks) {
    return detail::acquire_group(locks, detail::lock_kind::shared, {}, stop);
}
template <class Rep, class Period>
[[nodiscard]] std::vector<guard> acquire_all_shared(const cancellation& stop, std::vector<named_lock> locks,
                                                    std::chrono::duration<Rep, Period> timeout) {
    return detail::acquire_group(locks, detail::lock_kind::shared, detail::to_timeout(timeout), stop);
}

#if defined(__cpp_lib_jthread)
/// The same, cut short by a stop request.
/// @since 1.0.0
[[nodiscard]] inline std::vector<guard> acquire_all(std::stop_token stop, std::vector<named_lock> locks) {
    return detail::acquire_group(locks, detail::lock_kind::exclusive, {}, stop);
}
template <class Rep, class Period>
[[nodiscard]] std::vector<guard> acquire_all(std::stop_token stop, std::vector<named_lock> locks,
                                             std::chrono::duration<Rep, Period> timeout) {
    return detail::acquire_group(locks, detail::lock_kind::exclusive, detail::to_timeout(timeout), stop);
}
[[nodiscard]] inline std::vector<guard> acquire_all_shared(std::stop_token stop, std::vector<named_lock> locks) {
    return detail::acquire_group(locks, detail::lock_kind::shared, {}, stop);
}
template <class Rep, class Period>
[[nodiscard]] std::vector<guard> acquire_all_shared(std::stop_token stop, std::vector<named_lock> locks,
                                                    std::chrono::duration<Rep, Period> timeout) {
    return detail::acquire_group(locks, detail::lock_kind::shared, detail::to_timeout(timeout), stop);
}
#endif

}  // namespace nlock::NAMED_LOCK_ABI

#if !defined(NAMED_LOCK_COMPILED)
#include <named_lock/detail/acquire_all_impl.hpp>
#endif

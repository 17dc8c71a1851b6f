// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Acquiring without blocking, for programs with an event loop.
//
//     auto pending = lock.begin_acquire(10s);
//     // watch pending.native_handle() for reading, with a timer for pending.wake_at(); whichever comes:
//     if (nlock::guard held = pending.try_complete()) ...   // else watch on, with a timer for the new wake_at()
#pragma once

#include <chrono>
#include <memory>

#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/timeout.hpp>
#include <named_lock/guard.hpp>
#include <named_lock/named_lock.hpp>

namespace nlock::NAMED_LOCK_ABI {

/// An acquisition in progress, for programs with an event loop. A lock that is free is acquired when it begins, and held until
/// the guard that try_complete() returns goes, or this object.
///
/// Nothing here waits for others. What takes as long as the system does is, in named_lock::begin_acquire() and in
/// try_complete(), to open the lock file, to look at its path and to try to lock it; cancel() and the destructor close it. All
/// that is without limit if it is on a file server that hangs; the other member functions do not ask the system. A time-out
/// looks up who holds the lock, which takes up to some 5 ms; on_wait is called by begin_acquire().
///
/// Its place in line is kept from begin to end, like any waiter's, so call try_complete() soon when there is news. While the
/// first in line does not, others wait: those of other processes for 5 ms, then they pass it; those of this process until it
/// does, or ends. So a thread that waits in acquire() for the same lock must not be the one that has to call it.
///
/// It needs one descriptor for itself, and when it is the first of its process for a lock that another one holds, two more:
/// the lock file and what it is woken by. It needs no named_lock object to outlive it. Should the program close descriptors
/// that it does not know, the handle's among them, try_complete() goes on working when it is called.
///
/// Thread safety: as a single object; it may be moved to another thread, and its handle be watched by any. It may end after
/// the end of main(). One that was moved from can only be destroyed, assigned to, and asked is_done(). A forked child's copy
/// does nothing: try_complete() returns an empty guard for ever.
/// @since 1.0.0
class pending_acquire {
  public:
    /// A descriptor. Windows: an event.
#if defined(_WIN32)
    using native_handle_type = void*;
#else
    using native_handle_type = int;
#endif

    /// @{
    /// Of the other one nothing may be asked afterwards but is_done(). What this one was waiting for is given up, as by cancel().
    pending_acquire(pending_acquire&&) noexcept;
    pending_acquire& operator=(pending_acquire&&) noexcept;
    /// @}
    pending_acquire(const pending_acquire&) = delete;
    pending_acquire& operator=(const pending_acquire&) = delete;
    /// As cancel().
    ~pending_acquire();

    /// Readable, or set, while there is news: then call try_complete(). The same for life, and of this object alone. Only to
    /// be watched.
    [[nodiscard]] native_handle_type native_handle() const noexcept;

    /// Call try_complete() then at the latest: for the time-out, and for what the system does not report. It changes with each
    /// call. time_point::max(): there is no need to.
    [[nodiscard]] std::chrono::steady_clock::time_point wake_at() const noexcept;

    /// The guard, once; empty: not yet. Throws as named_lock::acquire() does, lock_timeout and lock_cancelled included.
    [[nodiscard]] guard try_complete();

    /// Leaves the line. try_complete() then throws lock_cancelled, unless it has given its guard or thrown before.
    void cancel() noexcept;

    /// It has given its guard, thrown, or was cancelled.
    [[nodiscard]] bool is_done() const noexcept;

  private:
    friend class named_lock;
    pending_acquire(const named_lock& lock, detail::lock_kind kind, std::chrono::nanoseconds timeout);

    std::unique_ptr<detail::acquisition_in_progress> progress_;
};

template <class Rep, class Period>
pending_acquire named_lock::begin_acquire(std::chrono::duration<Rep, Period> timeout) {
    return {*this, exclusive, detail::to_timeout(timeout)};
}
template <class Rep, class Period>
pending_acquire named_lock::begin_acquire_shared(std::chrono::duration<Rep, Period> timeout) {
    return {*this, shared, detail::to_timeout(timeout)};
}

}  // namespace nlock::NAMED_LOCK_ABI

#if !defined(NAMED_LOCK_COMPILED)
#include <named_lock/detail/pending_acquire_impl.hpp>
#endif

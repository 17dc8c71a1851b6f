// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <memory>

#include <named_lock/detail/forward.hpp>

namespace nlock::NAMED_LOCK_ABI {

/// Ends waits for locks: those that it is given to, now and later. In C++17, without a thread, without taking over a signal.
///
///     nlock::cancellation interrupted;
///     extern "C" void on_signal(int) { interrupted.cancel(); }
///     ...
///     const auto guard = lock.acquire(interrupted);   // throws lock_cancelled after Ctrl-C
///
/// Thread safety: any member function by any thread at any time, but reset() only while nobody waits with it; cancel() and
/// is_cancelled() also by signal handlers (they are async-signal-safe). It must outlive the waits. A forked child's copy
/// is one of its own, which ends no wait of the parent's; waits with it notice a request up to 5 ms late.
/// @since 1.0.0
class cancellation {
  public:
    /// Throws std::system_error: it has a descriptor, or on Windows a handle. Or std::bad_alloc.
    cancellation();
    cancellation(const cancellation&) = delete;
    cancellation& operator=(const cancellation&) = delete;
    ~cancellation();

    /// Before, during and after waits, any number of times.
    void cancel() noexcept;
    /// Whether a request has been made, and not been reset.
    [[nodiscard]] bool is_cancelled() const noexcept;

    /// For further waits. Only while nobody waits with it.
    void reset() noexcept;

  private:
    friend class named_lock;
    friend class detail::group_acquisition;

    struct source;
    [[nodiscard]] const detail::stop_signal& signal() const noexcept;

    std::unique_ptr<source> source_;
};

}  // namespace nlock::NAMED_LOCK_ABI

#if !defined(NAMED_LOCK_COMPILED)
#include <named_lock/detail/cancellation_impl.hpp>
#endif

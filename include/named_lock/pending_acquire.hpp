// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Acquiring without blocking, for programs with an event loop.
//
//     auto pending = lock.begin_acquire(10s);
//     // watch pending.native_handle() for reading, with a timer for pending.wake_at(); whichever comes:
//     if (nlock::guard held = pending.try_complete()) ...   // else watch on, with a timer for the new wake_at()
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

#include <named_lock/detail/abi.hpp>
#include <named_lock/detail/acquisition.hpp>
#include <named_lock/detail/deadline.hpp>
#include <named_lock/detail/lock_kind.hpp>
#include <named_lock/detail/lock_registry.hpp>
#include <named_lock/detail/news_handle.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/request.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/guard.hpp>
#include <named_lock/named_lock.hpp>

namespace nlock::NAMED_LOCK_ABI {
namespace detail {

/// The driver of a program that does not sleep for one lock alone. It stays where it is in memory, as others know it as a
/// waiter.
///
///   state    | until_        | the handle is set                        | try_complete()
///   ---------|---------------|------------------------------------------|------------------------------------------------
///   waiting  | turn or news  | by news, and by whom the process wakes   | goes on, if what it waits for has come
///            | rest          | by whom the process wakes                | the same
///   ended    | done          | at once                                  | hands out the guard, or throws
///   is_done  | done          | no longer                                | empty, or throws the same again
class acquisition_in_progress {
  public:
    acquisition_in_progress(const named_lock& lock, lock_kind kind, std::chrono::nanoseconds timeout)
        : lock_{lock},
          request_{kind, given_up_by::guard, timeout, *lock_.options_, no_thread, nullptr, false},
          steps_{*lock_.state_, request_} {
        play([this] { return steps_.begin(handle_, pause_of_one_more()); });
    }
    acquisition_in_progress(const acquisition_in_progress&) = delete;
    acquisition_in_progress& operator=(const acquisition_in_progress&) = delete;
    ~acquisition_in_progress() {
        if (is_parents()) return;
        if (until_.what != pause::done) abandon();
        pending().fetch_sub(1);
    }

    [[nodiscard]] news_handle::native_type native_handle() const noexcept { return handle_.get(); }
    [[nodiscard]] bool is_done() const noexcept { return is_done_; }

    [[nodiscard]] std::chrono::steady_clock::time_point wake_at() const noexcept {
        if (is_done_ || is_parents()) return (std::chrono::steady_clock::time_point::max)();
        return until_.what == pause::done ? began_ : until_.end.time();
    }

    guard try_complete() {
        if (is_parents()) return {};
        if (until_.what != pause::done) {
            handle_.unlisten();  // before that, it may be set
            handle_.clear();
            play([this] {
                return steps_.has_come(until_) ? steps_.go_on(pause_of(pending().load())) : until_;
            });
            if (until_.what != pause::done) return {};
        }
        is_done_ = true;
        handle_.clear();
        if (failure_ != nullptr) std::rethrow_exception(failure_);
        return std::move(granted_);
    }

    void cancel() noexcept {
        if (is_done_ || is_parents()) return;
        if (until_.what != pause::done) abandon();
        granted_.release();
        is_done_ = true;
        handle_.clear();
        ends_on_throw([this]() -> pause { throw lock_cancelled{lock_.name(), lock_.path()}; });
    }

  private:
    /// A forked child has the memory of the parent's acquisition, but neither its place nor its descriptors.
    [[nodiscard]] bool is_parents() const noexcept { return generation_ != fork_generation(); }

    static std::atomic<int>& pending() noexcept { return lock_registry::instance().pending(); }

    /// Of one, without news: a thousand attempts a second for all together. They take about 20 us each. (Measured, 1,000
    /// locks held by others: 0.38 of a core without this.)
    static std::chrono::nanoseconds pause_of(int pending) noexcept { return std::chrono::milliseconds{pending - 1}; }
    static std::chrono::nanoseconds pause_of_one_more() noexcept {
        return pause_of(pending().fetch_add(1) + 1);
    }

    template <class Steps>
    void play(Steps steps) noexcept {
        ends_on_throw([&] {
            const pause next = steps();
            if (next.what != pause::done) return next;
            if (steps_.result() == outcome::timed_out) lock_.throw_timeout(request_.timeout);
            granted_ = named_lock{lock_}.guard_of(steps_.hold());
            return next;
        });
        if (until_.what == pause::done) {
            handle_.set();
        } else if (until_.what == pause::news && steps_.watch() != nullptr) {
            handle_.listen(*steps_.watch());
        }
    }

    /// What it throws is the end.
    template <class Steps>
    void ends_on_throw(Steps steps) noexcept {
        try {
            until_ = steps();
        } catch (...) {
            until_ = {pause::done};
            failure_ = std::current_exception();
        }
    }

    void abandon() noexcept {
        handle_.unlisten();
        steps_.abandon();
        until_ = {pause::done};
    }

    const std::uint32_t generation_ = fork_generation();
    const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    const named_lock lock_;
    const request request_;
    news_handle handle_{};
    acquisition steps_;
    pause until_{pause::none};
    guard granted_{};
    std::exception_ptr failure_{};
    bool is_done_ = false;
};

}  // namespace detail

/// An acquisition in progress, for programs with an event loop. A lock that is free is acquired when it begins, and held until
/// the guard that try_complete() returns goes, or this object.
///
/// Nothing here waits for others. What takes as long as the system does is, in named_lock::begin_acquire() and in
/// try_complete(), to open the lock file, to look at its path and to try to lock it: without limit if it is on a file server
/// that hangs. A time-out looks up who holds the lock, which takes up to some 5 ms; on_wait is called by begin_acquire().
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
    using native_handle_type = detail::news_handle::native_type;

    /// @{
    /// Of the other one nothing may be asked afterwards but is_done(). What this one was waiting for is given up, as by cancel().
    pending_acquire(pending_acquire&&) noexcept = default;
    pending_acquire& operator=(pending_acquire&&) noexcept = default;
    /// @}
    pending_acquire(const pending_acquire&) = delete;
    pending_acquire& operator=(const pending_acquire&) = delete;
    /// As cancel().
    ~pending_acquire() = default;

    /// Readable, or set, while there is news: then call try_complete(). The same for life, and of this object alone. Only to
    /// be watched.
    [[nodiscard]] native_handle_type native_handle() const noexcept { return progress_->native_handle(); }

    /// Call try_complete() then at the latest: for the time-out, and for what the system does not report. It changes with each
    /// call. time_point::max(): there is no need to.
    [[nodiscard]] std::chrono::steady_clock::time_point wake_at() const noexcept { return progress_->wake_at(); }

    /// The guard, once; empty: not yet. Throws as named_lock::acquire() does, lock_timeout and lock_cancelled included.
    [[nodiscard]] guard try_complete() { return progress_->try_complete(); }

    /// Leaves the line. try_complete() then throws lock_cancelled, unless it has given its guard or thrown before.
    void cancel() noexcept { progress_->cancel(); }

    /// It has given its guard, thrown, or was cancelled.
    [[nodiscard]] bool is_done() const noexcept { return progress_ == nullptr || progress_->is_done(); }

  private:
    friend class named_lock;
    pending_acquire(const named_lock& lock, detail::lock_kind kind, std::chrono::nanoseconds timeout)
        : progress_{std::make_unique<detail::acquisition_in_progress>(lock, kind, timeout)} {}

    std::unique_ptr<detail::acquisition_in_progress> progress_;
};

inline pending_acquire named_lock::begin_acquire() { return {*this, exclusive, options_->timeout}; }
template <class Rep, class Period>
pending_acquire named_lock::begin_acquire(std::chrono::duration<Rep, Period> timeout) {
    return {*this, exclusive, detail::to_timeout(timeout)};
}
inline pending_acquire named_lock::begin_acquire_shared() { return {*this, shared, options_->timeout}; }
template <class Rep, class Period>
pending_acquire named_lock::begin_acquire_shared(std::chrono::duration<Rep, Period> timeout) {
    return {*this, shared, detail::to_timeout(timeout)};
}

}  // namespace nlock::NAMED_LOCK_ABI

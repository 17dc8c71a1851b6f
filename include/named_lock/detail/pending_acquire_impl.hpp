// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include <named_lock/detail/acquisition.hpp>
#include <named_lock/detail/deadline.hpp>
#include <named_lock/detail/lock_registry.hpp>
#include <named_lock/detail/named_lock_impl.hpp>
#include <named_lock/detail/news_handle.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/request.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/pending_acquire.hpp>

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

static_assert(std::is_same_v<pending_acquire::native_handle_type, detail::news_handle::native_type>);

NAMED_LOCK_INLINE pending_acquire::pending_acquire(const named_lock& lock, detail::lock_kind kind,
                                                   std::chrono::nanoseconds timeout)
    : progress_{std::make_unique<detail::acquisition_in_progress>(lock, kind, timeout)} {}
NAMED_LOCK_INLINE pending_acquire::pending_acquire(pending_acquire&&) noexcept = default;
NAMED_LOCK_INLINE pending_acquire& pending_acquire::operator=(pending_acquire&&) noexcept = default;
NAMED_LOCK_INLINE pending_acquire::~pending_acquire() = default;

NAMED_LOCK_INLINE pending_acquire::native_handle_type pending_acquire::native_handle() const noexcept {
    return progress_->native_handle();
}
NAMED_LOCK_INLINE std::chrono::steady_clock::time_point pending_acquire::wake_at() const noexcept {
    return progress_->wake_at();
}
NAMED_LOCK_INLINE guard pending_acquire::try_complete() { return progress_->try_complete(); }
NAMED_LOCK_INLINE void pending_acquire::cancel() noexcept { progress_->cancel(); }
NAMED_LOCK_INLINE bool pending_acquire::is_done() const noexcept {
    return progress_ == nullptr || progress_->is_done();
}

NAMED_LOCK_INLINE pending_acquire named_lock::begin_acquire() { return {*this, exclusive, options_->timeout}; }
NAMED_LOCK_INLINE pending_acquire named_lock::begin_acquire_shared() { return {*this, shared, options_->timeout}; }

}  // namespace nlock::NAMED_LOCK_ABI

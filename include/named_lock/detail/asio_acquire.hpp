// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What async_acquire() does, for both libraries. No `#pragma once`: asio.hpp and boost_asio.hpp include it each for theirs,
// whose namespace is NAMED_LOCK_ASIO, and which get all of it in a namespace of their own, NAMED_LOCK_ASIO_FACE.

#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <type_traits>
#include <utility>

#include <named_lock/detail/forward.hpp>
#include <named_lock/guard.hpp>
#include <named_lock/named_lock.hpp>
#include <named_lock/pending_acquire.hpp>

namespace nlock::NAMED_LOCK_ABI::NAMED_LOCK_ASIO_FACE::detail {

namespace net = NAMED_LOCK_ASIO;
using nlock::NAMED_LOCK_ABI::detail::lock_kind;
using error_code = decltype(net::error::make_error_code(net::error::operation_aborted));  // Boost has one of its own

}  // namespace nlock::NAMED_LOCK_ABI::NAMED_LOCK_ASIO_FACE::detail

#if defined(_WIN32)
#include <named_lock/detail/windows/asio_watch.hpp>
#elif defined(__linux__)
#include <named_lock/detail/posix/asio_watch.hpp>
#else
#include <named_lock/detail/bsd/asio_watch.hpp>
#endif

namespace nlock::NAMED_LOCK_ABI::NAMED_LOCK_ASIO_FACE::detail {

template <class Executor, class = void>
inline constexpr bool has_context = false;
template <class Executor>
inline constexpr bool
    has_context<Executor, std::void_t<decltype(net::query(std::declval<const Executor&>(), net::execution::context))>> =
        std::is_convertible_v<decltype(net::query(std::declval<const Executor&>(), net::execution::context)),
                              net::execution_context&>;

/// Where it is waited: where `handler` is called, if that can wait.
template <class Handler>
auto io_executor_of(const Handler& handler) {
    if constexpr (has_context<net::associated_executor_t<Handler>>) {
        return net::get_associated_executor(handler);
    } else {
        return net::system_executor{};
    }
}

#if NAMED_LOCK_ASIO_HAS_SLOTS
/// The operation does not live longer for the sake of its slot, nor looks at it again if it is destroyed: whoever owns the
/// slot may be gone then.
template <class Handler, class Operation>
void connect_slot(const Handler& handler, const std::weak_ptr<Operation>& weak) {
    auto slot = net::get_associated_cancellation_slot(handler);
    if (!slot.is_connected()) return;
    slot.assign([weak](net::cancellation_type how) {
        if (how == net::cancellation_type::none) return;
        if (const auto operation = weak.lock()) operation->cancel();
    });
}
template <class Handler>
void disconnect_slot(const Handler& handler) {
    net::get_associated_cancellation_slot(handler).clear();
}
#else
template <class Handler, class Operation>
void connect_slot(const Handler&, const std::weak_ptr<Operation>&) {}
template <class Handler>
void disconnect_slot(const Handler&) {}
#endif

/// Calls `handler`, as it wants to be called.
template <class Handler>
struct completion {
    using executor_type = net::associated_executor_t<Handler>;
    using allocator_type = net::associated_allocator_t<Handler>;

    [[nodiscard]] executor_type get_executor() const noexcept { return net::get_associated_executor(handler); }
    [[nodiscard]] allocator_type get_allocator() const noexcept { return net::get_associated_allocator(handler); }

    void operator()() { std::move(handler)(std::move(failure), std::move(granted)); }

    Handler handler;
    std::exception_ptr failure;
    guard granted;
};

/// By way of an executor that can post.
template <class Handler>
void post(completion<Handler>&& end) {
    const auto executor = io_executor_of(end.handler);
    net::post(executor, std::move(end));
}

/// An acquisition that goes on whenever there is news or time to wake. It waits for both at once, and whichever comes ends
/// the other wait; it goes on when both have ended, so that nobody else is at it, on however many threads they end.
///
/// Its waits own it: if they are destroyed without having ended, as an io_context does, the handler is, and the line left.
template <class Handler>
class operation : public std::enable_shared_from_this<operation<Handler>> {
  public:
    /// Takes both, unless it throws; then `handler` is as it was.
    operation(Handler& handler, pending_acquire& pending)
        : pending_{std::move(pending)},
          news_{io_executor_of(handler), pending_.native_handle()},
          time_{io_executor_of(handler)},
          handler_{std::move(handler)} {}
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;
    ~operation() = default;

    void start() {
        connect_slot(handler_, this->weak_from_this());
        if (!wait()) post(finish());
    }

    /// From any thread: the end comes when the waits have ended.
    void cancel() {
        const std::scoped_lock lock{mutex_};
        is_cancelled_ = true;
        if (waits_ != 0) end_waits();
    }

  private:
    struct waiter {
        using executor_type = net::associated_executor_t<Handler>;
        using allocator_type = net::associated_allocator_t<Handler>;

        [[nodiscard]] executor_type get_executor() const noexcept {
            return net::get_associated_executor(self->handler_);
        }
        [[nodiscard]] allocator_type get_allocator() const noexcept {
            return net::get_associated_allocator(self->handler_);
        }

        void operator()(const error_code& why) {
            auto lasting = std::move(self);
            if (lasting->has_other_wait(why) || lasting->goes_on()) return;
            completion<Handler> end = lasting->finish();
            lasting.reset();  // Asio promises handlers that its memory is free again
            end();
        }

        std::shared_ptr<operation> self;
    };

    [[nodiscard]] bool has_other_wait(const error_code& why) {
        const std::scoped_lock lock{mutex_};
        if (why && why != net::error::operation_aborted) {
            failure_ = std::make_exception_ptr(std::system_error{why, "cannot wait for a lock"});
        }
        if (--waits_ != 0) end_waits();
        return waits_ != 0;
    }

    /// False: it has come to its end.
    [[nodiscard]] bool goes_on() {
        if (failure_ != nullptr) return false;
        try {
            if (is_cancelled()) pending_.cancel();
            granted_ = pending_.try_complete();
        } catch (...) {
            failure_ = std::current_exception();
        }
        return !granted_ && failure_ == nullptr && wait();
    }

    /// False: it cannot. If only one wait has begun, its end is awaited before `failure_` is told.
    [[nodiscard]] bool wait() {
        const std::scoped_lock lock{mutex_};
        try {
            time_.expires_at(pending_.wake_at());
            news_.async_wait(waiter{this->shared_from_this()});
            ++waits_;
            time_.async_wait(waiter{this->shared_from_this()});
            ++waits_;
        } catch (...) {
            failure_ = std::current_exception();
        }
        if (is_cancelled_ || failure_ != nullptr) end_waits();
        return waits_ != 0;
    }

    void end_waits() {
        news_.cancel();
        time_.cancel();
    }

    [[nodiscard]] bool is_cancelled() const {
        const std::scoped_lock lock{mutex_};
        return is_cancelled_;
    }

    [[nodiscard]] completion<Handler> finish() {
        disconnect_slot(handler_);
        return {std::move(handler_), std::move(failure_), std::move(granted_)};
    }

    using io_executor = decltype(io_executor_of(std::declval<const Handler&>()));
    using clock = std::chrono::steady_clock;

    mutable std::mutex mutex_{};  // of waits_, is_cancelled_, and the two that are waited for
    int waits_ = 0;
    bool is_cancelled_ = false;
    std::exception_ptr failure_{};
    guard granted_{};
    pending_acquire pending_;
    asio_watch<io_executor> news_;
    net::basic_waitable_timer<clock, net::wait_traits<clock>, io_executor> time_;
    Handler handler_;
};

/// Its place in line is from this call on. Whatever fails is told to the handler, which is not called by this.
struct initiation {
    template <class Handler, class Rep, class Period>
    void operator()(Handler&& given, named_lock lock, lock_kind kind,
                    std::chrono::duration<Rep, Period> timeout) const {
        using handler_type = std::decay_t<Handler>;
        handler_type handler(std::forward<Handler>(given));
        std::shared_ptr<operation<handler_type>> started;
        std::exception_ptr failure;
        guard granted;
        try {
            auto pending = kind == lock_kind::shared ? lock.begin_acquire_shared(timeout) : lock.begin_acquire(timeout);
            granted = pending.try_complete();
            if (!granted) {
                started = std::allocate_shared<operation<handler_type>>(net::get_associated_allocator(handler), handler,
                                                                        pending);
            }
        } catch (...) {
            failure = std::current_exception();
        }
        if (started != nullptr) return started->start();
        post(completion<handler_type>{std::move(handler), std::move(failure), std::move(granted)});
    }
};

template <class Rep, class Period, class CompletionToken>
auto acquire(named_lock lock, lock_kind kind, std::chrono::duration<Rep, Period> timeout, CompletionToken& token) {
    return net::async_initiate<CompletionToken, void(std::exception_ptr, guard)>(initiation{}, token, std::move(lock),
                                                                                 kind, timeout);
}

}  // namespace nlock::NAMED_LOCK_ABI::NAMED_LOCK_ASIO_FACE::detail

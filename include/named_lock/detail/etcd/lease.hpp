// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What this process knows of one lease: how long it may believe in it, and whom to tell when it may not any more.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include <named_lock/detail/etcd/clock.hpp>
#include <named_lock/detail/etcd/messages.hpp>

namespace nlock::NAMED_LOCK_ABI::detail::etcd {

/// What is taken off the time of a lease, because the server's clock may run a little faster than ours.
inline std::chrono::nanoseconds margin_of(std::chrono::seconds ttl) noexcept {
    constexpr std::chrono::nanoseconds least = std::chrono::milliseconds{250};
    return (std::max)(std::chrono::nanoseconds{ttl} / 20, least);
}

/// When to stop believing in a lease that was asked for at `asked`: the server counts from later on.
inline time_point end_of_lease(time_point asked, std::chrono::seconds ttl) noexcept {
    return asked + ttl - margin_of(ttl);
}

/// The time until which a lease may be believed in. Once over, or once seen to be over, it is over for good: an answer
/// that comes late does not bring it back.
class validity {
  public:
    explicit validity(time_point until) noexcept : until_{count(until)} {}

    [[nodiscard]] time_point until() const noexcept { return time_point{time_point::duration{until_.load()}}; }

    [[nodiscard]] bool is_over() noexcept {
        for (rep seen = until_.load();;) {
            if (seen == over) return true;
            if (count(boot_clock::now()) < seen) return false;
            if (until_.compare_exchange_weak(seen, over)) return true;
        }
    }

    /// False: too late.
    bool extend(time_point until) noexcept {
        for (rep seen = until_.load(); !is_over();) {
            if (until_.compare_exchange_weak(seen, (std::max)(seen, count(until)))) return true;
            if (seen == over) return false;
        }
        return false;
    }

    void end() noexcept { until_.store(over); }

  private:
    using rep = time_point::rep;
    static constexpr rep over = 0;
    static rep count(time_point t) noexcept { return t.time_since_epoch().count(); }

    std::atomic<rep> until_;
};

/// A callback that is called at most once, and not any more after cancel(), which waits for its end.
class one_call {
  public:
    void set(std::function<void()> callback) {
        const std::scoped_lock lock{mutex_};
        callback_ = std::move(callback);
    }

    void fire() noexcept {  // what throws ends the program: there is nobody to catch it
        std::function<void()> callback;
        {
            const std::scoped_lock lock{mutex_};
            callback.swap(callback_);
            if (!callback) return;
            runs_in_ = std::this_thread::get_id();
        }
        callback();
        callback = nullptr;  // what it captured goes before whoever waits goes on
        const std::scoped_lock lock{mutex_};
        runs_in_ = {};
        ended_.notify_all();
    }

    /// May be called by the callback itself, and does not wait then.
    void cancel() {
        std::function<void()> callback;  // goes without the mutex
        std::unique_lock lock{mutex_};
        callback.swap(callback_);
        ended_.wait(lock, [&] { return runs_in_ == std::thread::id{} || runs_in_ == std::this_thread::get_id(); });
    }

  private:
    std::mutex mutex_;
    std::condition_variable ended_;
    std::function<void()> callback_;
    std::thread::id runs_in_;
};

/// One lease, for one acquisition: its queue entry cannot outlive it, be the transaction that puts it ever so late.
struct lease {
    lease(const queue_names& names, time_point until) : key{names.entry(id)}, valid{until} {}

    const lease_id id = random_id();
    const std::string key;  ///< of the queue entry
    validity valid;
    std::atomic<revision> created{0};  ///< of the entry, once it is known: its place in the queue, and the token
    one_call on_lost;
    time_point next_keepalive{};  ///< the session's

    static lease_id random_id() {
        std::random_device random;
        return std::uniform_int_distribution<lease_id>{1}(random);
    }
};

}  // namespace nlock::NAMED_LOCK_ABI::detail::etcd

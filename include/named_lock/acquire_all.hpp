// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <vector>
#if __cplusplus > 201703L || (defined(_MSVC_LANG) && _MSVC_LANG > 201703L)
#include <version>
#endif
#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

#include <named_lock/cancellation.hpp>
#include <named_lock/detail/abi.hpp>
#include <named_lock/detail/acquisition.hpp>
#include <named_lock/detail/deadline.hpp>
#include <named_lock/detail/lock_kind.hpp>
#include <named_lock/detail/message.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/request.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/guard.hpp>
#include <named_lock/named_lock.hpp>

namespace nlock::NAMED_LOCK_ABI {
namespace detail {

/// Acquires the locks of a group so that no groups wait for each other.
///
/// Everybody waits only for a file that comes after all that he holds, in the order of their identities: so nobody in a
/// circle of groups could wait for the next one. Names do not come into it, as a file may have several.
///
/// Which files the paths name is asked first, to find them in this order. They may have been replaced when it comes to
/// waiting, or while it waits. An acquisition that finds one that does not come after the others ends then, and all begins
/// again. A file that is not there yet comes first: it is made, and waited for, by who holds nothing else.
class group_acquisition {
  public:
    group_acquisition(std::vector<named_lock>& locks, lock_kind kind)
        : kind_{kind}, members_(locks.begin(), locks.end()) {}
    group_acquisition(const group_acquisition&) = delete;
    group_acquisition& operator=(const group_acquisition&) = delete;

    template <class TimeoutOf>
    std::vector<guard> acquire(TimeoutOf timeout_of, const cancellation& stop) {
        return acquire(timeout_of, &stop.signal_);
    }

#if defined(__cpp_lib_jthread)
    template <class TimeoutOf>
    std::vector<guard> acquire(TimeoutOf timeout_of, const std::stop_token& stop) {
        return until_stopped(stop, [this](const stop_signal& signal) {
            for (const member& m : members_) m.lock.state_->wake(signal);
        }, [&](const stop_signal* signal) { return acquire(timeout_of, signal); });
    }
#endif

    template <class TimeoutOf>
    std::vector<guard> acquire(TimeoutOf timeout_of, const stop_signal* stop = nullptr) {
        stop_ = stop;
        if (kind_ == lock_kind::exclusive) refuse_twice();
        std::vector<guard> guards;
        do {
            guards.clear();
            guards.resize(members_.size());
        } while (!acquire_in_order(guards, timeout_of));
        return guards;
    }

  private:
    struct member {
        explicit member(named_lock& its_lock) : lock{its_lock} {}
        named_lock& lock;
        file_identity file{};   // at its path, then the one that is held
        bool has_told = false;  // on_wait
    };

    /// False: one was out of order.
    template <class TimeoutOf>
    bool acquire_in_order(std::vector<guard>& guards, TimeoutOf timeout_of) {
        file_identity last{};  // of those that it holds
        for (const std::size_t i : order()) {
            member& next = members_[i];
            named_lock& lock = next.lock;
            const std::chrono::nanoseconds timeout = timeout_of(lock);
            const auto left = deadline{start_, timeout}.remaining();
            const auto end = given_up_by::guard;
            const request asked{kind_, end, left, *lock.options_, lock.owner(), stop_, next.has_told, last};
            acquisition acquisition{*lock.state_, asked};
            const outcome result = acquisition.run();
            if (result == outcome::cancelled) throw lock_cancelled{lock.name(), lock.path()};
            if (result == outcome::timed_out) lock.throw_timeout(timeout);  // as asked for, not what was left of it
            next.has_told = acquisition.has_told();
            next.file = acquisition.file();
            if (result == outcome::out_of_order) {
                refuse_self_deadlock(next, guards);
                out_of_order_ = lock.state_.get();
                its_file_ = next.file;
                return false;
            }
            guards[i] = named_lock{lock}.guard_of(acquisition.hold());
            last = (std::max)(last, next.file);
        }
        return true;
    }

    std::vector<std::size_t> order() {
        std::vector<std::size_t> in_order;
        for (member& m : members_) {
            // Though the path may name another file now: a thread of this process may hold that one still.
            const bool is_known = m.lock.state_.get() == out_of_order_;
            m.file = is_known ? its_file_ : identity_at(m.lock.path());
            in_order.push_back(in_order.size());
        }
        std::stable_sort(in_order.begin(), in_order.end(),
                         [&](std::size_t a, std::size_t b) { return members_[a].file < members_[b].file; });
        return in_order;
    }

    /// A lock that cannot be entered again would wait for this group itself, whoever has it now.
    void refuse_twice() const {
        for (const member& m : members_) {
            if (m.lock.is_reentrant()) continue;
            const auto is_same = [&m](const member& other) { return other.lock.state_ == m.lock.state_; };
            if (std::count_if(members_.begin(), members_.end(), is_same) == 1) continue;
            throw lock_error{std::errc::resource_deadlock_would_occur, "acquire", m.lock.path(),
                             "it is in the group twice and not reentrant"};
        }
    }

    /// The file for which `next` would wait is held by this group, by a lock of another name. What is held is no other
    /// file's number; but others may wait for it here whose path names another by now.
    void refuse_self_deadlock(const member& next, const std::vector<guard>& guards) const {
        const auto& path = next.lock.path();
        for (std::size_t i = 0; i < guards.size(); ++i) {
            if (!guards[i] || !(members_[i].file == next.file) || !(identity_at(path) == next.file)) continue;
            throw lock_error{std::errc::resource_deadlock_would_occur, "acquire", path,
                             "it is the same file as " + text_of(members_[i].lock.path()) +
                                 ", which is in the group, too"};
        }
    }

    const lock_kind kind_;
    const stop_signal* stop_ = nullptr;
    const deadline::clock::time_point start_ = deadline::clock::now();
    std::vector<member> members_;
    const lock_state* out_of_order_ = nullptr;  // of the round before
    file_identity its_file_{};
};

/// Each lock's own.
inline constexpr auto default_timeouts = [](const named_lock& lock) { return (lock.timeout)(); };

template <class Rep, class Period>
auto one_timeout(std::chrono::duration<Rep, Period> timeout) {
    return [limit = to_timeout(timeout)](const named_lock&) { return limit; };
}

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
    return detail::group_acquisition{locks, detail::lock_kind::exclusive}.acquire(detail::default_timeouts);
}

/// The same with one time-out for all, counted from the call.
/// @since 1.0.0
template <class Rep, class Period>
[[nodiscard]] std::vector<guard> acquire_all(std::vector<named_lock> locks,
                                             std::chrono::duration<Rep, Period> timeout) {
    return detail::group_acquisition{locks, detail::lock_kind::exclusive}.acquire(detail::one_timeout(timeout));
}

/// The same, all shared.
/// @since 1.0.0
[[nodiscard]] inline std::vector<guard> acquire_all_shared(std::vector<named_lock> locks) {
    return detail::group_acquisition{locks, detail::lock_kind::shared}.acquire(detail::default_timeouts);
}
template <class Rep, class Period>
[[nodiscard]] std::vector<guard> acquire_all_shared(std::vector<named_lock> locks,
                                                    std::chrono::duration<Rep, Period> timeout) {
    return detail::group_acquisition{locks, detail::lock_kind::shared}.acquire(detail::one_timeout(timeout));
}

/// The same, cut short by a cancellation: then it throws lock_cancelled.
/// @since 1.0.0
[[nodiscard]] inline std::vector<guard> acquire_all(const cancellation& stop, std::vector<named_lock> locks) {
    return detail::group_acquisition{locks, detail::lock_kind::exclusive}.acquire(detail::default_timeouts, stop);
}
template <class Rep, class Period>
[[nodiscard]] std::vector<guard> acquire_all(const cancellation& stop, std::vector<named_lock> locks,
                                             std::chrono::duration<Rep, Period> timeout) {
    return detail::group_acquisition{locks, detail::lock_kind::exclusive}.acquire(detail::one_timeout(timeout), stop);
}
[[nodiscard]] inline std::vector<guard> acquire_all_shared(const cancellation& stop, std::vector<named_lock> locks) {
    return detail::group_acquisition{locks, detail::lock_kind::shared}.acquire(detail::default_timeouts, stop);
}
template <class Rep, class Period>
[[nodiscard]] std::vector<guard> acquire_all_shared(const cancellation& stop, std::vector<named_lock> locks,
                                                    std::chrono::duration<Rep, Period> timeout) {
    return detail::group_acquisition{locks, detail::lock_kind::shared}.acquire(detail::one_timeout(timeout), stop);
}

#if defined(__cpp_lib_jthread)
/// The same, cut short by a stop request.
/// @since 1.0.0
[[nodiscard]] inline std::vector<guard> acquire_all(std::stop_token stop, std::vector<named_lock> locks) {
    return detail::group_acquisition{locks, detail::lock_kind::exclusive}.acquire(detail::default_timeouts, stop);
}
template <class Rep, class Period>
[[nodiscard]] std::vector<guard> acquire_all(std::stop_token stop, std::vector<named_lock> locks,
                                             std::chrono::duration<Rep, Period> timeout) {
    return detail::group_acquisition{locks, detail::lock_kind::exclusive}.acquire(detail::one_timeout(timeout), stop);
}
[[nodiscard]] inline std::vector<guard> acquire_all_shared(std::stop_token stop, std::vector<named_lock> locks) {
    return detail::group_acquisition{locks, detail::lock_kind::shared}.acquire(detail::default_timeouts, stop);
}
template <class Rep, class Period>
[[nodiscard]] std::vector<guard> acquire_all_shared(std::stop_token stop, std::vector<named_lock> locks,
                                                    std::chrono::duration<Rep, Period> timeout) {
    return detail::group_acquisition{locks, detail::lock_kind::shared}.acquire(detail::one_timeout(timeout), stop);
}
#endif

}  // namespace nlock::NAMED_LOCK_ABI

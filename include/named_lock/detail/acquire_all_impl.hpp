// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/acquire_all.hpp>
#include <named_lock/detail/acquisition.hpp>
#include <named_lock/detail/deadline.hpp>
#include <named_lock/detail/message.hpp>
#include <named_lock/detail/named_lock_impl.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/request.hpp>
#include <named_lock/errors.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

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
    group_acquisition(std::vector<named_lock>& locks, lock_kind kind, std::optional<std::chrono::nanoseconds> timeout,
                      const stop_signal* stop)
        : kind_{kind}, timeout_{timeout}, stop_{stop}, members_(locks.begin(), locks.end()) {}
    group_acquisition(const group_acquisition&) = delete;
    group_acquisition& operator=(const group_acquisition&) = delete;

    std::vector<guard> acquire() {
        if (kind_ == lock_kind::exclusive) refuse_twice();
        std::vector<guard> guards;
        do {
            guards.clear();
            guards.resize(members_.size());
        } while (!acquire_in_order(guards));
        return guards;
    }

    static void wake(const std::vector<named_lock>& locks, const stop_signal& signal) noexcept {
        for (const named_lock& lock : locks) lock.state_->wake(signal);
    }
    static const stop_signal& signal_of(const cancellation& stop) noexcept { return stop.signal(); }

  private:
    struct member {
        explicit member(named_lock& its_lock) : lock{its_lock} {}
        named_lock& lock;
        file_identity file{};   // at its path, then the one that is held
        bool has_told = false;  // on_wait
    };

    /// False: one was out of order.
    bool acquire_in_order(std::vector<guard>& guards) {
        file_identity last{};  // of those that it holds
        for (const std::size_t i : order()) {
            member& next = members_[i];
            named_lock& lock = next.lock;
            const std::chrono::nanoseconds timeout = timeout_.value_or((lock.timeout)());
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
        // Not stable_sort, for which libstdc++ takes what it has deprecated itself: a warning in the program.
        std::sort(in_order.begin(), in_order.end(), [&](std::size_t a, std::size_t b) {
            return std::pair{members_[a].file, a} < std::pair{members_[b].file, b};
        });
        return in_order;
    }

    /// A lock that cannot be entered again would wait for this group itself, whoever has it now.
    void refuse_twice() const {
        for (const member& m : members_) {
            if (m.lock.options_->reentrant) continue;
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
    const std::optional<std::chrono::nanoseconds> timeout_;
    const stop_signal* const stop_;
    const deadline::clock::time_point start_ = deadline::clock::now();
    std::vector<member> members_;
    const lock_state* out_of_order_ = nullptr;  // of the round before
    file_identity its_file_{};
};

NAMED_LOCK_INLINE std::vector<guard> acquire_group(std::vector<named_lock>& locks, lock_kind kind,
                                                   std::optional<std::chrono::nanoseconds> timeout,
                                                   const stop_signal* stop) {
    return group_acquisition{locks, kind, timeout, stop}.acquire();
}

NAMED_LOCK_INLINE std::vector<guard> acquire_group(std::vector<named_lock>& locks, lock_kind kind,
                                                   std::optional<std::chrono::nanoseconds> timeout,
                                                   const cancellation& stop) {
    return acquire_group(locks, kind, timeout, &group_acquisition::signal_of(stop));
}

NAMED_LOCK_INLINE void wake_group(const std::vector<named_lock>& locks, const stop_signal& signal) noexcept {
    group_acquisition::wake(locks, signal);
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

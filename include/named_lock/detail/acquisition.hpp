// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// How one thread acquires a lock: from the table, else from the system, else by waiting.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include <named_lock/detail/backoff.hpp>
#include <named_lock/detail/deadline.hpp>
#include <named_lock/detail/lock_file.hpp>
#include <named_lock/detail/lock_registry.hpp>
#include <named_lock/detail/lock_state.hpp>
#include <named_lock/detail/request.hpp>

namespace nlock::detail {

class acquisition {
  public:
    acquisition(lock_state& state, const request& request) : state_{state}, request_{request} {}

    outcome run() {
        if (request_.is_stopped()) return outcome::cancelled;
        auto lock = state_.enter();
        gives_way_ = request_.kind == lock_kind::shared && !request_.is_immediate();
        ticket_ = state_.enter_again(request_, gives_way_);
        if (ticket_ != 0) return outcome::acquired;
        if (!request_.is_immediate()) deadline_ = deadline{request_.timeout};
        // A single attempt has no later chance.
        if ((request_.is_immediate() || state_.may_overtake()) && try_once(lock)) return outcome::acquired;
        if (request_.is_immediate()) return outcome::timed_out;
        if (request_.options.on_wait && !request_.has_told) {
            lock.unlock();
            request_.options.on_wait({state_.path(), holders_of(state_.path(), request_.options.method)});
            lock = state_.enter();
            ticket_ = state_.enter_again(request_, gives_way_);  // on_wait may have acquired it
            if (ticket_ != 0) return outcome::acquired;
        }
        return wait(lock);
    }

    [[nodiscard]] ticket hold() const noexcept { return ticket_; }

  private:
    using mutex_lock = lock_state::mutex_lock;

    /// For how long a reader lets a waiting writer go first. Longer than most shared holds, so that the writer gets in;
    /// limited, so that writers that keep coming do not keep readers out.
    static constexpr std::chrono::milliseconds courtesy{100};

    /// How often a waiter tries again before it sleeps: some 20 us in all. To set up a watch, sleep and be woken takes as
    /// long, so that holds of up to about 20 us are better met awake. (Measured, two processes: 119,000 grants a second
    /// instead of 74,000 with empty holds, 30,000 instead of 21,000 with holds of 20 us.)
    static constexpr int quick_tries = 32;

    /// A place in the queue, and what its thread needs to sleep there.
    class place_in_queue : public waiter {
      public:
        place_in_queue(lock_state& state, mutex_lock& lock, const request& request)
            : waiter{request}, backoff{request.options.poll_interval, state.first_rest}, state_{state}, lock_{lock} {
            state_.enqueue(*this);
        }
        place_in_queue(const place_in_queue&) = delete;
        place_in_queue& operator=(const place_in_queue&) = delete;
        ~place_in_queue() {
            if (!lock_.owns_lock()) lock_state::relock(lock_);  // an attempt threw
            state_.first_rest = backoff.first_rest();
            state_.leave_queue(*this);
        }

        detail::backoff backoff;

      private:
        lock_state& state_;
        mutex_lock& lock_;
    };

    outcome wait(mutex_lock& lock) {
        place_in_queue self{state_, lock, request_};
        for (;;) {
            if (request_.is_stopped()) return outcome::cancelled;
            // Looked at before the attempt: the last attempt is made when the time is over.
            const bool is_last = deadline_.has_passed();
            if (gives_way_ && (is_last || deadline::clock::now() >= self.since + courtesy)) {
                gives_way_ = false;
                state_.pass_writers(self);
            }
            if (state_.is_front(self) || is_last) {
                ticket_ = state_.enter_again(request_, gives_way_, &self);
                if (ticket_ != 0 || try_once(lock)) return outcome::acquired;
            }
            if (is_last) return outcome::timed_out;
            sleep(lock, self);
        }
    }

    /// One attempt at the system's lock, with the table unlocked.
    bool try_once(mutex_lock& lock) {
        if (!state_.is_free()) return false;
        lock.unlock();
        const bool locked = try_system_lock();
        lock_state::relock(lock);
        if (!locked) return false;
        ticket_ = state_.enter_first(request_, file_);
        if (ticket_ == 0) file_.close();
        return ticket_ != 0;
    }

    /// True: locked, and it is the file that the path names. A file that is no longer is left for the one that is.
    bool try_system_lock() {
        constexpr int enough = 100;  // for a directory in which somebody replaces the file all the time
        for (int i = 0; i < enough; ++i) {
            if (!file_.is_open()) {
                file_.open(state_.path(), request_.options.permissions);
                is_watched_ = false;
            }
            const bool locked = !(gives_way_ && file_.has_waiting_writer(request_.options.method)) &&
                                file_.try_lock(request_.kind, request_.options.method, state_.path());
            if (!locked && !may_have_moved_) return false;
            may_have_moved_ = false;
            if (file_.is_at(state_.path())) return locked;
            file_.close();
        }
        return false;
    }

    void sleep(mutex_lock& lock, place_in_queue& self) {
        if (std::exchange(self.woken, false)) return;
        if (quick_tries_left_ > 0 && state_.is_front(self)) {
            --quick_tries_left_;
            lock.unlock();
            lock_state::relock(lock);
        } else if (!state_.is_front(self) && (file_.is_open() || file_.watch() != nullptr)) {
            // From the first attempt, or from when it was the front: many waiters are no many files, nor watches.
            lock.unlock();
            file_.leave();
            lock_state::relock(lock);
        } else if (!state_.is_front(self) || !state_.is_free()) {
            wait_for_wakeup(lock, self);
        } else if (!file_.is_open() || !is_watched_) {
            // Watch first, then try, then sleep: a release before the watch is seen by that attempt, a later one by the
            // watch.
            lock.unlock();
            start_watching();
            if (request_.kind == lock_kind::exclusive) file_.mark_waiting_writer(request_.options.method);
            lock_state::relock(lock);
            is_watched_ = true;
            may_have_moved_ = true;
        } else if (file_.watch() == nullptr) {
            self.wakeup.wait_for(lock, patience(self).limit(self.backoff.next_poll()));
            may_have_moved_ = true;
            is_watched_ = deadline::clock::now() < watch_again_;
        } else {
            sleep_on_watch(lock, self, *file_.watch());
        }
        self.woken = false;
    }

    /// Without a watch, because the system has none left or cannot watch that file, the waiter polls, and asks again
    /// later.
    void start_watching() {
        kept_watch& watch = file_.watch();
        if (watch == nullptr) watch = lock_registry::instance().take_watch();
        file_.keep_above_watch();
        if (watch != nullptr && !watch->watch(state_.path())) watch = nullptr;
        if (watch == nullptr) watch_again_ = deadline::clock::now() + std::chrono::seconds{1};
    }

    /// Until this process has news: a release, the front of the queue, a stop request.
    void wait_for_wakeup(mutex_lock& lock, place_in_queue& self) {
        const deadline end = patience(self);
        if (end.is_never()) {
            self.wakeup.wait(lock);
        } else {
            self.wakeup.wait_until(lock, end.time());
        }
    }

    /// Until when it may sleep without another attempt.
    [[nodiscard]] deadline patience(const place_in_queue& self) const noexcept {
        const deadline end_of_courtesy{self.since, courtesy};
        return gives_way_ && end_of_courtesy.time() < deadline_.time() ? end_of_courtesy : deadline_;
    }

    /// Until another process releases the file; at the latest until the next poll.
    void sleep_on_watch(mutex_lock& lock, place_in_queue& self, release_watch& watch) {
        self.watch = &watch;
        lock.unlock();
        auto event = watch_event::none;
        if (self.backoff.must_rest()) {
            event = watch.rest(patience(self).limit(self.backoff.next_rest()));
        } else {
            event = watch.wait(patience(self).limit(self.backoff.next_listen()));
            if (event == watch_event::none) {
                self.backoff.heard_nothing();
                may_have_moved_ = true;
            } else {
                self.backoff.heard_event();
            }
        }
        if (event == watch_event::moved) may_have_moved_ = true;
        lock_state::relock(lock);
        self.watch = nullptr;
    }

    lock_state& state_;
    const request& request_;
    ticket ticket_ = 0;
    deadline deadline_;
    lock_file file_;
    int quick_tries_left_ = quick_tries;
    bool gives_way_ = false;       // to a waiting writer
    bool may_have_moved_ = false;  // file_ may not be the path's file any more
    bool is_watched_ = false;      // file_, or that has failed
    deadline::clock::time_point watch_again_;
};

}  // namespace nlock::detail

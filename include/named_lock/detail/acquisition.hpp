// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// How a lock is acquired: from the table, else from the system, else by waiting.
//
// An acquisition is a machine of steps. A step never blocks; it says what must come before the next one: nothing, a turn in
// its process, news from other processes, or some time. Whoever drives it sees to that and reports what has come. There are
// two drivers: run(), for a thread, which sleeps; and pending_acquire, for a program that has other things to do.
//
//   state      | reached when              | a step does                             | then it waits for
//   -----------|---------------------------|-----------------------------------------|---------------------------------
//   arriving   | the call                  | enters again, joins; one attempt        | -
//   queued     | others of this process    | as it comes back from the front, leaves | a turn
//              | are before it             | the file                                |
//   at_front   | its turn                  | attempts, a few of them at once while   | nothing; then stands in line
//              |                           | nobody else waits                       |
//   in_line    | it has marked the file,   | attempts, if an attempt is due          | news: its bell, an event of the
//              | or there is no line       |                                         | file, or the end of a pause
//   (done)     | granted, timed out, cancelled or an error, from any state
//
// In line an attempt is due: at once if nobody came before; when this waiter is called; after an event or a pause if nobody
// came before, or if the others have not moved on since the last look; and when the time is over.
//
// The file may have moved: an open file is the lock only while the path names it. That is looked at after each grant, and
// otherwise when in_doubt_ says so: after a watch began, as it reports only what comes later; when the watch reports a
// move; and after each pause, since there may be no watch.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <named_lock/detail/backoff.hpp>
#include <named_lock/detail/creation.hpp>
#include <named_lock/detail/deadline.hpp>
#include <named_lock/detail/line_place.hpp>
#include <named_lock/detail/lock_file.hpp>
#include <named_lock/detail/lock_registry.hpp>
#include <named_lock/detail/lock_state.hpp>
#include <named_lock/detail/request.hpp>
#include <named_lock/detail/timeout.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// What comes before the next step.
struct pause {
    enum kind { none, turn, news, rest, done };
    kind what;
    deadline end{};
};

class acquisition {
  public:
    acquisition(lock_state& state, const request& request) : state_{state}, request_{request} {}
    acquisition(const acquisition&) = delete;
    acquisition& operator=(const acquisition&) = delete;

    /// The driver of a thread that waits.
    outcome run() {
        if (request_.is_stopped()) return outcome::cancelled;
        auto lock = state_.enter();
        const departure departs{*this, lock};
        for (pause next = arrive(lock); next.what != pause::done; next = step(lock)) sleep(lock, next);
        return outcome_;
    }

    // ---- for a driver that does not sleep ----

    /// Steps up to what must come first. Who is woken by its process is told by `listener`. After a throw it is over.
    pause begin(wake_listener& listener, std::chrono::nanoseconds pause) {
        if (request_.is_stopped()) return end(outcome::cancelled);
        listener_ = &listener;
        shortest_pause_ = pause;
        quick_tries_left_ = 0;  // the program has other things to do
        auto lock = state_.enter();
        return advance(lock, [&] { return arrive(lock); });
    }
    /// Whether that has come, or the time for it is over.
    bool has_come(const pause& awaited) {
        auto lock = state_.enter();
        return notice(lock, awaited);
    }
    /// Then. Further steps up to what must come next; without news, no attempt before `pause` is over.
    pause go_on(std::chrono::nanoseconds pause) {
        shortest_pause_ = pause;
        auto lock = state_.enter();
        return advance(lock, [&] { return step(lock); });
    }
    /// Leaves the queue and the line.
    void abandon() noexcept {
        auto lock = state_.enter();
        (void)end(outcome::cancelled);
        depart(lock);
    }
    /// What news comes through; or null.
    [[nodiscard]] release_watch* watch() noexcept { return file_.watch().get(); }

    [[nodiscard]] outcome result() const noexcept { return outcome_; }
    [[nodiscard]] ticket hold() const noexcept { return ticket_; }
    /// That was locked for that hold, or that was out of order; not told: the hold was entered beside others.
    [[nodiscard]] const file_identity& file() const noexcept { return found_; }
    [[nodiscard]] bool has_told() const noexcept { return has_told_; }

  private:
    using mutex_lock = lock_state::mutex_lock;
    using clock = deadline::clock;

    /// How often a waiter tries again before it stands in line, if nobody else does; some 20 us in all. To sleep and to be
    /// woken takes as long, so that holds of up to about 20 us are better met awake. (Measured, two processes: 119,000
    /// grants a second instead of 74,000 with empty holds, 30,000 instead of 21,000 with holds of 20 us.)
    static constexpr int quick_tries = 32;

    /// A wait that ends earlier has no watch: to begin and to end one takes longer than a bell needs. Who is behind others
    /// is called by one of them more often than not.
    static constexpr std::chrono::milliseconds unwatched{10};
    static constexpr std::chrono::milliseconds unwatched_first{2};

    /// Any local user can ring a bell. After so many times in vain, in a wait that has lasted, it is not heard for a moment.
    static constexpr int most_in_vain = 8;
    static constexpr std::chrono::milliseconds lasting{2};
    static constexpr std::chrono::milliseconds rest{8};

    static constexpr std::chrono::hours longest_sleep{1};  // some systems cannot express the end of all time
    static constexpr std::chrono::milliseconds short_piece{5};  // where nothing wakes it that should

    /// Leaves the queue and the line, whatever ends the acquisition.
    struct departure {
        ~departure() {
            if (goes_on) return;
            if (!lock.owns_lock()) lock_state::relock(lock);  // an attempt threw
            who.depart(lock);
        }
        acquisition& who;
        mutex_lock& lock;
        bool goes_on = false;
    };

    template <class First>
    pause advance(mutex_lock& lock, First first) {
        departure departs{*this, lock};
        pause next = first();
        while (next.what == pause::none) next = step(lock);
        departs.goes_on = next.what != pause::done;
        return next;
    }

    void depart(mutex_lock& lock) noexcept {
        if (file_.is_open()) leave_file(lock, !has_failed_);
        if (self_) state_.leave_queue(*self_);
        self_.reset();
    }

    // ---- steps, with the table locked ----

    pause arrive(mutex_lock& lock) {
        gives_way_ = request_.kind == lock_kind::shared && request_.options.courtesy > std::chrono::nanoseconds::zero();
        ticket_ = state_.enter_again(lock, request_, gives_way_);
        if (ticket_ != 0) return end(outcome::acquired);
        since_ = clock::now();
        if (!request_.is_immediate()) deadline_ = deadline{since_, request_.timeout};
        // Who does not sleep is woken no later than others, and keeps the order.
        const bool keeps_order = listener_ != nullptr && !request_.is_immediate() && state_.has_queue();
        if (!keeps_order && state_.may_overtake(request_, gives_way_) && attempt(lock)) return end(outcome::acquired);
        if (is_out_of_order()) return end(outcome::out_of_order);
        if (request_.is_immediate()) return end(outcome::timed_out);
        if (has_told_) {
            tell_later();
        } else if (request_.options.on_wait) {
            if (file_.is_open()) leave_file(lock);
            tell(lock);
            ticket_ = state_.enter_again(lock, request_, gives_way_);  // on_wait may have acquired it
            if (ticket_ != 0) return end(outcome::acquired);
        }
        self_.emplace(request_, since_, listener_);
        state_.enqueue(*self_);
        if (request_.kind == lock_kind::shared && !gives_way_) state_.pass_writers(*self_);
        return {pause::none};
    }

    pause step(mutex_lock& lock) {
        if (tells_again_.has_passed()) tell(lock);
        if (request_.is_stopped()) return end(outcome::cancelled);
        // Looked at before the attempt: the last attempt is made when the time is over.
        is_last_ = deadline_.has_passed();
        if (gives_way_ && end_of_courtesy().has_passed()) {
            gives_way_ = false;
            is_due_ = true;
            state_.pass_writers(*self_);
        }
        const bool is_front = state_.is_front(*self_);
        if (is_front || is_last_) {
            ticket_ = state_.enter_again(lock, request_, gives_way_, &*self_);
            if (ticket_ != 0) return end(outcome::acquired);
            const bool is_due = std::exchange(is_due_, false) || is_last_;
            if ((is_due || in_doubt_) && attempt(lock, is_due)) return end(outcome::acquired);
        }
        if (is_out_of_order()) return end(outcome::out_of_order);
        if (is_last_) return end(outcome::timed_out);
        if (std::exchange(shall_rest_, false)) return {pause::rest, sooner(patience(), deadline{clock::now(), rest})};
        if (!state_.is_front(*self_)) return wait_for_turn(lock);
        if (!is_in_line_) return at_front(lock);
        return in_line(lock);
    }

    void tell(mutex_lock& lock) {
        const lock_options& options = request_.options;
        has_told_ = true;
        lock.unlock();
        options.on_wait({state_.path(), party_at(state_.path(), options.method, party_detail::none).holders});
        lock = state_.enter();
        tell_later();
    }

    void tell_later() noexcept {
        const lock_options& options = request_.options;
        if (!options.on_wait || options.on_wait_interval <= std::chrono::milliseconds::zero()) return;
        tells_again_ = deadline{to_timeout(options.on_wait_interval)};
    }

    [[nodiscard]] bool is_out_of_order() noexcept {
        found_ = request_.may_wait_for(file_.identity()) ? state_.out_of_order(request_) : file_.identity();
        return found_.is_told();
    }

    pause end(outcome result) noexcept {
        has_failed_ = false;
        outcome_ = result;
        return {pause::done};
    }

    /// Many waiters are no many files, nor watches.
    pause wait_for_turn(mutex_lock& lock) noexcept {
        if (file_.is_open() || file_.watch() != nullptr) leave_file(lock);
        is_due_ = true;
        return {pause::turn, patience()};
    }

    pause at_front(mutex_lock& lock) {
        if (quick_tries_left_ > 0 && state_.is_free()) {
            --quick_tries_left_;
            is_due_ = true;
            return {pause::none};
        }
        const bool is_out_of_reach = state_.is_out_of_reach();
        lock.unlock();
        open_file();
        kept_watch& watch = file_.watch();
        if (std::exchange(has_lost_watch_, false)) watch = nullptr;
        if (watch == nullptr) watch = lock_registry::instance().take_watch();
        const bool has_place = file_.stand_in_line(request_.kind, in_microseconds(since_));
        in_line_since_ = clock::now();
        // Without a bell it needs the watch at once. Watch first, then try, then sleep: a release before the watch is
        // seen by that attempt, a later one by the watch.
        const bool can_be_called = has_place && watch != nullptr && watch->address() != no_address;
        if (!can_be_called || is_out_of_reach) start_watching();
        look_at_line();
        come_back(lock);
        self_->stands_in_line = can_be_called;
        is_in_line_ = true;
        is_due_ = is_first_;
        return {pause::none};
    }

    pause in_line(mutex_lock& lock) {
        if (is_due_) return {pause::none};
        if (std::exchange(must_look_, false)) {
            lock.unlock();
            look_at_line();
            lock_state::relock(lock);
        }
        const auto now = clock::now();
        const kept_watch& watch = file_.watch();
        const bool is_watching = watch != nullptr && watch->is_watching();
        const auto watch_at = (std::max)(in_line_since_ + (is_first_ ? unwatched_first : unwatched), watch_again_);
        if (watch != nullptr && !is_watching && now >= watch_at) {
            lock.unlock();
            start_watching();
            look_at_line();
            lock_state::relock(lock);
            is_due_ = is_first_;
            return {pause::none};
        }
        deadline next{now, next_pause(now, is_watching)};
        if (watch != nullptr && !is_watching) next = sooner(next, deadline{now, watch_at - now});
        return {pause::news, sooner(next, patience())};
    }

    std::chrono::nanoseconds next_pause(clock::time_point now, bool is_watching) noexcept {
        if (is_first_) return backoff_.next(now - since_, is_watching || !self_->stands_in_line, shortest_pause_);
        if (std::exchange(has_heard_, false)) return backoff::grace();
        return (std::max)(backoff_.next_behind(), shortest_pause_);
    }

    /// What ended the sleep for news.
    void hear(watch_event event) noexcept {
        if (event == watch_event::lost) {
            file_.leave_line();
            is_in_line_ = false;
            is_due_ = has_lost_watch_ = true;
            return;
        }
        if (event == watch_event::others) {
            shall_rest_ = true;
            return;
        }
        in_doubt_ = in_doubt_ || event == watch_event::moved || event == watch_event::none;
        if (event == watch_event::called || event == watch_event::moved) {
            is_due_ = must_look_ = true;
        } else {
            const line_place before = first_;
            look_at_line();
            is_due_ = is_first_ || (event == watch_event::none && first_ == before);
        }
        const auto now = clock::now();
        if (event == watch_event::none) {
            // Not between two bytes of a stranger who takes his time.
            if (now - called_at_ > rest) in_vain_ = 0;
            return;
        }
        if (event == watch_event::called) called_at_ = now;
        has_heard_ = event == watch_event::hint;
        backoff_.heard_event();
        be_woken_in_vain();
    }

    /// As far as it turns out.
    void be_woken_in_vain() noexcept {
        if (clock::now() - since_ <= lasting || ++in_vain_ < most_in_vain) return;
        in_vain_ = 0;
        shall_rest_ = true;
    }

    // ---- the system, asked with the table unlocked ----

    /// Locks the table, after file_ may have become another one.
    void come_back(mutex_lock& lock) noexcept {
        lock_state::relock(lock);
        if (self_) state_.has_open(*self_, file_.identity());
    }

    /// One attempt at the system's lock; or without `tries` only a look whether the file has moved.
    bool attempt(mutex_lock& lock, bool tries = true) {
        if (!state_.is_free() && !in_doubt_) return false;
        tries = tries && state_.is_free();
        if (!tries && !file_.is_open()) return false;
        // Who stands in line already, or has no later chance, gives way to nobody; but a reader to writers.
        const bool has_chance = !request_.is_immediate() || gives_way_;
        const bool gives_way = has_chance && !is_in_line_ && !is_last_ && state_.gives_way(request_.is_immediate());
        is_due_ = false;
        if (!file_.is_open()) take_idle_file();
        lock.unlock();
        const bool locked = try_system_lock(tries, gives_way);
        if (locked) {
            is_in_line_ = false;
            file_.leave_line();
            if (request_.kind == lock_kind::shared) file_.call_reader();
        }
        come_back(lock);
        if (self_ && !is_in_line_) self_->stands_in_line = false;
        if (!locked) return false;
        found_ = file_.identity();
        ticket_ = state_.enter_first(lock, request_, file_);
        if (ticket_ == 0) {  // another thread was faster
            lock.unlock();
            file_.close();
            file_.watch() = nullptr;
            come_back(lock);
            return false;
        }
        return true;
    }

    /// True: locked, and it is the file that the path names. A file that is no longer is left for the one that is.
    bool try_system_lock(bool tries, bool gives_way) {
        constexpr int enough = 100;  // for a directory in which somebody replaces the file all the time
        for (int i = 0; i < enough; ++i) {
            if (file_.is_open() && !file_.is_intact()) leave_moved_file();
            open_file();
            if (!file_.is_open()) return false;
            if (gives_way && shows_whom_to_let_go()) {
                quick_tries_left_ = 0;
                return false;
            }
            const bool locked = tries && try_lock();
            if (!locked && !in_doubt_) return false;
            in_doubt_ = false;
            if (file_.is_at(state_.path())) return locked;
            file_.close();
            leave_moved_file();
            tries = true;
        }
        check_identities(state_.path());
        shall_rest_ = true;
        return false;
    }

    [[nodiscard]] bool shows_whom_to_let_go() const noexcept {
        if (request_.is_immediate()) return file_.writer_came_before(in_microseconds(since_));
        return file_.look_at_line().shows_waiter();
    }

    bool try_lock() {
        if (gives_way_ && file_.writer_came_before(in_microseconds(since_))) {
            return file_.try_lock_shared_if_free(state_.path());
        }
        return file_.try_lock(request_.kind, state_.path());
    }

    /// What was known of it is of no use for the next one.
    void leave_moved_file() noexcept {
        if (file_.watch() != nullptr) file_.watch()->unwatch();
        is_in_line_ = false;
        in_doubt_ = false;
    }

    /// Which may not be the path's file any more.
    void take_idle_file() noexcept {
        kept_watch watch = std::move(file_.watch());
        file_ = state_.take_idle_file(request_.options.method);
        file_.watch() = std::move(watch);
        in_doubt_ = in_doubt_ || file_.is_open();
    }

    /// It may stay closed: others keep it from being opened.
    void open_file() {
        if (file_.is_open()) return;
        file_.open(state_.path(), creation{request_.options}, request_.options.method);
        if (file_.is_open()) is_in_line_ = false;
    }

    void start_watching() {
        constexpr std::chrono::nanoseconds second = std::chrono::seconds{1};
        if (!file_.start_watching(state_.path())) watch_again_ = clock::now() + (std::max)(second, shortest_pause_);
        in_doubt_ = true;
    }

    void look_at_line() noexcept {
        const line_view others = file_.look_at_line();
        first_ = others.place;
        is_first_ = file_.is_before(others);
    }

    /// Passes the turn on, if it was this waiter's.
    void leave_file(mutex_lock& lock, bool keeps = true) noexcept {
        is_in_line_ = false;
        if (self_) self_->stands_in_line = false;
        lock.unlock();
        const line_view next = file_.release();
        if (next.what != line_view::nobody) state_.call(next, file_, false);
        file_.watch() = nullptr;
        come_back(lock);
        const bool is_new_keeper = keeps && request_.options.keep_open && state_.put_idle_file(file_);
        lock.unlock();
        if (is_new_keeper) state_.register_keeper();
        file_.close();
        come_back(lock);
    }

    // ---- the driver that does not sleep ----

    bool notice(mutex_lock& lock, const pause& awaited) {
        const bool is_over = awaited.end.has_passed();
        if (std::exchange(self_->woken, false)) return is_due_ = true;
        if (awaited.what == pause::rest && is_over) is_due_ = in_doubt_ = true;
        if (awaited.what != pause::news) return is_over;
        lock.unlock();
        const watch_event event = watch() == nullptr ? watch_event::none : watch()->wait(std::chrono::nanoseconds::zero());
        const bool has_come = is_over || event != watch_event::none;
        if (has_come) hear(event);
        lock_state::relock(lock);
        return has_come;
    }

    // ---- the thread's driver ----

    void sleep(mutex_lock& lock, const pause& until) {
        if (until.what == pause::none) return;
        if (until.what == pause::turn && event_to_sleep_on() != nullptr) take_watch(lock);
        release_watch* const watch = file_.watch().get();
        if (!self_->woken && until.what != pause::rest && watch != nullptr) {
            self_->watch = watch;
            lock.unlock();
            const watch_event heard = listen(*watch, until.end);
            if (until.what == pause::news) hear(heard);
            lock_state::relock(lock);
            self_->watch = nullptr;
            if (until.what == pause::turn && heard == watch_event::called && !self_->woken) be_woken_in_vain();
        } else if (!self_->woken) {
            wait_for_wakeup(lock, until);
        }
        if (std::exchange(self_->woken, false)) is_due_ = true;
    }

    /// Null: nobody cancels it, or by its state's queue alone.
    [[nodiscard]] const cancellation_event* event_to_sleep_on() const noexcept {
        const cancellation_event* const event = request_.stop_event();
        return event != nullptr && event->is_usable() ? event : nullptr;
    }

    /// One who can be cancelled does not rely on its descriptors, which the program may close meanwhile.
    watch_event listen(release_watch& watch, const deadline& end) const noexcept {
        constexpr std::chrono::seconds doubt{1};
        for (;;) {
            const cancellation_event* const event = event_to_sleep_on();
            std::chrono::nanoseconds piece = longest_sleep;
            if (request_.stop_event() != nullptr) piece = event != nullptr ? doubt : short_piece;
            const watch_event heard = watch.wait(end.limit(piece), event);
            if (heard != watch_event::none || request_.is_stopped() || end.has_passed()) return heard;
            if (event != nullptr) request_.stop->calm();
        }
    }

    /// A signal handler may notify no condition variable, so who is cancelled by one waits for its turn on a watch.
    void take_watch(mutex_lock& lock) {
        lock.unlock();
        file_.watch() = lock_registry::instance().take_watch();
        lock_state::relock(lock);
    }

    /// A turn; a rest; or news, where the system has no descriptor left to hear of them.
    void wait_for_wakeup(mutex_lock& lock, const pause& until) {
        if (request_.stop_event() != nullptr) {
            wait_for_stop(lock, *request_.stop_event(), until.end);
        } else {
            const cancellation_shield shield;
            self_->wakeup.wait_for(lock, until.end.limit(longest_sleep));
        }
        if (until.what == pause::rest) is_due_ = in_doubt_ = true;
        if (until.what != pause::news) return;
        lock.unlock();
        hear(watch_event::none);
        lock_state::relock(lock);
    }

    /// What others of this process have for it is seen late by a piece at most.
    void wait_for_stop(mutex_lock& lock, const cancellation_event& stop, const deadline& end) noexcept {
        while (!self_->woken && !request_.is_stopped() && !end.has_passed()) {
            lock.unlock();
            stop.wait(end.limit(short_piece));
            if (!request_.is_stopped()) request_.stop->calm();
            lock_state::relock(lock);
        }
    }

    /// Until when it may sleep without another attempt.
    [[nodiscard]] deadline patience() const noexcept {
        const deadline wakes = sooner(deadline_, tells_again_);
        return gives_way_ ? sooner(wakes, end_of_courtesy()) : wakes;
    }
    [[nodiscard]] deadline end_of_courtesy() const noexcept { return {since_, request_.options.courtesy}; }
    static deadline sooner(const deadline& a, const deadline& b) noexcept { return a.time() < b.time() ? a : b; }

    lock_state& state_;
    const request& request_;
    wake_listener* listener_ = nullptr;
    std::chrono::nanoseconds shortest_pause_{0};
    ticket ticket_ = 0;
    file_identity found_{};
    outcome outcome_ = outcome::timed_out;
    clock::time_point since_{};
    deadline deadline_{};
    deadline tells_again_{};  // on_wait
    lock_file file_{};
    std::optional<waiter> self_{};  // its place in the queue
    backoff backoff_{request_.options.poll_interval};
    int quick_tries_left_ = quick_tries;

    bool has_failed_ = true;  // unless it ends otherwise than by an exception
    bool has_told_ = request_.has_told;
    bool is_last_ = false;  // this attempt
    bool gives_way_ = false;  // to writers that came before
    bool is_due_ = true;      // an attempt
    bool in_doubt_ = false;   // file_ may not be the path's file any more
    bool shall_rest_ = false;  // somebody replaces the file all the time, or wakes it in vain

    // In line:
    bool is_in_line_ = false;
    clock::time_point in_line_since_{};
    clock::time_point watch_again_{};
    line_place first_{};      // of the others, at the last look
    bool is_first_ = true;    // before them
    bool has_lost_watch_ = false;
    bool must_look_ = false;  // again, as they may have changed
    bool has_heard_ = false;  // an event that may have been for others
    int in_vain_ = 0;         // how often it was woken
    clock::time_point called_at_{};
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

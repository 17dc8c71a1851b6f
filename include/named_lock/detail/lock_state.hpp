// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// One lock_state per path in a process: who of this process holds it, and which threads wait.
//
// The process holds the system's lock once, on one open file, for all holds in the table: either one exclusive hold
// with the re-entries of its thread, or any number of shared ones. The last hold that goes gives the lock up; the file may
// stay open for the next one. No system call about the file is made with the mutex locked: on a network file system that
// may take long, and the other threads have deadlines of their own.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/detail/lock_file.hpp>
#include <named_lock/detail/message.hpp>
#include <named_lock/detail/name_rules.hpp>
#include <named_lock/detail/request.hpp>
#include <named_lock/detail/wake_listener.hpp>
#include <named_lock/errors.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// Who waits for a lock_state. Its members are used with the state's mutex locked.
struct waiter {
    waiter(const request& r, std::chrono::steady_clock::time_point came, wake_listener* to_tell) noexcept
        : asked{r}, since{came}, listener{to_tell} {}
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    const request& asked;
    const std::chrono::steady_clock::time_point since;
    wake_listener* const listener;  // null: its thread sleeps
    file_identity file{};           // that it has open, if any
    std::condition_variable wakeup{};
    release_watch* watch = nullptr;  // what it sleeps on, if not on `wakeup`
    bool woken = false;              // since it last slept
    bool stands_in_line = false;     // of processes: a release calls it there, if it is first
    waiter* next = nullptr;

    void wake() noexcept {
        if (std::exchange(woken, true)) return;
        if (watch != nullptr) watch->interrupt();
        if (listener != nullptr) listener->tell(*listener);
        wakeup.notify_one();
    }
};

class lock_state : public std::enable_shared_from_this<lock_state> {
  public:
    using mutex_lock = std::unique_lock<std::mutex>;

    explicit lock_state(std::filesystem::path path)
        : path_{std::move(path)}, file_name_{utf8_of(path_.filename())}, name_{name_in(file_name_)} {}
    lock_state(const lock_state&) = delete;
    lock_state& operator=(const lock_state&) = delete;

    /// "x" for "x.lock"; empty for a file that is called otherwise.
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const std::string& file_name() const noexcept { return file_name_; }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

    /// Locks the table.
    mutex_lock enter() {
        forget_parent();
        mutex_lock lock{mutex_, std::defer_lock};
        relock(lock);
        return lock;
    }

    /// The table is never locked for long, so a few tries mostly spare a sleep that only a system call ends. (Measured,
    /// two threads, empty holds: 540,000 grants a second instead of 330,000.)
    NAMED_LOCK_OUT_OF_LINE static void relock(mutex_lock& lock) {
        constexpr int tries = 100;
        for (int i = 0; i < tries; ++i) {
            if (lock.try_lock()) return;
        }
        lock.lock();
    }

    /// In a forked child: its holds and waiters.
    void forget_parent() noexcept {
        if (generation_.load(std::memory_order_acquire) != fork_generation()) start_afresh();
    }

    /// For what happened under this one to come before what happens under the next one of its path, also in the eyes of
    /// threads that have met nowhere but at the system's lock.
    void meet_last_user() noexcept {
        if (generation_.load() == fork_generation()) const std::scoped_lock met{mutex_};
    }

    // Whole operations.

    [[nodiscard]] bool holds(ticket t) {
        const auto lock = enter();
        return find(t) != holds_.end();
    }

    [[nodiscard]] std::size_t count(owner_id owner) {
        const auto lock = enter();
        std::size_t count = 0;
        for (const hold& h : holds_) count += h.owner == owner ? 1 : 0;
        return count;
    }

    /// By whatever thread.
    [[nodiscard]] bool is_held_here() {
        const auto lock = enter();
        return !is_free();
    }

    /// Gives up that hold if it is still there.
    void give_up(ticket t) noexcept {
        auto lock = enter();
        if (const auto found = find(t); found != holds_.end()) drop(lock, found);
    }

    /// Gives up one hold of `owner` of that kind: the latest that no guard has, else the latest. False: it has none.
    bool give_up_kind(owner_id owner, lock_kind kind) {
        auto lock = enter();
        auto found =
            latest([&](const hold& h) { return h.owner == owner && h.kind == kind && h.end == given_up_by::unlock; });
        if (found == holds_.end()) {
            found = latest([&](const hold& h) { return h.owner == owner && h.kind == kind; });
        }
        if (found == holds_.end()) return false;
        drop(lock, found);
        return true;
    }

    /// Gives up the latest hold of `owner`. False: it has none.
    bool give_up_latest(owner_id owner) {
        auto lock = enter();
        const auto found = latest([owner](const hold& h) { return h.owner == owner; });
        if (found == holds_.end()) return false;
        drop(lock, found);
        return true;
    }

    /// Wakes the acquisition that looks at `stop`.
    void wake(const stop_signal& stop) {
        const auto lock = enter();
        for (waiter* w = first_; w != nullptr; w = w->next) {
            if (w->asked.stop == &stop) w->wake();
        }
    }

    // Steps of an acquisition, with the table locked.

    /// Nobody in this process holds it: whether another process does, the system must be asked.
    [[nodiscard]] bool is_free() const noexcept { return holds_.empty(); }

    /// A hold beside one that this process has already: the owner's own, or a shared one beside shared ones. 0: there
    /// is none that allows it. `gives_way`: not past a writer that came before, here or in another process. `self`: its
    /// place in the queue, if it has one.
    ticket enter_again(mutex_lock& lock, const request& r, bool gives_way, const waiter* self = nullptr) {
        if (is_free()) return 0;
        const bool is_owner =
            r.owner != no_thread && latest([&](const hold& h) { return h.owner == r.owner; }) != holds_.end();
        const bool same_method = file_.method() == r.options.method;
        if (is_owner) {
            if (!same_method) refuse("held with the other lock_method");
            if (kind_ == lock_kind::shared && r.kind == lock_kind::exclusive) {
                refuse("this thread holds it shared, and there is no atomic upgrade");
            }
            return add(r);
        }
        const bool both_shared = kind_ == lock_kind::shared && r.kind == lock_kind::shared;
        if (!both_shared || !same_method || (gives_way && has_writer_before(self))) return 0;
        return join(lock, r, gives_way, self == nullptr ? std::chrono::steady_clock::now() : self->since);
    }

    /// Enters the first hold; `file` is locked, and becomes the process's file. 0: another thread was faster.
    ticket enter_first(mutex_lock& lock, const request& r, lock_file& file) {
        if (!is_free()) return enter_again(lock, r, false);
        const ticket t = add(r);
        file_ = std::move(file);
        kind_ = r.kind;
        stays_open_ = r.options.keep_open;
        goes_ = r.options.remove_on_release && r.kind == lock_kind::exclusive;
        wake_who_may_not_wait_for(file_.identity());
        return t;
    }

    // What threads of this process wait for, if they wait here, are the files that it holds, and that those in the queue
    // have open. Who may not wait for such a file is woken as soon as there is one.

    void has_open(waiter& w, const file_identity& file) noexcept {
        if (w.file == file) return;
        w.file = file;
        wake_who_may_not_wait_for(file);
    }

    /// One of these for which `r` may not wait; not told: there is none.
    [[nodiscard]] file_identity out_of_order(const request& r) const noexcept {
        if (!r.after.is_told()) return {};
        if (!r.may_wait_for(file_.identity())) return file_.identity();
        const waiter* w = first_;
        while (w != nullptr && r.may_wait_for(w->file)) w = w->next;
        return w != nullptr ? w->file : file_identity{};
    }

    /// The file that the last hold left open, or none.
    [[nodiscard]] lock_file take_idle_file(lock_method method) noexcept {
        return idle_file_.is_open() && idle_file_.method() == method ? std::move(idle_file_) : lock_file{};
    }

    /// Keeps a file that is not needed now, if it may stay open; else `file` has it still. True: register_keeper() must
    /// follow, with the table unlocked.
    [[nodiscard]] bool put_idle_file(lock_file& file) noexcept {
        if (!file.may_stay_open() || idle_file_.is_open()) return false;
        idle_file_ = std::move(file);
        return !std::exchange(keeps_file_, true);
    }
    void register_keeper() noexcept;  // in lock_registry.hpp

    /// Whether the next one who releases may be unable to call this process.
    [[nodiscard]] bool is_out_of_reach() const noexcept {
        return line_memory_ != nullptr &&
               line_memory_->is_out_of_reach(in_microseconds(std::chrono::steady_clock::now()));
    }

    /// Whether the threads of this process let others go first who stand in line. Not for long: who was called and has not
    /// come by then is stopped. And a single attempt is not refused twice.
    [[nodiscard]] bool gives_way(bool is_single_attempt) noexcept {
        constexpr std::chrono::steady_clock::time_point never{};
        const bool gives = gives_way_until_ != never && std::chrono::steady_clock::now() < gives_way_until_;
        if (is_single_attempt) gives_way_until_ = never;
        return gives;
    }

    /// A thread that comes now may be faster than one that has to be woken first, which keeps short critical sections
    /// busy. But none waits for longer than this behind newcomers when its turn has come; but for single attempts, which
    /// have no later chance, and of these a reader's that gives way to a writer does not go on for ever either.
    [[nodiscard]] bool may_overtake(const request& r, bool gives_way) noexcept {
        if (first_ == nullptr || std::chrono::steady_clock::now() - turn_since_ < patience) return true;
        return r.is_immediate() && !(gives_way && has_writer_before(nullptr));
    }

    [[nodiscard]] bool has_queue() const noexcept { return first_ != nullptr; }
    [[nodiscard]] bool is_front(const waiter& w) const noexcept { return first_ == &w; }

    void enqueue(waiter& w) noexcept {
        if (first_ == nullptr) turn_since_ = w.since;
        waiter** end = &first_;
        while (*end != nullptr) end = &(*end)->next;
        *end = &w;
    }

    /// Moves `w`, which is in the queue, before the writers that came before it.
    void pass_writers(waiter& w) noexcept {
        waiter** const at = first_writer_or(&w);
        if (*at == &w) return;
        if (at == &first_) wake_front();  // it is no longer the one that waits on the system
        take_out(w);
        w.next = std::exchange(*at, &w);
    }

    /// Takes `w` out. The next one is woken if it may have become its turn to ask the system, or to join.
    void leave_queue(waiter& w) noexcept {
        const bool was_front = is_front(w);
        take_out(w);
        if (was_front) turn_since_ = std::chrono::steady_clock::now();
        const bool exclusive_now = !is_free() && kind_ == lock_kind::exclusive;
        if (was_front && !exclusive_now) wake_front();
    }

    // Without the table locked.

    /// Calls the next in line to a file that was given up.
    NAMED_LOCK_OUT_OF_LINE void call(const line_view& next, lock_file& given_up, bool may_give_way) noexcept {
        const auto time = std::chrono::steady_clock::now();
        const auto now = in_microseconds(time);
        mutex_lock lock = enter();
        if (line_memory_ == nullptr) line_memory_.reset(new (std::nothrow) line_memory);
        line_memory memory = line_memory_ != nullptr ? *line_memory_ : line_memory{};
        lock.unlock();
        const auto answer = given_up.call(next, memory, now);
        relock(lock);
        if (line_memory_ != nullptr) *line_memory_ = memory;
        gives_way_until_ = {};
        if (may_give_way && now - answer.since > patience) gives_way_until_ = time + line_memory::slow;
    }

    /// Closes the file that was left open.
    void close_idle_file() noexcept {
        lock_file closed;
        const auto lock = enter();
        closed = std::move(idle_file_);
        keeps_file_ = false;
    }  // after the mutex is unlocked: closing may take long

  private:
    /// Nobody waits for longer than this behind newcomers of a process that has just held the lock.
    static constexpr std::chrono::milliseconds patience{1};

    struct hold {
        ticket id;
        owner_id owner;
        lock_kind kind;
        given_up_by end;
    };
    using iterator = std::vector<hold>::iterator;

    iterator find(ticket t) noexcept {
        return latest([t](const hold& h) { return h.id == t; });
    }

    template <class Wanted>
    iterator latest(Wanted wanted) noexcept {
        for (iterator h = holds_.end(); h != holds_.begin();) {
            if (wanted(*--h)) return h;
        }
        return holds_.end();
    }

    /// Whether a writer waits before `self`, or anywhere if that is null. Readers alone do not keep each other waiting:
    /// once some were queued, all others would queue behind them, and enter one by one.
    [[nodiscard]] bool has_writer_before(const waiter* self) noexcept {
        const waiter* const w = *first_writer_or(self);
        return w != nullptr && w != self;
    }

    /// The link to the first writer in the queue, or to `self` if that comes before it, or to its end.
    waiter** first_writer_or(const waiter* self) noexcept {
        waiter** at = &first_;
        while (*at != nullptr && *at != self && (*at)->asked.kind == lock_kind::shared) at = &(*at)->next;
        return at;
    }

    void take_out(waiter& w) noexcept {
        waiter** at = &first_;
        while (*at != nullptr && *at != &w) at = &(*at)->next;
        if (*at != nullptr) *at = w.next;
    }

    ticket add(const request& r) { return add(r, r.owner); }
    ticket add(const request& r, owner_id owner) {
        holds_.push_back({last_ticket_ + 1, owner, r.kind, r.end});
        if (r.end == given_up_by::unlock && self_ == nullptr) self_ = shared_from_this();
        return ++last_ticket_;
    }

    /// A shared hold beside others. It is entered first, so that the others cannot give the file up, and looked at after
    /// that, with the table unlocked; until then it is nobody's.
    ticket join(mutex_lock& lock, const request& r, bool gives_way, std::chrono::steady_clock::time_point since) {
        struct trial {
            ~trial() {
                if (!lock.owns_lock()) relock(lock);
                const auto found = state.find(id);
                if (fits) {
                    found->owner = owner;
                } else {
                    state.drop(lock, found);
                    if (!lock.owns_lock()) relock(lock);
                }
            }
            lock_state& state;
            mutex_lock& lock;
            ticket id;
            owner_id owner;
            bool fits = false;
        };
        const ticket id = add(r, nobody_yet);
        trial tried{*this, lock, id, r.owner};
        lock.unlock();
        // Of a file that was replaced, another process may hold the new one.
        tried.fits = file_.is_at(path_) && !(gives_way && file_.writer_came_before(in_microseconds(since)));
        return tried.fits ? id : 0;
    }

    /// Gives up a hold; leaves the table unlocked if it was the last one.
    void drop(mutex_lock& lock, iterator which) noexcept {
        holds_.erase(which);
        if (!holds_.empty()) return;
        const std::shared_ptr<lock_state> self = std::move(self_);
        lock_file given_up = std::move(file_);
        const bool goes = goes_;
        const bool stays_open = stays_open_ && !goes;
        const bool has_line = given_up.has_line();
        lock.unlock();
        if (goes) given_up.remove_from(path_);
        const line_view next = given_up.release();
        if (next.what != line_view::nobody) call(next, given_up, true);
        if (!has_line) given_up.close();  // so that whoever watches it hears
        if (goes) remove_released_file(path_);
        const kept_watch ends_last = std::move(given_up.watch());
        relock(lock);
        // After the release: its next attempt must find the file free. One in the line of processes was called there, if
        // it is the line of this file and not that of another one, which has its place now.
        const bool is_called = next.shows_waiter() && given_up.is_open();
        const bool stands_here = first_ != nullptr && first_->stands_in_line && first_->file == given_up.identity();
        if (first_ != nullptr && !(stands_here && is_called)) first_->wake();
        const bool is_new_keeper = stays_open && put_idle_file(given_up);
        lock.unlock();
        if (is_new_keeper) register_keeper();
    }

    void wake_who_may_not_wait_for(const file_identity& file) noexcept {
        for (waiter* w = first_; w != nullptr; w = w->next) {
            if (!w->asked.may_wait_for(file)) w->wake();
        }
    }

    void wake_front() noexcept {
        if (first_ != nullptr) first_->wake();
    }

    [[noreturn]] void refuse(const char* why) const {
        throw lock_error{std::errc::resource_deadlock_would_occur, "acquire", path_, why};
    }

    void start_afresh() noexcept;  // in lock_registry.hpp

    static constexpr owner_id nobody_yet = (std::numeric_limits<owner_id>::max)();

    const std::filesystem::path path_;
    const std::string file_name_;
    const std::string name_;
    std::mutex mutex_{};
    std::atomic<std::uint32_t> generation_{fork_generation()};
    lock_kind kind_ = lock_kind::shared;
    bool stays_open_ = false;  // file_, after the last hold
    bool goes_ = false;        // from its path, with the last hold
    bool keeps_file_ = false;  // idle_file_ counts among those of the process
    std::vector<hold> holds_{};  // in the order in which they were acquired
    lock_file file_{};           // locked while there are holds, else none
    lock_file idle_file_{};      // neither locked nor in line
    std::unique_ptr<line_memory> line_memory_{};  // once somebody has stood in line
    std::chrono::steady_clock::time_point gives_way_until_{};
    ticket last_ticket_ = 0;
    waiter* first_ = nullptr;
    std::chrono::steady_clock::time_point turn_since_{};  // of first_
    std::shared_ptr<lock_state> self_{};  // while there is a hold of lock(), which has no guard to keep this alive
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

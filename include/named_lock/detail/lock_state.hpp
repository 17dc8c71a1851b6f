// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// One lock_state per path in a process: who of this process holds it, and which threads wait.
//
// The process holds the system's lock once, on one open file, for all holds in the table: either one exclusive hold
// with the re-entries of its thread, or any number of shared ones. The last hold that goes gives the file up. The
// system's lock is neither taken nor dropped with the mutex locked: on a network file system that may take long, and
// the other threads have deadlines of their own.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/detail/backoff.hpp>
#include <named_lock/detail/lock_file.hpp>
#include <named_lock/detail/request.hpp>
#include <named_lock/errors.hpp>

namespace nlock::detail {

/// A thread that waits for a lock_state. Its members are used with the state's mutex locked.
struct waiter {
    explicit waiter(const request& r) noexcept : kind{r.kind}, stop{r.stop} {}

    const lock_kind kind;
    const stop_signal* stop;  // or null
    std::condition_variable wakeup;
    release_watch* watch = nullptr;  // what it sleeps on, if not on `wakeup`
    bool woken = false;              // since it last slept
    waiter* next = nullptr;
    const std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();

    void wake() noexcept {
        if (std::exchange(woken, true)) return;
        if (watch != nullptr) watch->interrupt();
        wakeup.notify_one();
    }
};

class lock_state : public std::enable_shared_from_this<lock_state> {
  public:
    using mutex_lock = std::unique_lock<std::mutex>;

    lock_state(std::string name, std::filesystem::path path) : name_{std::move(name)}, path_{std::move(path)} {}
    lock_state(const lock_state&) = delete;
    lock_state& operator=(const lock_state&) = delete;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
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
            if (w->stop == &stop) w->wake();
        }
    }

    // Steps of an acquisition, with the table locked.

    /// Nobody in this process holds it: whether another process does, the system must be asked.
    [[nodiscard]] bool is_free() const noexcept { return holds_.empty(); }

    /// A hold beside one that this process has already: the owner's own, or a shared one beside shared ones. 0: there
    /// is none that allows it. `gives_way`: not past a writer that waits, here or in another process. `self`: its place
    /// in the queue, if it has one.
    ticket enter_again(const request& r, bool gives_way, const waiter* self = nullptr) {
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
        if (!both_shared || !same_method) return 0;
        if (gives_way && (has_writer_before(self) || file_.has_waiting_writer(r.options.method))) return 0;
        return file_.is_at(path_) ? add(r) : 0;  // of a file that was replaced, another process may hold the new one
    }

    /// Enters the first hold; `file` is locked, and becomes the process's file. 0: another thread was faster.
    ticket enter_first(const request& r, lock_file& file) {
        if (!is_free()) return enter_again(r, false);
        const ticket t = add(r);
        file_ = std::move(file);
        kind_ = r.kind;
        return t;
    }

    /// A thread that comes now may be faster than one that has to be woken first, which keeps short critical sections
    /// busy. But none waits for longer than this behind newcomers when its turn has come.
    [[nodiscard]] bool may_overtake() const noexcept {
        constexpr auto patience = std::chrono::milliseconds{1};
        return first_ == nullptr || std::chrono::steady_clock::now() - turn_since_ < patience;
    }

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

    std::chrono::nanoseconds first_rest = backoff::shortest;  // of the next waiter

  private:
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
        while (*at != nullptr && *at != self && (*at)->kind == lock_kind::shared) at = &(*at)->next;
        return at;
    }

    void take_out(waiter& w) noexcept {
        waiter** at = &first_;
        while (*at != nullptr && *at != &w) at = &(*at)->next;
        if (*at != nullptr) *at = w.next;
    }

    ticket add(const request& r) {
        holds_.push_back({last_ticket_ + 1, r.owner, r.kind, r.end});
        if (r.end == given_up_by::unlock && self_ == nullptr) self_ = shared_from_this();
        return ++last_ticket_;
    }

    void drop(mutex_lock& lock, iterator which) noexcept {
        holds_.erase(which);
        if (!holds_.empty()) return;
        const std::shared_ptr<lock_state> self = std::move(self_);
        lock_file given_up = std::move(file_);
        lock.unlock();
        given_up.close();
        relock(lock);
        wake_front();   // after the close: its next attempt must find the file free
        lock.unlock();  // before given_up goes, with its watch
    }

    void wake_front() noexcept {
        if (first_ != nullptr) first_->wake();
    }

    [[noreturn]] void refuse(const char* why) const {
        throw lock_error{std::errc::resource_deadlock_would_occur, "acquire", path_, why};
    }

    void start_afresh() noexcept;  // in lock_registry.hpp

    const std::string name_;
    const std::filesystem::path path_;
    std::atomic<std::uint32_t> generation_{fork_generation()};
    std::mutex mutex_;
    std::vector<hold> holds_;  // in the order in which they were acquired
    lock_file file_;           // locked while there are holds
    lock_kind kind_ = lock_kind::shared;
    ticket last_ticket_ = 0;
    waiter* first_ = nullptr;
    std::chrono::steady_clock::time_point turn_since_;  // of first_
    std::shared_ptr<lock_state> self_;  // while there is a hold of lock(), which has no guard to keep this alive
};

}  // namespace nlock::detail

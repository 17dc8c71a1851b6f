// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Named locks between processes.
//
//     #include <named_lock/named_lock.hpp>
//     using namespace std::chrono_literals;
//
//     nlock::named_lock lock{"calculation", "/var/lib/shop/locks"};   // nothing is touched yet
//     try {
//         auto guard = lock.acquire(10s);     // creates /var/lib/shop/locks/calculation.lock
//         // here is no other process, and no other thread, that acquired this name
//     } catch (const nlock::lock_timeout& e) {
//         std::cerr << e.what() << '\n';      // "... not acquired within 10 s; held by pid 4242 (report)"
//     }
//
// What you may rely on:
//
// - The path of the lock file is the lock. It excludes all who lock that file the same way: other processes, other
//   threads of this one, Python's filelock, Jam.py, flock(1). The lock is advisory: it stops only those who ask.
// - The system releases the lock of a process that ends, however it ends. There are no stale locks.
// - The file's content is never read, written or truncated, and the file is never deleted (but see remove_on_release).
// - "Held by somebody else" is the only reason to wait. Everything else is reported at once, as lock_error.
// - Time-outs run on the steady clock from the call; the last attempt is made when the time is over.
// - A waiter sleeps; on a local Linux file system the release itself wakes it.
// - fork(): the child holds nothing, whatever the parent holds. Nothing is inherited through exec.
//   (fork() in a signal handler is not supported; neither are children made by clone() or _Fork() that go on using
//   this library's objects.)
//
// What you owe: programs that share a lock use one lock_method; a thread that holds one lock and waits for another can
// deadlock, as with any mutex (acquire_all() helps); network file systems lock as well as their servers do.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>
#if __cplusplus > 201703L || (defined(_MSVC_LANG) && _MSVC_LANG > 201703L)
#include <version>
#endif
#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

#include <named_lock/cancellation.hpp>
#include <named_lock/detail/abi.hpp>
#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/stop_signal.hpp>
#include <named_lock/detail/timeout.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/guard.hpp>
#include <named_lock/lock_name.hpp>
#include <named_lock/options.hpp>
#include <named_lock/version.hpp>

namespace nlock::NAMED_LOCK_ABI {
class pending_acquire;

/// A handle to the lock `<locks_dir>/<name>.lock`, with its own options. Copies and other objects of the same path are
/// the same lock: a thread that holds it enters again through any of them, at the price of a counter; other threads
/// wait. Two paths of one file (hard links, bind mounts, upper and lower case where it makes no difference) are two
/// locks that exclude each other: a thread that holds the one waits for itself with the other. Meets Lockable,
/// TimedLockable and SharedTimedLockable of the standard.
///
/// Thread safety: every member function but the assignment may be called by any thread on any object at any time, because
/// all state that changes lies behind the mutex of the path. An object may also be assigned to while acquisitions wait
/// through it, on_wait included: they go on with the lock and the options that it had when they were called.
///
/// Errors: acquiring throws lock_timeout, lock_cancelled, or lock_error for what is not contention; all but the
/// constructors, name(), path() and timeout() may throw std::bad_alloc. Nothing is held after a throw.
/// @since 1.0.0
class named_lock {
  public:
    /// @{
    /// Throws invalid_lock_name unless `name` is 1 to 250 bytes of UTF-8 without control characters and without any of
    /// / \ < > : " | ? *, and is none of ".", ".." and Windows' device names. Nothing is created; the path is made
    /// absolute, with symlinks resolved, now.
    explicit named_lock(std::string_view name, lock_options options = {});

    named_lock(std::string_view name, std::filesystem::path locks_dir)
        : named_lock{name, lock_options{std::move(locks_dir)}} {}

    named_lock(std::string_view name, std::chrono::nanoseconds timeout)
        : named_lock{name, lock_options{lock_options{}.locks_dir, timeout}} {}

    named_lock(std::string_view name, std::filesystem::path locks_dir, std::chrono::nanoseconds timeout)
        : named_lock{name, lock_options{std::move(locks_dir), timeout}} {}
    /// @}

    /// Exactly that file, whatever it is called: "/run/lock/app", "data/.lock"; for sharing a file with programs that chose
    /// its name. name() is its file name, to which the rules for names do not apply; options.locks_dir is not used. The same
    /// lock as a name's whose path() it is. Throws lock_error, std::errc::invalid_argument, if `file` names none: it is
    /// empty, ends with a separator, "." or "..", or has a NUL in it.
    static named_lock at(std::filesystem::path file, lock_options options = {});

    /// As the constructor, but nothing is thrown: nothing and `why`, which is std::errc::invalid_argument for a bad name.
    /// Success clears it.
    [[nodiscard]] static std::optional<named_lock> make(std::string_view name, lock_options options,
                                                        std::error_code& why) noexcept;

    /// @{
    /// Another handle to the same lock. There is no move: a handle is never empty.
    named_lock(const named_lock&) noexcept = default;
    named_lock& operator=(const named_lock&) noexcept = default;
    /// @}
    ~named_lock() = default;

    // ---- guards: the face of Python's filelock ----

    /// @{
    /// Waits at most `timeout` (any duration; negative: for ever; zero: one attempt; NaN: std::invalid_argument) for
    /// the lock and returns its guard, or throws lock_timeout. Without an argument: the time-out of the options.
    [[nodiscard]] guard acquire() { return wait_for(exclusive, options_->timeout); }
    template <class Rep, class Period>
    [[nodiscard]] guard acquire(std::chrono::duration<Rep, Period> timeout) {
        return wait_for(exclusive, detail::to_timeout(timeout));
    }
    /// @}

    /// @{
    /// As acquire(), but a time-out is no error: the guard is empty. Without an argument: one attempt.
    [[nodiscard]] guard try_acquire() { return try_for(exclusive, one_attempt); }
    template <class Rep, class Period>
    [[nodiscard]] guard try_acquire(std::chrono::duration<Rep, Period> timeout) {
        return try_for(exclusive, detail::to_timeout(timeout));
    }
    /// @}

    /// @{
    /// Shared holds exclude only exclusive ones. A thread that holds the lock exclusively enters again and stays
    /// exclusive. One that holds it shared and asks for it exclusively gets lock_error at once, with
    /// std::errc::resource_deadlock_would_occur: the system cannot upgrade without letting others in between.
    [[nodiscard]] guard acquire_shared() { return wait_for(shared, options_->timeout); }
    template <class Rep, class Period>
    [[nodiscard]] guard acquire_shared(std::chrono::duration<Rep, Period> timeout) {
        return wait_for(shared, detail::to_timeout(timeout));
    }
    [[nodiscard]] guard try_acquire_shared() { return try_for(shared, one_attempt); }
    template <class Rep, class Period>
    [[nodiscard]] guard try_acquire_shared(std::chrono::duration<Rep, Period> timeout) {
        return try_for(shared, detail::to_timeout(timeout));
    }
    /// @}

    /// @{
    /// The same, cut short by a cancellation, also by a signal handler: acquire throws lock_cancelled, try_acquire returns
    /// an empty guard. A request made before the call counts too.
    [[nodiscard]] guard acquire(const cancellation& stop) { return wait_for(exclusive, options_->timeout, stop); }
    template <class Rep, class Period>
    [[nodiscard]] guard acquire(const cancellation& stop, std::chrono::duration<Rep, Period> timeout) {
        return wait_for(exclusive, detail::to_timeout(timeout), stop);
    }
    [[nodiscard]] guard try_acquire(const cancellation& stop) { return try_for(exclusive, one_attempt, stop); }
    template <class Rep, class Period>
    [[nodiscard]] guard try_acquire(const cancellation& stop, std::chrono::duration<Rep, Period> timeout) {
        return try_for(exclusive, detail::to_timeout(timeout), stop);
    }
    [[nodiscard]] guard acquire_shared(const cancellation& stop) { return wait_for(shared, options_->timeout, stop); }
    template <class Rep, class Period>
    [[nodiscard]] guard acquire_shared(const cancellation& stop, std::chrono::duration<Rep, Period> timeout) {
        return wait_for(shared, detail::to_timeout(timeout), stop);
    }
    [[nodiscard]] guard try_acquire_shared(const cancellation& stop) { return try_for(shared, one_attempt, stop); }
    template <class Rep, class Period>
    [[nodiscard]] guard try_acquire_shared(const cancellation& stop, std::chrono::duration<Rep, Period> timeout) {
        return try_for(shared, detail::to_timeout(timeout), stop);
    }
    /// @}

    /// @{
    /// As try_acquire(), but nothing is thrown: an empty guard and `why`. That is std::errc::timed_out if somebody else holds
    /// it; std::errc::not_enough_memory; the code of what would be thrown; std::errc::invalid_argument for NaN; or
    /// std::errc::operation_canceled where on_wait throws something that has no code. Success clears it.
    [[nodiscard]] guard try_acquire(std::error_code& why) noexcept { return try_for(exclusive, one_attempt, why); }
    template <class Rep, class Period>
    [[nodiscard]] guard try_acquire(std::chrono::duration<Rep, Period> timeout, std::error_code& why) noexcept {
        return detail::is_number(timeout) ? try_for(exclusive, detail::to_timeout(timeout), why) : refuse(why);
    }
    [[nodiscard]] guard try_acquire_shared(std::error_code& why) noexcept { return try_for(shared, one_attempt, why); }
    template <class Rep, class Period>
    [[nodiscard]] guard try_acquire_shared(std::chrono::duration<Rep, Period> timeout, std::error_code& why) noexcept {
        return detail::is_number(timeout) ? try_for(shared, detail::to_timeout(timeout), why) : refuse(why);
    }
    /// @}

#if defined(__cpp_lib_jthread)
    /// @{
    /// The same, cut short by a stop request: acquire throws lock_cancelled, try_acquire returns an empty guard. A
    /// request made before the call counts too.
    [[nodiscard]] guard acquire(std::stop_token stop) { return wait_for(exclusive, options_->timeout, stop); }
    template <class Rep, class Period>
    [[nodiscard]] guard acquire(std::stop_token stop, std::chrono::duration<Rep, Period> timeout) {
        return wait_for(exclusive, detail::to_timeout(timeout), stop);
    }
    [[nodiscard]] guard try_acquire(std::stop_token stop) { return try_for(exclusive, one_attempt, stop); }
    template <class Rep, class Period>
    [[nodiscard]] guard try_acquire(std::stop_token stop, std::chrono::duration<Rep, Period> timeout) {
        return try_for(exclusive, detail::to_timeout(timeout), stop);
    }
    [[nodiscard]] guard acquire_shared(std::stop_token stop) { return wait_for(shared, options_->timeout, stop); }
    template <class Rep, class Period>
    [[nodiscard]] guard acquire_shared(std::stop_token stop, std::chrono::duration<Rep, Period> timeout) {
        return wait_for(shared, detail::to_timeout(timeout), stop);
    }
    [[nodiscard]] guard try_acquire_shared(std::stop_token stop) { return try_for(shared, one_attempt, stop); }
    template <class Rep, class Period>
    [[nodiscard]] guard try_acquire_shared(std::stop_token stop, std::chrono::duration<Rep, Period> timeout) {
        return try_for(shared, detail::to_timeout(timeout), stop);
    }
    /// @}
#endif

    /// Gives up the calling thread's latest hold, exclusive or shared, or with `force` all of them; the guards of those
    /// holds then do nothing. No effect if it has none. With reentrant = false here and below: the holds that belong
    /// to no thread, instead of the calling thread's.
    void release(bool force = false);

    // ---- for programs with an event loop: #include <named_lock/pending_acquire.hpp> ----

    /// @{
    /// Begins to acquire it and does not wait. Without an argument: with the time-out of the options. The hold belongs to the
    /// guard, as with reentrant = false. Throws std::bad_alloc, or std::system_error if there is no descriptor for it; all
    /// else is thrown by pending_acquire::try_complete().
    [[nodiscard]] pending_acquire begin_acquire();
    template <class Rep, class Period>
    [[nodiscard]] pending_acquire begin_acquire(std::chrono::duration<Rep, Period> timeout);
    [[nodiscard]] pending_acquire begin_acquire_shared();
    template <class Rep, class Period>
    [[nodiscard]] pending_acquire begin_acquire_shared(std::chrono::duration<Rep, Period> timeout);
    /// @}

    // ---- the face of the standard library ----

    /// @{
    /// As acquire(), without a guard: unlock() must follow, through any object of this path. Until then it is held, even
    /// if all these objects go. The others wait as try_acquire() does, and tell whether they got it.
    void lock() { lock_as(exclusive); }
    [[nodiscard]] bool try_lock() { return take(exclusive, one_attempt); }
    template <class Rep, class Period>
    [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> timeout) {
        return take(exclusive, detail::to_standard_timeout(timeout));
    }
    template <class Clock, class Duration>
    [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> time) {
        return take_until(exclusive, time);
    }
    /// @}
    /// Gives up one exclusive hold of the calling thread. Throws lock_error, std::errc::operation_not_permitted, if it
    /// has none.
    void unlock() { give_up(exclusive); }

    /// @{
    /// The same for a shared hold: see acquire_shared().
    void lock_shared() { lock_as(shared); }
    [[nodiscard]] bool try_lock_shared() { return take(shared, one_attempt); }
    template <class Rep, class Period>
    [[nodiscard]] bool try_lock_shared_for(std::chrono::duration<Rep, Period> timeout) {
        return take(shared, detail::to_standard_timeout(timeout));
    }
    template <class Clock, class Duration>
    [[nodiscard]] bool try_lock_shared_until(std::chrono::time_point<Clock, Duration> time) {
        return take_until(shared, time);
    }
    void unlock_shared() { give_up(shared); }
    /// @}

    // ---- questions ----

    /// As given to the constructor; the file name with at().
    [[nodiscard]] const std::string& name() const noexcept { return *name_; }
    /// Of the lock file: absolute, fixed when the object was constructed.
    [[nodiscard]] const std::filesystem::path& path() const noexcept;
    /// The default time-out; negative: for ever.
    [[nodiscard]] std::chrono::nanoseconds(timeout)() const noexcept { return options_->timeout; }
    /// @{
    /// Whether, and how many times, the calling thread holds it, exclusively or shared.
    [[nodiscard]] bool is_locked() const { return lock_count() != 0; }
    [[nodiscard]] std::size_t lock_count() const;
    /// @}
    /// The processes that hold it now; empty when nobody does or when it cannot be told. A hint: see lock_holder.
    [[nodiscard]] std::vector<lock_holder> holders() const;
    /// The processes that wait for it on this machine, first in line first; empty when nobody does or when it cannot be
    /// told. A hint: see lock_waiter.
    [[nodiscard]] std::vector<lock_waiter> waiters() const;

  private:
    named_lock(std::shared_ptr<detail::lock_state> state, lock_options options);

    struct attempt {
        detail::outcome outcome;
        detail::ticket hold;
    };

    static constexpr auto exclusive = detail::lock_kind::exclusive;
    static constexpr auto shared = detail::lock_kind::shared;
    static constexpr std::chrono::nanoseconds one_attempt{0};

    friend class detail::group_acquisition;
    friend class detail::acquisition_in_progress;

    [[nodiscard]] detail::owner_id owner() const noexcept;

    attempt take(detail::lock_kind kind, std::chrono::nanoseconds timeout, detail::given_up_by end,
                 const detail::stop_signal* stop, bool has_told = false);
    detail::ticket take_or_throw(detail::lock_kind kind, std::chrono::nanoseconds timeout, detail::given_up_by end,
                                 const detail::stop_signal* stop);
    [[noreturn]] void throw_timeout(std::chrono::nanoseconds timeout) const;
    guard guard_of(detail::ticket hold) &&;

    guard wait_for(detail::lock_kind kind, std::chrono::nanoseconds timeout, const detail::stop_signal* stop = nullptr);
    guard wait_for(detail::lock_kind kind, std::chrono::nanoseconds timeout, const cancellation& stop) {
        return wait_for(kind, timeout, &stop.signal());
    }
    guard try_for(detail::lock_kind kind, std::chrono::nanoseconds timeout, const detail::stop_signal* stop = nullptr);
    guard try_for(detail::lock_kind kind, std::chrono::nanoseconds timeout, const cancellation& stop) {
        return try_for(kind, timeout, &stop.signal());
    }
    guard try_for(detail::lock_kind kind, std::chrono::nanoseconds timeout, std::error_code& why) noexcept;
    static guard refuse(std::error_code& why) noexcept {
        why = std::make_error_code(std::errc::invalid_argument);
        return {};
    }

#if defined(__cpp_lib_jthread)
    guard wait_for(detail::lock_kind kind, std::chrono::nanoseconds timeout, const std::stop_token& stop) {
        return stoppable(stop, [&](const detail::stop_signal* signal) { return wait_for(kind, timeout, signal); });
    }
    guard try_for(detail::lock_kind kind, std::chrono::nanoseconds timeout, const std::stop_token& stop) {
        return stoppable(stop, [&](const detail::stop_signal* signal) { return try_for(kind, timeout, signal); });
    }
    template <class Take>
    guard stoppable(const std::stop_token& stop, Take take) {
        const auto state = state_;  // as in release()
        return detail::until_stopped(stop, [&](const detail::stop_signal& signal) { wake(*state, signal); }, take);
    }
#endif
    static void wake(detail::lock_state& state, const detail::stop_signal& signal) noexcept;

    void lock_as(detail::lock_kind kind);
    bool take(detail::lock_kind kind, std::chrono::nanoseconds timeout, bool has_told = false);
    template <class Clock, class Duration>
    bool take_until(detail::lock_kind kind, std::chrono::time_point<Clock, Duration> time) {
        named_lock self{*this};
        for (bool again = false;; again = true) {  // if the clock was set back meanwhile
            const std::chrono::nanoseconds left = detail::time_until(time);
            if (self.take(kind, left, again)) return true;
            if (left == std::chrono::nanoseconds::zero()) return false;
        }
    }
    void give_up(detail::lock_kind kind);

    std::shared_ptr<detail::lock_state> state_;
    const std::string* name_;  // in *state_
    std::shared_ptr<const lock_options> options_;
};

}  // namespace nlock::NAMED_LOCK_ABI

#if !defined(NAMED_LOCK_COMPILED)
#include <named_lock/detail/named_lock_impl.hpp>
#endif

#include <named_lock/acquire_all.hpp>

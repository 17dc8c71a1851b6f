// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What is asked for (request), by whom (owner_id), and what comes of it (ticket, outcome).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>
#if __cplusplus > 201703L || (defined(_MSVC_LANG) && _MSVC_LANG > 201703L)
#include <version>
#endif
#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

#include <named_lock/detail/lock_kind.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/options.hpp>

#if defined(__GLIBCXX__) && !defined(_GLIBCXX_HAVE_LINUX_FUTEX)
#define NAMED_LOCK_SETTLES_SIGNALS
#include <thread>
#endif

namespace nlock::NAMED_LOCK_ABI::detail {

/// Whose hold it is. Not the system's thread id: that is used again after a thread's end, and its successor would
/// enter a lock that a guard of the dead thread still holds.
using owner_id = std::uint64_t;
inline constexpr owner_id no_thread = 0;

NAMED_LOCK_ONE_PER_PROCESS inline owner_id this_thread_id() noexcept {
    static std::atomic<owner_id> last{no_thread};
    thread_local const owner_id id = ++last;
    return id;
}

/// Names one hold for ever; 0 is none.
using ticket = std::uint64_t;

enum class outcome { acquired, timed_out, cancelled, out_of_order };

/// A request to stop waiting, seen by the acquisition that points to it.
class stop_signal {
  public:
    stop_signal() = default;
    /// `event` is set after the signal was raised, by who raises it. Without one, the waiter is woken in its queue.
    explicit stop_signal(cancellation_event* event) noexcept : event_{event} {}

    void raise() noexcept { raised_.store(true); }
    void lower() noexcept { raised_.store(false); }
    [[nodiscard]] bool is_raised() const noexcept { return raised_.load(); }
    [[nodiscard]] const cancellation_event* event() const noexcept { return event_; }

    /// For who was woken by the event and sees no request: whoever raised it was so slow that its request has been seen,
    /// and lowered, before it set the event.
    void calm() const noexcept {
        event_->reset();
        if (is_raised()) event_->set();
    }

    /// The last act of who has raised it.
    void settle() noexcept { settled_.store(true); }
    [[nodiscard]] bool is_settled() const noexcept { return settled_.load() || !raised_.load(); }

  private:
    cancellation_event* event_ = nullptr;
    std::atomic<bool> raised_{false};
    std::atomic<bool> settled_{false};
};

/// Its end waits until who has raised the signal has settled it.
///
/// Without it, the destructor of std::stop_callback would wait for that, by a semaphore of which libstdc++ can lose the
/// wake-up where there are no futexes: of waits that a stop request ended, one in a hundred did not return on a busy
/// machine (MinGW's GCC 12; randombit/botan#3202 is the same semaphore).
struct settled_signal {
    const stop_signal& signal;
#ifdef NAMED_LOCK_SETTLES_SIGNALS
    ~settled_signal() {
        while (!signal.is_settled()) std::this_thread::yield();
    }
#endif
};

#if defined(__cpp_lib_jthread)
/// Calls `take` with a signal that a stop request raises, and `wake`s the waiter.
template <class Wake, class Take>
auto until_stopped(const std::stop_token& stop, Wake wake, Take take) {
    stop_signal signal;
    const std::stop_callback raise{stop, [&] {
                                       signal.raise();
                                       wake(std::as_const(signal));
                                       signal.settle();
                                   }};
    [[maybe_unused]] const settled_signal settled{signal};  // goes before `raise` does
    return take(&std::as_const(signal));
}
#endif

enum class given_up_by { guard, unlock };

struct request {
    lock_kind kind;
    given_up_by end;
    std::chrono::nanoseconds timeout;
    const lock_options& options;
    owner_id owner;
    const stop_signal* stop;  // or null
    bool has_told;            // on_wait, in an earlier round of the same call
    file_identity after{};    // it waits only for files that come after this one, if it is told: see acquire_all.hpp

    [[nodiscard]] bool may_wait_for(const file_identity& file) const noexcept {
        return !after.is_told() || !file.is_told() || after < file;
    }
    [[nodiscard]] bool is_immediate() const noexcept { return timeout == std::chrono::nanoseconds::zero(); }
    [[nodiscard]] bool is_stopped() const noexcept { return stop != nullptr && stop->is_raised(); }
    [[nodiscard]] const cancellation_event* stop_event() const noexcept { return stop == nullptr ? nullptr : stop->event(); }
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

#undef NAMED_LOCK_SETTLES_SIGNALS

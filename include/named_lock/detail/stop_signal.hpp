// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// How a wait is cut short. It is part of each program that does so by a std::stop_token, as the language level of
// named_lock::compiled may be lower than its own.
#pragma once

#include <atomic>
#include <utility>
#if __cplusplus > 201703L || (defined(_MSVC_LANG) && _MSVC_LANG > 201703L)
#include <version>
#endif
#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

#include <named_lock/detail/forward.hpp>

#if defined(__GLIBCXX__) && !defined(_GLIBCXX_HAVE_LINUX_FUTEX)
#define NAMED_LOCK_SETTLES_SIGNALS
#include <thread>
#endif

namespace nlock::NAMED_LOCK_ABI::detail {

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
    void calm() const noexcept;  // in request.hpp

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

}  // namespace nlock::NAMED_LOCK_ABI::detail

#undef NAMED_LOCK_SETTLES_SIGNALS

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What is asked for (request), by whom (owner_id), and what comes of it (ticket, outcome).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

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
    void raise() noexcept { raised_.store(true); }
    [[nodiscard]] bool is_raised() const noexcept { return raised_.load(); }

    /// The last act of who has raised it.
    void settle() noexcept { settled_.store(true); }
    [[nodiscard]] bool is_settled() const noexcept { return settled_.load() || !raised_.load(); }

  private:
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
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

#undef NAMED_LOCK_SETTLES_SIGNALS

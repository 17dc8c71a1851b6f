// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What is asked for, and by whom.
#pragma once

#include <atomic>
#include <chrono>

#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/stop_signal.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

NAMED_LOCK_ONE_PER_PROCESS inline owner_id this_thread_id() noexcept {
    static std::atomic<owner_id> last{no_thread};
    thread_local const owner_id id = ++last;
    return id;
}

inline void stop_signal::calm() const noexcept {
    event_->reset();
    if (is_raised()) event_->set();
}

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

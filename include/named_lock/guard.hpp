// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <memory>
#include <utility>

#include <named_lock/detail/abi.hpp>
#include <named_lock/detail/lock_registry.hpp>  // which completes lock_state
#include <named_lock/detail/lock_state.hpp>

namespace nlock::NAMED_LOCK_ABI {

/// One hold of a lock, given up when the guard goes. It needs no named_lock object to outlive it, may be moved to
/// another thread and may go there. The hold stays with the thread that acquired it, though: until the guard goes, that
/// thread enters again, so that both are inside. Where guards move, use lock_options::reentrant = false.
/// Like any single object a guard must not be used by two threads at once. A forked child's copy holds nothing and does
/// nothing.
class [[nodiscard]] guard {
  public:
    /// An empty guard.
    guard() = default;
    guard(guard&& other) noexcept : state_{std::move(other.state_)}, hold_{std::exchange(other.hold_, 0)} {}
    guard& operator=(guard&& other) noexcept {
        if (this != &other) {
            release();
            state_ = std::move(other.state_);
            hold_ = std::exchange(other.hold_, 0);
        }
        return *this;
    }
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;
    ~guard() { release(); }

    /// Whether it still holds: not after release(), nor after named_lock::release(true) took its hold away.
    explicit operator bool() const noexcept { return state_ != nullptr && state_->holds(hold_); }

    /// Gives up this hold; once. The lock is free for others if it was the last hold of this process on it.
    void release() noexcept {
        if (const auto state = std::exchange(state_, nullptr)) state->give_up(hold_);
    }

  private:
    friend class named_lock;
    guard(std::shared_ptr<detail::lock_state> state, detail::ticket hold) noexcept
        : state_{std::move(state)}, hold_{hold} {}

    std::shared_ptr<detail::lock_state> state_{};
    detail::ticket hold_ = 0;
};

}  // namespace nlock::NAMED_LOCK_ABI

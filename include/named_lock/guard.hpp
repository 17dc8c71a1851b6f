// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <named_lock/detail/abi.hpp>
#include <named_lock/detail/forward.hpp>

namespace nlock::NAMED_LOCK_ABI {

/// One hold of a lock, given up when the guard goes. It needs no named_lock object to outlive it, may be moved to
/// another thread and may go there. The hold stays with the thread that acquired it, though: until the guard goes, that
/// thread enters again, so that both are inside. Where guards move, use lock_options::reentrant = false.
/// A forked child's copy holds nothing and does nothing.
///
/// Thread safety: like any single object a guard must not be used by two threads at once.
/// @since 1.0.0
class [[nodiscard]] guard {
  public:
    /// An empty guard.
    guard() = default;
    /// @{
    /// The other guard is empty afterwards; what this one held is given up before.
    guard(guard&& other) noexcept
        : state_{std::move(other.state_)}, hold_{std::exchange(other.hold_, 0)}, name_{other.name_} {}
    guard& operator=(guard&& other) noexcept {
        if (this != &other) {
            release();
            state_ = std::move(other.state_);
            hold_ = std::exchange(other.hold_, 0);
            name_ = other.name_;
        }
        return *this;
    }
    /// @}
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;
    ~guard() { release(); }

    /// Whether it still holds: not after release(), nor after named_lock::release(true) took its hold away.
    explicit operator bool() const noexcept;

    /// Gives up this hold; once. The lock is free for others if it was the last hold of this process on it.
    void release() noexcept;

    /// @{
    /// Of the lock, as named_lock tells them. Empty for an empty guard, as it is after release().
    [[nodiscard]] const std::string& name() const;
    [[nodiscard]] const std::filesystem::path& path() const;
    /// @}

  private:
    friend class named_lock;
    guard(std::shared_ptr<detail::lock_state> state, detail::ticket hold, const std::string& name) noexcept
        : state_{std::move(state)}, hold_{hold}, name_{&name} {}

    std::shared_ptr<detail::lock_state> state_{};
    detail::ticket hold_ = 0;
    const std::string* name_ = nullptr;  // in *state_
};

}  // namespace nlock::NAMED_LOCK_ABI

#if !defined(NAMED_LOCK_COMPILED)
#include <named_lock/detail/guard_impl.hpp>
#endif

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include <named_lock/detail/lock_registry.hpp>  // which completes lock_state
#include <named_lock/guard.hpp>

namespace nlock::NAMED_LOCK_ABI {
namespace detail {

/// Never destroyed: guards with static storage may be asked late.
template <class T>
const T& none() {
    static const T& empty = *new T;
    return empty;
}

}  // namespace detail

NAMED_LOCK_INLINE guard::operator bool() const noexcept { return state_ != nullptr && state_->holds(hold_); }

NAMED_LOCK_INLINE void guard::release() noexcept {
    if (const auto state = std::exchange(state_, nullptr)) state->give_up(hold_);
}

NAMED_LOCK_INLINE const std::string& guard::name() const {
    return state_ != nullptr ? *name_ : detail::none<std::string>();
}

NAMED_LOCK_INLINE const std::filesystem::path& guard::path() const {
    return state_ != nullptr ? state_->path() : detail::none<std::filesystem::path>();
}

}  // namespace nlock::NAMED_LOCK_ABI

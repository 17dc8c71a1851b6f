// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <memory>

#include <named_lock/cancellation.hpp>
#include <named_lock/detail/lock_registry.hpp>  // which keeps the watches
#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/request.hpp>

namespace nlock::NAMED_LOCK_ABI {

struct cancellation::source {
    detail::cancellation_event event{};
    detail::stop_signal signal{&event};
};

NAMED_LOCK_INLINE cancellation::cancellation() : source_{std::make_unique<source>()} {}
NAMED_LOCK_INLINE cancellation::~cancellation() = default;

NAMED_LOCK_INLINE void cancellation::cancel() noexcept {
    source_->signal.raise();
    source_->event.set();
}

NAMED_LOCK_INLINE bool cancellation::is_cancelled() const noexcept { return source_->signal.is_raised(); }

NAMED_LOCK_INLINE void cancellation::reset() noexcept {
    source_->signal.lower();  // first: a signal that comes now shall not be forgotten, and nobody sleeps who sees it
    source_->event.reset();
}

NAMED_LOCK_INLINE const detail::stop_signal& cancellation::signal() const noexcept { return source_->signal; }

}  // namespace nlock::NAMED_LOCK_ABI

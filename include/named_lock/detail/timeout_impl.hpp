// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <stdexcept>

#include <named_lock/detail/timeout.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

NAMED_LOCK_INLINE void throw_no_number() { throw std::invalid_argument{"a lock time-out must be a number"}; }

}  // namespace nlock::NAMED_LOCK_ABI::detail

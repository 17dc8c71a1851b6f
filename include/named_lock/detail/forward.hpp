// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What the public headers know of the core, and of what systems supply: names alone.
#pragma once

#include <cstdint>

#include <named_lock/detail/abi.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

class acquisition_in_progress;
class cancellation_event;
class group_acquisition;
class lock_state;
class stop_signal;

enum class lock_kind : unsigned char { shared, exclusive };

enum class given_up_by { guard, unlock };

enum class outcome { acquired, timed_out, cancelled, out_of_order };

/// What is known of who holds a lock where no process can be named.
enum class held_by { unknown, this_process, another_process };

/// Whose hold it is. Not the system's thread id: that is used again after a thread's end, and its successor would
/// enter a lock that a guard of the dead thread still holds.
using owner_id = std::uint64_t;
inline constexpr owner_id no_thread = 0;

/// Names one hold for ever; 0 is none.
using ticket = std::uint64_t;

}  // namespace nlock::NAMED_LOCK_ABI::detail

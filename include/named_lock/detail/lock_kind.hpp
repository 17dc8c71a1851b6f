// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <named_lock/detail/abi.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

enum class lock_kind { shared, exclusive };

}  // namespace nlock::NAMED_LOCK_ABI::detail

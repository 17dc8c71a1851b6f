// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

namespace nlock::detail {

enum class lock_kind { shared, exclusive };

}  // namespace nlock::detail

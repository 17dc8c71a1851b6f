// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <filesystem>
#include <vector>

#include <named_lock/options.hpp>

namespace nlock::detail {

/// This system does not tell.
inline std::vector<lock_holder> holders_of(const std::filesystem::path&, lock_method) { return {}; }

}  // namespace nlock::detail

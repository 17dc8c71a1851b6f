// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <filesystem>

#include <named_lock/detail/lock_party.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// This system does not tell.
inline lock_party party_at(const std::filesystem::path&, lock_method, bool) { return {}; }

}  // namespace nlock::NAMED_LOCK_ABI::detail

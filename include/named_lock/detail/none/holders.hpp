// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <filesystem>

#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/lock_party.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// This system does not tell.
inline lock_party party_at(const std::filesystem::path&, lock_method, party_detail) { return {}; }

/// So it is tried, for a moment, with a shared lock.
class party_look {
  public:
    template <class Path>
    [[nodiscard]] lock_look at(const Path& path) const {
        const bool is_exclusive = !is_granted_at(path, lock_kind::shared);
        const bool is_shared = !is_exclusive && !is_granted_at(path, lock_kind::exclusive);
        return {{}, is_exclusive || is_shared, is_shared};
    }
};

/// One method excludes the other, or nobody can tell.
constexpr bool hold_otherwise(const std::filesystem::path&) noexcept { return true; }

}  // namespace nlock::NAMED_LOCK_ABI::detail

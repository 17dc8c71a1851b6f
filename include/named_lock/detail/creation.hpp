// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <filesystem>
#include <optional>

#include <named_lock/detail/abi.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// How a lock file is made that is missing; see lock_options.
struct creation {
    creation() = default;
    explicit creation(const lock_options& options)
        : permissions{options.permissions},
          apply_umask{options.apply_umask},
          create_directories{options.create_directories} {}

    std::optional<std::filesystem::perms> permissions{};
    bool apply_umask = false;
    bool create_directories = true;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

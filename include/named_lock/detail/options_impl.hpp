// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <string>
#include <vector>

#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI {

NAMED_LOCK_INLINE std::string to_string(const lock_holder& holder) {
    std::string text = "pid " + std::to_string(holder.pid);
    if (!holder.process.empty()) text.append(" (").append(holder.process).append(")");
    return text;
}

NAMED_LOCK_INLINE std::string to_string(const std::vector<lock_holder>& holders) {
    std::string text;
    for (const lock_holder& holder : holders) text.append(text.empty() ? "" : ", ").append(to_string(holder));
    return text;
}

}  // namespace nlock::NAMED_LOCK_ABI

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/lock_registry.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/probe.hpp>
#if defined(_WIN32)
#include <named_lock/detail/windows/probe.hpp>
#else
#include <named_lock/detail/posix/probe.hpp>
#endif

namespace nlock::NAMED_LOCK_ABI {

NAMED_LOCK_INLINE lock_support probe(const std::filesystem::path& locks_dir, lock_method method) {
    using detail::lock_kind;
    if (locks_dir.native().find(std::filesystem::path::value_type{}) != std::filesystem::path::string_type::npos) {
        throw lock_error{std::errc::invalid_argument, "probe", locks_dir, "it contains a NUL"};
    }
    (void)detail::lock_registry::instance();  // with it come the fork handlers, which close our files in other children
    const detail::trial_file trial{locks_dir};
    const auto volume = trial.volume(method);
    lock_support found{volume.file_system, volume.is_remote, volume.locks_stay_here, false, false};
    found.exclusive_locks_exclude = trial.while_locked(lock_kind::exclusive, method, [&] {
        const auto here = trial.ask(method);
        const auto in_child = trial.ask_in_child(method);
        return !here.shared && !here.exclusive && !in_child.shared && !in_child.exclusive;
    });
    found.shared_locks_exclude = trial.while_locked(lock_kind::shared, method, [&] {
        const auto here = trial.ask(method);
        const auto in_child = trial.ask_in_child(method);
        return !here.exclusive && !in_child.exclusive;
    });
    return found;
}

}  // namespace nlock::NAMED_LOCK_ABI

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/detail/message.hpp>
#include <named_lock/detail/name_rules.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/directories.hpp>
#include <named_lock/named_lock.hpp>
#if defined(_WIN32)
#include <named_lock/detail/windows/places.hpp>
#else
#include <named_lock/detail/posix/places.hpp>
#endif

namespace nlock::NAMED_LOCK_ABI {
namespace detail {

inline std::filesystem::path lock_file_in(const std::filesystem::path& locks_dir, const std::string& name) {
    return locks_dir / native_of(name + std::string{lock_file_suffix});
}

/// Of the lock files in a directory, in order; none if there is no such directory.
inline std::vector<std::string> lock_names_in(const std::filesystem::path& locks_dir, std::string_view operation) {
    namespace fs = std::filesystem;
    std::vector<std::string> names;
    std::error_code error;
    fs::directory_iterator entry{locks_dir, error};
    for (; !error && entry != fs::directory_iterator{}; entry.increment(error)) {
        const std::string file = utf8_of(entry->path().filename());
        std::string name{name_in(file)};
        std::error_code gone;
        const bool is_lock = broken_name_rule(name) == nullptr && fs::is_regular_file(entry->symlink_status(gone));
        if (is_lock) names.push_back(std::move(name));
    }
    if (error && error != std::errc::no_such_file_or_directory) throw lock_error{error, operation, locks_dir};
    std::sort(names.begin(), names.end());
    return names;
}

inline bool is_older(const std::filesystem::path& file, std::chrono::seconds age) {
    std::error_code gone;
    const std::filesystem::file_time_type made = std::filesystem::last_write_time(file, gone);
    const auto now = std::filesystem::file_time_type::clock::now();
    return !gone && std::chrono::duration_cast<std::chrono::seconds>(now - made) >= age;
}

}  // namespace detail

NAMED_LOCK_INLINE std::filesystem::path user_locks_dir(std::string_view program) {
    return detail::user_place() / detail::native_of(detail::checked_lock_name(program)) / "locks";
}

NAMED_LOCK_INLINE std::filesystem::path machine_locks_dir(std::string_view program) {
    return detail::machine_place(detail::native_of(detail::checked_lock_name(program)));
}

NAMED_LOCK_INLINE std::vector<lock_status> list_locks(const std::filesystem::path& locks_dir) {
    std::vector<lock_status> locks;
    const detail::party_look look;
    for (std::string& name : detail::lock_names_in(locks_dir, "list")) {
        detail::lock_look found = look.at(detail::lock_file_in(locks_dir, name));
        locks.push_back({std::move(name), found.is_held, found.is_shared, std::move(found.party.holders),
                         std::move(found.party.waiters)});
    }
    return locks;
}

NAMED_LOCK_INLINE std::size_t purge_locks(const std::filesystem::path& locks_dir, std::chrono::seconds unused_for) {
    std::size_t removed = 0;
    for (const std::string& name : detail::lock_names_in(locks_dir, "purge")) {
        const std::filesystem::path file = detail::lock_file_in(locks_dir, name);
        if (!detail::is_older(file, unused_for)) continue;
        lock_options options;
        options.locks_dir = locks_dir;
        options.reentrant = false;  // or what this thread holds would be removed
        options.keep_open = false;
        options.create_directories = false;
        std::error_code busy;
        guard held = named_lock{name, std::move(options)}.try_acquire(busy);
        const bool is_still_old = detail::is_older(file, unused_for);  // another one may have been made meanwhile
        if (!held || !is_still_old) continue;
        const auto held_otherwise = detail::hold_otherwise(held.path());
        if (held_otherwise && detail::remove_held_file(held)) ++removed;
    }
    return removed;
}

}  // namespace nlock::NAMED_LOCK_ABI

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Where programs agree to meet: directories for lock files, and what is in them.
//
//     #include <named_lock/directories.hpp>
//
//     nlock::named_lock lock{"import", nlock::user_locks_dir("shop")};
//     for (const nlock::lock_status& status : nlock::list_locks(nlock::user_locks_dir("shop"))) {
//         std::cout << status.name << (status.held ? ", held by " : "") << status.holders << '\n';
//     }
//
// Thread safety: any thread. Nothing here is part of named_lock.hpp.
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

#include <named_lock/detail/abi.hpp>
#include <named_lock/detail/message.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/lock_name.hpp>
#include <named_lock/named_lock.hpp>
#include <named_lock/options.hpp>
#if defined(_WIN32)
#include <named_lock/detail/windows/places.hpp>
#else
#include <named_lock/detail/posix/places.hpp>
#endif

namespace nlock::NAMED_LOCK_ABI {

/// Of this user: $XDG_RUNTIME_DIR/PROGRAM/locks, or ~/.cache/PROGRAM/locks where that is not set; on macOS
/// ~/Library/Caches/PROGRAM/locks, on Windows PROGRAM/locks in %LOCALAPPDATA%. Nothing is created.
///
/// Programs agree on it as far as they have the same environment. A job of cron has no $XDG_RUNTIME_DIR, which in turn goes
/// when its user logs out: name a directory yourself if such programs share a lock.
///
/// Throws invalid_lock_name unless `program` would do as the name of a lock, and lock_error if the user has no such directory.
/// @since 1.0.0
[[nodiscard]] inline std::filesystem::path user_locks_dir(std::string_view program) {
    return detail::user_place() / detail::native_of(detail::checked_lock_name(program)) / "locks";
}

/// Of all users of the machine: /run/lock/PROGRAM, or /var/lock/PROGRAM where there is no /run/lock; on macOS
/// /Library/Caches/PROGRAM/locks, on Windows PROGRAM/locks in %ProgramData%. Nothing is created: whoever installs the program
/// makes the directory, with the rights that its users need. Throws as user_locks_dir() does.
/// @since 1.0.0
[[nodiscard]] inline std::filesystem::path machine_locks_dir(std::string_view program) {
    return detail::machine_place(detail::native_of(detail::checked_lock_name(program)));
}

/// One lock of a directory. A hint, as lock_holder.
/// @since 1.0.0
struct lock_status {
    std::string name;  ///< as named_lock::name() has it
    bool held;    ///< by anybody, by whichever lock_method
    bool shared;  ///< that is, not exclusively
    std::vector<lock_holder> holders;  ///< as named_lock::holders() tells
    std::vector<lock_waiter> waiters;  ///< as named_lock::waiters() tells
};

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

/// The locks whose files are in a directory, by name; none if it does not exist. On Linux it opens no lock file, and nobody
/// who acquires one meanwhile notices; as a holder in another container is not seen there (holders()), such a lock looks
/// free. Other systems do not tell who holds a lock: there each file is opened for reading and locked shared for a moment,
/// which a single attempt of somebody else may meet. Throws lock_error if the directory cannot be read.
/// @since 1.0.0
[[nodiscard]] inline std::vector<lock_status> list_locks(const std::filesystem::path& locks_dir) {
    std::vector<lock_status> locks;
    const detail::party_look look;
    for (std::string& name : detail::lock_names_in(locks_dir, "list")) {
        detail::lock_look found = look.at(detail::lock_file_in(locks_dir, name));
        locks.push_back({std::move(name), found.is_held, found.is_shared, std::move(found.party.holders),
                         std::move(found.party.waiters)});
    }
    return locks;
}

/// Not beside programs that lock these files without comparing them with their paths afterwards, such as flock(1) and Python's
/// filelock before 3.20.4: one that has opened a file just before it is removed would hold a lock that excludes nobody.
///
/// Removes the lock files that nobody holds or waits for and that are so old, each while it is held exclusively, and returns
/// how many. Users of this library notice, and go on with a new file. How old a file is tells its time of modification. Locking
/// does not change that, so that it is the time when the file was made, or touched: a lock that is used each day loses
/// its file, too, if it is free at that moment, and gets another one. What cannot be opened or removed stays. Throws
/// lock_error if the directory cannot be read.
/// @since 1.0.0
inline std::size_t purge_locks(const std::filesystem::path& locks_dir, std::chrono::seconds unused_for) {
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
        if (!held || !is_still_old || detail::is_used_otherwise(held.path())) continue;
        if (detail::remove_held_file(held)) ++removed;
    }
    return removed;
}

}  // namespace nlock::NAMED_LOCK_ABI

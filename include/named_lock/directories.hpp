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

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <named_lock/detail/abi.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI {

/// Of this user: $XDG_RUNTIME_DIR/PROGRAM/locks, or ~/.cache/PROGRAM/locks where that is not set; on macOS
/// ~/Library/Caches/PROGRAM/locks, on Windows PROGRAM/locks in %LOCALAPPDATA%. Nothing is created.
///
/// Programs agree on it as far as they have the same environment. A job of cron has no $XDG_RUNTIME_DIR, which in turn goes
/// when its user logs out: name a directory yourself if such programs share a lock.
///
/// Throws invalid_lock_name unless `program` would do as the name of a lock, and lock_error if the user has no such directory.
/// @since 1.0.0
[[nodiscard]] std::filesystem::path user_locks_dir(std::string_view program);

/// Of all users of the machine: /run/lock/PROGRAM, or /var/lock/PROGRAM where there is no /run/lock; on macOS
/// /Library/Caches/PROGRAM/locks, on Windows PROGRAM/locks in %ProgramData%. Nothing is created: whoever installs the program
/// makes the directory, with the rights that its users need. Throws as user_locks_dir() does.
/// @since 1.0.0
[[nodiscard]] std::filesystem::path machine_locks_dir(std::string_view program);

/// One lock of a directory. A hint, as lock_holder.
/// @since 1.0.0
struct lock_status {
    std::string name;  ///< as named_lock::name() has it
    bool held;    ///< by anybody, by whichever lock_method
    bool shared;  ///< that is, not exclusively
    std::vector<lock_holder> holders;  ///< as named_lock::holders() tells
    std::vector<lock_waiter> waiters;  ///< as named_lock::waiters() tells
};

/// The locks whose files are in a directory, by name; none if it does not exist. On Linux it opens no lock file, and nobody
/// who acquires one meanwhile notices; as a holder in another container is not seen there (holders()), such a lock looks
/// free. Other systems do not tell who holds a lock: there each file is opened for reading and locked shared for a moment,
/// which a single attempt of somebody else may meet. Throws lock_error if the directory cannot be read.
/// @since 1.0.0
[[nodiscard]] std::vector<lock_status> list_locks(const std::filesystem::path& locks_dir);

/// Not beside programs that lock these files without comparing them with their paths afterwards, such as flock(1) and Python's
/// filelock before 3.20.4: one that has opened a file just before it is removed would hold a lock that excludes nobody.
///
/// Removes the lock files that nobody holds or waits for and that are so old, each while it is held exclusively, and returns
/// how many. Users of this library notice, and go on with a new file. How old a file is tells its time of modification. Locking
/// does not change that, so that it is the time when the file was made, or touched: a lock that is used each day loses
/// its file, too, if it is free at that moment, and gets another one. What cannot be opened or removed stays. Throws
/// lock_error if the directory cannot be read.
/// @since 1.0.0
std::size_t purge_locks(const std::filesystem::path& locks_dir, std::chrono::seconds unused_for);

}  // namespace nlock::NAMED_LOCK_ABI

#if !defined(NAMED_LOCK_COMPILED)
#include <named_lock/detail/directories_impl.hpp>
#endif

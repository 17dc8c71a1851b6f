// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What a caller may choose (lock_options) and what it is told about the others (lock_holder, lock_wait).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#if __cplusplus > 201703L || (defined(_MSVC_LANG) && _MSVC_LANG > 201703L)
#include <version>
#endif
#if defined(__cpp_lib_format)
// <chrono> brings it anyway.
#include <format>
#endif

#include <named_lock/detail/abi.hpp>

namespace nlock::NAMED_LOCK_ABI {

namespace detail {
inline constexpr std::chrono::nanoseconds endless{-1};
}  // namespace detail

#pragma push_macro("forever")  // which Qt defines
#undef forever
/// The time-out that never comes. Any negative duration means the same.
/// @since 1.0.0
inline constexpr std::chrono::nanoseconds forever = detail::endless;
#pragma pop_macro("forever")

/// A process that holds a lock. A hint for people, not for decisions: the process may have ended since, a pid of
/// another pid namespace cannot be shown, and a forked child may share the hold.
/// @since 1.0.0
struct lock_holder {
    std::int64_t pid;          ///< as this process sees it
    std::string process = {};  ///< short name as the system gives it ("report"), may be empty
};

/// "pid 4242 (report)", or "pid 4242" if its name is not known. So do operator<< and std::format (C++20).
/// @since 1.0.0
std::string to_string(const lock_holder& holder);
/// "pid 4242 (report), pid 17 (make)"; empty for none.
/// @since 1.0.0
std::string to_string(const std::vector<lock_holder>& holders);
template <class Traits>
std::basic_ostream<char, Traits>& operator<<(std::basic_ostream<char, Traits>& out, const lock_holder& holder) {
    return out << to_string(holder).c_str();
}
template <class Traits>
std::basic_ostream<char, Traits>& operator<<(std::basic_ostream<char, Traits>& out,
                                             const std::vector<lock_holder>& holders) {
    return out << to_string(holders).c_str();
}

/// A process that waits for a lock, as far as the system tells: on Linux each that stands in line for it, by the thread whose
/// turn is next. A hint, as lock_holder.
/// @since 1.0.0
struct lock_waiter {
    std::int64_t pid;                 ///< as this process sees it
    std::string process;              ///< short name, may be empty
    std::chrono::nanoseconds waited;  ///< since it asked for the lock
    bool shared;                      ///< it asked for a shared hold
};

/// What on_wait is told. Valid during the call only.
/// @since 1.0.0
struct lock_wait {
    const std::filesystem::path& path;  ///< of the lock file
    std::vector<lock_holder> holders;   ///< empty when the system cannot tell
};

/// How the file is locked on POSIX; Windows always uses LockFileEx. The two exclude only their own kind on local file
/// systems (man 2 flock), so all programs that share a lock file must use the same one.
/// @since 1.0.0
enum class lock_method {
    flock,  ///< flock(2): what Python's filelock, Jam.py and flock(1) use
    fcntl   ///< open-file-description locks, F_OFD_SETLK; excludes programs that use lockf(3) or F_SETLK
};

/// How a lock is acquired; each object has its own.
/// @since 1.0.0
struct lock_options {
    /// The lock file is `<locks_dir>/<name>.lock`. Created, with its parents, when the first lock is acquired.
    std::filesystem::path locks_dir = "locks";
    /// The time-out of acquire(), acquire_shared(), lock() and lock_shared(). Negative: for ever; 0: one attempt.
    std::chrono::nanoseconds timeout = detail::endless;
    /// The longest pause between two attempts while waiting; below 1 ms counts as 1 ms. It bounds the delay where the
    /// system cannot report a release (network file systems, no inotify instance left).
    std::chrono::milliseconds poll_interval{50};
    /// The mode of a lock file that this lock creates, whatever the umask and the directory's default ACL (but see
    /// apply_umask); the file appears with it, in one step where there are hard links. Unset: 0666 less the umask, or
    /// what the ACL says. A file that exists keeps its mode. Whoever may open the file may hold the lock.
    std::optional<std::filesystem::perms> permissions = {};
    /// What all who share the file have to agree on.
    lock_method method = lock_method::flock;
    /// true: the thread that holds the lock may acquire it again. false: the hold belongs to its guard, not to a
    /// thread; a second acquisition waits even in the same thread, and any thread may give the hold up.
    bool reentrant = true;
    /// Called once by an acquisition that has to wait, in its thread, before it sleeps. What it throws leaves acquire.
    std::function<void(const lock_wait&)> on_wait = {};
    /// For how long a reader (acquire_shared and its kin) lets a writer that came before it go first while others hold
    /// the lock shared; after that it joins them. Zero: not at all. A holder may be waiting for that very reader, as a build
    /// tool that starts itself: it then waits as long for nothing. try_acquire_shared() comes back empty instead.
    std::chrono::nanoseconds courtesy = std::chrono::seconds{2};
    /// Whether the lock file may stay open between two acquisitions, which then cost half. Only on local file systems
    /// of Linux, with lock_method::flock; at most 16 such files in a process, the latest ones. An open file keeps its file
    /// system from being unmounted.
    bool keep_open = true;
    /// false: a missing directory is an error, std::errc::no_such_file_or_directory, and not made.
    bool create_directories = true;
    /// true: the last exclusive hold removes the lock file before it lets go, as far as it may; on Windows after that, and only
    /// if nobody else has it open. Not beside programs that lock the file without comparing it with its path afterwards, such
    /// as flock(1) and Python's filelock before 3.20.4: two of them could then hold the lock at once. Each acquisition costs a
    /// new file, and each release wakes all who wait, in whatever order. A hold is as the one that locked the file says, whatever enters again.
    bool remove_on_release = false;
    /// true: a lock file that this lock creates gets `permissions` less the umask, or what the directory's default ACL makes
    /// of them, as open(2) does. POSIX only.
    bool apply_umask = false;
    /// 0: on_wait is called once. Else again and again while the acquisition waits, that long after it has returned. It keeps
    /// its place, so on_wait must then be quick and not acquire the same lock; who waits behind it in this process waits for
    /// it, too.
    std::chrono::milliseconds on_wait_interval{0};
};

}  // namespace nlock::NAMED_LOCK_ABI

#if defined(__cpp_lib_format)
template <>
struct std::formatter<nlock::lock_holder> : std::formatter<std::string_view> {
    template <class Context>
    auto format(const nlock::lock_holder& holder, Context& context) const {
        return std::formatter<std::string_view>::format(to_string(holder), context);
    }
};
template <>
struct std::formatter<std::vector<nlock::lock_holder>> : std::formatter<std::string_view> {
    template <class Context>
    auto format(const std::vector<nlock::lock_holder>& holders, Context& context) const {
        return std::formatter<std::string_view>::format(to_string(holders), context);
    }
};
#endif

#if !defined(NAMED_LOCK_COMPILED)
#include <named_lock/detail/options_impl.hpp>
#endif

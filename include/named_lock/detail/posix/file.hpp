// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The seam of platform.hpp on POSIX: opening, locking and checking a lock file.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <named_lock/detail/lock_kind.hpp>
#include <named_lock/detail/posix/descriptor.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/options.hpp>

namespace nlock::detail {

using file_handle = descriptor;

#if defined(F_OFD_SETLK)
inline constexpr bool has_ofd_locks = true;
inline constexpr int ofd_setlk = F_OFD_SETLK;
inline constexpr int ofd_getlk = F_OFD_GETLK;
#else
inline constexpr bool has_ofd_locks = false;
inline constexpr int ofd_setlk = -1;
inline constexpr int ofd_getlk = -1;
#endif

#if defined(__linux__)
inline constexpr bool flock_ignores_fcntl = true;  // on local file systems (man 2 flock); elsewhere they conflict
#else
inline constexpr bool flock_ignores_fcntl = false;
#endif

/// Where a writer that waits for a flock leaves its mark, by the other kind of lock: no file is that long.
inline constexpr off_t writer_mark = (std::numeric_limits<off_t>::max)() - 1;

inline std::filesystem::path absolute_path(const std::filesystem::path& path, std::error_code& error) {
    return std::filesystem::absolute(path, error);
}

inline std::filesystem::path canonical_directory(const std::filesystem::path& path, std::error_code& error) {
    return std::filesystem::weakly_canonical(path, error);
}

inline void append_utf8(std::filesystem::path::string_type& path, std::string_view name) { path.append(name); }

[[noreturn]] inline void fail(int error, std::string_view operation, const std::filesystem::path& path) {
    throw lock_error{std::error_code{error, std::generic_category()}, operation, path};
}

/// A system call repeated while a signal handler without SA_RESTART interrupts it.
template <class Call>
int uninterrupted(Call&& call) {
    int result;
    do {
        result = call();
    } while (result == -1 && errno == EINTR);
    return result;
}

inline descriptor open_file(const std::filesystem::path& path, int how, mode_t mode = 0) {
    // Whatever was planted at the path: no symlink is followed, a FIFO does not block, a terminal is not taken over.
    // Never O_TRUNC: the content is not ours. No O_CLOFORK on Linux, hence the table of descriptors.
    constexpr int always = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
    return descriptor::from([&] { return uninterrupted([&] { return ::open(path.c_str(), how | always, mode); }); });
}

/// Opens a file that exists. For writing, because an exclusive flock on NFS needs that (man 2 flock, "NFS details");
/// one that may only be read can still be locked elsewhere.
inline descriptor open_existing(const std::filesystem::path& path) {
    descriptor file = open_file(path, O_RDWR);
    if (!file && (errno == EACCES || errno == EROFS || errno == EPERM)) {
        const int reason = errno;
        file = open_file(path, O_RDONLY);
        if (!file && errno == EACCES) errno = reason;
    }
    return file;
}

inline descriptor create_file(const std::filesystem::path& path, std::optional<std::filesystem::perms> permissions) {
    constexpr mode_t default_mode = 0666;
    if (!permissions) return open_file(path, O_RDWR | O_CREAT, default_mode);
    // Only its creator may give a file its mode, so the creator must know that it is. Until then the umask makes the
    // mode narrower, never wider.
    const auto mode = static_cast<mode_t>(*permissions & std::filesystem::perms::all);
    descriptor file = open_file(path, O_RDWR | O_CREAT | O_EXCL, mode);
    if (file && ::fchmod(file.get(), mode) != 0) fail(errno, "change the permissions of", path);
    return file;
}

inline file_handle open_lock_file(const std::filesystem::path& path,
                                  std::optional<std::filesystem::perms> permissions) {
    // Opened without O_CREAT first: with it, fs.protected_regular refuses somebody else's file in a sticky directory,
    // even to root (man 5 proc). Others may create and delete the file and its directory meanwhile, hence the loop;
    // FUSE file systems are known to report a passing ENOENT as well.
    constexpr int enough = 100;
    int refusals = 0;
    for (int attempt = 1;; ++attempt) {
        descriptor file = open_existing(path);
        if (!file && errno == ENOENT) file = create_file(path, permissions);
        if (file) return file;
        const int error = errno;
        const bool appeared = error == EEXIST || (error == EACCES && refusals++ == 0);
        const bool has_no_directory = error == ENOENT;
        if (attempt == enough || !(appeared || has_no_directory)) fail(error, "open", path);
        if (has_no_directory) {
            std::error_code failed;
            std::filesystem::create_directories(path.parent_path(), failed);
            std::error_code unknown;
            if (failed && !std::filesystem::is_directory(path.parent_path(), unknown)) {
                throw lock_error{failed, "create the directory of", path};
            }
        }
    }
}

inline struct flock lock_range(short type, off_t start, off_t length) noexcept {
    struct flock range {};
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_start = start;
    range.l_len = length;  // 0: to the end, wherever that will be
    return range;
}

/// Locks of open file descriptions, and not F_SETLK where they are missing: closing any other descriptor of the file
/// would drop such a lock (man 2 fcntl).
inline int set_ofd_lock(const descriptor& file, short type, off_t start = 0, off_t length = 0) noexcept {
    if (!has_ofd_locks) {
        errno = ENOTSUP;
        return -1;
    }
    struct flock range = lock_range(type, start, length);
    return ::fcntl(file.get(), ofd_setlk, &range);
}

inline bool try_lock_file(file_handle& file, lock_kind kind, lock_method method, const std::filesystem::path& path) {
    const bool shared = kind == lock_kind::shared;
    const int result = uninterrupted([&] {
        return method == lock_method::flock ? ::flock(file.get(), (shared ? LOCK_SH : LOCK_EX) | LOCK_NB)
                                            : set_ofd_lock(file, shared ? F_RDLCK : F_WRLCK);
    });
    if (result == 0) return true;
    if (errno == EWOULDBLOCK || errno == EAGAIN || (method == lock_method::fcntl && errno == EACCES)) return false;
    // The descriptor is open: EBADF says that it was opened without the right to write, which this lock needs.
    fail(errno == EBADF ? EACCES : errno, "lock", path);
}

/// Unlocks although closing would: a process that was forked without the handlers (vfork, clone, between fork and exec
/// in a sandbox) may still have a copy of the descriptor, which would keep the lock alive.
inline void unlock_file(file_handle& file, lock_method method) noexcept {
    if (method == lock_method::flock) {
        ::flock(file.get(), LOCK_UN);
    } else {
        set_ofd_lock(file, F_UNLCK);
    }
}

/// Readers that keep coming would keep a writer out for ever: flock(2) grants shared locks whoever waits. So a waiting
/// writer marks the file until it closes it, and readers that see the mark let it go first for a while. Best effort: a
/// mark that cannot be set, as on NFS, where flock and fcntl are one, only means that nobody gives way.
inline void mark_waiting_writer(file_handle& file, lock_method method) noexcept {
    if (flock_ignores_fcntl && method == lock_method::flock) set_ofd_lock(file, F_WRLCK, writer_mark, 1);
}

inline bool has_waiting_writer(const file_handle& file, lock_method method) noexcept {
    if (!flock_ignores_fcntl || !has_ofd_locks || method != lock_method::flock) return false;
    struct flock range = lock_range(F_RDLCK, writer_mark, 1);
    return ::fcntl(file.get(), ofd_getlk, &range) == 0 && range.l_type != F_UNLCK;
}

inline bool is_file_at(const file_handle& file, const std::filesystem::path& path) {
    // By name, and not only st_nlink: whoever held the lock may have moved the file or its directory away and let go
    // between our open and our lock; the file then still has its link, elsewhere.
    struct stat opened {};
    struct stat named {};
    if (::fstat(file.get(), &opened) != 0) {
        if (errno == ESTALE) return false;  // deleted on the server
        fail(errno, "examine", path);
    }
    if (!S_ISREG(opened.st_mode)) throw lock_error{std::errc::invalid_argument, "lock", path, "not a regular file"};
    if (opened.st_nlink == 0) return false;
    if (::lstat(path.c_str(), &named) != 0) {
        if (errno == ENOENT || errno == ENOTDIR || errno == ESTALE) return false;
        fail(errno, "examine", path);
    }
    return opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

}  // namespace nlock::detail

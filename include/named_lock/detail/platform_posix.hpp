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
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <named_lock/detail/descriptor_posix.hpp>
#include <named_lock/detail/lock_kind.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/options.hpp>

namespace nlock::detail {

using file_handle = descriptor;

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
            if (failed && !std::filesystem::is_directory(path.parent_path())) {
                throw lock_error{failed, "create directory", path.parent_path()};
            }
        }
    }
}

inline int set_ofd_lock([[maybe_unused]] int fd, [[maybe_unused]] short type) noexcept {
#if defined(F_OFD_SETLK)
    struct flock range {};  // from 0, length 0: the whole file
    range.l_type = type;
    range.l_whence = SEEK_SET;
    return ::fcntl(fd, F_OFD_SETLK, &range);
#else
    // Not F_SETLK instead: closing any other descriptor of the file would drop that lock (man 2 fcntl).
    errno = ENOTSUP;
    return -1;
#endif
}

inline bool try_lock_file(file_handle& file, lock_kind kind, lock_method method, const std::filesystem::path& path) {
    const bool shared = kind == lock_kind::shared;
    const int result = uninterrupted([&] {
        return method == lock_method::flock ? ::flock(file.get(), (shared ? LOCK_SH : LOCK_EX) | LOCK_NB)
                                            : set_ofd_lock(file.get(), shared ? F_RDLCK : F_WRLCK);
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
        set_ofd_lock(file.get(), F_UNLCK);
    }
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

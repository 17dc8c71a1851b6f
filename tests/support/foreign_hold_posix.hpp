// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The foreign_hold of others.hpp, which includes this, on POSIX: flock(2), or locks of open file descriptions.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include <named_lock/named_lock.hpp>

namespace nlock_test {

/// A lock file locked through an open file description of its own: to this library that is another program.
class foreign_hold {
  public:
    using method = nlock::lock_method;

    /// Takes it at once; throws std::system_error if it is held.
    explicit foreign_hold(const std::filesystem::path& path, hold_kind kind = hold_kind::exclusive,
                          method how = method::flock)
        : foreign_hold{path, O_RDWR | O_CREAT, how} {
        if (!try_lock(kind)) throw std::system_error{errno, std::generic_category(), "lock " + path.string()};
    }
    explicit foreign_hold(const nlock::named_lock& lock, hold_kind kind = hold_kind::exclusive,
                          method how = method::flock)
        : foreign_hold{(std::filesystem::create_directories(lock.path().parent_path()), lock.path()), kind, how} {}
    foreign_hold(foreign_hold&& other) noexcept : file_{std::exchange(other.file_, -1)}, how_{other.how_} {}
    foreign_hold& operator=(foreign_hold&&) = delete;
    ~foreign_hold() { release(); }

    void release() {
        if (file_ >= 0) ::close(std::exchange(file_, -1));
    }

    /// Unlocks, but keeps the file open: no system reports that to a waiter.
    void release_unseen() { set(hold_kind::exclusive, true); }

    /// Whether another program could take it now. A file that does not exist is free.
    static bool is_possible(const std::filesystem::path& path, hold_kind kind, method how = method::flock) {
        foreign_hold attempt{path, O_RDWR, how};
        return attempt.file_ < 0 || attempt.try_lock(kind);
    }

  private:
    foreign_hold(const std::filesystem::path& path, int flags, method how)
        : file_{::open(path.c_str(), flags | O_CLOEXEC, 0666)}, how_{how} {
        const bool may_be_absent = (flags & O_CREAT) == 0 && (errno == ENOENT || errno == ENOTDIR);
        if (file_ < 0 && !may_be_absent)
            throw std::system_error{errno, std::generic_category(), "open " + path.string()};
    }

    [[nodiscard]] bool try_lock(hold_kind kind) {
        if (set(kind, false) == 0) return true;
        if (errno == EWOULDBLOCK || errno == EAGAIN || errno == EACCES) return false;
        throw std::system_error{errno, std::generic_category(), "lock"};
    }

    int set(hold_kind kind, bool unlock) {
        if (how_ == method::flock) {
            return ::flock(file_, (unlock ? LOCK_UN : kind == hold_kind::shared ? LOCK_SH : LOCK_EX) | LOCK_NB);
        }
#if defined(F_OFD_SETLK)
        struct flock range {};
        range.l_type = static_cast<short>(unlock ? F_UNLCK : kind == hold_kind::shared ? F_RDLCK : F_WRLCK);
        range.l_whence = SEEK_SET;
        return ::fcntl(file_, F_OFD_SETLK, &range);
#else
        errno = ENOTSUP;
        return -1;
#endif
    }

    int file_;
    method how_;
};

}  // namespace nlock_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The foreign_hold of others.hpp, which includes this, on Windows: what Python's filelock and portalocker do there.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include <named_lock/named_lock.hpp>

#include "support/windows.hpp"

namespace nlock_test {

/// A lock file locked through a handle of its own: to this library that is another program.
class foreign_hold {
  public:
    using method = nlock::lock_method;  // there is but one here

    /// Takes it at once; throws std::system_error if it is held.
    explicit foreign_hold(const std::filesystem::path& path, hold_kind kind = hold_kind::exclusive,
                          method /*how*/ = method::flock)
        : foreign_hold{path, OPEN_ALWAYS} {
        if (!try_lock(kind)) throw failure("lock " + path.string());
    }
    explicit foreign_hold(const nlock::named_lock& lock, hold_kind kind = hold_kind::exclusive,
                          method how = method::flock)
        : foreign_hold{(std::filesystem::create_directories(lock.path().parent_path()), lock.path()), kind, how} {}
    foreign_hold(foreign_hold&& other) noexcept : file_{std::exchange(other.file_, INVALID_HANDLE_VALUE)} {}
    foreign_hold& operator=(foreign_hold&&) = delete;
    ~foreign_hold() { release(); }

    void release() {
        if (is_open()) CloseHandle(std::exchange(file_, INVALID_HANDLE_VALUE));
    }

    /// Unlocks, but keeps the file open.
    void release_unseen() {
        OVERLAPPED start_of_file{};
        UnlockFileEx(file_, 0, 1, 0, &start_of_file);
    }

    /// Whether another program could take it now. A file that does not exist is free.
    static bool is_possible(const std::filesystem::path& path, hold_kind kind, method /*how*/ = method::flock) {
        foreign_hold attempt{path, DWORD{OPEN_EXISTING}};
        return !attempt.is_open() || attempt.try_lock(kind);
    }

  private:
    foreign_hold(const std::filesystem::path& path, DWORD creation)
        : file_{CreateFileW(path.c_str(), GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr,
                            creation, FILE_ATTRIBUTE_NORMAL, nullptr)} {
        const DWORD error = GetLastError();
        const bool is_absent = error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND;
        if (!is_open() && !(creation == OPEN_EXISTING && is_absent)) throw failure("open " + path.string());
    }

    static std::system_error failure(const std::string& what) {
        return {static_cast<int>(GetLastError()), std::system_category(), what};
    }

    [[nodiscard]] bool is_open() const { return file_ != INVALID_HANDLE_VALUE; }

    [[nodiscard]] bool try_lock(hold_kind kind) {
        OVERLAPPED start_of_file{};
        const DWORD how = kind == hold_kind::exclusive ? LOCKFILE_EXCLUSIVE_LOCK : 0;
        if (LockFileEx(file_, how | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &start_of_file) != 0) return true;
        if (GetLastError() == ERROR_LOCK_VIOLATION) return false;
        throw failure("lock");
    }

    HANDLE file_;
};

}  // namespace nlock_test

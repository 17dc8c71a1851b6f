// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <filesystem>
#include <optional>
#include <utility>

#include <named_lock/detail/lock_kind.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/watch_event.hpp>
#include <named_lock/options.hpp>

namespace nlock::detail {

/// An open lock file, locked or not. It unlocks and closes when it goes, so that every early return is right. If it was
/// waited for, it has the watch on it as well, until it goes: to end a watch takes several microseconds, which would
/// come between a release and the next grant.
class lock_file {
  public:
    lock_file() = default;
    lock_file(lock_file&& other) noexcept
        : watch_{std::move(other.watch_)},
          file_{std::move(other.file_)},
          method_{other.method_},
          locked_{std::exchange(other.locked_, false)} {}
    lock_file& operator=(lock_file&& other) noexcept {
        if (this != &other) {
            close();
            watch_ = std::move(other.watch_);
            file_ = std::move(other.file_);
            method_ = other.method_;
            locked_ = std::exchange(other.locked_, false);
        }
        return *this;
    }
    ~lock_file() { close(); }

    /// False also in a forked child: the parent's file is not the child's.
    [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(file_); }
    [[nodiscard]] lock_method method() const noexcept { return method_; }

    void open(const std::filesystem::path& path, std::optional<std::filesystem::perms> permissions) {
        file_ = open_lock_file(path, permissions);
    }

    bool try_lock(lock_kind kind, lock_method method, const std::filesystem::path& path) {
        method_ = method;
        locked_ = try_lock_file(file_, kind, method, path);
        return locked_;
    }

    void mark_waiting_writer(lock_method method) noexcept { detail::mark_waiting_writer(file_, method); }
    [[nodiscard]] bool has_waiting_writer(lock_method method) const noexcept {
        return detail::has_waiting_writer(file_, method);
    }

    /// Linux frees the files of a process that is killed from the highest descriptor down, and an inotify instance takes
    /// it 5 to 15 ms: the instance must not come before the lock. (Measured: 22 ms until the next grant, else 0.7 ms.)
    void keep_above_watch() noexcept {
        if (watch_ != nullptr) watch_->keep_below(file_);
    }

    /// On the file at its path, if it is waited for; or null.
    [[nodiscard]] kept_watch& watch() noexcept { return watch_; }

    [[nodiscard]] bool is_at(const std::filesystem::path& path) const { return is_file_at(file_, path); }

    /// Closes it, and gives the watch on it back.
    void leave() noexcept {
        close();
        watch_ = nullptr;
    }

    void close() noexcept {
        if (std::exchange(locked_, false) && file_) unlock_file(file_, method_);
        file_ = file_handle{};
    }

  private:
    kept_watch watch_;
    file_handle file_;
    lock_method method_ = lock_method::flock;
    bool locked_ = false;
};

}  // namespace nlock::detail

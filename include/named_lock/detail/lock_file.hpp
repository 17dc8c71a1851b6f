// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <filesystem>
#include <optional>
#include <utility>

#include <named_lock/detail/lock_kind.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/options.hpp>

namespace nlock::detail {

/// An open lock file, locked or not. It unlocks and closes when it goes, so that every early return is right.
class lock_file {
  public:
    lock_file() = default;
    lock_file(lock_file&& other) noexcept
        : file_{std::move(other.file_)}, method_{other.method_}, locked_{std::exchange(other.locked_, false)} {}
    lock_file& operator=(lock_file&& other) noexcept {
        if (this != &other) {
            close();
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

    [[nodiscard]] bool is_at(const std::filesystem::path& path) const { return is_file_at(file_, path); }

    void close() noexcept {
        if (std::exchange(locked_, false) && file_) unlock_file(file_, method_);
        file_ = file_handle{};
    }

  private:
    file_handle file_;
    lock_method method_ = lock_method::flock;
    bool locked_ = false;
};

}  // namespace nlock::detail

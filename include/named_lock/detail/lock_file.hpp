// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>

#include <named_lock/detail/creation.hpp>
#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/line_place.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/watch_event.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// An open lock file: free, standing in line, or locked. When it goes it leaves the line, unlocks and closes, so that
/// every early return is right. If it was waited for, it has the watch on it as well, until it is released: to end a watch
/// takes several microseconds, which would come between a release and the next grant.
class lock_file {
  public:
    lock_file() = default;
    lock_file(lock_file&& other) noexcept
        : watch_{std::move(other.watch_)},
          file_{std::move(other.file_)},
          place_{std::exchange(other.place_, std::nullopt)},
          method_{other.method_},
          has_line_{other.has_line_},
          locked_{std::exchange(other.locked_, false)} {}
    lock_file& operator=(lock_file&& other) noexcept {
        if (this != &other) {
            close();
            watch_ = std::move(other.watch_);
            file_ = std::move(other.file_);
            place_ = std::exchange(other.place_, std::nullopt);
            method_ = other.method_;
            has_line_ = other.has_line_;
            locked_ = std::exchange(other.locked_, false);
        }
        return *this;
    }
    ~lock_file() {
        if (file_) close();
    }

    /// False also in a forked child: the parent's file is not the child's.
    [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(file_); }
    [[nodiscard]] lock_method method() const noexcept { return method_; }
    [[nodiscard]] bool has_line() const noexcept { return has_line_; }
    /// While it is not locked: if a release need not close it to be heard, and if it can be told from a file that the
    /// program has opened under its number.
    [[nodiscard]] bool may_stay_open() const noexcept { return has_line_ && is_open() && can_tell_intact(file_); }
    /// Not told if none is open.
    [[nodiscard]] file_identity identity() const noexcept { return file_ ? file_.identity() : file_identity{}; }
    [[nodiscard]] bool is_at(const std::filesystem::path& path) const { return is_file_at(file_, path); }

    void open(const std::filesystem::path& path, const creation& how, lock_method method) {
        file_ = open_lock_file(path, how);
        method_ = method;
        has_line_ = detail::has_line(file_, method);
    }

    /// False: the program has closed it, and the number may be another file's. Then neither lock nor place are left.
    bool is_intact() noexcept {
        if (detail::is_intact(file_)) return true;
        locked_ = false;
        place_ = std::nullopt;
        file_ = file_handle{};
        return false;
    }

    bool try_lock(lock_kind kind, const std::filesystem::path& path) {
        locked_ = try_lock_file(file_, kind, method_, path);
        if (locked_ && watch_ != nullptr) watch_->use_turn();
        return locked_;
    }

    /// Shared, but not past others who hold it shared: for a reader that lets a writer go first. Where nobody holds the
    /// lock, no reader keeps that writer out.
    bool try_lock_shared_if_free(const std::filesystem::path& path) {
        if (!try_lock(lock_kind::exclusive, path)) return false;
        unlock();  // Windows converts no lock
        return is_open() && try_lock(lock_kind::shared, path);
    }

    // ---- the line of processes ----

    /// False: there is no line to stand in, or the place was refused.
    bool stand_in_line(lock_kind kind, std::chrono::microseconds since) noexcept {
        const line_place place{watch_ == nullptr ? no_address : watch_->address(), since, kind};
        if (!has_line_ && kind == lock_kind::exclusive) mark_waiting_writer(file_);
        if (!has_line_ || !detail::stand_in_line(file_, place)) return false;
        place_ = place;
        return true;
    }
    [[nodiscard]] bool stands_in_line() const noexcept { return place_.has_value(); }

    void leave_line() noexcept {
        const auto place = std::exchange(place_, std::nullopt);
        // A mark that cannot be ended ends with the file, which may be locked now: then at its release.
        if (place && file_ && !detail::leave_line(file_, *place)) has_line_ = false;
    }

    /// Readers may all come in: the first in line, if it is one, too.
    void call_reader() const noexcept {
        if (has_line_) (void)call_first(file_, lock_kind::shared);
    }

    /// The others' first.
    [[nodiscard]] line_view look_at_line() const noexcept {
        return has_line_ && file_ ? detail::look_at_line(file_) : line_view{};
    }
    [[nodiscard]] bool is_before(const line_view& other) const noexcept {
        return !other.shows_waiter() || !place_ || place_->came_before(other.place);
    }
    [[nodiscard]] bool writer_came_before(std::chrono::microseconds since) const noexcept {
        return has_line_ ? detail::writer_came_before(file_, since) : has_waiting_writer(file_);
    }

    // ---- watching ----

    /// For the file at its path; or null.
    [[nodiscard]] kept_watch& watch() noexcept { return watch_; }

    bool start_watching(const std::filesystem::path& path) {
        if (watch_ == nullptr || !watch_->watch(file_, path)) return false;
        watch_->keep_above(file_);
        return true;
    }

    // ---- giving up ----

    /// While it is locked: whoever locks it after that finds that it is not at the path.
    void remove_from(const std::filesystem::path& path) noexcept {
        if (is_intact()) remove_locked_file(file_, path);
    }

    /// Leaves the line and unlocks, and looks who is next if it had a turn to give up.
    line_view release() noexcept {
        const bool may_have_turn = stands_in_line() || locked_;
        if (!may_have_turn || !is_intact()) return {};
        leave_line();
        unlock();
        return look_at_line();
    }
    /// After that. Closes the file if it takes more than the line to tell the next one.
    line_memory::answer call(const line_view& next, line_memory& memory, std::chrono::microseconds now) noexcept {
        const auto answer = memory.call(next, file_, now);
        if (!answer.is_told) file_ = file_handle{};
        return answer;
    }

    void close() noexcept {
        if (release().shows_waiter()) (void)call_first(file_, lock_kind::exclusive);
        file_ = file_handle{};
    }

  private:
    void unlock() noexcept {
        const bool was_locked = std::exchange(locked_, false);
        if (was_locked && file_ && !unlock_file(file_, method_)) file_ = file_handle{};  // which unlocks, too
    }

    kept_watch watch_{};
    file_handle file_{};
    std::optional<line_place> place_{};
    lock_method method_ = lock_method::flock;
    bool has_line_ = false;
    bool locked_ = false;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The release_watch of Windows, which reports the release of a byte range to nobody but those who block for it, and
// those can neither time out nor be interrupted without losing the lock that they may just have got. So each release
// of this library sets a named event, which exists while somebody waits. Other programs, and the system for a process
// that was killed, set none: the waiter polls as well.
//
// The event resets itself as it wakes one waiter. One that was woken and leaves passes the turn on, as it may not have
// taken the lock; one that shares the lock has passed it on before (try_lock_file).
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>

#include <named_lock/detail/line_place.hpp>
#include <named_lock/detail/watch_event.hpp>
#include <named_lock/detail/windows/cancellation_event.hpp>
#include <named_lock/detail/windows/file.hpp>
#include <named_lock/detail/windows/identity.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

class release_watch {
  public:
    /// Null when the process has no handle left.
    static kept_watch open() {
        kept_watch watch{new release_watch};
        if (!watch->interrupts_) watch = nullptr;
        return watch;
    }

    /// No line calls anybody here.
    [[nodiscard]] static bell_address address() noexcept { return no_address; }
    [[nodiscard]] bool is_watching() const noexcept { return static_cast<bool>(releases_); }
    /// False also while the file is out of reach: nobody reports that it comes within it, so it must be polled for.
    bool watch(const file_handle& /*file*/, const std::filesystem::path& path) {
        unwatch();
        const opening opened = open_file(path, windows::read, windows::open_existing);
        const auto file = opened.file ? identity_of(opened.file.get()) : std::nullopt;
        if (file) releases_ = create_event(event_name::of_release(*file));
        return static_cast<bool>(releases_);
    }

    void unwatch() noexcept {
        if (std::exchange(has_turn_, false)) windows::SetEvent(releases_.get());
        releases_.close();
    }

    /// For who waits elsewhere for wait() to have something to tell, and sets it again. Null: it is not watching.
    [[nodiscard]] void* releases() const noexcept { return releases_.get(); }

    watch_event wait(std::chrono::nanoseconds longest, const cancellation_event* stop = nullptr) noexcept {
        std::array<void*, 3> sources{interrupts_.get()};
        windows::dword size = 1;
        if (is_watching()) sources[size++] = releases_.get();
        if (stop != nullptr) sources[size++] = stop->get();
        const auto pause = std::chrono::ceil<milliseconds>(longest);  // 0 would be no pause at all
        const windows::dword source = windows::WaitForMultipleObjects(size, sources.data(), 0, count(pause));
        if (source >= size) return watch_event::none;
        has_turn_ = is_watching() && source == 1;
        return stop != nullptr && source == size - 1 ? watch_event::none : watch_event::hint;
    }

    /// The lock was granted: its release will wake the next waiter.
    void use_turn() noexcept { has_turn_ = false; }

    template <class File>
    void keep_above(File&) noexcept {}
    static void start_afresh_in_child() noexcept {}
    void interrupt() noexcept { windows::SetEvent(interrupts_.get()); }

    /// Not again: an idle one would keep its handle, and the registry that keeps it stays behind when a DLL is unloaded.
    [[nodiscard]] static bool is_usable() noexcept { return false; }

    release_watch* next_idle = nullptr;

  private:
    using milliseconds = std::chrono::duration<std::int64_t, std::milli>;

    static windows::dword count(milliseconds pause) noexcept {
        return static_cast<windows::dword>(std::min<std::int64_t>(pause.count(), windows::no_limit - 1));
    }

    windows::handle interrupts_{
        windows::CreateEventExW(nullptr, nullptr, 0, windows::synchronize | windows::modify_state)};
    windows::handle releases_{};
    bool has_turn_ = false;  // woken by a release, and has not slept since
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

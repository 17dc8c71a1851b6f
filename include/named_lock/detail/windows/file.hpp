// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The seam of platform.hpp on Windows: opening, locking and checking a lock file.
//
// Byte 0 of the file is locked with LockFileEx, which is what msvcrt's _locking, and so Python's filelock, does. A lock
// belongs to one open file, like that of flock(2): another handle in the same process is refused.
//
// The file is never shared for deletion. Python deletes it after each release; could it do so while the file is open
// here, the next one would create a new file of that name, and lock it, beside a live holder.
#pragma once

#include <array>
#include <chrono>
#include <cwchar>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <named_lock/detail/deadline.hpp>
#include <named_lock/detail/lock_kind.hpp>
#include <named_lock/detail/windows/api.hpp>
#include <named_lock/detail/windows/path.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/options.hpp>

// Each DLL that includes this library has a table of its own: they exclude each other, as processes do.
#define NAMED_LOCK_ONE_PER_PROCESS
#define NAMED_LOCK_OUT_OF_LINE

namespace nlock::detail {

constexpr std::uint32_t fork_generation() noexcept { return 0; }
inline void install_fork_handlers(void (*)(), void (*)()) noexcept {}

/// Which file it is, whatever path leads to it.
struct file_identity {
    windows::dword volume;
    windows::dword index_high;
    windows::dword index_low;

    friend bool operator==(const file_identity& a, const file_identity& b) noexcept {
        return a.volume == b.volume && a.index_high == b.index_high && a.index_low == b.index_low;
    }
};

/// The file that the path names now; empty, with an error code, when there is none or it cannot be told. Asking for
/// the attributes collides with nobody's sharing.
inline std::optional<file_identity> identity_at(const std::filesystem::path& path, windows::dword& error) {
    constexpr windows::dword all = windows::share_read | windows::share_write | windows::share_delete;
    const windows::handle file{windows::CreateFileW(native_name{path}.get(), windows::read_attributes, all, nullptr,
                                                    windows::open_existing, windows::open_reparse_point, nullptr)};
    windows::file_information info{};
    if (file && windows::GetFileInformationByHandle(file.get(), info.get()) != 0) {
        return file_identity{info.volume, info.index_high, info.index_low};
    }
    error = windows::GetLastError();
    return std::nullopt;
}

/// The name of an event that belongs to a file. In the global namespace, because a service and the programs of logged-in
/// users have namespaces of their own otherwise.
class event_name {
  public:
    /// Exists while somebody waits for the file, and tells of its release.
    static event_name of_release(const file_identity& file) noexcept { return {L"named_lock", file}; }
    /// Exists while a writer waits; nobody sets it.
    static event_name of_waiting_writer(const file_identity& file) noexcept { return {L"named_lock-writer", file}; }

    [[nodiscard]] const wchar_t* get() const noexcept { return name_.data(); }

  private:
    event_name(const wchar_t* kind, const file_identity& file) noexcept {
        std::swprintf(name_.data(), name_.size(), L"Global\\%ls-%08lx-%08lx%08lx", kind, file.volume, file.index_high,
                      file.index_low);
    }

    std::array<wchar_t, 64> name_;
};

/// An open lock file; or one that another program keeps out of everybody's reach for the moment, because it deletes it
/// or has opened it for itself alone. That is contention, too, and each attempt at the lock tries to open it first.
class file_handle {
  public:
    file_handle() = default;
    explicit file_handle(windows::handle file, const file_identity& identity = {}) noexcept
        : file_{std::move(file)}, identity_{identity}, is_wanted_{true} {}
    file_handle(file_handle&& other) noexcept
        : file_{std::move(other.file_)},
          mark_{std::move(other.mark_)},
          identity_{other.identity_},
          is_wanted_{std::exchange(other.is_wanted_, false)} {}
    file_handle& operator=(file_handle&& other) noexcept {
        file_ = std::move(other.file_);
        mark_ = std::move(other.mark_);
        identity_ = other.identity_;
        is_wanted_ = std::exchange(other.is_wanted_, false);
        return *this;
    }
    ~file_handle() = default;

    explicit operator bool() const noexcept { return is_wanted_; }
    [[nodiscard]] bool is_within_reach() const noexcept { return static_cast<bool>(file_); }
    [[nodiscard]] void* get() const noexcept { return file_.get(); }
    [[nodiscard]] const file_identity& identity() const noexcept { return identity_; }

    void mark_waiting_writer() noexcept {
        const auto name = event_name::of_waiting_writer(identity_);
        mark_ = windows::handle{windows::CreateEventW(nullptr, 0, 0, name.get())};
    }

  private:
    windows::handle file_;
    windows::handle mark_;
    file_identity identity_{};
    bool is_wanted_ = false;
};

/// Refuses what is not a regular file.
inline file_handle examined(windows::handle file, const std::filesystem::path& path) {
    windows::file_information info{};
    if (windows::GetFileInformationByHandle(file.get(), info.get()) == 0) {
        throw windows_error{windows::GetLastError(), "examine", path};
    }
    if ((info.attributes & windows::reparse_point) != 0) {
        throw lock_error{std::errc::too_many_symbolic_link_levels, "open", path, "it is a link"};
    }
    return file_handle{std::move(file), {info.volume, info.index_high, info.index_low}};
}

inline windows::handle open_file(const std::filesystem::path& path, windows::dword access, windows::dword creation) {
    return windows::handle{windows::CreateFileW(native_name{path}.get(), access,
                                                windows::share_read | windows::share_write, nullptr, creation,
                                                windows::open_reparse_point, nullptr)};
}

/// The system reports a file that is being deleted as one that may not be opened. What the kernel really said is
/// kept for this thread, by a function that must be asked for by its name.
inline bool is_being_deleted() noexcept {
    using last_status = long(__stdcall*)();
    static const auto ask = reinterpret_cast<last_status>(
        reinterpret_cast<void*>(windows::GetProcAddress(windows::GetModuleHandleW(L"ntdll"), "RtlGetLastNtStatus")));
    return ask != nullptr && ask() == windows::status_delete_pending;
}

inline file_handle open_lock_file(const std::filesystem::path& path, std::optional<std::filesystem::perms> = {}) {
    // A peer's deletion that is just going on may be reported as a refusal for a moment (tox-dev/filelock#705), so a
    // refusal must last for a while to be believed.
    constexpr std::chrono::milliseconds grace{500};
    constexpr int enough = 100;
    std::optional<deadline> end_of_grace;
    for (int attempt = 1;; ++attempt) {
        windows::handle file = open_file(path, windows::read | windows::write, windows::open_always);
        if (file) return examined(std::move(file), path);
        const windows::dword error = windows::GetLastError();
        const bool is_denied = error == windows::access_denied && !is_being_deleted();
        if (error == windows::sharing_violation || error == windows::delete_pending ||
            (error == windows::access_denied && !is_denied)) {
            return file_handle{windows::handle{}};
        }
        if (error == windows::path_not_found && attempt < enough) {
            const windows::dword failed = make_directories(path.parent_path());
            if (failed != 0) throw windows_error{failed, "create the directory of", path};
            continue;
        }
        if (!is_denied) throw windows_error{error, "open", path};
        // One that may only be read can still be locked.
        file = open_file(path, windows::read, windows::open_existing);
        if (file) return examined(std::move(file), path);
        if (names_directory(path)) throw lock_error{std::errc::is_a_directory, "open", path, "it is a directory"};
        if (!end_of_grace) end_of_grace = deadline{grace};
        if (end_of_grace->has_passed()) throw windows_error{error, "open", path};
        windows::Sleep(1);
    }
}

inline windows::handle open_event(const event_name& name) noexcept {
    return windows::handle{windows::OpenEventW(windows::modify_state, 0, name.get())};
}

/// Wakes one of the waiters, if there are any.
inline void announce_release(const file_handle& file) noexcept {
    const windows::handle released = open_event(event_name::of_release(file.identity()));
    if (released) windows::SetEvent(released.get());
}

inline bool try_lock_file(file_handle& file, lock_kind kind, lock_method, const std::filesystem::path& path) {
    if (!file.is_within_reach()) file = open_lock_file(path);
    if (!file.is_within_reach()) return false;
    const windows::dword how = kind == lock_kind::shared ? windows::lock_shared : windows::lock_exclusive;
    windows::overlapped start_of_file;
    if (windows::LockFileEx(file.get(), how | windows::fail_immediately, 0, 1, 0, start_of_file.get()) != 0) {
        if (kind == lock_kind::shared) announce_release(file);  // that woke this one: the next one may share it
        return true;
    }
    const windows::dword error = windows::GetLastError();
    if (error == windows::lock_violation) return false;
    throw windows_error{error, "lock", path};
}

inline void unlock_file(file_handle& file, lock_method) noexcept {
    windows::overlapped start_of_file;
    windows::UnlockFileEx(file.get(), 0, 1, 0, start_of_file.get());
    announce_release(file);
}

inline void mark_waiting_writer(file_handle& file, lock_method) noexcept {
    if (file.is_within_reach()) file.mark_waiting_writer();
}

inline bool has_waiting_writer(const file_handle& file, lock_method) noexcept {
    if (!file.is_within_reach()) return false;
    const bool is_marked = static_cast<bool>(open_event(event_name::of_waiting_writer(file.identity())));
    if (is_marked) announce_release(file);  // the one that wakes may be this reader, which lets the writer go first
    return is_marked;
}

inline bool is_file_at(const file_handle& file, const std::filesystem::path& path) {
    // Nobody can delete or move a file that is open like this, nor, on NTFS, a directory above it ([MS-FSA] 2.1.5.15.11);
    // but Samba allows the latter ("strict rename"), and the path may lead over a drive letter that changes.
    if (!file.is_within_reach()) return true;
    windows::dword error = 0;
    if (const auto named = identity_at(path, error)) return *named == file.identity();
    if (error == windows::file_not_found || error == windows::path_not_found) return false;
    throw windows_error{error, "examine", path};
}

}  // namespace nlock::detail

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

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <new>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <named_lock/detail/creation.hpp>
#include <named_lock/detail/deadline.hpp>
#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/message.hpp>
#include <named_lock/detail/windows/api.hpp>
#include <named_lock/detail/windows/directory.hpp>
#include <named_lock/detail/windows/event.hpp>
#include <named_lock/detail/windows/identity.hpp>
#include <named_lock/detail/windows/path.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/options.hpp>

// Each DLL that includes this library has a table of its own: they exclude each other, as processes do.
#define NAMED_LOCK_ONE_PER_PROCESS
#define NAMED_LOCK_OUT_OF_LINE

namespace nlock::NAMED_LOCK_ABI::detail {

constexpr std::uint32_t fork_generation() noexcept { return 0; }
inline void install_fork_handlers(void (*)()) noexcept {}
struct cancellation_shield {
    ~cancellation_shield() {}  // or it would be an unused variable
};

/// An open lock file; or one that another program keeps out of everybody's reach for the moment, because it deletes it
/// or has opened it for itself alone. That is contention, too, and each attempt at the lock tries to open it first.
class file_handle {
  public:
    file_handle() = default;
    file_handle(windows::handle file, const file_identity& identity) noexcept
        : file_{std::move(file)}, identity_{identity}, is_wanted_{true} {}
    static file_handle out_of_reach(const creation& how) noexcept {
        file_handle file{windows::handle{}, {}};
        file.creation_ = how;
        return file;
    }
    static file_handle refused() noexcept {
        file_handle file = out_of_reach({});
        file.is_refused_ = true;
        return file;
    }
    file_handle(file_handle&& other) noexcept
        : file_{std::move(other.file_)},
          mark_{std::move(other.mark_)},
          identity_{other.identity_},
          creation_{other.creation_},
          is_wanted_{std::exchange(other.is_wanted_, false)},
          is_refused_{other.is_refused_} {}
    file_handle& operator=(file_handle&& other) noexcept {
        file_ = std::move(other.file_);
        mark_ = std::move(other.mark_);
        identity_ = other.identity_;
        creation_ = other.creation_;
        is_wanted_ = std::exchange(other.is_wanted_, false);
        is_refused_ = other.is_refused_;
        return *this;
    }
    ~file_handle() = default;

    explicit operator bool() const noexcept { return is_wanted_; }
    [[nodiscard]] bool is_within_reach() const noexcept { return static_cast<bool>(file_); }
    [[nodiscard]] bool is_refused() const noexcept { return is_refused_; }
    [[nodiscard]] void* get() const noexcept { return file_.get(); }
    [[nodiscard]] const file_identity& identity() const noexcept { return identity_; }
    /// For when it comes within reach.
    [[nodiscard]] const creation& how_to_create() const noexcept { return creation_; }

    void mark_waiting_writer() noexcept { mark_ = create_event(event_name::of_waiting_writer(identity_)); }

  private:
    windows::handle file_{};
    windows::handle mark_{};
    file_identity identity_{};
    creation creation_{};
    bool is_wanted_ = false;
    bool is_refused_ = false;  // which may pass
};

/// Refuses what is not a regular file, or cannot be told from another one.
inline file_handle examined(windows::handle file, const std::filesystem::path& path) {
    windows::file_information info{};
    const bool has_answered = windows::GetFileInformationByHandle(file.get(), info.get()) != 0;
    const auto identity = has_answered ? identity_of(file.get()) : std::nullopt;
    if (!identity) throw windows_error{windows::GetLastError(), "examine", path};
    if ((info.attributes & windows::reparse_point) != 0) {
        throw lock_error{std::errc::too_many_symbolic_link_levels, "open", path, "it is a link"};
    }
    if (!identity->is_told()) {
        throw lock_error{std::errc::not_supported, "examine", path, not_told_apart};
    }
    return file_handle{std::move(file), *identity};
}

/// A file, or why it could not be opened.
struct opening {
    windows::handle file{};
    windows::dword error = 0;
    bool is_missing = false;  // and could not be made

    /// It is there, but another program has it for itself, or deletes it.
    [[nodiscard]] bool is_out_of_reach() const noexcept {
        return error == windows::sharing_violation || error == windows::delete_pending;
    }
};

/// The system reports a file that is being deleted as one that may not be opened. What the kernel really said is kept
/// for this thread, by a function that must be asked for by its name.
inline opening open_file(const std::filesystem::path& path, windows::dword access, windows::dword creation) {
    using last_status = long __stdcall();
    static const auto ask_status = windows::function_of<last_status>(L"ntdll", "RtlGetLastNtStatus");
    const native_name name{path};
    windows::handle file{windows::CreateFileW(name.get(), access, windows::share_read | windows::share_write, nullptr,
                                              creation, windows::open_reparse_point, nullptr)};
    opening opened{std::move(file)};
    if (opened.file) return opened;
    opened.error = windows::GetLastError();
    if (opened.error == windows::access_denied && ask_status != nullptr &&
        ask_status() == windows::status_delete_pending) {
        opened.error = windows::delete_pending;
    }
    return opened;
}

/// For writing, too, so that it is made where it is missing; one that may only be read can still be locked.
inline opening open_or_create(const std::filesystem::path& path) {
    opening writable = open_file(path, windows::read | windows::write, windows::open_always);
    if (writable.error != windows::access_denied && writable.error != windows::write_protected) return writable;
    opening readable = open_file(path, windows::read, windows::open_existing);
    if (readable.file || readable.is_out_of_reach()) return readable;
    writable.is_missing = readable.error == windows::file_not_found;
    return writable;
}

/// As open_or_create, after making its directories if it may. Others may delete those, or the file between the two attempts to
/// open it, again and again.
inline opening open_in_directory(const std::filesystem::path& path, const creation& how) {
    constexpr int enough = 100;
    constexpr int enough_refusals = 3;
    for (int attempt = 1;; ++attempt) {
        opening opened = open_or_create(path);
        if (opened.error == windows::path_not_found && how.create_directories && attempt < enough) {
            const windows::dword failed = make_directories(path.parent_path());
            if (failed != 0) throw windows_error{failed, "create the directory of", path};
        } else if (!opened.is_missing || attempt >= enough_refusals) {
            return opened;
        }
    }
}

/// A peer's deletion that is just going on may be reported as a refusal for a moment, even by the kernel
/// (tox-dev/filelock#705). While it `may_pass`, a refusal to open a file that is there only puts it out of reach.
inline file_handle open_lock_file(const std::filesystem::path& path, const creation& how, bool may_pass) {
    opening opened = open_in_directory(path, how);
    if (opened.file) return examined(std::move(opened.file), path);
    if (opened.is_out_of_reach()) return file_handle::out_of_reach(how);
    if (opened.error == windows::access_denied) {
        if (names_directory(path)) throw lock_error{std::errc::is_a_directory, "open", path, "it is a directory"};
        if (may_pass && !opened.is_missing) return file_handle::refused();
    }
    if (opened.error == windows::path_not_found && !how.create_directories) {
        throw lock_error{std::errc::no_such_file_or_directory, "open", path, "its directory does not exist"};
    }
    throw windows_error{opened.error, "open", path};
}

/// A refusal must last for a while to be believed.
inline file_handle open_lock_file(const std::filesystem::path& path, const creation& how = {}) {
    const deadline end_of_doubt{std::chrono::milliseconds{500}};
    for (;;) {
        file_handle file = open_lock_file(path, how, !end_of_doubt.has_passed());
        if (!file.is_refused()) return file;
        windows::Sleep(1);
    }
}

/// Wakes one of the waiters, if there are any.
inline void announce_release(const file_handle& file) noexcept {
    const windows::handle released = open_event(event_name::of_release(file.identity()));
    if (released) windows::SetEvent(released.get());
}

inline bool try_lock_file(file_handle& file, lock_kind kind, lock_method, const std::filesystem::path& path) {
    if (!file.is_within_reach()) file = open_lock_file(path, creation{file.how_to_create()});
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

inline bool unlock_file(file_handle& file, lock_method) noexcept {
    windows::overlapped start_of_file;
    windows::UnlockFileEx(file.get(), 0, 1, 0, start_of_file.get());
    announce_release(file);
    return true;  // and where it failed, nothing else would help
}

/// Nobody can delete a file that somebody has open: so it is released first, and then goes only if nobody uses it.
inline void remove_locked_file(const file_handle& /*file*/, const std::filesystem::path& /*path*/) noexcept {}
inline bool remove_released_file(const std::filesystem::path& path) noexcept {
    try {
        return windows::DeleteFileW(native_name{path}.get()) != 0;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

/// For those who only want to know whether somebody has locked it.
inline bool is_granted_at(const std::filesystem::path& path, lock_kind kind) {
    const opening opened = open_file(path, windows::read, windows::open_existing);
    if (!opened.file) return !opened.is_out_of_reach();
    const windows::dword how = kind == lock_kind::shared ? windows::lock_shared : windows::lock_exclusive;
    windows::overlapped start_of_file;
    if (windows::LockFileEx(opened.file.get(), how | windows::fail_immediately, 0, 1, 0, start_of_file.get()) == 0) {
        return windows::GetLastError() != windows::lock_violation;
    }
    windows::UnlockFileEx(opened.file.get(), 0, 1, 0, start_of_file.get());
    return true;
}

inline void mark_waiting_writer(file_handle& file) noexcept {
    if (file.is_within_reach()) file.mark_waiting_writer();
}

inline bool has_waiting_writer(const file_handle& file) noexcept {
    if (!file.is_within_reach()) return false;
    return open_event(event_name::of_waiting_writer(file.identity())) ||
           windows::GetLastError() == windows::access_denied;  // somebody else's, so it exists
}

constexpr bool is_intact(const file_handle& /*file*/) noexcept { return true; }
constexpr bool can_tell_intact(const file_handle& /*file*/) noexcept { return true; }

inline bool is_file_at(const file_handle& file, const std::filesystem::path& path) {
    // Nobody can delete or move a file that is open like this, nor, on NTFS, a directory above it ([MS-FSA] 2.1.5.15.11);
    // but Samba allows the latter ("strict rename"), and the path may lead over a drive letter that changes.
    if (!file.is_within_reach()) return true;
    windows::dword error = 0;
    if (const auto named = identity_at(path, error)) {
        // On FAT, the number of an open file may change.
        return *named == file.identity() || identity_of(file.get()) == named;
    }
    if (error == windows::file_not_found || error == windows::path_not_found) return false;
    throw windows_error{error, "examine", path};
}

/// Nobody replaces a file that is open like this again and again: its numbers are of no use.
inline void check_identities(const std::filesystem::path& path) {
    throw lock_error{std::errc::not_supported, "lock", path, not_told_apart};
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

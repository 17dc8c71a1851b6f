// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The named events by which processes tell each other what happens to a file.
#pragma once

#include <array>
#include <cstdint>
#include <cwchar>

#include <named_lock/detail/windows/api.hpp>
#include <named_lock/detail/windows/identity.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

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
        const auto upper = [](std::uint64_t n) { return static_cast<windows::dword>(n >> 32); };
        const auto lower = [](std::uint64_t n) { return static_cast<windows::dword>(n & 0xFFFFFFFF); };
        std::swprintf(name_.data(), name_.size(), L"Global\\%ls-%08lx%08lx-%08lx%08lx%08lx%08lx", kind,
                      upper(file.volume), lower(file.volume), upper(file.high), lower(file.high), upper(file.low),
                      lower(file.low));
    }

    std::array<wchar_t, 96> name_{};
};

/// A security descriptor, self-relative ([MS-DTYP] 2.4.6), that lets everybody wait for an event and set it. Without it,
/// an event that a service made would be out of reach for the programs of ordinary users.
struct open_to_everybody {
    std::uint8_t revision[2] = {1, 0};
    std::uint16_t control = 0x8004;  // self-relative, with an access list
    std::uint32_t owner_group_audit[3] = {0, 0, 0};
    std::uint32_t list_at = 20;
    std::uint8_t list_revision[2] = {2, 0};
    std::uint16_t list_size = 28;
    std::uint16_t entries[2] = {1, 0};
    std::uint8_t allowed[2] = {0, 0};
    std::uint16_t entry_size = 20;
    std::uint32_t rights = windows::synchronize | windows::modify_state;
    std::uint8_t everybody[12] = {1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};  // S-1-1-0
};
static_assert(sizeof(open_to_everybody) == 48);

/// Opens the event, or makes it. With those rights alone: CreateEventW asks for all, which it does not get of one that
/// exists.
inline windows::handle create_event(const event_name& name) noexcept {
    open_to_everybody descriptor;
    windows::security_attributes security{sizeof security, &descriptor, 0};
    return windows::handle{
        windows::CreateEventExW(security.get(), name.get(), 0, windows::synchronize | windows::modify_state)};
}

/// Null, with the error in GetLastError(), when there is none or it may not be used.
inline windows::handle open_event(const event_name& name) noexcept {
    return windows::handle{windows::OpenEventW(windows::modify_state, 0, name.get())};
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

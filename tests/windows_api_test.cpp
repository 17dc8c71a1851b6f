// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What the library declares of the Windows API itself, beside the real <windows.h>: that both can be included is half
// of the test.
#if defined(_WIN32)
#include <named_lock/detail/platform.hpp>
#include <named_lock/named_lock.hpp>

// Before any other windows.h, and with its macros, as somebody's program may do.
#include <windows.h>

#include <cstddef>
#include <type_traits>

namespace {

namespace api = nlock::detail::windows;

int small = 1;  // a macro elsewhere in that header, if it is not included lean

static_assert(std::is_same_v<DWORD, api::dword>);
static_assert(std::is_same_v<HANDLE, void*>);
static_assert(std::is_same_v<HMODULE, api::module_handle>);
static_assert(std::is_same_v<FARPROC, api::procedure>);

static_assert(sizeof(OVERLAPPED) == sizeof(api::overlapped));
static_assert(alignof(OVERLAPPED) == alignof(api::overlapped));
static_assert(offsetof(OVERLAPPED, Offset) == offsetof(api::overlapped, offset));
static_assert(offsetof(OVERLAPPED, OffsetHigh) == offsetof(api::overlapped, offset_high));
static_assert(offsetof(OVERLAPPED, hEvent) == offsetof(api::overlapped, event));

using real_information = BY_HANDLE_FILE_INFORMATION;
static_assert(sizeof(real_information) == sizeof(api::file_information));
static_assert(offsetof(real_information, dwFileAttributes) == offsetof(api::file_information, attributes));
static_assert(offsetof(real_information, dwVolumeSerialNumber) == offsetof(api::file_information, volume));
static_assert(offsetof(real_information, nNumberOfLinks) == offsetof(api::file_information, links));
static_assert(offsetof(real_information, nFileIndexHigh) == offsetof(api::file_information, index_high));
static_assert(offsetof(real_information, nFileIndexLow) == offsetof(api::file_information, index_low));

static_assert(sizeof(SECURITY_ATTRIBUTES) == sizeof(api::security_attributes));
static_assert(offsetof(SECURITY_ATTRIBUTES, lpSecurityDescriptor) == offsetof(api::security_attributes, descriptor));
static_assert(offsetof(SECURITY_ATTRIBUTES, bInheritHandle) == offsetof(api::security_attributes, is_inherited));

using nlock::detail::file_identity;
static_assert(sizeof(FILE_ID_INFO) == sizeof(file_identity) && api::file_id_info == FileIdInfo);
static_assert(offsetof(FILE_ID_INFO, FileId) == offsetof(file_identity, low));

using nlock::detail::open_to_everybody;
static_assert(sizeof(SECURITY_DESCRIPTOR_RELATIVE) == offsetof(open_to_everybody, list_revision));
static_assert(sizeof(ACL) == offsetof(open_to_everybody, allowed) - offsetof(open_to_everybody, list_revision));

constexpr bool equal(DWORD ours, DWORD real) { return ours == real; }
static_assert(equal(api::read_attributes, FILE_READ_ATTRIBUTES) && equal(api::read, GENERIC_READ) &&
              equal(api::write, GENERIC_WRITE));
static_assert(equal(api::share_read, FILE_SHARE_READ) && equal(api::share_write, FILE_SHARE_WRITE) &&
              equal(api::share_delete, FILE_SHARE_DELETE));
static_assert(equal(api::create_new, CREATE_NEW) && equal(api::open_existing, OPEN_EXISTING) &&
              equal(api::open_always, OPEN_ALWAYS));
static_assert(equal(api::open_directories_too, FILE_FLAG_BACKUP_SEMANTICS) &&
              equal(api::open_reparse_point, FILE_FLAG_OPEN_REPARSE_POINT));
static_assert(equal(api::directory, FILE_ATTRIBUTE_DIRECTORY) &&
              equal(api::reparse_point, FILE_ATTRIBUTE_REPARSE_POINT) &&
              equal(api::no_attributes, INVALID_FILE_ATTRIBUTES));
static_assert(equal(api::fail_immediately, LOCKFILE_FAIL_IMMEDIATELY) &&
              equal(api::lock_exclusive, LOCKFILE_EXCLUSIVE_LOCK));
static_assert(equal(api::modify_state, EVENT_MODIFY_STATE) && equal(api::synchronize, SYNCHRONIZE));
static_assert(equal(api::object_0, WAIT_OBJECT_0) && equal(api::no_limit, INFINITE));
static_assert(equal(api::ignore_inserts, FORMAT_MESSAGE_IGNORE_INSERTS) &&
              equal(api::from_system, FORMAT_MESSAGE_FROM_SYSTEM));
static_assert(equal(api::file_not_found, ERROR_FILE_NOT_FOUND) && equal(api::path_not_found, ERROR_PATH_NOT_FOUND) &&
              equal(api::access_denied, ERROR_ACCESS_DENIED) &&
              equal(api::sharing_violation, ERROR_SHARING_VIOLATION) &&
              equal(api::write_protected, ERROR_WRITE_PROTECT) && equal(api::lock_violation, ERROR_LOCK_VIOLATION) &&
              equal(api::file_exists, ERROR_FILE_EXISTS) && equal(api::invalid_name, ERROR_INVALID_NAME) &&
              equal(api::delete_pending, ERROR_DELETE_PENDING));
static_assert(api::status_delete_pending == static_cast<LONG>(0xC0000056));  // STATUS_DELETE_PENDING of <ntstatus.h>

}  // namespace

#include "support/catch.hpp"

TEST_CASE("the library's declarations of the Windows API stand beside <windows.h>") {
    CHECK(api::invalid_handle == INVALID_HANDLE_VALUE);
    CHECK(small == 1);
    CHECK(GetLastError() == api::GetLastError());
}

TEST_CASE("the security descriptor of events is one, and names everybody") {
    open_to_everybody ours;
    auto* const descriptor = reinterpret_cast<PSECURITY_DESCRIPTOR>(&ours);
    REQUIRE(IsValidSecurityDescriptor(descriptor) != 0);
    CHECK(GetSecurityDescriptorLength(descriptor) == sizeof ours);
    BOOL is_there = FALSE;
    BOOL is_default = TRUE;
    PACL list = nullptr;
    REQUIRE(GetSecurityDescriptorDacl(descriptor, &is_there, &list, &is_default) != 0);
    REQUIRE((is_there != FALSE && list != nullptr && list->AceCount == 1));
    void* entry = nullptr;
    REQUIRE(GetAce(list, 0, &entry) != 0);
    auto* const allowed = static_cast<ACCESS_ALLOWED_ACE*>(entry);
    CHECK(allowed->Header.AceType == ACCESS_ALLOWED_ACE_TYPE);
    CHECK(allowed->Mask == (SYNCHRONIZE | EVENT_MODIFY_STATE));
    alignas(SID) unsigned char everybody[SECURITY_MAX_SID_SIZE];
    DWORD size = sizeof everybody;
    REQUIRE(CreateWellKnownSid(WinWorldSid, nullptr, everybody, &size) != 0);
    CHECK(EqualSid(&allowed->SidStart, everybody) != 0);
}
#endif

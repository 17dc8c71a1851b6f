// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The part of the Windows API that this library calls, declared here, because <windows.h> would bring every user macros
// named min, max and small, and whoever includes it first decides for all which half of it there is. Where it is
// included too, these declarations repeat its own; tests/windows_api_test.cpp compares the structures and constants.
#pragma once

#include <cstdarg>
#include <cstdint>
#include <utility>

#include <named_lock/detail/abi.hpp>

struct _BY_HANDLE_FILE_INFORMATION;
struct _OVERLAPPED;
struct _SECURITY_ATTRIBUTES;
struct HINSTANCE__;

namespace nlock::NAMED_LOCK_ABI::detail::windows {

using dword = unsigned long;
#if defined(NO_STRICT) && !defined(STRICT)  // then <windows.h> has one type for all handles
using module_handle = void*;
#else
using module_handle = HINSTANCE__*;
#endif
// By a name of its own: in `R(__stdcall* __stdcall f())()`, gcc and clang give both conventions to R.
using procedure = std::intptr_t(__stdcall*)();

/// OVERLAPPED: here, where in the file to lock.
struct overlapped {
    std::uintptr_t internal = 0;
    std::uintptr_t internal_high = 0;
    dword offset = 0;
    dword offset_high = 0;
    void* event = nullptr;

    [[nodiscard]] _OVERLAPPED* get() noexcept { return reinterpret_cast<_OVERLAPPED*>(this); }
};

/// BY_HANDLE_FILE_INFORMATION.
struct file_information {
    dword attributes;
    dword times[6];
    dword volume;
    dword size_high;
    dword size_low;
    dword links;
    dword index_high;
    dword index_low;

    [[nodiscard]] _BY_HANDLE_FILE_INFORMATION* get() noexcept {
        return reinterpret_cast<_BY_HANDLE_FILE_INFORMATION*>(this);
    }
};

/// SECURITY_ATTRIBUTES.
struct security_attributes {
    dword size;
    void* descriptor;
    int is_inherited;

    [[nodiscard]] _SECURITY_ATTRIBUTES* get() noexcept { return reinterpret_cast<_SECURITY_ATTRIBUTES*>(this); }
};

enum access : dword { read_attributes = 0x80, read = 0x80000000, write = 0x40000000 };
enum sharing : dword { share_read = 1, share_write = 2, share_delete = 4 };
enum creation : dword { create_new = 1, open_existing = 3, open_always = 4 };
enum open_flag : dword { open_directories_too = 0x02000000, open_reparse_point = 0x00200000 };
enum attribute : dword { directory = 0x10, reparse_point = 0x400, no_attributes = 0xFFFFFFFF };
enum lock_flag : dword { lock_shared = 0, fail_immediately = 1, lock_exclusive = 2 };
enum event_flag : dword { manual_reset = 1 };
enum registered_wait : dword { in_wait_thread = 4, only_once = 8 };
enum event_right : dword { modify_state = 2, synchronize = 0x100000 };
enum waited : dword { object_0 = 0, no_limit = 0xFFFFFFFF };
enum message_flag : dword { ignore_inserts = 0x200, from_system = 0x1000 };

enum error : dword {
    file_not_found = 2,
    path_not_found = 3,
    access_denied = 5,
    write_protected = 19,
    sharing_violation = 32,
    lock_violation = 33,
    file_exists = 80,
    invalid_name = 123,
    delete_pending = 303,
};
inline constexpr int file_id_info = 18;  // of FILE_INFO_BY_HANDLE_CLASS
inline constexpr long status_delete_pending = static_cast<long>(0xC0000056);

inline void* const invalid_handle = reinterpret_cast<void*>(std::intptr_t{-1});

#define NAMED_LOCK_WINDOWS_API __declspec(dllimport)
extern "C" {
NAMED_LOCK_WINDOWS_API int __stdcall CloseHandle(void*);
NAMED_LOCK_WINDOWS_API int __stdcall CreateDirectoryW(const wchar_t*, _SECURITY_ATTRIBUTES*);
NAMED_LOCK_WINDOWS_API void* __stdcall CreateEventExW(_SECURITY_ATTRIBUTES*, const wchar_t* name, dword flags,
                                                      dword access);
NAMED_LOCK_WINDOWS_API void* __stdcall CreateFileW(const wchar_t*, dword access, dword sharing, _SECURITY_ATTRIBUTES*,
                                                   dword creation, dword flags, void* template_file);
NAMED_LOCK_WINDOWS_API int __stdcall DeleteFileW(const wchar_t*);
NAMED_LOCK_WINDOWS_API dword __stdcall FormatMessageW(dword flags, const void* source, dword message, dword language,
                                                      wchar_t* buffer, dword size, std::va_list*);
NAMED_LOCK_WINDOWS_API dword __stdcall GetFileAttributesW(const wchar_t*);
NAMED_LOCK_WINDOWS_API int __stdcall GetFileInformationByHandle(void*, _BY_HANDLE_FILE_INFORMATION*);
NAMED_LOCK_WINDOWS_API dword __stdcall GetFinalPathNameByHandleW(void*, wchar_t* buffer, dword size, dword flags);
NAMED_LOCK_WINDOWS_API dword __stdcall GetFullPathNameW(const wchar_t*, dword size, wchar_t* buffer, wchar_t** name);
NAMED_LOCK_WINDOWS_API dword __stdcall GetLastError();
NAMED_LOCK_WINDOWS_API module_handle __stdcall GetModuleHandleW(const wchar_t*);
NAMED_LOCK_WINDOWS_API procedure __stdcall GetProcAddress(module_handle, const char*);
NAMED_LOCK_WINDOWS_API int __stdcall LockFileEx(void*, dword flags, dword reserved, dword size, dword size_high,
                                                _OVERLAPPED*);
NAMED_LOCK_WINDOWS_API int __stdcall MultiByteToWideChar(unsigned page, dword flags, const char*, int size, wchar_t*,
                                                         int wide_size);
NAMED_LOCK_WINDOWS_API void* __stdcall OpenEventW(dword access, int inherit, const wchar_t* name);
NAMED_LOCK_WINDOWS_API int __stdcall RegisterWaitForSingleObject(void** wait, void* object,
                                                                 void(__stdcall* call)(void*, unsigned char),
                                                                 void* context, dword milliseconds, dword flags);
NAMED_LOCK_WINDOWS_API int __stdcall ResetEvent(void*);
NAMED_LOCK_WINDOWS_API int __stdcall SetEvent(void*);
NAMED_LOCK_WINDOWS_API void __stdcall SetLastError(dword);
NAMED_LOCK_WINDOWS_API void __stdcall Sleep(dword milliseconds);
NAMED_LOCK_WINDOWS_API int __stdcall UnlockFileEx(void*, dword reserved, dword size, dword size_high, _OVERLAPPED*);
NAMED_LOCK_WINDOWS_API int __stdcall UnregisterWaitEx(void* wait, void* event);
NAMED_LOCK_WINDOWS_API dword __stdcall WaitForMultipleObjects(dword count, void* const* handles, int all,
                                                              dword milliseconds);
NAMED_LOCK_WINDOWS_API dword __stdcall WaitForSingleObject(void*, dword milliseconds);
}
#undef NAMED_LOCK_WINDOWS_API

/// A function that is not declared above, because no import library has it or its types are enumerations of
/// <windows.h>. Null: this Windows has none.
template <class Function>
Function* function_of(const wchar_t* library, const char* name) noexcept {
    return reinterpret_cast<Function*>(reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(library), name)));
}

/// A handle that closes.
class handle {
  public:
    handle() = default;
    explicit handle(void* value) noexcept : value_{value == invalid_handle ? nullptr : value} {}
    handle(handle&& other) noexcept : value_{std::exchange(other.value_, nullptr)} {}
    handle& operator=(handle&& other) noexcept {
        if (this != &other) {
            close();
            value_ = std::exchange(other.value_, nullptr);
        }
        return *this;
    }
    handle(const handle&) = delete;
    handle& operator=(const handle&) = delete;
    ~handle() { close(); }

    [[nodiscard]] void* get() const noexcept { return value_; }
    explicit operator bool() const noexcept { return value_ != nullptr; }

    void close() noexcept {
        if (value_ != nullptr) CloseHandle(std::exchange(value_, nullptr));
    }

  private:
    void* value_ = nullptr;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail::windows

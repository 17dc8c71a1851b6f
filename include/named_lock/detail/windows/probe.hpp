// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The trials of probe.hpp on Windows. There is no child process: nothing is forked here, and to start a program,
// there would have to be one. A lock of LockFileEx belongs to its handle, so a second handle is as good as a program.
#pragma once

#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/lock_file.hpp>
#include <named_lock/detail/message.hpp>
#include <named_lock/detail/windows/api.hpp>
#include <named_lock/detail/windows/directory.hpp>
#include <named_lock/detail/windows/file.hpp>
#include <named_lock/detail/windows/path.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {
namespace windows {
extern "C" {
__declspec(dllimport) unsigned __stdcall GetDriveTypeW(const wchar_t*);
__declspec(dllimport) int __stdcall GetVolumeInformationW(const wchar_t* root, wchar_t* name, dword name_size,
                                                          dword* serial, dword* component, dword* flags,
                                                          wchar_t* file_system, dword file_system_size);
__declspec(dllimport) int __stdcall GetVolumePathNameW(const wchar_t*, wchar_t* buffer, dword size);
}
}  // namespace windows

struct volume_facts {
    std::string file_system;
    bool is_remote = false;
    bool locks_stay_here = false;
};

/// What somebody else got while the trial's lock was held.
struct grants {
    bool shared = false;
    bool exclusive = false;
};

/// A file in the directory to try locks with, removed at the end.
class trial_file {
  public:
    explicit trial_file(const std::filesystem::path& directory) {
        std::error_code unused;
        const std::filesystem::path absolute = absolute_path(directory, unused);
        examine(absolute, directory);
        const auto seed = std::chrono::system_clock::now().time_since_epoch().count();
        opening made;
        int number = 0;
        do {
            path_ = absolute / (".named_lock-probe-" + std::to_string(seed) + '-' + std::to_string(number++));
            made = open_file(path_, windows::read | windows::write, windows::create_new);
        } while (made.error == windows::file_exists);
        if (!made.file) throw windows_error{made.error, "probe", directory};
    }
    trial_file(const trial_file&) = delete;
    trial_file& operator=(const trial_file&) = delete;
    ~trial_file() { windows::DeleteFileW(native_name{path_}.get()); }

    [[nodiscard]] volume_facts volume(lock_method /*method*/) const {
        constexpr unsigned drive_remote = 4;
        const native_name file{path_};
        std::wstring root(path_.native().size() + 8, L'\0');  // no longer than the path, in the extended form
        std::array<wchar_t, 64> name{};
        if (windows::GetVolumePathNameW(file.get(), root.data(), static_cast<windows::dword>(root.size())) == 0) {
            return {};
        }
        (void)windows::GetVolumeInformationW(root.data(), nullptr, 0, nullptr, nullptr, nullptr, name.data(),
                                             static_cast<windows::dword>(name.size()));
        return {text_of(std::filesystem::path{name.data()}), windows::GetDriveTypeW(root.data()) == drive_remote,
                false};
    }

    /// What `work` returns, done while a lock is held.
    template <class Work>
    [[nodiscard]] auto while_locked(lock_kind kind, lock_method method, Work work) const {
        lock_file file;
        file.open(path_, creation{}, method);
        if (!file.try_lock(kind, path_)) {
            throw lock_error{std::errc::resource_unavailable_try_again, "lock", path_, "somebody else holds it"};
        }
        if (!file.is_at(path_)) {
            throw lock_error{std::errc::not_supported, "probe", path_, not_told_apart};
        }
        return work();
    }

    [[nodiscard]] grants ask(lock_method method) const {
        return {is_granted(lock_kind::shared, method), is_granted(lock_kind::exclusive, method)};
    }
    [[nodiscard]] grants ask_in_child(lock_method method) const { return ask(method); }

  private:
    static void examine(const std::filesystem::path& absolute, const std::filesystem::path& directory) {
        const windows::dword attributes = windows::GetFileAttributesW(native_name{absolute}.get());
        if (attributes == windows::no_attributes) throw windows_error{windows::GetLastError(), "probe", directory};
        if ((attributes & windows::directory) == 0) {
            throw lock_error{std::errc::not_a_directory, "probe", directory, "it is no directory"};
        }
    }

    [[nodiscard]] bool is_granted(lock_kind kind, lock_method method) const {
        lock_file file;
        file.open(path_, creation{}, method);
        return file.try_lock(kind, path_);
    }

    std::filesystem::path path_{};
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

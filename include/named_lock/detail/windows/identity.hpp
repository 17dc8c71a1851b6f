// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Which file it is: the numbers that file systems give their files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <tuple>

#include <named_lock/detail/windows/api.hpp>
#include <named_lock/detail/windows/path.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// Which file it is, whatever path leads to it. Laid out as FILE_ID_INFO.
struct file_identity {
    std::uint64_t volume;
    std::uint64_t low;
    std::uint64_t high;

    /// No number, or all ones, is the answer of a file system that has no numbers for files ([MS-FSCC] 2.1.9, 2.1.10).
    [[nodiscard]] bool is_told() const noexcept { return (low != 0 || high != 0) && low != ~std::uint64_t{0}; }

    friend bool operator==(const file_identity& a, const file_identity& b) noexcept {
        return a.volume == b.volume && a.low == b.low && a.high == b.high;
    }
    friend bool operator<(const file_identity& a, const file_identity& b) noexcept {
        return std::tie(a.high, a.low, a.volume) < std::tie(b.high, b.low, b.volume);
    }
};

/// Of an open file; empty, with the error in GetLastError(), if it cannot be told. On ReFS, numbers of 64 bits are not
/// unique; those of 128 bits exist since Windows 8, not on all file systems.
inline std::optional<file_identity> identity_of(void* file) noexcept {
    using ask = int __stdcall(void*, int, void*, windows::dword);
    static const auto ask_information = windows::function_of<ask>(L"kernel32", "GetFileInformationByHandleEx");
    file_identity long_one{};
    if (ask_information != nullptr && ask_information(file, windows::file_id_info, &long_one, sizeof long_one) != 0 &&
        long_one.is_told()) {
        return long_one;
    }
    windows::file_information info{};
    if (windows::GetFileInformationByHandle(file, info.get()) == 0) return std::nullopt;
    return file_identity{info.volume, (std::uint64_t{info.index_high} << 32) | info.index_low, 0};
}

/// The file that the path names now; empty, with an error code, when there is none or it cannot be told. Asking for
/// the attributes collides with nobody's sharing.
inline std::optional<file_identity> identity_at(const std::filesystem::path& path, windows::dword& error) {
    constexpr windows::dword all = windows::share_read | windows::share_write | windows::share_delete;
    const native_name name{path};
    const windows::handle file{windows::CreateFileW(name.get(), windows::read_attributes, all, nullptr,
                                                    windows::open_existing, windows::open_reparse_point, nullptr)};
    std::optional<file_identity> identity;
    if (file) identity = identity_of(file.get());
    error = identity ? 0 : windows::GetLastError();
    return identity;
}

inline file_identity identity_at(const std::filesystem::path& path) {
    windows::dword error = 0;
    return identity_at(path, error).value_or(file_identity{});
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

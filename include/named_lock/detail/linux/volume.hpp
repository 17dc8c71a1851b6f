// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Which file system a file is on, from /proc: the number of its mount in /proc/self/fdinfo, then that mount's line in
// /proc/self/mountinfo (man 5 proc). Not by device number, because btrfs and overlayfs give their files others than
// their mounts have, nor by statfs(), which has no name for half of them and takes virtiofs for any other FUSE.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <named_lock/detail/linux/proc.hpp>
#include <named_lock/detail/posix/descriptor.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

struct volume_facts {
    std::string file_system;
    bool is_remote = false;
    bool locks_stay_here = false;
};

inline std::string_view mount_id_in(std::string_view fdinfo) noexcept { return field_in(fdinfo, "mnt_id:"); }

/// FUSE counts too: what its program does, the system cannot tell. "fuseblk" is a local disk.
inline bool is_remote_file_system(std::string_view type) noexcept {
    constexpr std::array<std::string_view, 24> remote{"9p",    "afs",  "autofs", "beegfs",    "ceph",     "cifs",
                                                      "coda",  "fuse", "gfs2",   "glusterfs", "gpfs",     "lustre",
                                                      "ncpfs", "nfs",  "nfs4",   "ocfs2",     "orangefs", "prl_fs",
                                                      "pvfs2", "smb3", "smbfs",  "vboxsf",    "virtiofs", "vmhgfs"};
    return type.substr(0, 5) == "fuse." || std::find(remote.begin(), remote.end(), type) != remote.end();
}

/// Whether `options`, "rw,vers=3,nolock", say that locks are not sent to the server.
inline bool keeps_locks_here(std::string_view options, lock_method method) noexcept {
    using namespace std::string_view_literals;
    const std::string_view by_method = method == lock_method::flock ? "local_lock=flock" : "local_lock=posix";
    while (!options.empty()) {
        const std::string_view option = take_until(options, ',');
        for (const std::string_view local : {by_method, "local_lock=all"sv, "nolock"sv, "nobrl"sv, "flock=local"sv}) {
            if (option == local) return true;
        }
    }
    return false;
}

/// What follows the number of that mount in its line of `mountinfo`, or empty. Lines look like
/// "29 1 0:26 / /srv rw,relatime shared:1 - nfs4 server:/srv rw,vers=4.2,local_lock=none", with any number of words
/// before the dash.
inline std::string_view mount_in(std::string_view mountinfo, std::string_view mount_id) noexcept {
    while (!mountinfo.empty()) {
        std::string_view line = take_until(mountinfo, '\n');
        if (take_word(line) == mount_id && !mount_id.empty()) return line;
    }
    return {};
}

inline volume_facts volume_in(std::string_view mountinfo, std::string_view mount_id, lock_method method) {
    std::string_view line = mount_in(mountinfo, mount_id);
    while (!line.empty() && take_word(line) != "-") {
    }
    const std::string_view type = take_word(line);
    take_word(line);  // the source
    const bool is_remote = is_remote_file_system(type);
    return {std::string{type}, is_remote, is_remote && keeps_locks_here(take_word(line), method)};
}

/// The two numbers of a device.
using device_numbers = std::pair<std::uint64_t, std::uint64_t>;

/// As <sys/sysmacros.h> does, which would bring everybody the macros `major` and `minor`.
inline device_numbers device_of(dev_t number) noexcept {
    const std::uint64_t bits = number;
    return {(bits >> 8 & 0xFFF) | (bits >> 32 & 0xFFFFF000), (bits & 0xFF) | (bits >> 12 & 0xFFFFFF00)};
}

/// The device of that mount, "0:26" above.
inline std::optional<device_numbers> device_in(std::string_view mountinfo, std::string_view mount_id) noexcept {
    std::string_view line = mount_in(mountinfo, mount_id);
    take_word(line);  // the mount it is in
    std::string_view numbers = take_word(line);
    const auto first = number_in<std::uint64_t>(take_until(numbers, ':'));
    const auto second = number_in<std::uint64_t>(numbers);
    if (!first || !second) return std::nullopt;
    return device_numbers{*first, *second};
}

inline volume_facts volume_of(const descriptor& file, lock_method method) {
    const look_time time{std::chrono::seconds{1}};
    const std::string fdinfo = read_proc("/proc/thread-self/fdinfo/" + std::to_string(file.get()), time).value_or("");
    const std::string mounts = read_proc("/proc/self/mountinfo", time).value_or("");
    return volume_in(mounts, mount_id_in(fdinfo), method);
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

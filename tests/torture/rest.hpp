// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What the library may keep open while nothing is held and nobody waits, and whether it keeps more: lock files of the
// latest locks, a bell for each thread that has waited, one socket to ring those of others, one inotify instance.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "common.hpp"

namespace torture {

struct descriptor_count {
    int lock_files = 0;
    int bells = 0;   // sockets with a name, and eventfds
    int voices = 0;  // sockets without one
    int instances = 0;
    int handles = 0;  // of pending acquisitions
    int others = 0;   // not the library's

    int ours() const { return lock_files + bells + voices + instances + handles; }
    std::string words() const {
        return std::to_string(lock_files) + " lock files, " + std::to_string(bells) + " bells, " +
               std::to_string(voices) + " sockets without a name, " + std::to_string(instances) +
               " inotify instances, " + std::to_string(handles) + " handles, " + std::to_string(others) + " others";
    }
};

enum class descriptor_kind { lock_file, bell, voice, instance, handle, other };

inline descriptor_kind kind_of_socket(int fd) {
    sockaddr_un name{};
    socklen_t size = sizeof name;
    int type = 0;
    socklen_t type_size = sizeof type;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0 || name.sun_family != AF_UNIX ||
        ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0 || type != SOCK_DGRAM) {
        return descriptor_kind::other;
    }
    if (size == sizeof name.sun_family) return descriptor_kind::voice;
    const std::string text(name.sun_path, size - offsetof(sockaddr_un, sun_path));
    return text.rfind(std::string{"\0named_lock-", 12}, 0) == 0 ? descriptor_kind::bell : descriptor_kind::other;
}

inline descriptor_kind kind_of(int fd, const std::string& target) {
    if (target.find(".lock") != std::string::npos) return descriptor_kind::lock_file;
    if (target.find("inotify") != std::string::npos) return descriptor_kind::instance;
    if (target.find("eventpoll") != std::string::npos) return descriptor_kind::handle;
    if (target.find("eventfd") != std::string::npos) return descriptor_kind::bell;
    return target.rfind("socket:", 0) == 0 ? kind_of_socket(fd) : descriptor_kind::other;
}

/// Calls `visit(descriptor, kind)` for all that are open.
template <class Visit>
void for_each_descriptor(Visit visit) {
    DIR* directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) give_up("opendir /proc/self/fd");
    std::vector<std::pair<int, descriptor_kind>> found;
    while (const dirent* entry = ::readdir(directory)) {
        const int fd = std::atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == ::dirfd(directory)) continue;
        std::string target(4096, '\0');
        const auto size = ::readlinkat(::dirfd(directory), entry->d_name, target.data(), target.size());
        target.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        found.emplace_back(fd, kind_of(fd, target));
    }
    ::closedir(directory);
    for (const auto& [fd, kind] : found) visit(fd, kind);
}

inline descriptor_count count_descriptors() {
    descriptor_count count;
    for_each_descriptor([&](int, descriptor_kind kind) {
        int descriptor_count::*const members[]{&descriptor_count::lock_files, &descriptor_count::bells,
                                               &descriptor_count::voices, &descriptor_count::instances,
                                               &descriptor_count::handles, &descriptor_count::others};
        ++(count.*members[static_cast<int>(kind)]);
    });
    return count;
}

/// The lock that was asked for last lives on in the library's table, with its file, until another one is asked for. This
/// one touches no file.
inline void displace_latest_lock() { nlock::named_lock{"displaces the latest one", "/"}; }

/// What a forked child still has of the library's, whose table should have told it all. To be called without foreign
/// lock files. Not in a process with other threads.
inline int count_in_child() {
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child == -1) give_up("fork");
    if (child == 0) ::_exit(std::min(count_descriptors().ours(), 100));
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

/// What is open at rest and should not be; empty: nothing. Without any named_lock left; `before`: the program's own.
/// `waiters`: as many threads as have waited at the same time.
inline std::string excess_at_rest(const descriptor_count& before, int waiters) {
    displace_latest_lock();
    constexpr int most_idle = 16;
    const descriptor_count now = count_descriptors();
    const bool fits = now.others <= before.others && now.lock_files == 0 && now.voices <= 1 && now.instances <= 1 &&
                      now.handles == 0 &&
                      now.bells <= std::min(waiters, most_idle);
    if (!fits) return "at rest there are " + now.words() + " (" + std::to_string(before.others) + " before)";
    return {};
}

}  // namespace torture

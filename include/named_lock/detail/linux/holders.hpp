// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Who holds a lock file on Linux: /proc/locks, and /proc/PID/fdinfo where that names no living process. All of it is
// a hint: processes of another pid namespace are missing (man 5 proc).
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <named_lock/detail/posix/descriptor.hpp>
#include <named_lock/lock_name.hpp>
#include <named_lock/options.hpp>

namespace nlock::detail {

/// A file as /proc names it: "08:02:131", the device's numbers and the inode's.
inline std::string proc_name_of(const struct stat& status) {
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "%02x:%02x:%llu", major(status.st_dev), minor(status.st_dev),
                  static_cast<unsigned long long>(status.st_ino));
    return text.data();
}

/// The text before the next `separator`, which is taken off `rest` with it.
inline std::string_view take_until(std::string_view& rest, char separator) noexcept {
    const std::string_view taken = rest.substr(0, rest.find(separator));
    rest.remove_prefix((std::min)(rest.size(), taken.size() + 1));
    return taken;
}

inline std::string_view take_word(std::string_view& rest) noexcept {
    rest.remove_prefix((std::min)(rest.size(), rest.find_first_not_of(" \t")));
    return take_until(rest, ' ');
}

/// The process that `text` names, or -1.
inline std::int64_t parse_pid(std::string_view text) noexcept {
    constexpr std::size_t longest = 10;
    std::int64_t pid = text.empty() || text.size() > longest ? -1 : 0;
    for (const char c : text) {
        if (pid < 0 || c < '0' || c > '9') return -1;
        pid = pid * 10 + (c - '0');
    }
    return pid;
}

/// The pid in one line of /proc/locks if that line is a held lock of `file`, else 0. -1 stands for a lock that belongs
/// to no process (F_OFD_SETLK). Lines look like "1: FLOCK  ADVISORY  WRITE 4242 08:02:131 0 EOF"; the ones with "->"
/// are waiters.
inline std::int64_t pid_of_lock(std::string_view line, std::string_view file, lock_method method) noexcept {
    take_word(line);  // "1:"
    const std::string_view type = take_word(line);
    const bool matches = method == lock_method::flock ? type == "FLOCK" : type == "POSIX" || type == "OFDLCK";
    if (!matches) return 0;
    take_word(line);  // ADVISORY
    take_word(line);  // READ or WRITE
    const std::int64_t pid = parse_pid(take_word(line));
    return take_word(line) == file ? pid : 0;
}

inline std::string proc_path(std::int64_t pid, const char* entry) {
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "/proc/%lld%s", static_cast<long long>(pid), entry);
    return text.data();
}

inline std::string read_whole(const std::string& path) {
    std::string text;
    const descriptor file = descriptor::from([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
    std::array<char, 4096> part;
    ssize_t size = 0;
    while (file && (size = ::read(file.get(), part.data(), part.size())) > 0) {
        text.append(part.data(), static_cast<std::size_t>(size));
    }
    return text;
}

inline bool has_lock_of(const std::string& fdinfo, const std::string& file, lock_method method) {
    for (std::string_view rest = fdinfo; !rest.empty();) {
        std::string_view line = take_until(rest, '\n');
        if (take_until(line, '\t') == "lock:" && pid_of_lock(line, file, method) != 0) return true;
    }
    return false;
}

/// The names in a directory, each with a slash; empty if it cannot be read. Not std::filesystem::directory_iterator,
/// whose increment() is noexcept in libstdc++ although it allocates: without memory it ends the process.
inline std::string entries_of(const std::string& path) {
    struct directory {
        ~directory() {
            if (stream != nullptr) ::closedir(stream);
        }
        DIR* stream;
    };
    const directory opened{::opendir(path.c_str())};
    std::string names;
    while (const dirent* entry = opened.stream == nullptr ? nullptr : ::readdir(opened.stream)) {
        if (entry->d_name[0] != '.') names.append(entry->d_name).append("/");
    }
    return names;
}

inline std::string process_name(std::int64_t pid) {
    std::string name = read_whole(proc_path(pid, "/comm"));
    if (!name.empty() && name.back() == '\n') name.pop_back();
    return printable(name);  // any process may call itself what it likes
}

inline void add_holder(std::int64_t pid, std::vector<lock_holder>& holders) {
    for (const lock_holder& known : holders) {
        if (known.pid == pid) return;
    }
    holders.push_back({pid, process_name(pid)});
}

/// Adds the processes that have a descriptor with a lock of `file`, as far as this user may look into them.
inline void find_in_fdinfo(const std::string& file, lock_method method, std::vector<lock_holder>& holders) {
    const std::string processes = entries_of("/proc");
    for (std::string_view rest = processes; !rest.empty();) {
        const std::int64_t pid = parse_pid(take_until(rest, '/'));
        if (pid < 0) continue;
        const std::string fdinfo = proc_path(pid, "/fdinfo/");
        const std::string numbers = entries_of(fdinfo);
        for (std::string_view others = numbers; !others.empty();) {
            if (!has_lock_of(read_whole(std::string{fdinfo}.append(take_until(others, '/'))), file, method)) continue;
            add_holder(pid, holders);
            break;
        }
    }
}

inline std::vector<lock_holder> holders_of(const std::filesystem::path& path, lock_method method) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return {};
    const std::string file = proc_name_of(status);
    const std::string locks = read_whole("/proc/locks");

    std::vector<lock_holder> holders;
    bool somebody_unnamed = false;
    for (std::string_view rest = locks; !rest.empty();) {
        const std::int64_t pid = pid_of_lock(take_until(rest, '\n'), file, method);
        // A pid that has ended left its lock to a child that shares the descriptor.
        const bool is_named = pid > 0 && ::access(proc_path(pid, "").c_str(), F_OK) == 0;
        if (is_named) add_holder(pid, holders);
        if (pid != 0 && !is_named) somebody_unnamed = true;
    }
    if (somebody_unnamed) find_in_fdinfo(file, method, holders);
    return holders;
}

}  // namespace nlock::detail

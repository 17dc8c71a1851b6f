// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What /proc says about a process. Only Linux has it.
#pragma once

#if defined(__linux__)
#include <sys/inotify.h>
#endif
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/threads.hpp"

namespace nlock_test {

inline std::filesystem::path proc_dir(pid_t pid) { return "/proc/" + std::to_string(pid); }

inline std::size_t count_entries(const std::filesystem::path& dir) {
    using iterator = std::filesystem::directory_iterator;
    return static_cast<std::size_t>(std::distance(iterator{dir}, iterator{}));
}

/// What its descriptors are open on.
inline std::vector<std::string> files_of(pid_t pid) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator{proc_dir(pid) / "fd"}) {
        std::error_code error;  // the one that lists them is gone
        const auto file = std::filesystem::read_symlink(entry.path(), error);
        if (!error) files.push_back(file.string());
    }
    std::sort(files.begin(), files.end());
    return files;
}

/// How many files it watches by inotify: one for each of its threads that is about to sleep until another program
/// releases a lock.
inline std::size_t watches_of(pid_t pid) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{proc_dir(pid) / "fdinfo"}) {
        std::ifstream info{entry.path()};
        for (std::string line; std::getline(info, line);) {
            if (line.compare(0, 10, "inotify wd") == 0) ++count;
        }
    }
    return count;
}

inline std::size_t threads_of(pid_t pid) { return count_entries(proc_dir(pid) / "task"); }

/// A line of /proc/PID/status, such as "SigCgt".
inline std::string status_of(pid_t pid, const std::string& key) {
    std::ifstream status{proc_dir(pid) / "status"};
    for (std::string line; std::getline(status, line);) {
        if (line.compare(0, key.size() + 1, key + ":") == 0) return line.substr(key.size() + 1);
    }
    throw std::runtime_error{"no " + key + " in /proc/PID/status"};
}

/// Whether `what` becomes true. Looked at again and again, because changes of /proc cannot be waited for.
template <class Condition>
bool becomes_true(Condition what) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!what()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return true;
}

/// Until it sleeps, or is about to, in `count` waits for other programs.
inline bool gets_to_watch(pid_t pid, std::size_t count = 1) {
    return becomes_true([&] { return watches_of(pid) == count; });
}

/// In how many lines it stands, as the marks of its open files tell (see detail/linux/line.hpp). Not by /proc/locks: while
/// that is read, locks that come and go elsewhere make others appear twice or not at all.
inline std::size_t marks_of(pid_t pid) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{proc_dir(pid) / "fdinfo"}) {
        std::ifstream info{entry.path()};
        for (std::string line; std::getline(info, line);) {
            std::istringstream words{line};
            std::string lock, number, type, advisory, access, owner, file;
            unsigned long long start = 0;
            words >> lock >> number >> type >> advisory >> access >> owner >> file >> start;
            if (lock == "lock:" && type == "OFDLCK" && start >= 1ull << 62) ++count;
        }
    }
    return count;
}

/// Until it stands in line, or is about to.
inline bool gets_in_line(pid_t pid) {
    return becomes_true([&] { return marks_of(pid) == 1; });
}

/// Until it stands in line, or watches the file, and is about to sleep.
inline bool gets_to_wait(pid_t pid) {
    return becomes_true([&] { return marks_of(pid) != 0 || watches_of(pid) == 1; });
}

/// Whether this user has an inotify instance left (fs.inotify.max_user_instances), and the system has any.
inline bool has_inotify() {
#if defined(__linux__)
    const int instance = ::inotify_init1(IN_CLOEXEC);
    if (instance >= 0) ::close(instance);
    return instance >= 0;
#else
    return false;
#endif
}

/// What all its threads have used.
inline std::chrono::nanoseconds processor_time_of(pid_t pid) {
    std::chrono::nanoseconds sum{0};
    for (const auto& task : std::filesystem::directory_iterator{proc_dir(pid) / "task"}) {
        std::ifstream file{task.path() / "schedstat"};
        std::chrono::nanoseconds::rep time = 0;
        if (!(file >> time)) throw std::runtime_error{"no schedstat"};
        sum += std::chrono::nanoseconds{time};
    }
    return sum;
}

}  // namespace nlock_test

/// Ends a test case in which waiters have to watch, and not to poll.
#define SKIP_WITHOUT_INOTIFY()                                                                                         \
    do {                                                                                                               \
        if (!::nlock_test::has_inotify()) SKIP_TEST("there is no inotify instance for this user");                     \
    } while (false)

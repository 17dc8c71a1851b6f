// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What /proc says about a process. Only Linux has it.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

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

inline std::size_t threads_of(pid_t pid) { return count_entries(proc_dir(pid) / "task"); }

/// A line of /proc/PID/status, such as "SigCgt".
inline std::string status_of(pid_t pid, const std::string& key) {
    std::ifstream status{proc_dir(pid) / "status"};
    for (std::string line; std::getline(status, line);) {
        if (line.compare(0, key.size() + 1, key + ":") == 0) return line.substr(key.size() + 1);
    }
    throw std::runtime_error{"no " + key + " in /proc/PID/status"};
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

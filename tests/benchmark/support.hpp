// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What the benchmark programs share: their arguments, samples and their statistics as JSON lines, memory shared with
// child processes, a directory that goes with the program.
#pragma once

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bench {

using steady = std::chrono::steady_clock;

inline std::int64_t now_ns() {  // CLOCK_MONOTONIC, as Python's time.monotonic_ns()
    return std::chrono::duration_cast<std::chrono::nanoseconds>(steady::now().time_since_epoch()).count();
}

inline double seconds_since(steady::time_point start) {
    return std::chrono::duration<double>(steady::now() - start).count();
}

inline double quantile(std::vector<double> sorted, double q) {
    return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(q * static_cast<double>(sorted.size())))];
}

struct arguments {
    bool quick = false;
    std::string python = "/usr/bin/python3";
    std::string peers = ".";  // where the scripts are
    std::string go_peer = {};

    arguments(int count, char** values) {
        for (int i = 1; i < count; ++i) {
            if (std::strcmp(values[i], "--quick") == 0) quick = true;
            if (i + 1 == count) continue;
            if (std::strcmp(values[i], "--python") == 0) python = values[i + 1];
            if (std::strcmp(values[i], "--peers") == 0) peers = values[i + 1];
            if (std::strcmp(values[i], "--go-peer") == 0) go_peer = values[i + 1];
        }
    }
};

/// One JSON line as well: what could not be measured, and why.
inline void skip(const std::string& question, const std::string& reason) {
    std::printf(R"({"question":"%s","skipped":"%s"})"
                "\n",
                question.c_str(), reason.c_str());
    std::fflush(stdout);
}

/// One JSON line: what was measured, median, 99th percentile, smallest, largest and number of samples.
inline void report(const std::string& question, const std::string& what, const char* unit,
                   std::vector<double> samples) {
    std::sort(samples.begin(), samples.end());
    std::printf(R"({"question":"%s","what":"%s","unit":"%s","median":%.6g,"p99":%.6g,"min":%.6g,"max":%.6g,"n":%zu})"
                "\n",
                question.c_str(), what.c_str(), unit, quantile(samples, 0.5), quantile(samples, 0.99), samples.front(),
                samples.back(), samples.size());
    std::fflush(stdout);
}

/// Nanoseconds of one call of each of `candidates`, and its ratio to the first one. They take turns in short rounds and
/// each ratio is taken within a round, because the machine is never quiet.
struct candidate {
    std::string what;
    std::function<void()> run;
};

inline void compare(const std::string& question, int rounds, int calls, const std::vector<candidate>& candidates) {
    std::vector<std::vector<double>> times(candidates.size());
    std::vector<std::vector<double>> ratios(candidates.size());
    for (int round = 0; round <= rounds; ++round) {
        for (std::size_t i = 0; i < candidates.size(); ++i) {
            const auto start = steady::now();
            for (int call = 0; call < calls; ++call) candidates[i].run();
            if (round == 0) continue;  // warms up
            times[i].push_back(seconds_since(start) * 1e9 / calls);
            ratios[i].push_back(times[i].back() / times[0].back());
        }
    }
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        report(question, candidates[i].what, "ns", times[i]);
        report(question, candidates[i].what, "ratio", ratios[i]);
    }
}

/// Zeroed memory that forked children share.
template <class T>
T* shared(std::size_t count = 1) {
    void* memory = ::mmap(nullptr, sizeof(T) * count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error{"mmap"};
    return new (memory) T[count]{};
}

template <class Body>
pid_t start_child(Body body) {
    const pid_t pid = ::fork();
    if (pid < 0) throw std::runtime_error{"fork"};
    if (pid != 0) return pid;
    ::alarm(300);  // never outlives a benchmark that was killed for long
    body();
    ::_exit(0);
}

inline void busy_for(std::chrono::nanoseconds time) {
    for (const auto end = steady::now() + time; steady::now() < end;) {
    }
}

class directory {
  public:
    directory() {
        std::string name = (std::filesystem::temp_directory_path() / "named_lock_bench.XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"mkdtemp"};
        path_ = std::filesystem::canonical(name);
    }
    directory(const directory&) = delete;
    directory& operator=(const directory&) = delete;
    ~directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

}  // namespace bench

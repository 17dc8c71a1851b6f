// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What the torture programs share: a scratch directory, a look at a lock from outside, counting descriptors, and the
// report that torture.py reads.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#if defined(NAMED_LOCK_COVERAGE)
extern "C" void __gcov_dump();
#endif

namespace torture {

namespace fs = std::filesystem;

inline std::int64_t now_ns() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

inline std::int64_t cpu_ns() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

[[noreturn]] inline void give_up(const std::string& what) {
    std::fprintf(stderr, "torture: %s: %s\n", what.c_str(), std::strerror(errno));
    std::_Exit(2);
}

inline fs::path scratch_parent() {
    const char* named = std::getenv("TMPDIR");
    return named == nullptr || *named == '\0' ? "/tmp" : named;
}

inline std::string scratch_prefix(pid_t pid) { return "named_lock_torture_" + std::to_string(pid) + "_"; }

/// A directory that goes with all that is in it.
class scratch_dir {
  public:
    scratch_dir() {
        std::string name = scratch_parent() / (scratch_prefix(creator_) + "XXXXXX");
        if (::mkdtemp(name.data()) == nullptr) give_up("mkdtemp " + name);
        path_ = fs::canonical(name);
        ::chmod(path_.c_str(), 0755);
    }
    scratch_dir(const scratch_dir&) = delete;
    scratch_dir& operator=(const scratch_dir&) = delete;
    ~scratch_dir() {
        std::error_code ignored;
        if (::getpid() == creator_) fs::remove_all(path_, ignored);
    }
    const fs::path& path() const { return path_; }

  private:
    const pid_t creator_ = ::getpid();
    fs::path path_;
};

/// What a process that was killed has left: its scratch directories bear its pid.
inline void remove_leftovers(pid_t pid) {
    const std::string prefix = scratch_prefix(pid);
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator{scratch_parent(), ignored}) {
        if (entry.path().filename().native().rfind(prefix, 0) == 0) fs::remove_all(entry.path(), ignored);
    }
}

/// A process that dies with its parent, whatever ends that.
inline void die_with_parent(pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(2);
}

/// As _exit(), but a program that is built for coverage writes down what it has counted.
[[noreturn]] inline void end_process(int status) {
    std::fflush(stdout);
#if defined(NAMED_LOCK_COVERAGE)
    ::__gcov_dump();
#endif
    ::_exit(status);
}

enum class seen { missing, free, shared, exclusive };

inline const char* name_of(seen s) {
    constexpr const char* names[]{"missing", "free", "held shared", "held exclusively"};
    return names[static_cast<int>(s)];
}

/// A lock file opened and locked without the library: to the library that is another program.
class foreign_file {
  public:
    explicit foreign_file(const fs::path& path, bool ofd = false, int flags = O_RDWR)
        : ofd_{ofd}, fd_{::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666)} {}
    foreign_file(const foreign_file&) = delete;
    foreign_file& operator=(const foreign_file&) = delete;
    ~foreign_file() { close(); }

    bool is_open() const { return fd_ >= 0; }
    int get() const { return fd_; }
    bool try_lock(bool shared = false) {
        if (!ofd_) return ::flock(fd_, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0;
        return set(static_cast<short>(shared ? F_RDLCK : F_WRLCK));
    }
    void unlock() { ofd_ ? static_cast<void>(set(F_UNLCK)) : static_cast<void>(::flock(fd_, LOCK_UN)); }
    /// Whether the path names this file.
    bool is_at(const fs::path& path) const {
        struct stat mine {};
        struct stat named {};
        return ::fstat(fd_, &mine) == 0 && ::lstat(path.c_str(), &named) == 0 && mine.st_dev == named.st_dev &&
               mine.st_ino == named.st_ino;
    }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

  private:
    bool set(short type) {
        struct flock range {};
        range.l_type = type;
        range.l_whence = SEEK_SET;
        return ::fcntl(fd_, F_OFD_SETLK, &range) == 0;
    }
    bool ofd_;
    int fd_;
};

/// Unlocks, and does not just close: while another process looks into /proc/PID/fdinfo of this one, a file that is closed
/// stays open, and locked, for as long as that takes.
inline seen look_at(const fs::path& path, bool ofd = false) {
    foreign_file file{path, ofd};
    if (!file.is_open()) return seen::missing;
    const bool is_free = file.try_lock();
    const bool is_shared = !is_free && file.try_lock(true);
    if (is_free || is_shared) file.unlock();
    return is_free ? seen::free : is_shared ? seen::shared : seen::exclusive;
}

/// The lines of /proc/locks about a file, for people who ask why it is locked.
inline std::string lines_of_locks(const fs::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return path.native() + " is gone";
    const std::string inode = std::to_string(status.st_ino);
    std::string its_place{":"};
    its_place.append(inode).append(" ");
    std::string words = path.native() + ", inode " + inode;
    std::ifstream locks{"/proc/locks"};
    for (std::string line; std::getline(locks, line);) {
        if (line.find(its_place) != std::string::npos) words.append("\n    ").append(line);
    }
    return words;
}

/// How often processes have said the same; of zeros, in memory that they share.
class kinds_said {
  public:
    int add(const std::string& kind) {
        const std::size_t wanted = std::hash<std::string>{}(kind) | 1;
        for (entry& e : all_) {
            std::size_t nothing = 0;
            if (e.kind.compare_exchange_strong(nothing, wanted) || nothing == wanted) return ++e.times;
        }
        return 0;
    }

  private:
    struct entry {
        std::atomic<std::size_t> kind;
        std::atomic<int> times;
    };
    entry all_[256];
};

/// What a program found. Prints violations as they come, of the same kind only the first ones, and in the end one line
/// that torture.py reads.
class report {
  public:
    explicit report(kinds_said* common = nullptr) : common_{common} {}

    void tried(const std::string& what, long times = 1) { tried_[what] += times; }
    void violation(const std::string& what) {
        ++violations_;
        print("VIOLATION", what);
    }
    void leak(const std::string& what) {
        ++leaks_;
        print("LEAK", what);
    }
    void note(const std::string& what) {
        std::printf("NOTE: %s\n", what.c_str());
        std::fflush(stdout);
    }
    void skipped(const std::string& what, const std::string& why) {
        std::printf("SKIPPED: %s: %s\n", what.c_str(), why.c_str());
        std::fflush(stdout);
    }
    bool expect(bool holds, const std::string& what) {
        if (!holds) violation(what);
        return holds;
    }
    void add(long violations, long leaks) {
        violations_ += violations;
        leaks_ += leaks;
    }
    long violations() const { return violations_; }

    /// The exit status of a child whose parent reports for it.
    int finish_quietly() const { return (violations_ != 0 ? 1 : 0) | (leaks_ != 0 ? 2 : 0); }

    void print_tried() const {
        for (const auto& [what, times] : tried_) std::printf("TRIED: %ld %s\n", times, what.c_str());
        std::fflush(stdout);
    }

    /// The exit status of the program.
    int finish() const {
        print_tried();
        std::printf("TOTAL: violations=%ld leaks=%ld\n", violations_, leaks_);
        return violations_ + leaks_ == 0 ? 0 : 1;
    }

  private:
    /// What is the same up to a setting, "... (in ...", or from one on, "setting: ...", is of one kind.
    void print(const char* what_it_is, const std::string& what) {
        const std::string text = what.substr(0, what.find(" (in "));
        const auto colon = text.find(": ");
        constexpr int most = 3;
        const std::string kind = what_it_is + (colon == std::string::npos ? text : kind_of(text.substr(colon)));
        const int count = common_ != nullptr ? common_->add(kind) : ++seen_[kind];
        if (count > most) return;
        std::printf("%s: %s%s\n", what_it_is, what.c_str(),
                    count == most ? " (and there may be more of the kind)" : "");
        std::fflush(stdout);
    }
    /// Without the figures.
    static std::string kind_of(std::string text) {
        text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; }),
                   text.end());
        return text;
    }

    kinds_said* common_;
    std::map<std::string, long> tried_;
    std::map<std::string, int> seen_;
    long violations_ = 0;
    long leaks_ = 0;
};

}  // namespace torture

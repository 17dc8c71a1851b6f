// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What a worker does by calls of the system itself, on POSIX: the conversation, and the commands for its process.
#pragma once

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/prctl.h>

#include "support/own_files.hpp"
#include "support/seccomp.hpp"
#endif

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/worker_command.hpp"
#include "support/worker_protocol.hpp"

namespace nlock_test {

/// Nothing that is blocked, in a lock or elsewhere, outlives the test that has started it. Returns when the thread for that
/// runs: it allocates when it starts, and a fork in that moment would leave the sanitizers' allocators locked in the child.
inline void end_with_input() {
    std::atomic<bool> runs{false};
    std::thread{[&runs] {
        runs = true;
        pollfd input{STDIN_FILENO, 0, 0};  // only for its end: the lines are for main()
        while (::poll(&input, 1, -1) <= 0) {
        }
        std::_Exit(exit_orphaned);
    }}.detach();
    while (!runs) std::this_thread::yield();
}

/// Byte by byte: what follows the line may be for a forked child or for the program that this one becomes.
inline std::optional<std::string> read_line() {
    std::string line;
    for (char c = 0; ::read(STDIN_FILENO, &c, 1) == 1; line += c) {
        if (c == '\n') return line;
    }
    return std::nullopt;
}

/// In one piece and at once, so that no forked child has a part of it in a buffer.
inline void say(std::string line) {
    line += '\n';
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::_Exit(exit_orphaned);
}

inline void check(bool success, const char* what) {
    if (!success) throw std::system_error{errno, std::generic_category(), what};
}

inline std::string become(const std::string& uid_in_words) {
    const auto uid = static_cast<uid_t>(std::stoul(uid_in_words));
    check(::setgroups(0, nullptr) == 0, "setgroups");
    check(::setgid(uid) == 0, "setgid");
    check(::setuid(uid) == 0, "setuid");
#if defined(__linux__)
    // What setuid takes away, and tests and sanitizers need: a look into its own /proc/self.
    check(::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0, "prctl");
#endif
    return "ok";
}

inline std::string limit_descriptors(long long count) {
    rlimit limit{};
    check(::getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = static_cast<rlim_t>(count);
    check(::setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    return "ok";
}

inline std::string take_inotify() {
    long count = 0;
#if defined(__linux__)
    while (::inotify_init1(IN_CLOEXEC) >= 0) ++count;
    check(errno == EMFILE, "inotify_init1");
    // The limit of the user it was, and not that of open files: there is room for one more.
    const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    check(file >= 0, "open");
    ::close(file);
#endif
    return "ok\t" + std::to_string(count);
}

inline std::string forbid_inotify() {
#if defined(__linux__)
    if (!answer_inotify_with(ENOSYS) || ::inotify_init1(IN_CLOEXEC) != -1 || errno != ENOSYS) return "impossible";
#endif
    return "ok";
}

/// What this kernel shall not have from now on.
inline std::string forbid([[maybe_unused]] const std::string& what) {
#if defined(__linux__)
    if (what == "sockets" && answer_sockets_with(EPERM)) return "ok";
    if (what == "names" && answer_bind_with(EADDRINUSE)) return "ok";
    if (what == "brands" && answer_brands_with(EPERM)) return "ok";
    if (what == "ofd_locks" && answer_ofd_locks_with(EINVAL)) return "ok";
#endif
    return "impossible";
}

#if defined(__linux__)
inline own_files files_of_its_own;

inline std::string take_numbers(arguments args) {
    const std::string how = args.word();
    const auto turn = static_cast<int>(args.number());
    const std::string directory = args.rest();
    if (how == "closed") {
        files_of_its_own.close_all_and_open(directory, turn);
    } else {
        files_of_its_own.replace(open_descriptors(), directory, turn);
    }
    return "ok\t" + std::to_string(files_of_its_own.count());
}

inline std::string own_files_changed() { return "ok\t" + files_of_its_own.changes(); }

/// Closes all, and opens and locks the file itself: under the number that it had here.
inline std::string lock_itself(const std::string& path) {
    for (const int number : open_descriptors()) ::close(number);
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    check(file >= 0 && ::flock(file, LOCK_EX | LOCK_NB) == 0, "flock");
    return "ok";
}
#else
inline std::string take_numbers(const arguments&) { return "impossible"; }
inline std::string own_files_changed() { return "impossible"; }
inline std::string lock_itself(const std::string&) { return "impossible"; }
#endif

/// The child speaks on; its parent is deaf until the child has ended.
inline std::string fork_speaking() {
    const pid_t child = ::fork();
    check(child >= 0, "fork");
    if (child == 0) {
        end_with_input();
        return "ok\t" + std::to_string(::getpid());
    }
    int status = 0;
    check(::waitpid(child, &status, 0) == child, "waitpid");
    return "child\t" + std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

inline std::string fork_silent() {
    const pid_t child = ::fork();
    check(child >= 0, "fork");
    if (child != 0) return "ok\t" + std::to_string(child);
    end_with_input();
    for (;;) ::pause();
}

inline std::string files() {
    std::string answer = "ok";
#if defined(__linux__)
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        std::error_code ignored;
        const std::filesystem::path target = std::filesystem::read_symlink(entry.path(), ignored);
        if (!target.empty()) answer += "\t" + target.string();
    }
#endif
    return answer;
}

[[noreturn]] inline void become(std::vector<std::string> words) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execvp(argv[0], argv.data());
    throw std::system_error{errno, std::generic_category(), "exec"};
}

inline const worker_commands system_commands{
    {"as_user", [](arguments a) { return become(a.word()); }},
    {"umask", [](arguments a) { return ::umask(static_cast<mode_t>(a.number(8))), "ok"; }},
    {"limit_descriptors", [](arguments a) { return limit_descriptors(a.number()); }},
    {"take_inotify", [](const arguments&) { return take_inotify(); }},
    {"forbid_inotify", [](const arguments&) { return forbid_inotify(); }},
    {"forbid", [](arguments a) { return forbid(a.word()); }},
    {"take_numbers", [](arguments a) { return take_numbers(std::move(a)); }},
    {"own_files_changed", [](const arguments&) { return own_files_changed(); }},
    {"lock_itself", [](arguments a) { return lock_itself(a.rest()); }},
    {"fork", [](const arguments&) { return fork_speaking(); }},
    {"fork_silent", [](const arguments&) { return fork_silent(); }},
    {"files", [](const arguments&) { return files(); }},
    {"exec", [](arguments a) -> std::string { become(a.words()); }},
};

}  // namespace nlock_test

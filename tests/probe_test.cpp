// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// probe() says whether a directory locks, by trying; and leaves no trace.
#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <thread>
#include <vector>
#if !defined(_WIN32)
#include <csignal>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#endif
#if defined(__linux__)
#include <cerrno>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include <named_lock/detail/linux/volume.hpp>
#endif

#include <named_lock/named_lock.hpp>
#include <named_lock/probe.hpp>

#include "support/platform.hpp"
#include "support/safety_net.hpp"
#include "support/temp_dir.hpp"
#include "support/thrown.hpp"
#if !defined(_WIN32)
#include "support/child.hpp"
#endif
#if defined(__linux__)
#include "support/seccomp.hpp"
#endif

namespace probe_test {
namespace {

using namespace nlock_test;
namespace fs = std::filesystem;
using nlock::lock_method;
using nlock::probe;

std::size_t entries_of(const fs::path& dir) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator{dir}, fs::directory_iterator{}));
}

/// What is wrong with the answer for a directory that locks; "" for nothing.
std::string wrong_with(const nlock::lock_support& found) {
    if (!found.exclusive_locks_exclude) return "exclusive locks do not exclude";
    if (!found.shared_locks_exclude) return "shared locks do not exclude";
    if (found.file_system.empty()) return "a file system without a name";
    return "";
}

TEST_CASE("probe finds that locks exclude in a directory of this machine") {
    temp_dir dir;
    CHECK(wrong_with(probe(dir.path())) == "");
    SKIP_ON_WINDOWS("there is one method of locking");
#if defined(__linux__)
    CHECK(wrong_with(probe(dir.path(), lock_method::fcntl)) == "");
#endif
}

TEST_CASE("probe leaves nothing behind, and lock files as they are") {
    temp_dir dir;
    const fs::path lock_file = dir.path() / "x.lock";
    std::ofstream{lock_file} << "somebody's text";
    const auto written = fs::last_write_time(lock_file);
    nlock::named_lock lock{"x", dir.path()};
    const auto guard = lock.acquire();
    CHECK(wrong_with(probe(dir.path())) == "");
    CHECK(guard);
    CHECK(entries_of(dir.path()) == 1);
    CHECK(fs::file_size(lock_file) == 15);
    CHECK(fs::last_write_time(lock_file) == written);
}

TEST_CASE("probe of what is no directory is a lock_error that names it") {
    temp_dir dir;
    const fs::path file = dir.path() / "file";
    std::ofstream{file} << "text";
    const fs::path missing = dir.path() / "missing";

    const auto no_directory = thrown_by<nlock::lock_error>([&] { (void)probe(missing); });
    CHECK(no_directory.code() == std::errc::no_such_file_or_directory);
    CHECK(no_directory.path() == missing);
    CHECK_THAT(no_directory.what(), Catch::Matchers::ContainsSubstring("cannot probe " + utf8_of(missing)));

    const auto a_file = thrown_by<nlock::lock_error>([&] { (void)probe(file); });
    CHECK(a_file.code() == std::errc::not_a_directory);

    const auto with_nul = thrown_by<nlock::lock_error>([&] { (void)probe(fs::path{std::string{"a\0b", 3}}); });
    CHECK(with_nul.code() == std::errc::invalid_argument);
    CHECK(entries_of(dir.path()) == 1);
}

TEST_CASE("probes of one directory do not disturb each other") {
    temp_dir dir;
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int j = 0; j < 5; ++j) {
                if (wrong_with(probe(dir.path())) != "") ++wrong;
            }
        });
    }
    for (std::thread& t : threads) t.join();
    CHECK(wrong == 0);
    CHECK(entries_of(dir.path()) == 0);
}

#if !defined(_WIN32)

TEST_CASE("probe of a directory that may not be written to is a lock_error") {
    temp_dir dir;
    fs::permissions(dir.path(),
                    fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read | fs::perms::others_exec);
    const std::string verdict = in_child([&]() -> std::string {
        constexpr uid_t nobody = 65534;
        if (::geteuid() == 0 && ::setuid(nobody) != 0) return "cannot be somebody else";
        const auto error = thrown_by<nlock::lock_error>([&] { (void)probe(dir.path()); });
        return error.code() == std::errc::permission_denied && error.path() == dir.path() ? "" : error.what();
    });
    CHECK(verdict == "");
}

TEST_CASE("probe leaves no descriptor, no child and no signal blocked") {
    temp_dir dir;
    const std::string verdict = in_child([&]() -> std::string {
        (void)probe(dir.path());
        const int before = ::dup(STDERR_FILENO);
        (void)probe(dir.path());
        const int after = ::dup(STDERR_FILENO);
        if (after != before + 1) return "a descriptor";
        if (::waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD) return "a child";
        sigset_t blocked;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
        return sigismember(&blocked, SIGTERM) == 1 ? "a signal" : "";
    });
    CHECK(verdict == "");
}

TEST_CASE("probe works in a program that ignores SIGCHLD") {
    temp_dir dir;
    CHECK(in_child([&] {
              std::signal(SIGCHLD, SIG_IGN);
              return wrong_with(probe(dir.path()));
          }) == "");
}

TEST_CASE("probe works in a program without standard streams, and does not take their place") {
    temp_dir dir;
    const std::string verdict = in_child([&]() -> std::string {
        const int copy = ::dup(STDERR_FILENO);
        for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(fd);
        const std::string wrong = wrong_with(probe(dir.path()));
        const bool is_closed = ::fcntl(STDOUT_FILENO, F_GETFD) == -1;
        ::dup2(copy, STDERR_FILENO);
        return wrong.empty() && !is_closed ? "standard output is open" : wrong;
    });
    CHECK(verdict == "");
}

TEST_CASE("probe works while other threads allocate and fork") {
    if (fork_beside_busy_threads_may_hang) SKIP_TEST("this sanitizer cannot fork beside busy threads");
    temp_dir dir;
    std::atomic<bool> over{false};
    std::thread allocator{[&] {
        while (!over) std::vector<std::string>(100, std::string(100, 'x')).clear();
    }};
    std::thread forker{[&] {
        while (!over) {
            const pid_t pid = ::fork();
            if (pid == 0) ::_exit(0);
            if (pid > 0) ::waitpid(pid, nullptr, 0);
        }
    }};
    std::string wrong;
    for (int i = 0; i < 20 && wrong.empty(); ++i) wrong = wrong_with(probe(dir.path()));
    over = true;
    allocator.join();
    forker.join();
    CHECK(wrong == "");
}

#endif

#if defined(__linux__)

TEST_CASE("probe knows the name of a file system") {
    temp_dir dir;
    const fs::path shared_memory = "/dev/shm";
    struct statfs status {};
    const bool is_tmpfs = ::statfs(shared_memory.c_str(), &status) == 0 && status.f_type == TMPFS_MAGIC &&
                          ::access(shared_memory.c_str(), W_OK) == 0;
    if (!is_tmpfs) SKIP_TEST("/dev/shm is no tmpfs here");
    const auto found = probe(shared_memory);
    CHECK(found.file_system == "tmpfs");
    CHECK_FALSE(found.is_remote);
    CHECK_FALSE(found.locks_stay_here);
    CHECK(wrong_with(found) == "");
}

TEST_CASE("a mount is found by its number, whatever its line holds") {
    using nlock::detail::volume_in;
    constexpr const char* mounts =
        "21 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n"
        "22 21 0:5 / /a\\040b rw - tmpfs tmpfs rw,size=1k\n"
        "29 21 0:40 / /srv rw shared:3 master:1 - nfs4 server:/srv rw,vers=4.2,local_lock=none\n"
        "30 21 0:41 / /old rw - nfs server:/old rw,nolock,local_lock=all,addr=10.0.0.1\n"
        "31 21 0:42 / /f rw - nfs server:/old rw,local_lock=flock\n"
        "32 21 0:43 / /win rw - cifs //server/x rw,nobrl\n"
        "33 21 0:44 / /host rw - virtiofs host rw\n"
        "34 21 0:45 / /ssh rw - fuse.sshfs me@server: rw\n"
        "35 21 0:46 / /disk rw - fuseblk /dev/sdb1 rw,nolock\n"
        "37 21 0:48 / /afs rw - afs #cell rw,flock=local\n"
        "36 21 0:47 / /cut rw";
    struct {
        const char* id;
        const char* type;
        bool is_remote;
        bool stays_with_flock;
        bool stays_with_fcntl;
    } const expected[]{
        {"21", "ext4", false, false, false},    {"22", "tmpfs", false, false, false},
        {"29", "nfs4", true, false, false},     {"30", "nfs", true, true, true},
        {"31", "nfs", true, true, false},       {"32", "cifs", true, true, true},
        {"33", "virtiofs", true, false, false}, {"34", "fuse.sshfs", true, false, false},
        {"35", "fuseblk", false, false, false}, {"36", "", false, false, false},
        {"37", "afs", true, true, true},        {"2", "", false, false, false},
        {"", "", false, false, false},
    };
    for (const auto& e : expected) {
        CAPTURE(e.id);
        const auto found = volume_in(mounts, e.id, lock_method::flock);
        CHECK(found.file_system == e.type);
        CHECK(found.is_remote == e.is_remote);
        CHECK(found.locks_stay_here == e.stays_with_flock);
        CHECK(volume_in(mounts, e.id, lock_method::fcntl).locks_stay_here == e.stays_with_fcntl);
    }
    CHECK(nlock::detail::mount_id_in("pos:\t0\nflags:\t02\nmnt_id:\t29\nino:\t7\n") == "29");
    CHECK(nlock::detail::mount_id_in("pos:\t0\nflags:\t02\n").empty());  // before Linux 3.15
}

TEST_CASE("probe sees through a file system that grants every lock to everybody") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    temp_dir dir;
    const std::string verdict = in_child([&]() -> std::string {
        if (!answer_locks_with(0)) return "cannot pretend";
        const auto found = probe(dir.path(), method);
        if (found.exclusive_locks_exclude) return "believes exclusive locks";
        return found.shared_locks_exclude ? "believes shared locks" : "";
    });
    if (verdict == "cannot pretend") SKIP_TEST("no system call can be made to lie here");
    CHECK(verdict == "");
    CHECK(entries_of(dir.path()) == 0);
}

TEST_CASE("probe of a file system that does not tell files apart is a lock_error") {
    temp_dir dir;
    after_fstat = [](struct stat& status) { ++status.st_ino; };
    const auto error = thrown_by<nlock::lock_error>([&] { (void)probe(dir.path()); });
    after_fstat = nullptr;
    CHECK(error.code() == std::errc::not_supported);
    CHECK(error.path() == dir.path());
    CHECK(error.what() == "cannot lock " + dir.path().string() + ": its file system does not tell files apart");
    CHECK(entries_of(dir.path()) == 0);
}

TEST_CASE("probe finds that locks exclude where the system refuses them with EACCES") {
    temp_dir dir;
    instead_of_flock = [](int file, int operation) {  // in the child, too
        const auto result = static_cast<int>(::syscall(SYS_flock, file, operation));
        if (result != 0 && errno == EWOULDBLOCK) errno = EACCES;
        return result;
    };
    CHECK(wrong_with(probe(dir.path())) == "");
    instead_of_flock = nullptr;
}

TEST_CASE("probe of a file system that refuses to lock is a lock_error") {
    const int code = GENERATE(ENOLCK, ENOSYS, EOPNOTSUPP);
    temp_dir dir;
    const std::string verdict = in_child([&]() -> std::string {
        if (!answer_locks_with(static_cast<unsigned>(code))) return "cannot pretend";
        const auto error = thrown_by<nlock::lock_error>([&] { (void)probe(dir.path()); });
        if (error.code().value() != code || error.path() != dir.path()) return "code or path";
        return error.what() == "cannot lock " + dir.path().string() + ": " + error.code().message() ? "" : error.what();
    });
    if (verdict == "cannot pretend") SKIP_TEST("no system call can be made to fail here");
    CHECK(verdict == "");
    CHECK(entries_of(dir.path()) == 0);
}

#endif

}  // namespace
}  // namespace probe_test

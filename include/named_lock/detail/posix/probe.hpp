// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The trials of probe.hpp on POSIX.
#pragma once

#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__APPLE__) || defined(__FreeBSD__)
#include <sys/param.h>

#include <sys/mount.h>  // FreeBSD wants the other one first
#endif

#include <cerrno>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>

#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/message.hpp>
#include <named_lock/detail/posix/descriptor.hpp>
#include <named_lock/detail/posix/file.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/options.hpp>
#if defined(__linux__)
#include <named_lock/detail/linux/volume.hpp>
#endif

namespace nlock::NAMED_LOCK_ABI::detail {

#if defined(__APPLE__) || defined(__FreeBSD__)
struct volume_facts {
    std::string file_system;
    bool is_remote = false;
    bool locks_stay_here = false;
};

inline volume_facts volume_of(const descriptor& file, lock_method /*method*/) {
    struct statfs status {};
    if (::fstatfs(file.get(), &status) != 0) return {};
    return {static_cast<const char*>(status.f_fstypename), (status.f_flags & MNT_LOCAL) == 0, false};
}
#elif !defined(__linux__)
struct volume_facts {
    std::string file_system;
    bool is_remote = false;
    bool locks_stay_here = false;
};

inline volume_facts volume_of(const descriptor& /*file*/, lock_method /*method*/) { return {}; }
#endif

/// What somebody else got while the trial's lock was held.
struct grants {
    bool shared = false;
    bool exclusive = false;
    int error = 0;  // why it could not even be tried
};

/// A descriptor of the trial's file. It unlocks before it closes: a child that another thread forks in this moment
/// would keep the lock alive until its fork handler has closed its copy. All of it is async-signal-safe.
class trial_descriptor {
  public:
    trial_descriptor(const std::filesystem::path& path, lock_method method) noexcept
        : file_{open_existing(path)}, error_{file_ ? 0 : errno}, method_{method} {}
    trial_descriptor(const trial_descriptor&) = delete;
    trial_descriptor& operator=(const trial_descriptor&) = delete;
    ~trial_descriptor() {
        if (file_) unlock_descriptor(file_.get(), method_);
    }

    /// As attempt_lock(), or why the file could not be opened.
    int attempt(lock_kind kind) noexcept { return file_ ? attempt_lock(file_.get(), kind, method_) : error_; }

  private:
    descriptor file_;
    int error_;
    lock_method method_;
};

/// As any other program would, with a file of its own. Async-signal-safe.
inline grants ask_for_locks(const std::filesystem::path& path, lock_method method) noexcept {
    grants got;
    for (const lock_kind kind : {lock_kind::shared, lock_kind::exclusive}) {
        const int error = trial_descriptor{path, method}.attempt(kind);  // no conversion of a lock that it has
        if (error == 0) (kind == lock_kind::shared ? got.shared : got.exclusive) = true;
        if (error != 0 && error != EWOULDBLOCK) got.error = error;
    }
    return got;
}

/// Memory that a child shares, for its answer: an exit status would be lost to whoever waits for children first, or to
/// a program that ignores SIGCHLD, and the fork handlers would close a pipe.
class answer_of_child {
  public:
    answer_of_child()
        : memory_{::mmap(nullptr, sizeof(answer), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)} {
        if (memory_ == MAP_FAILED) throw std::bad_alloc{};
        new (memory_) answer{};
    }
    answer_of_child(const answer_of_child&) = delete;
    answer_of_child& operator=(const answer_of_child&) = delete;
    ~answer_of_child() { ::munmap(memory_, sizeof(answer)); }

    void give(const grants& what) noexcept { *get() = {what, true}; }
    [[nodiscard]] bool is_given() const noexcept { return get()->is_given; }
    [[nodiscard]] grants value() const noexcept { return get()->value; }

  private:
    struct answer {
        grants value{};
        bool is_given = false;
    };
    [[nodiscard]] answer* get() const noexcept { return static_cast<answer*>(memory_); }

    void* memory_;
};

/// fork() with all signals held back, so that no handler of the program runs in the child, which keeps them so.
inline pid_t fork_without_signals() noexcept {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);  // a macro on macOS
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = ::fork();
    const int saved_errno = errno;
    if (pid != 0) ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = saved_errno;
    return pid;
}

/// A file in the directory to try locks with.
class trial_file {
  public:
    explicit trial_file(const std::filesystem::path& directory) : directory_{directory}, file_{directory, "probe"} {
        if (!file_) throw_error(errno, "probe", directory_);
        if (!file_.is_told_apart()) throw lock_error{std::errc::not_supported, "lock", directory_, not_told_apart};
    }

    [[nodiscard]] auto volume(lock_method method) const { return volume_of(file_.fd(), method); }

    /// What `work` returns, done while a lock is held.
    template <class Work>
    [[nodiscard]] auto while_locked(lock_kind kind, lock_method method, Work work) const {
        trial_descriptor file{file_.path(), method};
        if (const int error = file.attempt(kind)) throw_error(error, "lock", directory_);
        return work();
    }

    [[nodiscard]] grants ask(lock_method method) const { return checked(ask_for_locks(file_.path(), method)); }

    [[nodiscard]] grants ask_in_child(lock_method method) const {
        answer_of_child answer;
        const pid_t pid = fork_without_signals();
        if (pid < 0) throw_error(errno, "probe", directory_);
        if (pid == 0) {
            answer.give(ask_for_locks(file_.path(), method));
            ::_exit(0);
        }
        // ECHILD, if somebody else reaps the children, comes only when the child has ended (man 2 wait).
        uninterrupted([&] { return ::waitpid(pid, nullptr, 0) < 0 ? -1 : 0; });
        if (!answer.is_given()) {
            throw lock_error{std::errc::no_child_process, "probe", directory_, "its child process was killed"};
        }
        return checked(answer.value());
    }

  private:
    [[nodiscard]] grants checked(const grants& got) const {
        if (got.error != 0) throw_error(got.error, "lock", directory_);
        return got;
    }

    std::filesystem::path directory_;
    temporary_file file_;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

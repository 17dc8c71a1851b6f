// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Children that are somebody else, or have file systems of their own.
#pragma once

#include <grp.h>
#include <sched.h>
#include <sys/mount.h>

#include <string>

#include "common.hpp"

namespace torture {

inline bool is_root() { return ::geteuid() == 0; }

/// A user and a group that need no account. Numbers that no distribution hands out.
struct user {
    uid_t uid;
    gid_t gid;
    const char* name;
};
inline constexpr user victim{61002, 61002, "the victim"};
inline constexpr user attacker{61003, 61003, "the attacker"};

/// For ever, in this process. `common`: a second group, 0 for none.
inline void become(const user& who, gid_t common = 0) {
    const gid_t groups[]{common};
    if (::setgroups(common == 0 ? 0 : 1, groups) != 0 || ::setresgid(who.gid, who.gid, who.gid) != 0 ||
        ::setresuid(who.uid, who.uid, who.uid) != 0) {
        give_up(std::string{"become "} + who.name);
    }
}

/// Runs `job`, which returns an exit status, in a child with a limited time. What it did not survive is reported.
template <class Job>
bool in_child(report& results, const std::string& what, Job job) {
    std::fflush(stdout);
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == -1) give_up("fork");
    if (child == 0) {
        die_with_parent(parent);
        ::alarm(240);
        report mine;
        try {
            job(mine);
        } catch (const std::exception& e) {
            mine.violation(what + ": " + e.what());
        }
        std::fflush(stdout);
        end_process(mine.finish_quietly());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) {
        remove_leftovers(child);
        results.violation(what + (WTERMSIG(status) == SIGALRM ? ": hangs" : ": died of ") +
                          (WTERMSIG(status) == SIGALRM ? "" : ::strsignal(WTERMSIG(status))));
        return false;
    }
    const int code = WEXITSTATUS(status);
    if (code != 0) remove_leftovers(child);                         // a sanitizer ends a process without further ado
    results.add((code & 1) != 0 ? 1 : 0, (code & 2) != 0 ? 1 : 0);  // it has said what
    return code == 0;
}

/// A mount namespace of this process's own, for ever: what is mounted there ends with the process. False: not allowed.
inline bool take_own_mounts() {
    if (::unshare(CLONE_NEWNS) != 0) {
        const uid_t uid = ::geteuid();
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
        const std::string map = "0 " + std::to_string(uid) + " 1";
        const int file = ::open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
        const bool is_mapped = file >= 0 && ::write(file, map.data(), map.size()) == static_cast<ssize_t>(map.size());
        if (file >= 0) ::close(file);
        if (!is_mapped) return false;
    }
    return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace torture

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Does a directory lock? Some file systems grant every lock to everybody: folders that a virtual machine shares with
// its host, network mounts whose locks stay on this machine. A lock there excludes nobody, and nothing says so.
//
//     #include <named_lock/probe.hpp>
//
//     const nlock::lock_support found = nlock::probe("/srv/locks");
//     if (!found.exclusive_locks_exclude) std::cerr << "no locks on " << found.file_system << '\n';
//
// Not part of named_lock.hpp: it is for installation scripts and for the start of a program.
#pragma once

#include <filesystem>
#include <string>

#include <named_lock/detail/abi.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI {

/// What locks are worth in a directory, as far as one machine can tell.
/// @since 1.0.0
struct lock_support {
    /// As the system names it: "ext4", "nfs4", "tmpfs", "NTFS". Empty if it does not say.
    std::string file_system;

    /// Other machines, the host of a virtual machine or a FUSE program serve the files. The other answers are then
    /// true of programs on this machine only; whether those on others are excluded, only a trial with a second machine
    /// tells. And no event reports a release there: a waiter polls, every lock_options::poll_interval at the latest.
    bool is_remote = false;

    /// The mount keeps the locks of a remote file system on this machine, so programs on others are not excluded (NFS:
    /// nolock, local_lock; SMB: nobrl; AFS: flock=local). Seen on Linux only.
    bool locks_stay_here = false;

    /// While one program held a lock exclusively, nobody else got it, neither exclusively nor shared: not through a
    /// second descriptor of the same process, and not in a child process. If false, do not keep locks there.
    bool exclusive_locks_exclude = false;

    /// While one program held it shared, nobody else got it exclusively.
    bool shared_locks_exclude = false;
};

/// Tries locks in `locks_dir`, which must exist, with a file of its own that it removes: ".named_lock-probe-..." is
/// no lock's name, and lock files are not touched. `method` is the one that the locks will use.
///
/// Errors: lock_error, about `locks_dir`, if no file can be made there, and if the file system refuses to lock, or
/// gives a file other numbers each time it is asked: acquiring would fail there too. A network file system whose lock
/// service hangs can make it hang as well.
///
/// Thread safety: any thread, whatever the program does with SIGCHLD. On POSIX it forks twice; the child calls
/// only functions that are async-signal-safe, holds back all signals, and leaves by _exit(). On Windows there is no
/// child, only a second handle. A program that is killed meanwhile leaves the file behind.
/// @since 1.0.0
[[nodiscard]] lock_support probe(const std::filesystem::path& locks_dir, lock_method method = lock_method::flock);

}  // namespace nlock::NAMED_LOCK_ABI

#if !defined(NAMED_LOCK_COMPILED)
#include <named_lock/detail/probe_impl.hpp>
#endif

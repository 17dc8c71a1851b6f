// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The control panel of the shim: a shared library that stands, by LD_PRELOAD, between a program and the C library, and
// can count the calls of the library under test, let them fail, and run something just before one of them.
//
// A test program calls shim::load() first: it starts itself anew with the shim in place if it is not.
#pragma once

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace shim {

/// What is intercepted. `memory` is malloc and its kin, and with them operator new.
enum class call {
    open,
    openat,
    flock,
    fcntl,
    fstat,
    lstat,
    stat,
    close,
    unlink,
    mkdir,
    fchmod,
    linkat,
    inotify_init1,
    inotify_add_watch,
    inotify_rm_watch,
    ppoll,
    eventfd,
    epoll_create1,
    epoll_add,  // epoll_ctl: what may need memory
    read,
    write,
    access,
    realpath,
    getcwd,
    opendir,
    readdir,
    statfs,
    fstatfs,
    socket,
    bind,
    sendto,
    recv,
    mark,     // fcntl: a lock beyond any file's end, of the line of waiters, set or given up
    look,     // fcntl: F_OFD_GETLK
    brand,    // lseek: SEEK_SET; fcntl: F_SETSIG
    trust,    // lseek: SEEK_CUR; fcntl: F_GETSIG
    another,  // fcntl: F_DUPFD_CLOEXEC
    nanosleep,
    atfork,
    memory
};
inline constexpr int call_count = static_cast<int>(call::memory) + 1;

inline const char* name_of(call c) {
    constexpr const char* names[call_count] = {"open",
                                               "openat",
                                               "flock",
                                               "fcntl",
                                               "fstat",
                                               "lstat",
                                               "stat",
                                               "close",
                                               "unlink",
                                               "mkdir",
                                               "fchmod",
                                               "linkat",
                                               "inotify_init1",
                                               "inotify_add_watch",
                                               "inotify_rm_watch",
                                               "ppoll",
                                               "eventfd",
                                               "epoll_create1",
                                               "epoll_ctl",
                                               "read",
                                               "write",
                                               "access",
                                               "realpath",
                                               "getcwd",
                                               "opendir",
                                               "readdir",
                                               "statfs",
                                               "fstatfs",
                                               "socket",
                                               "bind",
                                               "sendto",
                                               "recv",
                                               "mark",
                                               "look",
                                               "brand",
                                               "trust",
                                               "another",
                                               "nanosleep",
                                               "pthread_atfork",
                                               "memory"};
    return names[static_cast<int>(c)];
}

/// What the manual pages say that a call can fail with, and what is known to come besides: EIO and ESTALE from network
/// file systems, ENOSYS and EOPNOTSUPP from those that do not lock. Left out: EFAULT and what only a wrong argument
/// brings about.
inline std::vector<int> errors_of(call c) {
    switch (c) {
    case call::open:
        return {EACCES,  EBUSY,  EDQUOT,       EEXIST, EINTR,  EINVAL,  EIO,         EISDIR,
                ELOOP,   EMFILE, ENAMETOOLONG, ENFILE, ENODEV, ENOENT,  ENOMEM,      ENOSPC,
                ENOTDIR, ENXIO,  EOVERFLOW,    EPERM,  EROFS,  ETXTBSY, EWOULDBLOCK, ESTALE};
    case call::openat:
        return {EACCES, EINTR, EMFILE, ENFILE, ENOENT, ENOMEM, ENOTDIR};
    case call::flock:
        return {EBADF, EINTR, EINVAL, ENOLCK, EWOULDBLOCK, EIO, ENOSYS, EOPNOTSUPP};
    case call::fcntl:
        return {EACCES, EAGAIN, EBADF, EDEADLK, EINTR, EINVAL, ENOLCK, EIO, EOPNOTSUPP};
    case call::fstat:
        return {ENOMEM, EOVERFLOW, EIO, ESTALE, EACCES};
    case call::lstat:
        return {EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EOVERFLOW, EIO, ESTALE};
    case call::stat:
        return {EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EOVERFLOW, EIO};
    case call::close:
        return {EINTR, EIO, ENOSPC, EDQUOT};
    case call::unlink:
        return {EACCES, EBUSY, EIO, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS};
    case call::mkdir:
        return {EACCES, EDQUOT, EEXIST, EINVAL,  ELOOP, EMLINK, ENAMETOOLONG,
                ENOENT, ENOMEM, ENOSPC, ENOTDIR, EPERM, EROFS,  EIO};
    case call::fchmod:
        return {EACCES, EIO, EPERM, EROFS, ENOMEM};
    case call::linkat:
        return {EACCES, EDQUOT, EEXIST, EIO, EMLINK, ENOENT, ENOMEM, ENOSPC, ENOTDIR, EPERM, EROFS, EXDEV};
    case call::inotify_init1:
        return {EINVAL, EMFILE, ENFILE, ENOMEM, ENOSYS};
    case call::inotify_add_watch:
        return {EACCES, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC, ENOTDIR, EINVAL};
    case call::inotify_rm_watch:
        return {EINVAL};
    case call::ppoll:
        return {EINTR, EINVAL, ENOMEM};
    case call::eventfd:
        return {EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM};
    case call::epoll_create1:
        return {EMFILE, ENFILE, ENOMEM};
    case call::epoll_add:
        return {EINVAL, ELOOP, ENOMEM, ENOSPC, EPERM};
    case call::read:
        return {EAGAIN, EINTR, EIO, EACCES, ENOMEM, ESRCH};
    case call::write:
        return {EAGAIN, EINTR, EIO};
    case call::access:
        return {EACCES, ENOENT, ENOMEM, EIO};
    case call::realpath:
        return {EACCES, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR};
    case call::getcwd:
        return {EACCES, ENOENT, ENOMEM, ERANGE};
    case call::opendir:
        return {EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, ENOTDIR};
    case call::readdir:
        return {EIO, ENOENT};
    case call::statfs:
        return {EACCES, EINTR, EIO, ELOOP, ENOENT, ENOMEM, ENOSYS};
    case call::fstatfs:
        return {EINTR, EIO, ENOMEM, ENOSYS, EOVERFLOW, EPERM};
    case call::socket:
        return {EACCES, EAFNOSUPPORT, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSYS, EPERM, EPROTONOSUPPORT};
    case call::bind:
        return {EACCES, EADDRINUSE, EINVAL, ENOMEM, ENOSYS, EPERM};
    case call::sendto:
        return {EACCES, EAGAIN, ECONNREFUSED, ECONNRESET, EINTR, ENOBUFS, ENOMEM, ENOSYS, EPERM};
    case call::recv:
        return {EAGAIN, ECONNRESET, EINTR, ENOMEM, EPERM};
    case call::mark:
        return {EACCES, EAGAIN, EINTR, EINVAL, EIO, ENOLCK, ENOSYS, EOPNOTSUPP, EPERM};
    case call::look:
        return {EACCES, EINTR, EINVAL, EIO, ENOLCK, ENOSYS, EOVERFLOW, EPERM};
    case call::brand:
        return {EINVAL, ENOSYS, EPERM};
    case call::trust:
        return {};  // of an open file it cannot fail
    case call::another:
        return {EINVAL, EMFILE, EPERM};
    case call::nanosleep:
        return {EINTR};
    case call::atfork:
        return {ENOMEM};
    case call::memory:
        return {ENOMEM};
    }
    return {};
}

inline constexpr int for_ever = 1 << 30;

struct control {
    /// Whose calls are counted and may fail. `marked`: only those of threads between mark(true) and mark(false).
    enum { nobody, marked, everybody };
    std::atomic<int> scope{nobody};
    std::atomic<long> calls[call_count] = {};

    // One planned fault: the calls number `first` (from 1) and `times` - 1 more of that kind fail.
    std::atomic<int> fault_at{-1};
    std::atomic<long> fault_first{0};
    std::atomic<long> fault_times{0};
    std::atomic<int> fault_error{0};

    // Random faults: one call of about `one_in` fails, with any of its errors. 0: none.
    std::atomic<unsigned> one_in{0};
    std::atomic<unsigned long> random{1};
    std::atomic<long> random_faults{0};

    std::atomic<bool> deaf{false};         // inotify watches are set up but never report anything
    std::atomic<bool> mute{false};         // what is sent to others' sockets gets lost
    std::atomic<bool> short_reads{false};  // read() delivers one byte

    /// Runs before that call, in its thread, with the shim out of the way: `nth` counts from 1.
    std::atomic<void (*)(call, long nth)> hook{nullptr};

    void plan(call where, long first, long times, int error) {
        fault_first = first;
        fault_times = times;
        fault_error = error;
        fault_at = static_cast<int>(where);
    }
    void reset() {
        scope = nobody;
        for (auto& count : calls) count = 0;
        fault_at = -1;
        one_in = 0;
        deaf = mute = short_reads = false;
        hook = nullptr;
    }
    long count_of(call c) const { return calls[static_cast<int>(c)].load(); }
};

/// The shim of this process.
inline control& panel() {
    static control& found = [&]() -> control& {
        auto* get = reinterpret_cast<control* (*)()>(::dlsym(RTLD_DEFAULT, "nlock_shim_panel"));
        if (get == nullptr) {
            std::fputs("the shim is not loaded\n", stderr);
            std::abort();
        }
        return *get();
    }();
    return found;
}

/// Marks this thread, see control::scope.
inline void mark(bool on) {
    static auto* set = reinterpret_cast<void (*)(bool)>(::dlsym(RTLD_DEFAULT, "nlock_shim_mark"));
    set(on);
}

/// Starts this program anew with the shim that lies beside it, unless it is there already.
inline void load(char** argv) {
    if (::dlsym(RTLD_DEFAULT, "nlock_shim_panel") != nullptr) {
        ::unsetenv("LD_PRELOAD");  // not for our children
        panel();
        mark(false);
        return;
    }
    std::string self(4096, '\0');
    const auto length = ::readlink("/proc/self/exe", self.data(), self.size());
    self.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
    const std::string library = self.substr(0, self.rfind('/') + 1) + "libshim.so";
    if (std::getenv("LD_PRELOAD") == nullptr && ::access(library.c_str(), R_OK) == 0) {
        ::setenv("LD_PRELOAD", library.c_str(), 1);
        ::execv(self.c_str(), argv);
    }
    std::fprintf(stderr, "cannot load %s\n", library.c_str());
    std::exit(2);
}

}  // namespace shim

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Functions of the C library with which safety_net.hpp interferes. To be included by one source file of a program.
#pragma once

#include "support/safety_net.hpp"

#if defined(__linux__)
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <utility>

#if defined(SYS_ppoll_time64) && defined(_TIME_BITS) && _TIME_BITS == 64
inline constexpr long ppoll_number = SYS_ppoll_time64;
#else
inline constexpr long ppoll_number = SYS_ppoll;
#endif

/// A waiter polls two descriptors: its bell, and the events of the file if it watches that. Before it does, and unless the
/// whole net is cut, it looks again soon.
extern "C" int ppoll(pollfd* sources, nfds_t count, const timespec* timeout, const sigset_t* mask) {
    timespec left{};
    if (timeout != nullptr) left = *timeout;
    const auto longest = std::chrono::seconds{left.tv_sec} + std::chrono::nanoseconds{left.tv_nsec};
    const bool watches = count > 1 && sources[1].fd >= 0;
    const bool may_cut = watches || (count > 1 && nlock_test::net_cut_from == nlock_test::whole_net);
    const bool cuts = timeout != nullptr && may_cut && longest >= nlock_test::net_cut_from;
    if (cuts) ++nlock_test::net_cuts;
    if (watches && nlock_test::before_sleeping) std::exchange(nlock_test::before_sleeping, nullptr)();
    constexpr long signal_set_size = 8;
    return static_cast<int>(
        ::syscall(ppoll_number, sources, count, timeout == nullptr || cuts ? nullptr : &left, mask, signal_set_size));
}

#if defined(__GLIBC__)
#define NAMED_LOCK_TEST_NOTHROW noexcept  // as it is declared there, but not in musl
#else
#define NAMED_LOCK_TEST_NOTHROW
// musl has all of inotify in one object, which a static program cannot link beside a part of it.
extern "C" int inotify_init1(int flags) { return static_cast<int>(::syscall(SYS_inotify_init1, flags)); }
extern "C" int inotify_init() { return ::inotify_init1(0); }
extern "C" int inotify_rm_watch(int instance, int watch) {
    return static_cast<int>(::syscall(SYS_inotify_rm_watch, instance, watch));
}
#endif
extern "C" int inotify_add_watch(int instance, const char* path, std::uint32_t events) NAMED_LOCK_TEST_NOTHROW {
    if (nlock_test::before_watching) std::exchange(nlock_test::before_watching, nullptr)();
    const auto watch = static_cast<int>(::syscall(SYS_inotify_add_watch, instance, path, events));
    if (nlock_test::after_watching) std::exchange(nlock_test::after_watching, nullptr)();
    return watch;
}

extern "C" int flock(int file, int operation) NAMED_LOCK_TEST_NOTHROW {
    if (nlock_test::instead_of_flock) return nlock_test::instead_of_flock(file, operation);
    return static_cast<int>(::syscall(SYS_flock, file, operation));
}

extern "C" int bind(int socket, const sockaddr* name, socklen_t size) NAMED_LOCK_TEST_NOTHROW {
    if (nlock_test::instead_of_bind) return nlock_test::instead_of_bind(socket);
    return static_cast<int>(::syscall(SYS_bind, socket, name, size));
}

extern "C" int linkat(int from_dir, const char* from, int to_dir, const char* to, int how) NAMED_LOCK_TEST_NOTHROW {
    errno = nlock_test::before_linkat ? nlock_test::before_linkat(how) : 0;
    return errno != 0 ? -1 : static_cast<int>(::syscall(SYS_linkat, from_dir, from, to_dir, to, how));
}

extern "C" int fstat(int file, struct stat* status) NAMED_LOCK_TEST_NOTHROW {
    const int result = ::fstatat(file, "", status, AT_EMPTY_PATH);
    if (result == 0 && nlock_test::after_fstat) nlock_test::after_fstat(*status);
    return result;
}

extern "C" int fchmod(int file, mode_t mode) NAMED_LOCK_TEST_NOTHROW {
    errno = nlock_test::before_fchmod ? nlock_test::before_fchmod() : 0;
    return errno != 0 ? -1 : static_cast<int>(::syscall(SYS_fchmod, file, mode));
}
#endif

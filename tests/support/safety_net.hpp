// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Cuts the safety net of waiters: while a thread sleeps until a release is reported, it no longer wakes up by itself to
// look whether the report was lost. A lost one is a hang then, and seen, where it would otherwise be a short delay.
//
// To be included by one source file of a program, because it replaces functions of the C library there.
#pragma once

#if defined(__linux__)
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <functional>
#include <utility>

namespace nlock_test {

/// What the calling thread sleeps for reports, if at all, lasts for ever from this duration on.
inline thread_local std::chrono::nanoseconds net_cut_from = (std::chrono::nanoseconds::max)();

/// How often the net was cut in this process. Never: the library waits in another way, and nothing is tested.
inline std::atomic<long> net_cuts{0};

/// What the calling thread does once, right before it begins to watch, and before it sleeps: the moments at which a
/// release is lost most easily.
inline thread_local std::function<void()> before_watching;
inline thread_local std::function<void()> before_sleeping;

/// For releases of this library, each of which is reported when the lock is free.
inline constexpr std::chrono::nanoseconds whole_net{0};

/// For the ends of other holds, which may be reported a moment too early: leaves the quick attempts after a report.
inline constexpr std::chrono::milliseconds net_but_quick_attempts{100};

/// As above, for a scope.
class cut_net {
  public:
    explicit cut_net(std::chrono::nanoseconds from = whole_net) { net_cut_from = from; }
    cut_net(const cut_net&) = delete;
    cut_net& operator=(const cut_net&) = delete;
    ~cut_net() { net_cut_from = (std::chrono::nanoseconds::max)(); }
};

}  // namespace nlock_test

#if defined(__linux__)
/// A waiter polls two descriptors: reports and interruptions. With one, it only rests.
extern "C" int ppoll(pollfd* sources, nfds_t count, const timespec* timeout, const sigset_t* mask) {
    timespec left{};
    if (timeout != nullptr) left = *timeout;
    const auto longest = std::chrono::seconds{left.tv_sec} + std::chrono::nanoseconds{left.tv_nsec};
    const bool cuts = timeout != nullptr && count > 1 && longest >= nlock_test::net_cut_from;
    if (cuts) ++nlock_test::net_cuts;
    if (count > 1 && nlock_test::before_sleeping) std::exchange(nlock_test::before_sleeping, nullptr)();
    constexpr long signal_set_size = 8;
    return static_cast<int>(
        ::syscall(SYS_ppoll, sources, count, timeout == nullptr || cuts ? nullptr : &left, mask, signal_set_size));
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
    return static_cast<int>(::syscall(SYS_inotify_add_watch, instance, path, events));
}
#endif

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Cuts the safety net of waiters: while a thread sleeps until a release is reported, it no longer wakes up by itself to
// look whether the report was lost. A lost one is a hang then, and seen, where it would otherwise be a short delay.
//
// One source file of the program includes replaced_calls.hpp as well, which does that.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>

#if defined(__linux__)
struct stat;
#endif

namespace nlock_test {

/// What the calling thread sleeps for reports, if at all, lasts for ever from this duration on.
inline thread_local std::chrono::nanoseconds net_cut_from = (std::chrono::nanoseconds::max)();

/// How often the net was cut in this process. Never: the library waits in another way, and nothing is tested.
inline std::atomic<long> net_cuts{0};

#if !defined(_WIN32)  // where nothing is replaced, and MinGW does not link such variables of two source files
/// What the calling thread does once, right before it begins to watch, right after the system has begun to, and before it
/// sleeps: the moments at which a release is lost most easily.
inline thread_local std::function<void()> before_watching;
inline thread_local std::function<void()> after_watching;
inline thread_local std::function<void()> before_sleeping;

/// What the calling thread does instead of flock(2) and of bind(2), while that is set.
inline thread_local std::function<int(int file, int operation)> instead_of_flock;
inline thread_local std::function<int(int socket)> instead_of_bind;

/// What the calling thread does before linkat(2) and fchmod(2), while that is set: 0, or what they fail with.
inline thread_local std::function<int(int how)> before_linkat;
inline thread_local std::function<int()> before_fchmod;
#endif

#if defined(__linux__)
/// What it does to the answers of fstat(2).
inline thread_local std::function<void(struct stat& status)> after_fstat;
#endif

/// For releases of this library, each of which is reported when the lock is free.
inline constexpr std::chrono::nanoseconds whole_net{0};

/// For the ends of other holds, which may be reported a moment too early: leaves the quick attempts after a report.
inline constexpr std::chrono::milliseconds net_but_quick_attempts{100};

/// Leaves the waiter what it sleeps for until it begins to watch.
inline constexpr std::chrono::microseconds net_when_watching{1};

/// As above, for a scope.
class cut_net {
  public:
    explicit cut_net(std::chrono::nanoseconds from = whole_net) { net_cut_from = from; }
    cut_net(const cut_net&) = delete;
    cut_net& operator=(const cut_net&) = delete;
    ~cut_net() { net_cut_from = (std::chrono::nanoseconds::max)(); }
};

}  // namespace nlock_test

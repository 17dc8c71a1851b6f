// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A file system that hangs, as one whose server is gone, hangs who uses it and nobody else.
#include "support/catch.hpp"

#if defined(__linux__) && __has_include(<linux/fuse.h>)

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include <named_lock/named_lock.hpp>

#include "support/fuse_volume.hpp"
#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"

namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using nlock::named_lock;

/// Longer than a waiter waits before it watches the file.
constexpr std::chrono::milliseconds until_watched{20};

/// All that can be done with a lock of the directory: each system call of this library about a file is among it.
void use_lock_in(const std::filesystem::path& directory) {
    nlock::lock_options options;
    options.locks_dir = directory;
    options.reentrant = false;
    named_lock lock{"slow", options};
    (void)lock.acquire();
    {
        const auto first = lock.acquire_shared();
        const auto beside = lock.acquire_shared();
    }
    const foreign_hold elsewhere{lock.path()};
    (void)lock.try_acquire(until_watched);
    (void)lock.holders();
}

/// Ends in a thread of its own, or the test does.
template <class Work>
void must_return(Work work) {
    in_another_thread(work);
}

pid_t fork_once() {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    return pid;
}

}  // namespace

TEST_CASE("whatever call a file system hangs in, other locks are acquired and waited for, and fork() returns") {
    if (fork_beside_busy_threads_may_hang) SKIP_TEST("this sanitizer cannot fork beside busy threads");
    const temp_dir dir;
    const temp_dir mounted;
    fuse_volume volume{mounted.path()};
    if (!volume.is_mounted()) SKIP_TEST("no FUSE file system can be mounted here, as root can");
    named_lock known{"known", dir.path()};
    { const auto guard = known.acquire(); }
    int requests = 0;
    for (bool has_hung = true; has_hung; ++requests) {
        volume.hang_at(requests + 1);
        task user{[&] {
            use_lock_in(volume.path());
            volume.end();
        }};
        has_hung = volume.hangs();
        if (!has_hung) break;
        pid_t forked = -1;
        must_return([&] { (void)known.acquire(); });
        must_return([&] { (void)named_lock{"new", dir.path()}.acquire(); });
        must_return([&] {
            const foreign_hold elsewhere{known};
            (void)known.try_acquire(until_watched);
        });
        must_return([&] { forked = fork_once(); });
        volume.go_on();
        REQUIRE(forked > 0);
        ::waitpid(forked, nullptr, 0);
        REQUIRE_FALSE(volume.hangs());  // it has come to its end
        user.get();
    }
    CHECK(requests > 10);
}

#endif

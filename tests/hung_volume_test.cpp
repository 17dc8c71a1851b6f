// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A file system that hangs, as one whose server is gone, hangs who uses it and nobody else.
#include "support/catch.hpp"

#if defined(__linux__) && __has_include(<linux/fuse.h>)

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <named_lock/named_lock.hpp>
#include <named_lock/pending_acquire.hpp>

#include "support/event_loop.hpp"
#include "support/fuse_volume.hpp"
#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"

namespace hung_volume_test {
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

/// All that can be done with a pending acquisition of a lock that is held elsewhere, and then is free. `call` tells what is
/// being done.
void wait_without_blocking_in(const std::filesystem::path& directory, std::atomic<const char*>& call) {
    const auto begin = [&] {
        call = "begin";
        return named_lock{"slow", directory}.begin_acquire(10s);
    };
    std::optional<foreign_hold> elsewhere{std::in_place, directory / fuse_volume::file_name};
    auto first = begin();
    call = "question";
    (void)first.native_handle();
    (void)first.wake_at();
    (void)first.is_done();
    call = "try_complete";
    (void)first.try_complete();
    call = "cancel";
    first.cancel();
    {
        const auto second = begin();
        call = "end";
    }
    auto third = begin();
    call = "of the other program";
    elsewhere.reset();
    call = "try_complete";
    (void)complete(third);
    call = "release";
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

TEST_CASE("a pending acquisition waits for the server of its lock file, and for nobody else") {
    const temp_dir dir;
    const temp_dir mounted;
    fuse_volume volume{mounted.path()};
    if (!volume.is_mounted()) SKIP_TEST("no FUSE file system can be mounted here, as root can");
    named_lock known{"known", dir.path()};
    std::set<std::string> hung_in;
    for (int requests = 0;; ++requests) {
        volume.hang_at(requests + 1);
        std::atomic<const char*> call{"of the other program"};
        task user{[&] {
            wait_without_blocking_in(volume.path(), call);
            volume.end();
        }};
        if (!volume.hangs()) break;
        hung_in.insert(call.load());
        in_another_thread([&] {
            auto held = known.begin_acquire().try_complete();
            auto pending = known.begin_acquire(10s);
            (void)gets_to_sleep(pending);
            held.release();
            (void)complete(pending);
        });
        volume.go_on();
        REQUIRE_FALSE(volume.hangs());  // it has come to its end
        user.get();
    }
    CHECK(hung_in.count("begin") == 1);
    CHECK(hung_in.count("try_complete") == 1);
    CHECK(hung_in.count("question") == 0);  // what only tells how it stands does not ask the system
}

}  // namespace hung_volume_test

#endif

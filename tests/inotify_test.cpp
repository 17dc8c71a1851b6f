// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// When no release can be reported, because the system has no inotify instance, no watch or no descriptor left, waiters
// poll: as correct, a little slower, and at little cost.
#include "support/catch.hpp"

#if defined(__linux__)

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <list>
#include <string>
#include <vector>

#include "support/counter_file.hpp"
#include "support/proc.hpp"
#include "support/temp_dir.hpp"
#include "support/worker.hpp"

namespace inotify_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// A user namespace has limits of its own (man 7 namespaces, /proc/sys/user), which its creator may lower.
std::vector<std::string> with_limit_of_zero(const std::string& limit) {
    return {"unshare", "--user", "--map-root-user", "sh", "-ec", "echo 0 >/proc/sys/user/" + limit + "; exec \"$@\"",
            "sh"};
}

bool may_limit(const std::string& limit) {
    return std::system(
               ("unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/" + limit + "' 2>/dev/null").c_str()) ==
           0;
}

constexpr const char* cannot_limit = "this user may not create a user namespace";

const char* const limits[]{"max_inotify_instances", "max_inotify_watches"};

long value_in(const fs::path& file) {
    long value = -1;
    std::ifstream{file} >> value;
    return value;
}

/// Takes all inotify instances that its user may have. That is a user of its own, if this one may choose.
class hoarder {
  public:
    explicit hoarder(const temp_dir& dir) : worker_{dir} {
        fs::permissions(dir.path(), fs::perms{0777});
        join(worker_);
    }

    /// Makes `w` a process of the same user.
    void join(worker& w) const {
        if (::geteuid() != 0) return;
        w.tell("umask 0");
        w.tell("as_user " + user_);
    }
    void take_all() { worker_.tell("take_inotify"); }
    void leave() { worker_.crash(); }

    /// It could not open enough files to reach a higher limit.
    static bool is_possible() {
        const long limit = value_in("/proc/sys/fs/inotify/max_user_instances");
        return limit >= 0 && limit < 900;
    }

  private:
    const std::string user_ = std::to_string(3'000'000 + ::getpid());  // so that tests side by side have different ones
    worker worker_;
};

constexpr const char* too_many = "there are more inotify instances than a process has descriptors";

/// The descriptor that it will get next.
long next_descriptor(pid_t pid) {
    long next = 0;
    while (fs::is_symlink(fs::symlink_status(proc_dir(pid) / "fd" / std::to_string(next)))) ++next;
    return next;
}

}  // namespace

TEST_CASE("a waiter that can watch nothing gets the lock by polling") {
    const std::string limit = GENERATE(from_range(std::vector<std::string>(std::begin(limits), std::end(limits))));
    const std::string ended_by = GENERATE("release", "crash");
    CAPTURE(limit, ended_by);
    if (!may_limit(limit)) SKIP_TEST(cannot_limit);
    temp_dir dir;
    worker waiter{dir.path(), with_limit_of_zero(limit)};
    for (const char* how : {"acquire -1 x", "acquire 60000 x", "acquire_shared -1 x"}) {
        worker holder{dir};
        holder.tell("acquire -1 x");
        waiter.let_wait(how);
        CHECK(waiter.is_silent());
        CHECK(watches_of(waiter.pid()) == 0);
        if (ended_by == "release") {
            holder.tell("release");
        } else {
            holder.crash();
        }
        CHECK(waiter.read_line() == "ok");
        waiter.tell("release");
    }
}

TEST_CASE("a kernel without inotify gives a correct lock") {
    temp_dir dir;
    const auto file = dir.path() / "counter";
    std::list<worker> workers;
    for (int i = 0; i < 3; ++i) {
        workers.emplace_back(dir);
        if (workers.back().ask("forbid_inotify") != "ok") SKIP_TEST("no system call can be made to fail here");
    }
    worker& holder = workers.front();
    worker& waiter = workers.back();
    for (const char* how : {"acquire -1 x", "acquire 60000 x", "acquire_shared -1 x"}) {
        holder.tell("acquire -1 x");
        waiter.let_wait(how);
        CHECK(waiter.is_silent());
        CHECK(watches_of(waiter.pid()) == 0);
        holder.tell("release");
        CHECK(waiter.read_line() == "ok");
        waiter.tell("release");
    }
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire 5 x");
    CHECK(split(waiter.read_line())[0] == "timeout");
    holder.tell("release");

    constexpr int times = 300;
    for (worker& w : workers) w.write_line("count " + std::to_string(times) + " " + file.string() + " x");
    for (worker& w : workers) CHECK(w.read_line() == "ok");
    CHECK(counter_file{file}.value() == 3 * times);
}

TEST_CASE("a waiter that polls keeps its time-out, and uses little processor time") {
    if (!may_limit(limits[0])) SKIP_TEST(cannot_limit);
    constexpr std::chrono::milliseconds observed{500};
    temp_dir dir;
    worker holder{dir};
    worker waiter{dir.path(), with_limit_of_zero(limits[0])};
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire 600 x");
    const auto start = std::chrono::steady_clock::now();
    const auto before = processor_time_of(waiter.pid());
    CHECK(waiter.is_silent(observed));
    const auto used = processor_time_of(waiter.pid()) - before;
    CHECK(used < (std::chrono::steady_clock::now() - start) / 5);
    CHECK(split(waiter.read_line())[0] == "timeout");
    CHECK(holder.ask("holds") == "ok\t1");
}

TEST_CASE("waiters that poll leave no descriptor behind") {
    const std::string limit = GENERATE(from_range(std::vector<std::string>(std::begin(limits), std::end(limits))));
    CAPTURE(limit);
    if (!may_limit(limit)) SKIP_TEST(cannot_limit);
    temp_dir dir;
    worker holder{dir};
    worker waiter{dir.path(), with_limit_of_zero(limit)};
    holder.tell("acquire -1 x");
    const auto before = files_of(waiter.pid());
    for (int i = 0; i < 10; ++i) {
        waiter.let_wait("acquire 3 x");
        CHECK(split(waiter.read_line())[0] == "timeout");
    }
    // The lock file stays open, what the waiter slept on is kept, and an inotify instance if there was one.
    CHECK(files_of(waiter.pid()).size() <= before.size() + (limit == "max_inotify_watches" ? 3 : 2));
}

TEST_CASE("no increment is lost between processes that watch and processes that poll") {
    if (!may_limit(limits[0])) SKIP_TEST(cannot_limit);
    constexpr int times = 300;
    temp_dir dir;
    const auto file = dir.path() / "counter";
    std::list<worker> workers;
    for (int i = 0; i < 2; ++i) {
        workers.emplace_back(dir);
        workers.emplace_back(dir.path(), with_limit_of_zero(limits[i]));
    }
    for (worker& w : workers) w.write_line("count " + std::to_string(times) + " " + file.string() + " x");
    for (worker& w : workers) CHECK(w.read_line() == "ok");
    CHECK(counter_file{file}.value() == 4 * times);
}

TEST_CASE("when all inotify instances of a user are taken, waiters poll until there are some again", "[serial]") {
    SKIP_WITHOUT_INOTIFY();
    if (!hoarder::is_possible()) SKIP_TEST(too_many);
    temp_dir dir;
    hoarder all{dir};
    worker holder{dir};
    worker waiter{dir};
    all.join(holder);
    all.join(waiter);
    all.take_all();
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire -1 x");
    CHECK(waiter.is_silent());
    CHECK(watches_of(waiter.pid()) == 0);
    holder.tell("release");
    CHECK(waiter.read_line() == "ok");
    waiter.tell("release");

    holder.tell("acquire -1 x");
    waiter.let_wait("acquire -1 x");
    all.leave();
    holder.tell("release");
    CHECK(waiter.read_line() == "ok");
    waiter.tell("release");

    holder.tell("acquire -1 x");
    waiter.let_wait("acquire -1 x");
    CHECK(gets_to_watch(waiter.pid()));
    holder.tell("release");
    CHECK(waiter.read_line() == "ok");
}

TEST_CASE("a process keeps the inotify instance that it has when the others are taken", "[serial]") {
    SKIP_WITHOUT_INOTIFY();
    if (!hoarder::is_possible()) SKIP_TEST(too_many);
    temp_dir dir;
    hoarder all{dir};
    worker holder{dir};
    worker waiter = worker::without_polling(dir);
    all.join(holder);
    all.join(waiter);
    for (const bool all_taken : {false, true}) {
        CAPTURE(all_taken);
        if (all_taken) all.take_all();
        holder.tell("acquire -1 x");
        waiter.let_wait("acquire -1 x");
        CHECK(gets_to_watch(waiter.pid()));
        holder.tell("release");
        CHECK(waiter.read_line() == "ok");
        waiter.tell("release");
    }
}

TEST_CASE("a waiter that runs out of descriptors when it starts to wait gets the lock by polling") {
    SKIP_WITHOUT_INOTIFY();
    const int left = GENERATE(1, 2, 3, 4);  // for the lock file, the instance, the interruptions, a look into /proc
    CAPTURE(left);
    temp_dir dir;
    worker holder{dir};
    worker waiter{dir};
    waiter.tell("keep_open 0");
    holder.tell("acquire -1 x");
    const auto before = files_of(waiter.pid());
    waiter.tell("limit_descriptors " + std::to_string(next_descriptor(waiter.pid()) + left));
    waiter.let_wait("acquire -1 x");
    CHECK(waiter.is_silent());
    holder.tell("release");
    CHECK(waiter.read_line() == "ok");
    holder.write_line("try x");
    CHECK(holder.read_line() == "busy");
    waiter.tell("release");
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire 5 x");
    const auto answer = split(waiter.read_line());
    CHECK(answer[0] == "timeout");  // though without the holder's name, if there is no descriptor for that
    if (left < 2) CHECK(files_of(waiter.pid()) == before);  // else what it slept on is kept

    waiter.tell("limit_descriptors 200");
    waiter.let_wait("acquire -1 x");
    CHECK(gets_to_watch(waiter.pid()));
    holder.tell("release");
    CHECK(waiter.read_line() == "ok");
}

}  // namespace inotify_test

#endif

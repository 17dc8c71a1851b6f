// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Who holds a lock: holders(), and what lock_timeout and on_wait tell of it. Linux alone tells.
#include "support/catch.hpp"

#if defined(__linux__)

#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <list>
#include <map>
#include <string>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/platform.hpp"
#include "support/proc.hpp"
#include "support/temp_dir.hpp"
#include "support/thrown.hpp"
#include "support/worker.hpp"

namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using nlock::lock_method;
using nlock::named_lock;

using pid_and_name = std::map<std::int64_t, std::string>;

std::string name_of(pid_t pid) {
    std::ifstream file{proc_dir(pid) / "comm"};
    std::string name;
    std::getline(file, name);
    return name;
}

pid_and_name shown(const std::vector<nlock::lock_holder>& holders) {
    pid_and_name result;
    for (const auto& holder : holders) result[holder.pid] = holder.process;
    CHECK(result.size() == holders.size());  // nobody twice
    return result;
}

pid_and_name expected(std::initializer_list<const process*> processes) {
    pid_and_name result;
    for (const process* p : processes) result[p->pid()] = name_of(p->pid());
    return result;
}

std::string word_of(lock_method method) { return method == lock_method::flock ? "flock" : "fcntl"; }

nlock::lock_options options_in(const temp_dir& dir, lock_method method = lock_method::flock) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.method = method;
    return options;
}

/// A shell that says "in" when `script` has locked $1, and then waits for a line.
process shell(const std::string& script, const named_lock& lock) {
    process result{{"sh", "-c", script, "sh", lock.path().string()}};
    REQUIRE(result.read_line() == "in");
    return result;
}

}  // namespace

TEST_CASE("a lock that nobody holds has no holders") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    temp_dir dir;
    named_lock lock{"x", options_in(dir, method)};
    CHECK(lock.holders().empty());
    { const auto hold = lock.acquire(); }
    CHECK(lock.holders().empty());
    const auto other = named_lock{"y", options_in(dir, method)}.acquire();
    CHECK(lock.holders().empty());
}

TEST_CASE("a lock that this process holds has it as the holder, once") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    CAPTURE(word_of(method));
    temp_dir dir;
    named_lock lock{"x", options_in(dir, method)};
    const auto hold = GENERATE(false, true) ? lock.acquire_shared() : lock.acquire();
    const auto again = lock.acquire_shared();
    CHECK(shown(lock.holders()) == pid_and_name{{::getpid(), name_of(::getpid())}});
}

TEST_CASE("the holder is another process, with its pid and its short name") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    CAPTURE(word_of(method));
    temp_dir dir;
    named_lock lock{"x", options_in(dir, method)};
    worker holder{dir};
    holder.tell("method " + word_of(method));
    holder.tell("acquire -1 x");
    holder.tell("acquire -1 y");
    CHECK(shown(lock.holders()) == expected({&holder}));
    if (!under_qemu) CHECK(name_of(holder.pid()) == "named_lock_work");  // the system keeps 15 bytes
    holder.crash();
    CHECK(lock.holders().empty());
}

TEST_CASE("all processes that hold a lock shared are its holders") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    CAPTURE(word_of(method));
    temp_dir dir;
    named_lock lock{"x", options_in(dir, method)};
    std::array<worker, 3> workers{worker{dir}, worker{dir}, worker{dir}};
    for (worker& w : workers) {
        w.tell("method " + word_of(method));
        w.tell("acquire_shared -1 x");
    }
    CHECK(shown(lock.holders()) == expected({&workers[0], &workers[1], &workers[2]}));
    workers[1].tell("release");
    CHECK(shown(lock.holders()) == expected({&workers[0], &workers[2]}));
    const auto hold = lock.acquire_shared();
    auto all = expected({&workers[0], &workers[2]});
    all[::getpid()] = name_of(::getpid());
    CHECK(shown(lock.holders()) == all);
}

TEST_CASE("who waits is no holder") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    worker holder{dir};
    worker writer{dir};
    worker reader{dir};
    holder.tell("acquire -1 x");
    writer.let_wait("acquire -1 x");
    reader.let_wait("acquire_shared -1 x");
    // The kernel lists those that it has blocked, this one among them, below the holder.
    process blocked{{"flock", lock.path().string(), "true"}};
    REQUIRE(becomes_true([&] {
        std::ifstream locks{"/proc/locks"};
        const std::string text{std::istreambuf_iterator<char>{locks}, {}};
        return text.find("-> FLOCK  ADVISORY  WRITE " + std::to_string(blocked.pid()) + " ") != std::string::npos;
    }));
    CHECK(shown(lock.holders()) == expected({&holder}));
}

TEST_CASE("a process that was forked from the holder is no holder") {
    SKIP_UNDER_QEMU();
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    CAPTURE(word_of(method));
    temp_dir dir;
    named_lock lock{"x", options_in(dir, method)};
    worker holder{dir};
    holder.tell("method " + word_of(method));
    holder.tell("acquire -1 x");
    const auto parent = expected({&holder});
    holder.tell("fork");
    CHECK(holder.ask("holds") == "ok\t0");  // it lives
    CHECK(shown(lock.holders()) == parent);
    holder.kill(SIGKILL);
    CHECK(holder.wait() == -SIGKILL);
    CHECK(holder.ask("holds") == "ok\t0");
    CHECK(lock.holders().empty());
}

TEST_CASE("flock(1) is a holder") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    process holder{{"flock", lock.path().string(), "-c", "echo in; read line"}};
    REQUIRE(holder.read_line() == "in");
    const auto holders = shown(lock.holders());
    REQUIRE(holders.size() == 1);
    CHECK(holders.begin()->second == "flock");
    CHECK(holders.begin()->first == holder.pid());
}

TEST_CASE("a holder whose lock was taken by a process that has ended is found") {
    // As usual in shell scripts: flock(1) locks the shell's descriptor, and ends. /proc/locks goes on naming its pid.
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    process holder = shell("exec 9<>\"$1\"; flock 9; echo in; read line", lock);
    CHECK(shown(lock.holders()) == expected({&holder}));
}

TEST_CASE("a program in Python is a holder, by each kind of lock") {
    const std::string python = NAMED_LOCK_PYTHON;
    if (python.empty()) SKIP_TEST("the tests with Python are switched off");
    const std::string call = GENERATE("fcntl.flock(f, fcntl.LOCK_EX)", "fcntl.lockf(f, fcntl.LOCK_EX)");
    CAPTURE(call);
    temp_dir dir;
    const bool by_flock = call.find("lockf") == std::string::npos;
    named_lock lock{"x", options_in(dir, by_flock ? lock_method::flock : lock_method::fcntl)};
    process holder{
        {python, "-c",
         "import fcntl, sys\nf = open(sys.argv[1], 'w')\n" + call + "\nprint('in', flush=True)\nsys.stdin.readline()",
         lock.path().string()}};
    REQUIRE(holder.read_line() == "in");
    const auto holders = lock.holders();
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].process == name_of(static_cast<pid_t>(holders[0].pid)));
    CHECK(holders[0].process.compare(0, 6, "python") == 0);
    CHECK_FALSE(lock.try_acquire());
}

TEST_CASE("the name of a holder is shown as the system has it") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    const auto hold = lock.acquire();
    const std::string before = name_of(::getpid());
    const std::string name = GENERATE("my job (1)", ") R 1 1", "");
    REQUIRE(::prctl(PR_SET_NAME, name.c_str(), 0, 0, 0) == 0);
    const auto holders = lock.holders();
    ::prctl(PR_SET_NAME, before.c_str(), 0, 0, 0);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].process == name);
}

TEST_CASE("a time-out tells who holds the lock, in its text too") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    CAPTURE(word_of(method));
    temp_dir dir;
    named_lock lock{"x", options_in(dir, method)};
    worker holder{dir};
    holder.tell("method " + word_of(method));
    holder.tell("acquire_shared -1 x");
    const auto check = [&](std::chrono::milliseconds timeout, const std::string& held_by) {
        const auto error = thrown_by<nlock::lock_timeout>([&] { (void)lock.acquire(timeout); });
        CHECK(error.what() == "lock 'x' (" + lock.path().string() + ") was not acquired within " +
                                  std::to_string(timeout.count()) + (timeout == 0ms ? " s" : " ms") + held_by);
        return shown(error.holders());
    };
    const auto name = [](const worker& w) { return std::to_string(w.pid()) + " (" + name_of(w.pid()) + ")"; };
    for (const auto timeout : {0ms, 20ms}) {
        CHECK(check(timeout, "; held by pid " + name(holder)) == expected({&holder}));
    }
    worker second{dir};
    second.tell("method " + word_of(method));
    second.tell("acquire_shared -1 x");
    const auto error = thrown_by<nlock::lock_timeout>([&] { (void)lock.acquire(5ms); });
    CHECK(shown(error.holders()) == expected({&holder, &second}));
    const std::string text = error.what();
    const bool in_order = error.holders()[0].pid == holder.pid();
    const std::string both = in_order ? name(holder) + ", " + name(second) : name(second) + ", " + name(holder);
    CHECK(text.substr(text.find(';')) == "; held by pid " + both);
}

TEST_CASE("one who has to wait is told who holds the lock") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    CAPTURE(word_of(method));
    temp_dir dir;
    auto options = options_in(dir, method);
    std::vector<nlock::lock_holder> told;
    options.on_wait = [&](const nlock::lock_wait& wait) { told = wait.holders; };
    named_lock lock{"x", options};
    worker holder{dir};
    holder.tell("method " + word_of(method));
    holder.tell("acquire -1 x");
    CHECK_FALSE(lock.try_acquire(5ms));
    CHECK(shown(told) == expected({&holder}));
}

TEST_CASE("a holder that may not be looked at is left out") {
    if (::geteuid() != 0) SKIP_TEST("it takes the superuser to be two users");
    temp_dir dir;
    std::filesystem::permissions(dir.path(), std::filesystem::perms{0777});
    worker holder{dir};
    worker other{dir};
    holder.tell("umask 0");
    holder.tell("method fcntl");
    holder.tell("acquire -1 x");  // no pid in /proc/locks, and the superuser's /proc/PID/fdinfo is closed to others
    other.tell("method fcntl");
    other.tell("as_user 65534");
    CHECK(other.ask("acquire 0 x") ==
          "timeout\tlock 'x' (" + (dir.path() / "x.lock").string() + ") was not acquired within 0 s");
}

TEST_CASE("a holder outside the pid namespace is left out") {
    std::vector<std::string> launcher{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc"};
    if (::geteuid() != 0) launcher.insert(launcher.begin() + 1, {"--user", "--map-root-user"});
    std::string probe;
    for (const auto& word : launcher) probe += word + " ";
    if (std::system((probe + "true 2>/dev/null").c_str()) != 0) SKIP_TEST("this user may not create a pid namespace");
    temp_dir dir;
    worker holder{dir};
    worker inside{dir.path(), launcher};
    holder.tell("acquire -1 x");
    CHECK(inside.ask("acquire 0 x") ==
          "timeout\tlock 'x' (" + (dir.path() / "x.lock").string() + ") was not acquired within 0 s");
    holder.tell("release");
    inside.tell("acquire -1 x");
    CHECK_FALSE(named_lock{"x", options_in(dir)}.holders().empty());  // by its pid out here
}

#endif

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Exclusion between processes that are programs of their own.
#include "support/catch.hpp"

#include <fcntl.h>

#include <cstddef>
#include <list>
#include <string>

#include <named_lock/named_lock.hpp>

#include "support/counter_file.hpp"
#include "support/others.hpp"
#include "support/platform.hpp"
#if defined(__linux__)
#include "support/proc.hpp"
#endif
#include "support/temp_dir.hpp"
#include "support/worker.hpp"

namespace exclusion_test {
namespace {

using namespace nlock_test;

/// Lets `count` workers obey `command` at once, and returns what else than "ok" they answer.
std::string answers_at_once(const temp_dir& dir, std::size_t count, const std::string& command,
                            const std::string& method) {
    std::list<worker> workers;
    for (std::size_t i = 0; i < count; ++i) workers.emplace_back(dir).tell("method " + method);
    for (worker& w : workers) w.write_line(command);
    std::string answers;
    for (worker& w : workers) {
        if (const auto answer = w.read_line(); answer != "ok") answers += answer + " ";
    }
    return answers;
}

std::string any_method() {
#if defined(F_OFD_SETLK)
    return GENERATE("flock", "fcntl");
#else
    return "flock";
#endif
}

}  // namespace

TEST_CASE("a lock held by one process is not acquired by another") {
    const std::string method = any_method();
    CAPTURE(method);
    temp_dir dir;
    worker first{dir};
    worker second{dir};
    first.tell("method " + method);
    second.tell("method " + method);
    first.tell("acquire -1 x");
    CHECK(second.ask("try x") == "busy");
    CHECK(second.ask("try_shared x") == "busy");
    CHECK(second.ask("try y") == "ok");
    CHECK(first.ask("try y") == "busy");
    first.tell("release");
    CHECK(second.ask("try x") == "ok");
    CHECK(first.ask("try x") == "busy");
}

TEST_CASE("a process that waits gets the lock when the other one releases it, and not before") {
    const std::string method = any_method();
    CAPTURE(method);
    temp_dir dir;
    worker holder{dir};
    worker waiter{dir};
    holder.tell("method " + method);
    waiter.tell("method " + method);
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire -1 x");
    CHECK(waiter.is_silent());
    holder.tell("release");
    CHECK(waiter.read_line() == "ok");
    CHECK(holder.ask("try x") == "busy");
}

TEST_CASE("a lock that its thread holds twice is held until the second release") {
    temp_dir dir;
    worker holder{dir};
    worker other{dir};
    holder.tell("acquire -1 x");
    holder.tell("acquire -1 x");
    holder.tell("release");
    CHECK(other.ask("try x") == "busy");
    holder.tell("release");
    CHECK(other.ask("try x") == "ok");
}

TEST_CASE("processes that hold a lock shared exclude only those that want it exclusively") {
    const std::string method = any_method();
    CAPTURE(method);
    temp_dir dir;
    worker first{dir};
    worker second{dir};
    worker writer{dir};
    for (worker* w : {&first, &second, &writer}) w->tell("method " + method);
    first.tell("acquire_shared -1 x");
    CHECK(second.ask("try_shared x") == "ok");
    CHECK(writer.ask("try x") == "busy");
    first.tell("release");
    CHECK(writer.ask("try x") == "busy");
    writer.let_wait("acquire -1 x");
    CHECK(writer.is_silent());
    second.tell("release");
    CHECK(writer.read_line() == "ok");
    CHECK(first.ask("try_shared x") == "busy");
}

TEST_CASE("no increment is lost when processes contend for a lock") {
    const std::string method = any_method();
    CAPTURE(method);
    constexpr int processes = 8;
    constexpr int times = repetitions(500);
    temp_dir dir;
    const auto file = dir.path() / "counter";
    const std::string count = "count " + std::to_string(times) + " " + file.string() + " x";
    CHECK(answers_at_once(dir, processes, count, method) == "");
    CHECK(counter_file{file}.value() == processes * times);
}

TEST_CASE("readers never see what a writer has half done") {
    const std::string method = any_method();
    CAPTURE(method);
    constexpr int times = repetitions(300);
    temp_dir dir;
    const auto file = dir.path() / "counter";
    const std::string rest = std::to_string(times) + " " + file.string() + " x";
    std::list<worker> writers;
    for (int i = 0; i < 2; ++i) writers.emplace_back(dir).tell("method " + method);
    for (worker& writer : writers) writer.write_line("count " + rest);
    CHECK(answers_at_once(dir, 4, "compare " + rest, method) == "");
    for (worker& writer : writers) CHECK(writer.read_line() == "ok");
    CHECK(counter_file{file}.value() == 2 * times);
}

TEST_CASE("flock and fcntl are told apart: they exclude only their own kind") {
#if defined(F_OFD_SETLK) && defined(__linux__)
    temp_dir dir;
    worker by_flock{dir};
    worker by_fcntl{dir};
    by_fcntl.tell("method fcntl");
    by_flock.tell("acquire -1 x");
    CHECK(by_fcntl.ask("try x") == "ok");
    CHECK_FALSE(foreign_hold::is_possible(dir.path() / "x.lock", hold_kind::shared, nlock::lock_method::flock));
    CHECK_FALSE(foreign_hold::is_possible(dir.path() / "x.lock", hold_kind::shared, nlock::lock_method::fcntl));
#else
    SKIP_TEST("elsewhere than on Linux the two may be one");
#endif
}

#if defined(__linux__)
TEST_CASE("a reader lets a waiting writer go first only for a while, whatever its poll interval") {
    temp_dir dir;
    worker holder{dir};
    auto writer = worker::without_polling(dir);
    auto reader = worker::without_polling(dir);
    reader.tell("courtesy 50");
    holder.tell("acquire_shared -1 x");
    writer.let_wait("acquire -1 x");
    REQUIRE(gets_to_wait(writer.pid()));
    reader.let_wait("acquire_shared -1 x");
    CHECK(reader.read_line() == "ok");
    CHECK(writer.is_silent());
    reader.tell("release");
    holder.tell("release");
    CHECK(writer.read_line() == "ok");
}
#endif

}  // namespace exclusion_test

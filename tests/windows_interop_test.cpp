// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Python's way of locking on Windows, by a program that does what Python's filelock does there; see windows_peer.cpp.
#include "support/catch.hpp"

#if defined(_WIN32)
#include <list>
#include <string>

#include <named_lock/named_lock.hpp>

#include "support/counter_file.hpp"
#include "support/temp_dir.hpp"
#include "support/worker.hpp"

namespace windows_interop_test {
namespace {

using namespace nlock_test;
using nlock::named_lock;

class python : public peer {
  public:
    explicit python(const temp_dir& dir) : peer{{NAMED_LOCK_WINDOWS_PEER}} { tell("dir " + dir.path().string()); }
};

}  // namespace

TEST_CASE("a lock that Python holds on Windows is busy here, and waited for") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    python holder{dir};
    worker waiter{dir};
    holder.tell("acquire -1 x");
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(lock.try_acquire_shared());
    waiter.let_wait("acquire -1 x");
    CHECK(waiter.is_silent());
    holder.tell("release");
    CHECK(waiter.read_line() == "ok");
    CHECK(holder.ask("try x") == "busy");
}

TEST_CASE("Python waits on Windows for a lock that is held here, and gets it") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    python waiter{dir};
    auto hold = lock.acquire();
    CHECK(waiter.ask("try x") == "busy");
    waiter.let_wait("acquire -1 x");
    CHECK(waiter.is_silent());
    hold.release();
    CHECK(waiter.read_line() == "ok");
    CHECK_FALSE(lock.try_acquire());
    waiter.tell("release");
    CHECK(lock.acquire());
}

TEST_CASE("a shared hold keeps Python out on Windows") {
    temp_dir dir;
    auto hold = named_lock{"x", dir.path()}.acquire_shared();
    python other{dir};
    CHECK(other.ask("try x") == "busy");
    hold.release();
    CHECK(other.ask("try x") == "ok");
}

TEST_CASE("neither side is inside while the other is, thousands of times, though Python deletes the file") {
    temp_dir dir;
    constexpr int times = 1000;
    const std::string command = "count " + std::to_string(times) + " " + (dir.path() / "counter").string() + " x";
    std::list<python> theirs;
    std::list<worker> ours;
    for (int i = 0; i < 2; ++i) {
        theirs.emplace_back(dir).write_line(command);
        ours.emplace_back(dir).write_line(command);
    }
    for (python& p : theirs) CHECK(p.read_line() == "ok");
    for (worker& w : ours) CHECK(w.read_line() == "ok");
    CHECK(counter_file{dir.path() / "counter"}.value() == 4 * times);
}

}  // namespace windows_interop_test
#endif

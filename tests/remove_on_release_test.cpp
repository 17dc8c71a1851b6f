// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// lock_options::remove_on_release: no file is left after a release, and exclusion holds.
#include "support/catch.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/counter_file.hpp"
#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/worker.hpp"

namespace remove_on_release_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlock::named_lock;

nlock::lock_options removing(const temp_dir& dir) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.remove_on_release = true;
    return options;
}

}  // namespace

TEST_CASE("an exclusive hold leaves no file, however it is given up") {
    temp_dir dir;
    auto options = removing(dir);
    options.keep_open = GENERATE(true, false);
    named_lock lock{"x", options};
    for (int i = 0; i < 2; ++i) {
        auto guard = lock.acquire();
        CHECK(fs::exists(lock.path()));
        guard.release();
        CHECK(fs::is_empty(dir.path()));
        lock.lock();
        CHECK(fs::exists(lock.path()));
        lock.unlock();
        CHECK(fs::is_empty(dir.path()));
        lock.lock();
        lock.release(true);
        CHECK(fs::is_empty(dir.path()));
    }
}

TEST_CASE("only the last exclusive hold removes the file") {
    temp_dir dir;
    named_lock lock{"x", removing(dir)};
    auto first = lock.acquire();
    auto second = lock.acquire();
    auto third = lock.acquire_shared();
    first.release();
    second.release();
    CHECK(seen_by_others(lock) == seen::exclusive);
    third.release();
    CHECK(fs::is_empty(dir.path()));
}

TEST_CASE("a shared hold, and an attempt in vain, remove nothing") {
    temp_dir dir;
    named_lock lock{"x", removing(dir)};
    { const auto guard = lock.acquire_shared(); }
    CHECK(fs::exists(lock.path()));
    {
        const foreign_hold held{lock};
        CHECK_FALSE(lock.try_acquire());
        CHECK(fs::exists(lock.path()));
    }
    CHECK(lock.try_acquire());
    CHECK(fs::is_empty(dir.path()));
}

TEST_CASE("a thread that waits goes on with a new file") {
    temp_dir dir;
    named_lock lock{"x", removing(dir)};
    auto guard = lock.acquire();
    task waiting{[&] { return static_cast<bool>(named_lock{"x", removing(dir)}.acquire()); }};
    CHECK(waiting.is_blocked());
    guard.release();
    CHECK(waiting.get());
    CHECK(fs::is_empty(dir.path()));
}

#if !defined(_WIN32)  // where nobody can remove a file that somebody has open
TEST_CASE("a file that took the place of the lock file is not removed") {
    temp_dir dir;
    named_lock lock{"x", removing(dir)};
    auto guard = lock.acquire();
    fs::rename(lock.path(), dir.path() / "away");
    std::ofstream{lock.path()} << "theirs";
    guard.release();
    CHECK(fs::file_size(lock.path()) == 6);
    CHECK(fs::exists(dir.path() / "away"));
}

TEST_CASE("who waits at a file that is removed is woken, and holds the new one") {
    temp_dir dir;
    worker holder{dir};
    holder.tell("remove 1");
    const std::string method = GENERATE("flock", "fcntl");
    CAPTURE(method);
    holder.tell("method " + method);
    auto waiter = worker::without_polling(dir);
    waiter.tell("method " + method);
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire -1 x");
    holder.tell("release");
    CHECK(waiter.read_line() == "ok");
    CHECK(holder.ask("try x") == "busy");
    CHECK(fs::exists(dir.path() / "x.lock"));
}

TEST_CASE("all who wait at files that are removed get their turns") {
    temp_dir dir;
    const std::string how = GENERATE("acquire -1 x", "acquire_shared -1 x");
    CAPTURE(how);
    worker holder{dir};
    holder.tell("remove 1");
    holder.tell("acquire -1 x");
    std::vector<worker> waiters;
    for (int i = 0; i < 4; ++i) {
        waiters.push_back(worker::without_polling(dir));
        waiters.back().tell("remove 1");
        waiters.back().let_wait(how);
        CHECK(waiters.back().is_silent());
        waiters.back().write_line("release");
    }
    holder.tell("release");
    for (worker& waiter : waiters) {
        CHECK(waiter.read_line() == "ok");
        CHECK(waiter.read_line() == "ok");
    }
    CHECK(holder.ask("try x") == "ok");
}
#endif

TEST_CASE("no increment is lost when processes remove the file each time") {
    temp_dir dir;
    const fs::path file = dir.path() / "counter";
    { const counter_file made{file}; }
    constexpr int times = 500;
    std::vector<worker> workers;
    for (int i = 0; i < 4; ++i) {
        workers.emplace_back(dir);
        workers.back().tell(i == 0 ? "remove 0" : "remove 1");
    }
    for (worker& w : workers) w.write_line("count " + std::to_string(times) + " " + file.string() + " x");
    for (worker& w : workers) CHECK(w.read_line() == "ok");
    CHECK(counter_file{file}.value() == 4 * times);
}

TEST_CASE("groups of locks whose files are removed each time do not wait for each other") {
    temp_dir dir;
    const named_lock a{"a", removing(dir)};
    const named_lock b{"b", removing(dir)};
    long count = 0;
    constexpr int times = 200;
    const auto work = [&](const named_lock& first, const named_lock& second) {
        for (int i = 0; i < times; ++i) {
            const auto guards = nlock::acquire_all({first, second}, patience);
            ++count;
        }
        return true;
    };
    task one{[&] { return work(a, b); }};
    task other{[&] { return work(b, a); }};
    CHECK(one.get());
    CHECK(other.get());
    CHECK(count == 2 * times);
}

}  // namespace remove_on_release_test

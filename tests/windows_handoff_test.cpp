// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A release on Windows wakes those who wait in other processes, by an event of its own.
#include "support/catch.hpp"

#if defined(_WIN32)
#include <chrono>
#include <list>
#include <string>

#include <named_lock/named_lock.hpp>

#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/worker.hpp"

namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// One whose attempts get rare: each pause is four times longer than the one before.
worker patient_worker(const temp_dir& dir) {
    worker result{dir};
    result.tell("poll 60000");
    return result;
}

/// Long enough to sleep in a pause of 13 s, but for the release.
constexpr std::chrono::seconds until_pauses_are_long{5};

}  // namespace

TEST_CASE("a release wakes a waiter in another process on Windows") {
    temp_dir dir;
    const std::string how = GENERATE("acquire -1 x", "acquire_shared -1 x", "acquire 60000 x");
    CAPTURE(how);
    worker holder{dir};
    worker waiter = patient_worker(dir);
    holder.tell("acquire -1 x");
    waiter.let_wait(how);
    CHECK(waiter.is_silent(until_pauses_are_long));
    const auto released = steady_clock::now();
    holder.tell("release");
    CHECK(waiter.read_line() == "ok");
    CHECK(steady_clock::now() - released < 4s);
}

TEST_CASE("a release wakes all readers of other processes on Windows") {
    temp_dir dir;
    worker holder{dir};
    holder.tell("acquire -1 x");
    std::list<worker> readers;
    for (int i = 0; i < 3; ++i) {
        readers.push_back(patient_worker(dir));
        readers.back().let_wait("acquire_shared -1 x");
    }
    CHECK(readers.front().is_silent(until_pauses_are_long));
    const auto released = steady_clock::now();
    holder.tell("release");
    for (worker& reader : readers) CHECK(reader.read_line() == "ok");
    CHECK(steady_clock::now() - released < 4s);
}

TEST_CASE("a waiter that is woken and does not take the lock wakes the next one on Windows") {
    temp_dir dir;
    worker holder{dir};
    holder.tell("acquire -1 x");
    worker first = patient_worker(dir);
    worker second = patient_worker(dir);
    first.let_wait("acquire 5000 x");
    second.let_wait("acquire -1 x");
    CHECK(split(first.read_line())[0] == "timeout");
    const auto released = steady_clock::now();
    holder.tell("release");
    CHECK(second.read_line() == "ok");
    CHECK(steady_clock::now() - released < 4s);
}
#endif

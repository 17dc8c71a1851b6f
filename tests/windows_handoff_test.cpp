// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A release on Windows wakes those who wait in other processes, by an event of its own.
#include "support/catch.hpp"

#if defined(_WIN32)
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iostream>
#include <list>
#include <string>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/worker.hpp"

namespace windows_handoff_test {
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

// No test, but a measurement to start by hand, with its name: docs/platforms.md has the figure.
TEST_CASE("how long a hand-off between processes takes on Windows", "[.]") {
    constexpr std::size_t rounds = 201;
    temp_dir dir;
    worker holder{dir};
    worker waiter{dir};
    std::vector<double> milliseconds;
    for (std::size_t i = 0; i < rounds; ++i) {
        holder.tell("acquire -1 x");
        waiter.let_wait("acquire -1 x");
        CHECK(waiter.is_silent(20ms));
        const auto start = steady_clock::now();
        holder.tell("release");  // the conversation with both is in the figure
        CHECK(waiter.read_line() == "ok");
        milliseconds.push_back(std::chrono::duration<double, std::milli>(steady_clock::now() - start).count());
        waiter.tell("release");
    }
    std::sort(milliseconds.begin(), milliseconds.end());
    std::cout << "hand-off: median " << milliseconds[rounds / 2] << " ms, p99 " << milliseconds[rounds * 99 / 100]
              << " ms, " << rounds << " rounds" << std::endl;
}

}  // namespace windows_handoff_test
#endif

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Programs of 32 bits, whose off_t and time_t may have no more, share lock files with those of 64.
#include "support/catch.hpp"

#if defined(__linux__)
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include <named_lock/named_lock.hpp>

#include "support/proc.hpp"
#include "support/temp_dir.hpp"
#include "support/worker.hpp"

namespace width_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;

/// Of the build with off_t and time_t as GENERATE says, or of none.
std::string narrow_worker([[maybe_unused]] const std::string& suffix) {
#if defined(NAMED_LOCK_WORKER_32)
    return NAMED_LOCK_WORKER_32 + suffix;
#else
    return {};
#endif
}

constexpr const char* no_narrow_worker = "g++ for x86_64 cannot build for 32 bits (Debian: g++-12-multilib), or is not used";

void cut_net(worker& w) {
    w.tell("poll 60000");
    w.tell("cut_net 100000");
}

}  // namespace

TEST_CASE("programs of 32 and of 64 bits exclude and wake each other") {
    const std::string program = narrow_worker(GENERATE("", "_offset64", "_time64"));
    if (program.empty()) SKIP_TEST(no_narrow_worker);
    temp_dir dir;
    worker narrow = worker::built_as(program, dir);
    worker other = GENERATE(true, false) ? worker{dir} : worker::built_as(program, dir);
    cut_net(narrow);
    cut_net(other);
    for (int i = 0; i < 3; ++i) {
        for (auto [holder, waiter] : {std::pair{&narrow, &other}, std::pair{&other, &narrow}}) {
            CHECK(holder->ask("try x") == "ok");
            CHECK(waiter->ask("try x") == "busy");
            CHECK(waiter->ask("try_shared x") == "busy");
            waiter->let_wait("acquire -1 x");
            CHECK(gets_to_wait(waiter->pid()));
            holder->tell("release");
            CHECK(waiter->read_line() == "ok");
            waiter->tell("release");
        }
    }
}

TEST_CASE("programs of 32 bits wait until their time is over, and sleep meanwhile, be it a hundred years") {
    const std::string program = narrow_worker(GENERATE("", "_offset64", "_time64"));
    if (program.empty()) SKIP_TEST(no_narrow_worker);
    temp_dir dir;
    worker holder{dir};
    worker narrow = worker::built_as(program, dir);
    worker patient = worker::built_as(program, dir);
    patient.tell("poll 3600000");
    holder.tell("acquire -1 x");
    patient.let_wait("acquire 3153600000000 x");
    CHECK(gets_to_wait(patient.pid()));
    const auto used = processor_time_of(patient.pid());
    const auto start = std::chrono::steady_clock::now();
    narrow.let_wait("acquire 300 x");
    CHECK(split(narrow.read_line())[0] == "timeout");
    const auto waited = std::chrono::steady_clock::now() - start;
    CHECK(waited >= 300ms);
    CHECK(processor_time_of(patient.pid()) - used < waited / 2);  // a busy loop uses it all
    holder.tell("release");
    CHECK(patient.read_line() == "ok");
}

TEST_CASE("what a program of 32 bits cannot express of a file is an error, and nothing to wait for") {
    const std::string program = narrow_worker("");
    if (program.empty()) SKIP_TEST(no_narrow_worker);
    temp_dir dir;
    const auto path = dir.path() / "x.lock";
    std::ofstream{path}.close();
    SECTION("its size") { std::filesystem::resize_file(path, std::uintmax_t{3} << 30); }  // without taking that room
    SECTION("its time, as its number would be") {
        const std::array<timespec, 2> year_2100{{{0, UTIME_OMIT}, {4'102'444'800, 0}}};
        REQUIRE(::utimensat(AT_FDCWD, path.c_str(), year_2100.data(), 0) == 0);
        struct stat status {};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        if (status.st_mtime != year_2100[1].tv_sec) SKIP_TEST("this file system has no year 2100");
    }
    worker narrow = worker::built_as(program, dir);
    for (const char* how : {"try x", "acquire -1 x", "acquire_shared 60000 x"}) {
        const auto answer = split(narrow.ask(how));
        CHECK(answer[0] == "error");
        CHECK(answer[1] == std::to_string(EOVERFLOW));
    }
    worker wide = worker::built_as(narrow_worker("_time64"), dir);
    CHECK(wide.ask("try x") == "ok");
}

}  // namespace width_test
#endif

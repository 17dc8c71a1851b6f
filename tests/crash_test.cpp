// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Processes that are killed: the system gives up what they held, and nothing has to be cleaned up.
#include "support/catch.hpp"

#if !defined(_WIN32)
#include <sys/stat.h>
#endif

#include <cstdint>
#include <filesystem>
#include <list>
#include <string>

#include <named_lock/detail/platform.hpp>
#include <named_lock/named_lock.hpp>

#include "support/counter_file.hpp"
#include "support/temp_dir.hpp"
#include "support/worker.hpp"

namespace crash_test {
namespace {

using namespace nlock_test;

/// Which file it is, whatever its name.
std::uint64_t number_of(const std::filesystem::path& path) {
#if defined(_WIN32)
    unsigned long error = 0;
    const auto file = nlock::detail::identity_at(path, error);
    REQUIRE(file);
    return file->low;
#else
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_ino;
#endif
}

}  // namespace

TEST_CASE("the lock of a killed process is free") {
    const std::string method = GENERATE("flock", "fcntl");
    const std::string how = GENERATE("acquire", "acquire_shared");
    CAPTURE(method, how);
    temp_dir dir;
    worker holder{dir};
    worker next{dir};
    holder.tell("method " + method);
    next.tell("method " + method);
    holder.tell(how + " -1 x");
    CHECK(next.ask("try x") == "busy");
    holder.crash();
    CHECK(next.ask("try x") == "ok");
}

TEST_CASE("a waiter gets the lock of a killed process at once") {
    const std::string how = GENERATE("acquire", "acquire_shared");
    CAPTURE(how);
    temp_dir dir;
    worker holder{dir};
    auto waiter = worker::without_polling(dir);
    holder.tell("acquire -1 x");
    waiter.let_wait(how + " -1 x");
    holder.crash();
    CHECK(waiter.read_line() == "ok");
}

TEST_CASE("a killed process leaves the lock file as it was, and it goes on to be used") {
    temp_dir dir;
    worker holder{dir};
    worker next{dir};
    holder.tell("acquire -1 x");
    const auto file = number_of(dir.path() / "x.lock");
    holder.crash();
    next.tell("acquire 0 x");
    CHECK(number_of(dir.path() / "x.lock") == file);
    next.crash();
    CHECK(number_of(dir.path() / "x.lock") == file);
}

TEST_CASE("a killed waiter disturbs neither the holder nor the other waiters") {
    temp_dir dir;
    worker holder{dir};
    auto first = worker::without_polling(dir);
    auto second = worker::without_polling(dir);
    auto third = worker::without_polling(dir);
    holder.tell("acquire -1 x");
    for (worker* waiter : {&first, &second, &third}) waiter->let_wait("acquire -1 x");
    second.crash();
    CHECK(first.is_silent());
    CHECK(third.is_silent());
    worker outsider{dir};
    CHECK(outsider.ask("try_shared x") == "busy");
    first.crash();
    CHECK(outsider.ask("try_shared x") == "busy");
    holder.tell("release");
    CHECK(third.read_line() == "ok");
    CHECK(outsider.ask("try_shared x") == "busy");
}

TEST_CASE("no increment is lost among processes while others are killed that hold the lock") {
    constexpr int times = 300;
    constexpr int rounds = 10;
    temp_dir dir;
    const auto file = dir.path() / "counter";
    const std::string count = "count " + std::to_string(times) + " " + file.string() + " x";
    std::list<worker> survivors;
    for (int i = 0; i < 3; ++i) survivors.push_back(worker::without_polling(dir));
    for (worker& survivor : survivors) survivor.write_line(count);
    for (int i = 0; i < rounds; ++i) {
        auto victim = worker::without_polling(dir);
        if (victim.ask("acquire -1 x") == "waiting") REQUIRE(victim.read_line() == "ok");
        victim.crash();
    }
    for (worker& survivor : survivors) CHECK(survivor.read_line() == "ok");
    CHECK(counter_file{file}.value() == 3 * times);
}

}  // namespace crash_test

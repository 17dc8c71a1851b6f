// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Other programs that lock the same file: Python's filelock, portalocker and flock(1). Neither side gets in while the
// other holds, each side's release lets the other in, and ours leaves the file's content alone.
#include "support/catch.hpp"

#if !defined(_WIN32)

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <list>
#include <string>
#include <utility>

#include <named_lock/named_lock.hpp>

#include "support/counter_file.hpp"
#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "support/worker.hpp"

namespace interop_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlock::named_lock;

constexpr const char* without_python = "the tests with Python are switched off";

bool has_python() { return *NAMED_LOCK_PYTHON != '\0'; }

/// interop/peer.py, which locks WORK_DIR/locks/NAME.lock.
class python_peer : public peer {
  public:
    python_peer(const std::string& way, const temp_dir& work_dir)
        : peer{{NAMED_LOCK_PYTHON, NAMED_LOCK_PEER, way, work_dir.path().string()}} {}
};

fs::path locks_in(const temp_dir& work_dir) { return work_dir.path() / "locks"; }

/// A worker in the same place that is woken by reports only, as far as that is possible.
worker waiting_worker(const temp_dir& work_dir) {
    worker result{locks_in(work_dir)};
    result.tell("poll 60000");
    result.tell("cut_net 100000");
    return result;
}

std::string any_way() { return GENERATE("filelock", "subclass", "portalocker", "flock"); }

std::string content_of(const fs::path& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

/// flock(1), that says "in" when it has the lock, and gives it up after a line.
[[maybe_unused]] process flock_program(const fs::path& file, const std::string& option = "--exclusive") {
    return process{{"flock", option, file.string(), "--command", "echo in; read line"}};
}

}  // namespace

TEST_CASE("neither side gets in while the other holds") {
    if (!has_python()) SKIP_TEST(without_python);
    const std::string way = any_way();
    CAPTURE(way);
    temp_dir dir;
    python_peer other{way, dir};
    worker ours{locks_in(dir)};
    named_lock lock{"x", locks_in(dir)};
    other.tell("acquire -1 x");
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(lock.try_acquire_shared());
    CHECK_FALSE(lock.try_acquire(5ms));
    CHECK(ours.ask("try x") == "busy");
    CHECK(ours.ask("try y") == "ok");
    CHECK(other.ask("try y") == "busy");
    other.tell("release");
    CHECK(ours.ask("acquire -1 x") == "ok");
    CHECK(other.ask("try x") == "busy");
    other.let_wait("acquire 20 x");
    CHECK(other.read_line() == "timeout");
    CHECK(ours.ask("holds") == "ok\t2");
    ours.tell("release");
    CHECK(other.ask("try x") == "ok");
    CHECK_FALSE(lock.try_acquire());
}

TEST_CASE("the release by another program wakes the one who waits here") {
    if (!has_python()) SKIP_TEST(without_python);
    const std::string way = any_way();
    const std::string how = GENERATE("acquire -1 x", "acquire 3600000 x", "acquire_shared -1 x");
    CAPTURE(way, how);
    temp_dir dir;
    python_peer other{way, dir};
    worker ours = waiting_worker(dir);
    other.tell("acquire -1 x");
    ours.let_wait(how);
    CHECK(ours.is_silent(150ms));
    other.tell("release");
    CHECK(ours.read_line() == "ok");
    CHECK(other.ask("try x") == "busy");
}

TEST_CASE("the death of another program wakes the one who waits here") {
    if (!has_python()) SKIP_TEST(without_python);
    const std::string way = any_way();
    CAPTURE(way);
    temp_dir dir;
    python_peer other{way, dir};
    worker ours = waiting_worker(dir);
    other.tell("acquire -1 x");
    ours.let_wait("acquire -1 x");
    CHECK(ours.is_silent(150ms));
    other.crash();  // flock(1) sees the end of its input then
    CHECK(ours.read_line() == "ok");
}

TEST_CASE("our release, and our death, let another program in that waits") {
    if (!has_python()) SKIP_TEST(without_python);
    const std::string way = any_way();
    const bool dies = GENERATE(false, true);
    const std::string how = GENERATE("acquire -1 x", "acquire 20000 x");
    CAPTURE(way, dies, how);
    temp_dir dir;
    python_peer other{way, dir};
    worker ours{locks_in(dir)};
    ours.tell("acquire -1 x");
    other.let_wait(how);
    CHECK(other.is_silent());
    if (dies) {
        ours.crash();
    } else {
        ours.tell("release");
    }
    CHECK(other.read_line() == "ok");
    CHECK_FALSE(named_lock{"x", locks_in(dir)}.try_acquire());
}

TEST_CASE("one who waits here is not disturbed by another program that polls the file") {
    if (!has_python()) SKIP_TEST(without_python);
    const std::string way = GENERATE("filelock", "portalocker");
    CAPTURE(way);
    temp_dir dir;
    worker holder{locks_in(dir)};
    worker ours = waiting_worker(dir);
    python_peer other{way, dir};
    holder.tell("acquire -1 x");
    ours.let_wait("acquire -1 x");
    other.let_wait("acquire 200 x");  // opens and closes it every millisecond
    CHECK(ours.is_silent());
    CHECK(other.read_line() == "timeout");
    holder.tell("release");
    CHECK(ours.read_line() == "ok");
}

TEST_CASE("no increment is lost between our threads and processes and those of others") {
    if (!has_python()) SKIP_TEST(without_python);
    constexpr int ours_count = 800;
    constexpr int python_count = 250;
    constexpr int flock_count = 40;  // each is three programs
    temp_dir dir;
    const auto file = dir.path() / "counter";
    const std::string rest = " " + file.string() + " x";
    std::list<peer> peers;
    for (int i = 0; i < 2; ++i) {
        peers.push_back(worker{locks_in(dir)});
        peers.back().write_line("count " + std::to_string(ours_count) + rest);
    }
    for (const char* way : {"filelock", "subclass", "portalocker", "flock"}) {
        peers.push_back(python_peer{way, dir});
        peers.back().write_line("count " + std::to_string(*way == 'f' && way[1] == 'l' ? flock_count : python_count) +
                                rest);
    }
    named_lock lock{"x", locks_in(dir)};
    counter_file counter{file};
    bool fine = true;
    for (int i = 0; i < ours_count; ++i) {
        const auto hold = lock.acquire();
        fine = fine && counter.add_one();
    }
    CHECK(fine);
    for (peer& p : peers) CHECK(p.read_line() == "ok");
    CHECK(counter.value() == 3 * ours_count + 3 * python_count + flock_count);
}

TEST_CASE("shared holds of ours and of others go together") {
    if (!has_python()) SKIP_TEST(without_python);
    const std::string way = GENERATE("portalocker", "flock");
    CAPTURE(way);
    temp_dir dir;
    python_peer other{way, dir};
    worker ours{locks_in(dir)};
    worker writer = waiting_worker(dir);
    other.tell("acquire_shared -1 x");
    CHECK(ours.ask("acquire_shared -1 x") == "ok");
    CHECK(writer.ask("try x") == "busy");
    writer.let_wait("acquire -1 x");
    ours.tell("release");
    CHECK(writer.is_silent(150ms));
    other.tell("release");
    CHECK(writer.read_line() == "ok");
    CHECK(other.ask("try_shared x") == "busy");
    writer.tell("release");
    CHECK(other.ask("acquire_shared -1 x") == "ok");
    CHECK(ours.ask("acquire_shared -1 x") == "ok");
    python_peer other_writer{way, dir};
    CHECK(other_writer.ask("try x") == "busy");
}

TEST_CASE("readers and writers of all programs never see what one has half done") {
    if (!has_python()) SKIP_TEST(without_python);
    constexpr int times = 150;
    temp_dir dir;
    const auto file = dir.path() / "counter";
    const std::string rest = std::to_string(times) + " " + file.string() + " x";
    std::list<peer> peers;
    for (const char* verb : {"count ", "compare "}) {
        peers.push_back(worker{locks_in(dir)});
        peers.back().write_line(verb + rest);
        peers.push_back(python_peer{"portalocker", dir});
        peers.back().write_line(verb + rest);
    }
    peers.push_back(python_peer{"filelock", dir});
    peers.back().write_line("count " + rest);
    for (peer& p : peers) CHECK(p.read_line() == "ok");
    CHECK(counter_file{file}.value() == 3 * times);
}

TEST_CASE("the names that Jam.py uses are the same locks here, and nest") {
    if (!has_python()) SKIP_TEST(without_python);
    const std::string way = GENERATE("filelock", "subclass");
    const std::string name = GENERATE("$copying database", "$langs", "invoice_saved");
    CAPTURE(way, name);
    temp_dir dir;
    python_peer jam{way, dir};
    jam.tell("acquire -1 " + name);
    named_lock lock{name, locks_in(dir)};
    CHECK_FALSE(lock.try_acquire());
    jam.tell("acquire -1 $save_build_id");
    CHECK_FALSE(named_lock{"$save_build_id", locks_in(dir)}.try_acquire());
    jam.tell("release");
    CHECK(named_lock{"$save_build_id", locks_in(dir)}.try_acquire());
    CHECK_FALSE(lock.try_acquire());
    jam.tell("release");
    const auto hold = lock.acquire(0s);
    CHECK(jam.ask("try " + name) == "busy");
}

TEST_CASE("we leave the content of the file to the others") {
    if (!has_python()) SKIP_TEST(without_python);
    const std::string way = any_way();
    CAPTURE(way);
    temp_dir dir;
    named_lock lock{"x", locks_in(dir)};
    fs::create_directory(locks_in(dir));
    std::ofstream{lock.path()} << "theirs\n";
    python_peer other{way, dir};
    {
        const auto hold = lock.acquire();
        CHECK(content_of(lock.path()) == "theirs\n");
        CHECK(other.ask("try x") == "busy");  // at which this version of filelock truncates it
    }
    const std::string left = content_of(lock.path());
    CHECK((left == "theirs\n" || (left.empty() && (way == "filelock" || way == "subclass"))));
    other.tell("acquire -1 x");
    std::ofstream{lock.path()} << "4242\n";
    CHECK_THROWS_AS(lock.acquire(5ms), nlock::lock_timeout);
    CHECK(content_of(lock.path()) == "4242\n");
    other.tell("release");
    { const auto hold = lock.acquire(); }
    { const auto hold = lock.acquire_shared(); }
    CHECK(content_of(lock.path()) == "4242\n");
}

// ---- flock(1) by itself, without Python ----

#if defined(__linux__)
TEST_CASE("flock(1) and a named lock exclude each other") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    process holder = flock_program(lock.path());
    REQUIRE(holder.read_line() == "in");
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(lock.try_acquire_shared());
    holder.write_line("");
    CHECK(holder.wait() == 0);
    {
        const auto hold = lock.acquire(0s);
        CHECK(process{{"flock", "--nonblock", lock.path().string(), "true"}}.wait() == 1);
        CHECK(process{{"flock", "--shared", "--nonblock", lock.path().string(), "true"}}.wait() == 1);
        CHECK(process{{"flock", "--timeout", "0.02", lock.path().string(), "true"}}.wait() == 1);
    }
    CHECK(process{{"flock", "--nonblock", lock.path().string(), "true"}}.wait() == 0);
    const auto shared = lock.acquire_shared();
    CHECK(process{{"flock", "--shared", "--nonblock", lock.path().string(), "true"}}.wait() == 0);
    CHECK(process{{"flock", "--nonblock", lock.path().string(), "true"}}.wait() == 1);
}

TEST_CASE("flock(1) and a named lock wait for each other") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto hold = lock.acquire();
    process other = flock_program(lock.path());
    CHECK(other.is_silent());
    hold.release();
    CHECK(other.read_line() == "in");
    auto waiter = worker::without_polling(dir);
    waiter.let_wait("acquire -1 x");
    CHECK(waiter.is_silent(150ms));
    other.write_line("");
    CHECK(waiter.read_line() == "ok");
}

TEST_CASE("a waiter gets the lock when flock(1) is killed, once the program that it has started has ended, too") {
    temp_dir dir;
    auto waiter = worker::without_polling(dir);
    process other = flock_program(dir.path() / "x.lock");
    REQUIRE(other.read_line() == "in");
    waiter.let_wait("acquire -1 x");
    other.kill(SIGKILL);
    CHECK(other.wait() == -SIGKILL);
    CHECK(waiter.is_silent());  // the shell has inherited the descriptor
    other.close_input();
    CHECK(waiter.read_line() == "ok");
}
#endif

}  // namespace interop_test

#endif

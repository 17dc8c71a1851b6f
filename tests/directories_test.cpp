// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Where lock files may be kept, what is in such a directory, and its old files.
#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <system_error>
#include <vector>

#include <named_lock/directories.hpp>
#include <named_lock/named_lock.hpp>

#include "support/counter_file.hpp"
#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"
#include "support/worker.hpp"

namespace directories_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlock::named_lock;

constexpr std::chrono::hours day{24};

void make_file(const fs::path& path, std::chrono::seconds age = 0s) {
    std::ofstream{path} << "";
    fs::last_write_time(path, fs::file_time_type::clock::now() - age);
}

/// The names that list_locks() gives, with "held", "shared" or "free".
std::map<std::string, std::string> kinds_in(const fs::path& dir) {
    std::map<std::string, std::string> kinds;
    for (const nlock::lock_status& status : nlock::list_locks(dir)) {
        kinds[status.name] = !status.held ? "free" : status.shared ? "shared" : "held";
    }
    return kinds;
}

using kinds = std::map<std::string, std::string>;

using names = std::vector<std::string>;

names files_in(const fs::path& dir) {
    names files;
    for (const auto& entry : fs::directory_iterator{dir}) files.push_back(entry.path().filename().string());
    std::sort(files.begin(), files.end());
    return files;
}

names count_in_workers(const temp_dir& dir, int processes, const std::string& count) {
    std::vector<worker> workers;
    for (int i = 0; i < processes; ++i) workers.emplace_back(dir);
    for (worker& w : workers) w.write_line(count);
    names answers;
    for (worker& w : workers) answers.push_back(w.read_line());
    return answers;
}

#if !defined(_WIN32)
class changed_variable {
  public:
    changed_variable(const char* name, const char* value) : name_{name} {
        if (const char* before = std::getenv(name)) before_ = before;
        value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
    }
    changed_variable(const changed_variable&) = delete;
    changed_variable& operator=(const changed_variable&) = delete;
    ~changed_variable() { before_.empty() ? ::unsetenv(name_) : ::setenv(name_, before_.c_str(), 1); }

  private:
    const char* name_;
    std::string before_{};
};
#endif

}  // namespace

#if !defined(_WIN32) && !defined(__APPLE__)
TEST_CASE("a user's locks directory is where the session keeps what runs, else in the home directory's cache") {
    temp_dir dir;
    const std::string home = (dir.path() / "home").string();
    const std::string runtime = (dir.path() / "run").string();
    const changed_variable changed_home{"HOME", home.c_str()};
    {
        const changed_variable changed{"XDG_RUNTIME_DIR", runtime.c_str()};
        CHECK(nlock::user_locks_dir("shop") == fs::path{runtime} / "shop" / "locks");
    }
    for (const char* none : {static_cast<const char*>(nullptr), "", "relative/run"}) {
        const changed_variable changed{"XDG_RUNTIME_DIR", none};
        CHECK(nlock::user_locks_dir("shop") == fs::path{home} / ".cache" / "shop" / "locks");
    }
    const changed_variable no_runtime{"XDG_RUNTIME_DIR", nullptr};
    const changed_variable no_home{"HOME", nullptr};
    CHECK(nlock::user_locks_dir("shop").is_absolute());
    CHECK(fs::is_empty(dir.path()));
}

TEST_CASE("all users' locks directory is where the system keeps locks") {
    const fs::path place = fs::is_directory("/run/lock") ? "/run/lock" : "/var/lock";
    CHECK(nlock::machine_locks_dir("shop") == place / "shop");
}
#endif

TEST_CASE("the directories of a program are absolute, of that program, and not created") {
    const std::string program = "named_lock test of a program";
    for (const fs::path& place : {nlock::user_locks_dir(program), nlock::machine_locks_dir(program)}) {
        CHECK(place.is_absolute());
        CHECK(place.string().find(program) != std::string::npos);
        CHECK_FALSE(fs::exists(place));
    }
}

TEST_CASE("a program whose name would lead elsewhere has no directory") {
    const std::string name = GENERATE(as<std::string>{}, "", "..", "a/b", "a\\b");
    CHECK_THROWS_AS(nlock::user_locks_dir(name), nlock::invalid_lock_name);
    CHECK_THROWS_AS(nlock::machine_locks_dir(name), nlock::invalid_lock_name);
}

TEST_CASE("the locks of a directory are listed by name, each free, shared or held") {
    temp_dir dir;
    worker other{dir};
    other.tell("acquire -1 held");
    other.tell("acquire_shared -1 shared");
    named_lock mine{"mine", dir.path()};
    const auto guard = mine.acquire();
    make_file(dir.path() / "free.lock");
    make_file(dir.path() / "notes.txt");
    make_file(dir.path() / ".lock");
    fs::create_directory(dir.path() / "directory.lock");
    CHECK(kinds_in(dir.path()) ==
          kinds{{"free", "free"}, {"held", "held"}, {"mine", "held"}, {"shared", "shared"}});

    const auto all = nlock::list_locks(dir.path());
    REQUIRE(all.size() == 4);
    CHECK(all[0].name == "free");
    CHECK(all[1].name == "held");
    CHECK(all[0].holders.empty());
#if defined(__linux__)
    REQUIRE(all[1].holders.size() == 1);
    CHECK(all[1].holders[0].pid == other.pid());
#endif
}

TEST_CASE("no locks are listed of a directory that does not exist, and none is made") {
    temp_dir dir;
    CHECK(nlock::list_locks(dir.path() / "missing").empty());
    CHECK(nlock::purge_locks(dir.path() / "missing", 0s) == 0);
    CHECK(fs::is_empty(dir.path()));
}

TEST_CASE("a directory that cannot be read is an error") {
    temp_dir dir;
    make_file(dir.path() / "file");
    const auto error = thrown_by<nlock::lock_error>([&] { (void)nlock::list_locks(dir.path() / "file"); });
    CHECK(error.path() == dir.path() / "file");
    CHECK_THROWS_AS(nlock::purge_locks(dir.path() / "file", 0s), nlock::lock_error);
}

#if defined(__linux__)
TEST_CASE("who waits is listed, and a lock of the other method is listed as held") {
    temp_dir dir;
    worker holder{dir};
    worker waiter{dir};
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire_shared -1 x");
    holder.tell("method fcntl");
    holder.tell("acquire -1 y");
    CHECK(kinds_in(dir.path()) == kinds{{"x", "held"}, {"y", "held"}});
    auto all = nlock::list_locks(dir.path());
    while (all[0].waiters.empty()) all = nlock::list_locks(dir.path());  // it is about to stand in line
    CHECK(all[0].waiters[0].pid == waiter.pid());
    CHECK(all[0].waiters[0].shared);
}

TEST_CASE("a list opens no lock file, so that the kernel has nothing to tell a waiter") {
    temp_dir dir;
    make_file(dir.path() / "x.lock");
    fs::permissions(dir.path() / "x.lock", fs::perms::none);
    const auto before = fs::last_write_time(dir.path() / "x.lock");
    CHECK(kinds_in(dir.path()) == kinds{{"x", "free"}});
    CHECK(fs::last_write_time(dir.path() / "x.lock") == before);
}
#endif

TEST_CASE("old files of locks that nobody uses are removed, and counted") {
    temp_dir dir;
    make_file(dir.path() / "old.lock", 10 * day);
    make_file(dir.path() / "older.lock", 20 * day);
    make_file(dir.path() / "new.lock");
    make_file(dir.path() / "old.txt", 10 * day);
    CHECK(nlock::purge_locks(dir.path(), 30 * day) == 0);
    CHECK(nlock::purge_locks(dir.path(), 7 * day) == 2);
    CHECK(files_in(dir.path()) == names{"new.lock", "old.txt"});
    CHECK(nlock::purge_locks(dir.path(), 0s) == 1);
    CHECK(nlock::purge_locks(dir.path(), std::chrono::seconds::max()) == 0);
    CHECK(files_in(dir.path()) == names{"old.txt"});
}

TEST_CASE("the file of a lock that is held is not removed, whoever holds it") {
    temp_dir dir;
    worker other{dir};
    other.tell("acquire -1 held");
    other.tell("acquire_shared -1 shared");
    const auto mine = named_lock{"mine", dir.path()}.acquire();
    const auto read = named_lock{"read", dir.path()}.acquire_shared();
#if defined(__linux__)
    other.tell("method fcntl");
    other.tell("acquire -1 fcntl");
    other.tell("acquire_shared -1 fcntl_shared");
#endif
    const auto before = files_in(dir.path());
    CHECK(nlock::purge_locks(dir.path(), 0s) == 0);
    in_another_thread([&] { CHECK(nlock::purge_locks(dir.path(), 0s) == 0); });
    CHECK(files_in(dir.path()) == before);
}

TEST_CASE("a process that has used a lock goes on with a new file when the old one was removed") {
    temp_dir dir;
    worker other{dir};
    other.tell("acquire -1 x");
    other.tell("release");
    const nlock::named_lock lock{"x", dir.path()};
    CHECK(nlock::purge_locks(dir.path(), 0s) == 1);
    other.tell("acquire -1 x");
    CHECK(seen_by_others(lock) == seen::exclusive);
}

TEST_CASE("no increment is lost while lock files are removed again and again") {
    temp_dir dir;
    const fs::path file = dir.path() / "counter";
    { const counter_file made{file}; }
    constexpr int processes = 3;
    constexpr int times = 300;
    task counting{[&] {
        const std::string count = "count " + std::to_string(times) + " " + file.string() + " x";
        return count_in_workers(dir, processes, count);
    }};
    std::size_t removed = 0;
    while (counting.is_blocked(0ms)) removed += nlock::purge_locks(dir.path(), 0s);
    CHECK(counting.get() == names(processes, "ok"));
    CHECK(counter_file{file}.value() == processes * times);
    INFO("removed " << removed << " times");
}

}  // namespace directories_test

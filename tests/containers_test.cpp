// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Containers that share a volume, as docs/recipes.md has them: here programs with users, mounts, processes and networks of
// their own, to which the system shows one directory. No container engine takes part.
#include "support/catch.hpp"

#if defined(__linux__)

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/counter_file.hpp"
#include "support/platform.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/worker.hpp"

namespace containers_test {
namespace {

using namespace nlock_test;
namespace fs = std::filesystem;
using nlock::named_lock;

/// What a container engine does: the volume is at `place` for the program that this starts, and for nobody else.
std::vector<std::string> container(const fs::path& volume, const fs::path& place, bool has_own_users = true) {
    std::vector<std::string> launcher{"unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc"};
    if (has_own_users) launcher.insert(launcher.end(), {"--user", "--map-root-user"});
    const char* const script = "mount -t proc proc /proc; mount --bind \"$1\" \"$2\"; shift 2; exec \"$@\"";
    launcher.insert(launcher.end(), {"sh", "-ec", script, "sh", volume.string(), place.string()});
    return launcher;
}

bool works(const std::vector<std::string>& launcher) {
    std::string command;
    for (const std::string& word : launcher) command += "'" + word + "' ";
    return std::system((command + "true >/dev/null 2>&1").c_str()) == 0;
}

constexpr const char* no_container = "this user may not have the namespaces of a container";

/// The place is the same for all, as where one configuration starts them. Outside of them nothing is there.
struct shared_volume {
    temp_dir dir{};
    fs::path volume = dir.path() / "volume";
    fs::path place = dir.path() / "var";
    shared_volume() {
        fs::create_directory(volume);
        fs::create_directory(place);
    }
};

}  // namespace

TEST_CASE("containers that share a volume exclude each other, and wake each other") {
    SKIP_UNDER_QEMU();
    const shared_volume shared;
    const auto launcher = container(shared.volume, shared.place);
    if (!works(launcher)) SKIP_TEST(no_container);
    worker import{shared.place, launcher};
    worker report{shared.place, launcher};
    report.tell("poll 60000");
    report.tell("cut_net 100000");  // only a report of the release wakes it
    import.tell("acquire -1 x");
    CHECK(report.ask("try x") == "busy");
    // Neither sees the other's processes; the machine sees both.
    const std::string said = report.ask("acquire 0 x");
    CHECK(said.find("; held by a process that cannot be seen from here") != std::string::npos);
    nlock::lock_options options;
    options.locks_dir = shared.volume;
    named_lock outside{"x", options};
    CHECK_FALSE(outside.try_acquire());
    CHECK(outside.holders().size() == 1);
    report.let_wait("acquire -1 x");
    CHECK(report.is_silent());
    import.tell("release");
    CHECK(report.read_line() == "ok");
    CHECK(import.ask("try x") == "busy");
    CHECK(fs::is_empty(shared.place));  // out here
}

TEST_CASE("no increment is lost between containers that share a volume") {
    SKIP_UNDER_QEMU();
    const shared_volume shared;
    const auto launcher = container(shared.volume, shared.place);
    if (!works(launcher)) SKIP_TEST(no_container);
    { const counter_file made{shared.volume / "counter"}; }
    constexpr int times = 500;
    std::array<worker, 4> workers{worker{shared.place, launcher}, worker{shared.place, launcher},
                                  worker{shared.place, launcher}, worker{shared.volume}};
    for (worker& w : workers) w.tell("poll 1");
    for (worker& w : workers) {
        const fs::path dir = &w == &workers.back() ? shared.volume : shared.place;
        w.write_line("count " + std::to_string(times) + " " + (dir / "counter").string() + " x");
    }
    for (worker& w : workers) CHECK(w.read_line() == "ok");
    CHECK(counter_file{shared.volume / "counter"}.value() == times * static_cast<int>(workers.size()));
}

TEST_CASE("the locks of a container that is killed are free") {
    SKIP_UNDER_QEMU();
    const shared_volume shared;
    const auto launcher = container(shared.volume, shared.place);
    if (!works(launcher)) SKIP_TEST(no_container);
    worker import{shared.place, launcher};
    worker report{shared.place, launcher};
    import.tell("acquire -1 x");
    report.let_wait("acquire -1 x");
    CHECK(report.is_silent());
    import.crash();
    CHECK(report.read_line() == "ok");
}

TEST_CASE("containers with different users share a volume if each lets the others open its files") {
    SKIP_UNDER_QEMU();
    if (::geteuid() != 0) SKIP_TEST("it takes the superuser to be two users");
    const shared_volume shared;
    fs::permissions(shared.dir.path(), fs::perms{0755});
    fs::permissions(shared.volume, fs::perms{0777});
    const auto launcher = container(shared.volume, shared.place, false);
    if (!works(launcher)) SKIP_TEST(no_container);
    worker import{shared.place, launcher};
    worker report{shared.place, launcher};
    import.tell("as_user 61002");
    report.tell("as_user 61003");
    import.tell("umask 77");
    import.tell("acquire -1 x");
    CHECK(report.ask("try x").substr(0, 6) == "error\t");
    import.tell("permissions 666");
    import.tell("acquire -1 y");
    CHECK(report.ask("try y") == "busy");
    import.tell("release");
    CHECK(report.ask("try y") == "ok");
    CHECK(import.ask("try y") == "busy");
}

}  // namespace containers_test
#endif

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Whatever is not "held by somebody else" is a lock_error at once, with the operation, the path and the system's code.
// Nothing is held then, nothing leaks, and the lock is usable as soon as the cause is gone.
#include "support/catch.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/child.hpp"
#include "support/others.hpp"
#include "support/proc.hpp"
#include "support/safety_net.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"
#include "support/worker.hpp"
#if defined(__linux__)
#include <csignal>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "support/seccomp.hpp"
#endif

namespace errors_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlock::lock_error;
using nlock::named_lock;

constexpr const char* nobody = "65534";

std::string text_of(int code) { return std::generic_category().message(code); }

/// What an error is expected to say.
struct failure {
    int code;
    std::string operation;
    fs::path path;

    [[nodiscard]] std::string what() const {
        return "cannot " + operation + " " + path.string() + ": " + text_of(code);
    }
    /// As a worker says it.
    [[nodiscard]] std::string answer() const {
        return "error\t" + std::to_string(code) + "\t" + path.string() + "\t" + what();
    }
};

/// All ways to acquire, none of which may wait: each has an hour.
std::vector<std::function<void(named_lock&)>> ways_to_acquire() {
    return {[](named_lock& l) { (void)l.acquire(); },
            [](named_lock& l) { (void)l.acquire(1h); },
            [](named_lock& l) { (void)l.acquire(0s); },
            [](named_lock& l) { (void)l.try_acquire(); },
            [](named_lock& l) { (void)l.try_acquire(1h); },
            [](named_lock& l) { (void)l.acquire_shared(); },
            [](named_lock& l) { (void)l.try_acquire_shared(); },
            [](named_lock& l) { (void)l.try_acquire_shared(1h); },
            [](named_lock& l) { l.lock(); },
            [](named_lock& l) { (void)l.try_lock(); },
            [](named_lock& l) { (void)l.try_lock_for(1h); },
            [](named_lock& l) { (void)l.try_lock_until(std::chrono::system_clock::now() + 1h); },
            [](named_lock& l) { l.lock_shared(); },
            [](named_lock& l) { (void)l.try_lock_shared(); },
            [](named_lock& l) { (void)l.try_lock_shared_for(1h); },
            [](named_lock& l) { (void)nlock::acquire_all({l}); }};
}

std::size_t open_descriptors() {
#if defined(__linux__)
    return count_entries("/proc/self/fd");
#else
    return 0;
#endif
}

nlock::lock_options options_in(const fs::path& dir) {
    nlock::lock_options options;
    options.locks_dir = dir;
    options.on_wait = [](const nlock::lock_wait&) { throw std::logic_error{"it waits"}; };
    return options;
}

/// Checks that each way to acquire `lock` fails with `code` in the open, and leaves nothing behind. Returns the last
/// error.
lock_error check_each_way_fails(named_lock lock, int code) {
    std::vector<lock_error> errors;
    const std::size_t before = open_descriptors();
    for (const auto& acquire : ways_to_acquire()) {
        errors.push_back(thrown_by<lock_error>([&] { acquire(lock); }));
        CHECK(errors.back().code() == std::error_code(code, std::generic_category()));
        CHECK_FALSE(lock.is_locked());
    }
    CHECK(open_descriptors() == before);
    return errors.back();
}

void check_each_way_fails(named_lock lock, const failure& expected) {
    const auto error = check_each_way_fails(std::move(lock), expected.code);
    CHECK(error.path() == expected.path);
    CHECK(error.what() == expected.what());
}

void check_is_usable(named_lock lock) {
    {
        const auto guard = lock.acquire(0s);
        CHECK(seen_by_others(lock) == seen::exclusive);
    }
    CHECK(seen_by_others(lock) == seen::free);
}

void write_file(const fs::path& path, const std::string& content) { std::ofstream{path} << content; }

/// A worker that permissions stop. `dir` is made its own.
worker unprivileged_worker(const temp_dir& dir) {
    worker result{dir};
    if (::geteuid() != 0) return result;
    fs::permissions(dir.path(), fs::perms{0777});
    result.tell(std::string{"as_user "} + nobody);
    return result;
}

std::vector<std::string> open_files(const worker& w) {
#if defined(__linux__)
    return files_of(w.pid());
#else
    (void)w;
    return {};
#endif
}

void check_fails(worker& w, const std::string& name, const failure& expected) {
    w.tell("keep_open 0");
    CHECK(w.ask("try " + name) == expected.answer());  // which closes the file of the lock before
    const auto before = open_files(w);
    for (const char* how : {"acquire -1 ", "acquire 3600000 ", "try ", "acquire_shared -1 ", "try_shared "}) {
        CHECK(w.ask(how + name) == expected.answer());
    }
    CHECK(w.ask("holds") == "ok\t0");
    CHECK(open_files(w) == before);
}

}  // namespace

// ---- what is at the path ----

TEST_CASE("a directory at the path of the lock file is an error") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir.path())};
    fs::create_directory(lock.path());
    check_each_way_fails(lock, failure{EISDIR, "open", lock.path()});
    fs::remove(lock.path());
    check_is_usable(lock);
}

TEST_CASE("a symlink at the path of the lock file is not followed") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir.path())};
    const fs::path target = dir.path() / "target";
    const auto check_is_told = [&] {
        CHECK(check_each_way_fails(lock, ELOOP).what() == "cannot open " + lock.path().string() + ": it is a symlink");
    };
    SECTION("dangling") {
        fs::create_symlink(target, lock.path());
        check_is_told();
        CHECK_FALSE(fs::exists(target));
    }
    SECTION("to a file") {
        write_file(target, "content");
        fs::permissions(target, fs::perms{0604});
        fs::create_symlink(target, lock.path());
        check_is_told();
        CHECK(fs::file_size(target) == 7);
        CHECK(fs::status(target).permissions() == fs::perms{0604});
        CHECK(foreign_hold::is_possible(target, hold_kind::exclusive));
    }
    SECTION("to another lock file") {
        const auto held = named_lock{"target", dir.path()}.acquire();
        fs::create_symlink("target.lock", lock.path());
        check_is_told();
    }
    SECTION("to itself") {
        fs::create_symlink(lock.path(), lock.path());
        check_is_told();
    }
    fs::remove(lock.path());
    check_is_usable(lock);
}

TEST_CASE("a FIFO at the path of the lock file is an error and blocks nobody") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir.path())};
    REQUIRE(::mkfifo(lock.path().c_str(), 0666) == 0);
    const auto error = check_each_way_fails(lock, EINVAL);
    CHECK(error.path() == lock.path());
    CHECK(error.what() == "cannot lock " + lock.path().string() + ": not a regular file");
    fs::remove(lock.path());
    check_is_usable(lock);
}

TEST_CASE("a FIFO at the path of the lock file blocks nobody who may only read it") {
    temp_dir dir;
    worker user = unprivileged_worker(dir);
    const fs::path file = dir.path() / "x.lock";
    REQUIRE(::mkfifo(file.c_str(), 0444) == 0);
    CHECK(user.ask("acquire -1 x") == "error\t" + std::to_string(EINVAL) + "\t" + file.string() + "\tcannot lock " +
                                          file.string() + ": not a regular file");
}

TEST_CASE("a socket at the path of the lock file is an error") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir.path())};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(lock.path().native().size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, lock.path().c_str(), lock.path().native().size());
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(socket >= 0);
    sockaddr header{};
    static_assert(sizeof address >= sizeof header);
    const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    REQUIRE(::bind(socket, generic, sizeof address) == 0);
#if defined(__linux__)
    check_each_way_fails(lock, failure{ENXIO, "open", lock.path()});
#else
    check_each_way_fails(lock, failure{EOPNOTSUPP, "open", lock.path()});
#endif
    ::close(socket);
    fs::remove(lock.path());
    check_is_usable(lock);
}

#if defined(__linux__)
TEST_CASE("a device at the path of the lock file is an error") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir.path())};
    constexpr unsigned null_major = 1;
    constexpr unsigned null_minor = 3;
    if (::mknod(lock.path().c_str(), S_IFCHR | 0666, makedev(null_major, null_minor)) != 0) {
        SKIP_TEST("this user may not make a device");
    }
    const int file = ::open(lock.path().c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) SKIP_TEST("devices are switched off in this file system");
    ::close(file);
    const auto error = check_each_way_fails(lock, EINVAL);
    CHECK(error.what() == "cannot lock " + lock.path().string() + ": not a regular file");
    fs::remove(lock.path());
    check_is_usable(lock);
}
#endif

// ---- what is in the place of the locks directory ----

TEST_CASE("a file in the place of the locks directory is an error") {
    temp_dir dir;
    const fs::path file = dir.path() / "file";
    write_file(file, "content");
    const bool is_parent = GENERATE(false, true);
    named_lock lock{"x", options_in(is_parent ? file / "locks" : file)};
    check_each_way_fails(lock, failure{ENOTDIR, "open", lock.path()});
    CHECK(fs::file_size(file) == 7);
    fs::remove(file);
    check_is_usable(lock);
}

TEST_CASE("a symlink that leads nowhere in the place of the locks directory is an error") {
    temp_dir dir;
    const fs::path link = dir.path() / "locks";
    fs::create_symlink(dir.path() / "nowhere", link);
    named_lock lock{"x", options_in(link)};
    const auto error = check_each_way_fails(lock, EEXIST);
    CHECK(error.what() == failure{EEXIST, "create the directory of", lock.path()}.what());
    CHECK_FALSE(fs::exists(dir.path() / "nowhere"));
    fs::remove(link);
    check_is_usable(lock);
}

TEST_CASE("symlinks in a circle in the place of the locks directory are an error") {
    temp_dir dir;
    fs::create_symlink("b", dir.path() / "a");
    fs::create_symlink("a", dir.path() / "b");
    check_each_way_fails(named_lock{"x", options_in(dir.path() / "a")}, ELOOP);
}

// What the system does not find must not be found by leaving out "x/..", which may be another directory.

TEST_CASE("a way over symlinks in a circle is an error, and no other directory is used") {
    temp_dir dir;
    fs::create_symlink("circle", dir.path() / "circle");
    named_lock lock{"x", options_in(dir.path() / "circle" / ".." / "locks")};
    const auto error = check_each_way_fails(lock, ELOOP);
    CHECK_THAT(error.what(), Catch::Matchers::ContainsSubstring(text_of(ELOOP)));
    CHECK_FALSE(fs::exists(dir.path() / "locks"));
}

TEST_CASE("a way over a file is an error, and no other directory is used") {
    temp_dir dir;
    write_file(dir.path() / "file", "content");
    check_each_way_fails(named_lock{"x", options_in(dir.path() / "file" / ".." / "locks")}, ENOTDIR);
    CHECK_FALSE(fs::exists(dir.path() / "locks"));
}

TEST_CASE("a way over a symlink that leads nowhere is an error, and no other directory is used") {
    temp_dir dir;
    fs::create_symlink("nowhere/at/all", dir.path() / "link");
    named_lock lock{"x", options_in(dir.path() / "link" / ".." / "locks")};
    check_each_way_fails(lock, EEXIST);
    CHECK_FALSE(fs::exists(dir.path() / "locks"));
    fs::create_directories(dir.path() / "nowhere" / "at" / "all");
    const auto guard = lock.acquire();
    CHECK(fs::exists(dir.path() / "nowhere" / "at" / "locks" / "x.lock"));
}

TEST_CASE("who may not search a directory on the way gets an error, and no other directory") {
    temp_dir dir;
    worker user = unprivileged_worker(dir);
    const fs::path secret = dir.path() / "secret";
    fs::create_directories(dir.path() / "deep" / "one" / "two");
    fs::create_directory(secret);
    fs::create_directory_symlink(dir.path() / "deep" / "one" / "two", secret / "way");
    fs::permissions(dir.path() / "deep" / "one", fs::perms{0777});
    const fs::path locks_dir = secret / "way" / ".." / "locks";
    fs::permissions(secret, fs::perms{0});
    user.tell("dir " + locks_dir.string());
    CHECK(split(user.ask("try x"))[1] == std::to_string(EACCES));
    fs::permissions(secret, fs::perms{0777});
    CHECK(user.ask("try x") == "ok");
    CHECK(fs::exists(dir.path() / "deep" / "one" / "locks" / "x.lock"));
    CHECK_FALSE(fs::exists(dir.path() / "locks"));
    CHECK_FALSE(fs::exists(secret / "locks"));
}

TEST_CASE("a locks directory whose name contains a NUL is an error, and no other directory is used") {
    temp_dir dir;
    const fs::path cut_off = dir.path() / "a";
    const nlock::lock_options options = options_in(fs::path{cut_off.native() + '\0' + "b"});
    try {
        const named_lock lock{"x", options};
        FAIL("constructed");
    } catch (const lock_error& e) {
        CHECK(e.code() == std::errc::invalid_argument);
        CHECK_THAT(e.what(), Catch::Matchers::ContainsSubstring("it contains a NUL"));
    }
    CHECK(fs::is_empty(dir.path()));
}

TEST_CASE("a locks directory whose name is too long for the system is an error") {
    temp_dir dir;
    SECTION("one part of it") {
        named_lock lock{"x", options_in(dir.path() / std::string(300, 'n'))};
        check_each_way_fails(lock, failure{ENAMETOOLONG, "open", lock.path()});
    }
    SECTION("all of it") {
        fs::path deep = dir.path();
        for (int i = 0; i < 30; ++i) deep /= std::string(200, 'n');
        named_lock lock{"x", options_in(deep)};
        check_each_way_fails(lock, failure{ENAMETOOLONG, "open", lock.path()});
    }
    CHECK(fs::is_empty(dir.path()));
}

TEST_CASE("what no terminal should get is shown by its number, whatever a directory is called") {
    temp_dir dir;
    const fs::path locks_dir = dir.path() / "a\x1B[31m\n\x7F\xFF\u00E9";
    const std::string shown = (dir.path() / "a\\x1B[31m\\x0A\\x7F\\xFF\u00E9" / "x.lock").string();
    write_file(locks_dir, "");
    const named_lock lock{"x", options_in(locks_dir)};
    const auto error = check_each_way_fails(lock, ENOTDIR);
    CHECK(error.path() == lock.path());
    CHECK(error.what() == "cannot open " + shown + ": " + text_of(ENOTDIR));
    CHECK(nlock::lock_timeout{"x", lock.path(), 0s, {}}.what() ==
          "lock 'x' (" + shown + ") was not acquired within 0 s");
}

// ---- permissions ----

TEST_CASE("a directory that may not be written to is an error, unless the file is there") {
    temp_dir dir;
    worker user = unprivileged_worker(dir);
    user.tell("acquire -1 there");
    user.tell("release");
    fs::permissions(dir.path(), fs::perms{0555});
    check_fails(user, "x", {EACCES, "open", dir.path() / "x.lock"});
    CHECK(user.ask("acquire -1 there") == "ok");
    user.tell("release");
    user.tell("dir " + (dir.path() / "a" / "b").string());
    check_fails(user, "x", {EACCES, "create the directory of", dir.path() / "a" / "b" / "x.lock"});
    fs::permissions(dir.path(), fs::perms{0777});
    CHECK(user.ask("acquire -1 x") == "ok");
}

TEST_CASE("a directory that may not be searched is an error") {
    temp_dir dir;
    worker user = unprivileged_worker(dir);
    fs::permissions(dir.path(), fs::perms{0666});
    check_fails(user, "x", {EACCES, "open", dir.path() / "x.lock"});
    user.tell("dir " + (dir.path() / "locks").string());
    check_fails(user, "x", {EACCES, "open", dir.path() / "locks" / "x.lock"});
    fs::permissions(dir.path(), fs::perms{0777});
    CHECK(user.ask("acquire -1 x") == "ok");
}

TEST_CASE("a lock file that may not be opened is an error") {
    temp_dir dir;
    worker user = unprivileged_worker(dir);
    const fs::path file = dir.path() / "x.lock";
    write_file(file, "content");
    fs::permissions(file, fs::perms{0});
    check_fails(user, "x", {EACCES, "open", file});
    CHECK(fs::file_size(file) == 7);
    fs::permissions(file, fs::perms{0666});
    CHECK(user.ask("acquire -1 x") == "ok");
}

TEST_CASE("a lock file that may only be read is locked all the same") {
    temp_dir dir;
    worker user = unprivileged_worker(dir);
    worker second = unprivileged_worker(dir);
    const fs::path file = dir.path() / "x.lock";
    write_file(file, "content");
    fs::permissions(file, fs::perms{0444});
    CHECK(user.ask("acquire -1 x") == "ok");
    CHECK(second.ask("try x") == "busy");
    CHECK(second.ask("try_shared x") == "busy");
    second.let_wait("acquire -1 x");
    user.tell("release");
    CHECK(second.read_line() == "ok");
    second.tell("release");
    CHECK(user.ask("acquire_shared -1 x") == "ok");
    CHECK(second.ask("acquire_shared -1 x") == "ok");
    user.tell("release");
    CHECK(user.ask("try x") == "busy");
    CHECK(fs::status(file).permissions() == fs::perms{0444});
    CHECK(fs::file_size(file) == 7);
}

#if defined(F_OFD_SETLK)
TEST_CASE("a lock file that may only be read is locked by fcntl shared, and refused exclusively") {
    temp_dir dir;
    worker user = unprivileged_worker(dir);
    user.tell("method fcntl");
    const fs::path file = dir.path() / "x.lock";
    write_file(file, "");
    fs::permissions(file, fs::perms{0444});
    for (const char* how : {"acquire -1 x", "try x", "acquire 3600000 x"}) {
        CHECK(user.ask(how) == failure{EACCES, "lock", file}.answer());
    }
    CHECK(user.ask("acquire_shared -1 x") == "ok");
    fs::permissions(file, fs::perms{0666});
    CHECK_FALSE(foreign_hold::is_possible(file, hold_kind::exclusive, nlock::lock_method::fcntl));
    user.tell("release");
    CHECK(user.ask("acquire -1 x") == "ok");
}
#endif

TEST_CASE("two users share a lock file in a sticky directory that all may write to") {
    if (::geteuid() != 0) SKIP_TEST("it takes the superuser to be two users");
    // fs.protected_regular, if it is on, refuses O_CREAT there for the file of somebody else, also to the superuser.
    temp_dir dir;
    fs::permissions(dir.path(), fs::perms{01777});
    worker one{dir};
    worker other{dir};
    worker root{dir};
    one.tell("umask 0");
    one.tell("as_user 65534");
    other.tell("as_user 65533");
    one.tell("acquire -1 x");
    CHECK(other.ask("try x") == "busy");
    CHECK(root.ask("try x") == "busy");
    other.let_wait("acquire -1 x");
    one.tell("release");
    CHECK(other.read_line() == "ok");
    CHECK(root.ask("try_shared x") == "busy");
    other.tell("release");
    CHECK(root.ask("acquire -1 x") == "ok");
}

TEST_CASE("the lock file of another user, who keeps it to himself, is an error") {
    if (::geteuid() != 0) SKIP_TEST("it takes the superuser to be two users");
    temp_dir dir;
    fs::permissions(dir.path(), fs::perms{01777});
    worker one{dir};
    worker other{dir};
    one.tell("umask 077");
    one.tell("as_user 65534");
    other.tell("as_user 65533");
    one.tell("acquire -1 x");
    check_fails(other, "x", {EACCES, "open", dir.path() / "x.lock"});
    one.tell("release");
    check_fails(other, "x", {EACCES, "open", dir.path() / "x.lock"});
}

// ---- what has run out ----

#if defined(__linux__)
TEST_CASE("too many open files are an error until there are fewer") {
    temp_dir dir;
    worker w{dir};
    w.tell("acquire -1 y");
    w.tell("release");
    w.tell("limit_descriptors 3");
    check_fails(w, "x", {EMFILE, "open", dir.path() / "x.lock"});
    w.tell("limit_descriptors 100");
    CHECK(w.ask("acquire -1 x") == "ok");
    CHECK_FALSE(foreign_hold::is_possible(dir.path() / "x.lock", hold_kind::shared));
    w.tell("limit_descriptors 3");
    CHECK(w.ask("acquire -1 x") == "ok");  // again, which needs nothing
    w.tell("release");
    w.tell("release");
    CHECK(foreign_hold::is_possible(dir.path() / "x.lock", hold_kind::exclusive));
}

/// A worker in a mount namespace of its own, in which `mounts`, a shell script, mounts something at "$1", which is
/// `dir`. The test sees it below /proc/PID/root.
worker worker_with_mounts(const temp_dir& dir, const std::string& mounts) {
    std::vector<std::string> launcher{"unshare", "--mount"};
    if (::geteuid() != 0) launcher.emplace_back("--map-root-user");
    for (const char* word : {"sh", "-ec"}) launcher.emplace_back(word);
    launcher.push_back(mounts + "\nshift\nexec \"$@\"");
    launcher.emplace_back("sh");
    launcher.push_back(dir.path().string());
    return worker{dir.path(), launcher};
}

bool may_mount() {
    const std::string as_root = ::geteuid() == 0 ? "" : "--map-root-user ";
    return std::system(("unshare --mount " + as_root + "mount -t tmpfs tmpfs /tmp 2>/dev/null").c_str()) == 0;
}

TEST_CASE("a full file system is an error until there is room") {
    if (!may_mount()) SKIP_TEST("this user may not mount a small file system");
    temp_dir dir;
    worker w = worker_with_mounts(dir, "mount -t tmpfs -o nr_inodes=2 tmpfs \"$1\"\n: >\"$1/there.lock\"");
    check_fails(w, "x", {ENOSPC, "open", dir.path() / "x.lock"});
    CHECK(w.ask("acquire -1 there") == "ok");
    w.tell("release");
    w.tell("dir " + (dir.path() / "locks").string());
    check_fails(w, "x", {ENOSPC, "create the directory of", dir.path() / "locks" / "x.lock"});
    w.tell("dir " + dir.path().string());
    fs::remove(proc_dir(w.pid()) / "root" / (dir.path() / "there.lock").relative_path());
    CHECK(w.ask("acquire -1 x") == "ok");
}

TEST_CASE("a read-only file system is an error, unless the file is there") {
    if (!may_mount()) SKIP_TEST("this user may not mount a read-only file system");
    temp_dir dir;
    const std::string mounts = "mount -t tmpfs tmpfs \"$1\"\n: >\"$1/there.lock\"\nmount -o remount,bind,ro \"$1\"";
    worker w = worker_with_mounts(dir, mounts);
    check_fails(w, "x", {EROFS, "open", dir.path() / "x.lock"});
    CHECK(w.ask("acquire -1 there") == "ok");
    w.tell("release");
    CHECK(w.ask("acquire_shared -1 there") == "ok");
    w.tell("release");
    w.tell("method fcntl");
    CHECK(w.ask("acquire -1 there") == failure{EROFS, "lock", dir.path() / "there.lock"}.answer());
    w.tell("dir " + (dir.path() / "locks").string());
    check_fails(w, "x", {EROFS, "create the directory of", dir.path() / "locks" / "x.lock"});
}

// ---- file systems that do not lock ----

TEST_CASE("a file system that does not lock is an error, with each code that it may have") {
    const int code = GENERATE(ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL, EIO, EPERM, EACCES, ESTALE);
    const auto method = GENERATE(nlock::lock_method::flock, nlock::lock_method::fcntl);
    CAPTURE(code, method == nlock::lock_method::flock);
    temp_dir dir;
    auto options = options_in(dir.path());
    options.method = method;
    named_lock lock{"x", options};
    const std::string verdict = in_child([&]() -> std::string {
        if (!answer_locks_with(static_cast<unsigned>(code))) return "cannot refuse";
        const std::size_t before = open_descriptors();
        for (const auto& acquire : ways_to_acquire()) {
            try {
                acquire(lock);
                return "a false grant, or contention";
            } catch (const nlock::lock_timeout&) {
                return "contention";
            } catch (const lock_error& e) {
                if (e.what() != failure{code, "lock", lock.path()}.what()) return e.what();
                if (e.code().value() != code || e.path() != lock.path()) return "code or path";
            }
            if (lock.is_locked()) return "a hold";
        }
        return open_descriptors() == before ? "" : "a descriptor";
    });
    if (verdict == "cannot refuse") SKIP_TEST("no system call can be made to fail here");
    CHECK(verdict == "");
    CHECK(seen_by_others(lock, method) == seen::free);
}

// ---- file systems that number files in a way of their own ----

/// For a scope: what fstat(2) answers.
class changed_fstat {
  public:
    explicit changed_fstat(std::function<void(struct stat&)> change) { after_fstat = std::move(change); }
    changed_fstat(const changed_fstat&) = delete;
    changed_fstat& operator=(const changed_fstat&) = delete;
    ~changed_fstat() { after_fstat = nullptr; }
};

TEST_CASE("a file that is never the one at its path, whoever looks, is an error") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir.path())};
    const bool exists = GENERATE(false, true);
    const bool changes = GENERATE(false, true);
    CAPTURE(exists, changes);
    if (exists) write_file(lock.path(), "content");
    {
        ino_t more = 1;
        const changed_fstat numbered_anew{[&](struct stat& status) {
            if (S_ISREG(status.st_mode)) status.st_ino += changes ? ++more : more;
        }};
        const auto error = check_each_way_fails(lock, ENOTSUP);
        CHECK(error.path() == lock.path());
        CHECK(error.what() == "cannot lock " + lock.path().string() + ": its file system does not tell files apart");
    }
    CHECK(count_entries(dir.path()) == 1);
    check_is_usable(lock);
}

TEST_CASE("a file that is never the one at its path is an error also where no file can be made to find that out") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir.path())};
    const bool changes = GENERATE(false, true);
    CAPTURE(changes);
    write_file(lock.path(), "content");
    fs::permissions(lock.path(), fs::perms{0666});
    fs::permissions(dir.path(), fs::perms{0555});
    const std::string verdict = in_child([&]() -> std::string {
        if (::geteuid() == 0 && ::setuid(static_cast<uid_t>(std::stoi(nobody))) != 0) return "cannot be somebody else";
        ino_t more = 1;
        const changed_fstat numbered_anew{[&](struct stat& status) { status.st_ino += changes ? ++more : more; }};
        for (const auto& acquire : ways_to_acquire()) {
            const auto error = thrown_by<lock_error>([&] { acquire(lock); });
            if (error.code().value() != ENOTSUP) return error.what();
        }
        return "";
    });
    CHECK(verdict == "");
    check_is_usable(lock);
}

TEST_CASE("a file that is replaced at each attempt is contention, until the time-out") {
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    named_lock lock{"x", options};
    long attempts = 0;
    instead_of_flock = [&](int file, int operation) {
        const auto next = dir.path() / "next";
        if (operation != LOCK_UN) {
            ++attempts;
            write_file(next, "");
            fs::rename(next, lock.path());
        }
        return static_cast<int>(::syscall(SYS_flock, file, operation));
    };
    CHECK_FALSE(lock.try_acquire());
    CHECK(attempts > 10);
    CHECK_THROWS_AS(lock.acquire(20ms), nlock::lock_timeout);
    instead_of_flock = nullptr;
    CHECK(count_entries(dir.path()) == 1);
    CHECK(lock.try_acquire());
}

TEST_CASE("a waiter whose file is another one at each attempt rests") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto other = dir.path() / "other";
    write_file(lock.path(), "");
    write_file(other, "");
    long attempts = 0;
    instead_of_flock = [&](int file, int operation) {
        constexpr unsigned exchange = 2;  // RENAME_EXCHANGE
        ++attempts;
        ::syscall(SYS_renameat2, AT_FDCWD, other.c_str(), AT_FDCWD, lock.path().c_str(), exchange);
        return static_cast<int>(::syscall(SYS_flock, file, operation));
    };
    CHECK_FALSE(lock.try_acquire());
    const long at_once = std::exchange(attempts, 0);
    CHECK_FALSE(lock.try_acquire(80ms));
    instead_of_flock = nullptr;
    CHECK(attempts <= 12 * at_once);  // for 8 ms, each time
}

TEST_CASE("a file system that reports no links locks like others") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir.path())};
    const changed_fstat no_links{[](struct stat& status) { status.st_nlink = 0; }};
    check_is_usable(lock);
}

TEST_CASE("a lock that the system refuses with EACCES, as SMB does, is held by somebody else") {
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    named_lock lock{"x", options};
    instead_of_flock = [](int file, int operation) {
        const auto result = static_cast<int>(::syscall(SYS_flock, file, operation));
        if (result != 0 && errno == EWOULDBLOCK) errno = EACCES;
        return result;
    };
    {
        const foreign_hold foreign{lock};
        CHECK_FALSE(lock.try_acquire());
        CHECK_THROWS_AS(lock.acquire(5ms), nlock::lock_timeout);
    }
    CHECK(lock.acquire(0s));
    instead_of_flock = nullptr;
}

TEST_CASE("signals that interrupt an attempt go unnoticed") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir.path())};
    int signals = 3;
    instead_of_flock = [&](int file, int operation) {
        if (signals-- <= 0) return static_cast<int>(::syscall(SYS_flock, file, operation));
        errno = EINTR;
        return -1;
    };
    CHECK(lock.try_acquire());
    instead_of_flock = nullptr;
    CHECK(signals < 0);
}

TEST_CASE("a lock file that the system lets nobody write to is locked all the same") {
    const int code = GENERATE(EPERM, EACCES, EROFS);  // it is immutable, or a sandbox says so
    CAPTURE(code);
    temp_dir dir;
    named_lock lock{"x", options_in(dir.path())};
    write_file(lock.path(), "content");
    const std::string verdict = in_child([&]() -> std::string {
        if (!answer_writing_with(static_cast<unsigned>(code))) return "cannot refuse";
        return lock.acquire(0s) ? "" : "not acquired";
    });
    if (verdict == "cannot refuse") SKIP_TEST("no system call can be made to fail here");
    CHECK(verdict == "");
}

// ---- leases ----

TEST_CASE("a file of which another program has a lease is out of reach, until it gives that up") {
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    named_lock lock{"x", options};
    write_file(lock.path(), "content");
    const int kind = GENERATE(F_RDLCK, F_WRLCK);
    child owner{[&](child& self) -> std::string {
        std::signal(SIGIO, SIG_IGN);
        const int file = ::open(lock.path().c_str(), (kind == F_RDLCK ? O_RDONLY : O_RDWR) | O_CLOEXEC);
        self.say(::fcntl(file, F_SETLEASE, kind) == 0 ? "has it" : "cannot");
        self.wait_for_parent();
        ::fcntl(file, F_SETLEASE, F_UNLCK);
        self.wait_for_parent();
        return "";
    }};
    if (owner.read_line() != "has it") SKIP_TEST("this file system has no leases");
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(lock.try_acquire_shared());
    CHECK_THROWS_AS(lock.acquire(5ms), nlock::lock_timeout);
    options.on_wait = [&](const nlock::lock_wait&) { owner.let_go_on(); };
    const auto guard = named_lock{"x", options}.acquire(patience);
    CHECK(guard);
    CHECK(seen_by_others(lock) == seen::exclusive);
    owner.let_go_on();
    CHECK(owner.verdict() == "");
}

// ---- the standard streams ----

TEST_CASE("a lock file does not take the place of a closed standard stream") {
    // Whatever the program prints would go into the lock file.
    const int closed = GENERATE(STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, -1);
    CAPTURE(closed);
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    named_lock lock{"x", options};
    named_lock contended{"y", options};
    const foreign_hold foreign{contended};
    CHECK(in_child([&]() -> std::string {
              for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
                  if (closed < 0 || stream == closed) ::close(stream);
              }
              std::string taken;
              const auto look = [&] {
                  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
                      if ((closed < 0 || stream == closed) && ::fcntl(stream, F_GETFD) != -1) {
                          taken += std::to_string(stream) + " ";
                      }
                  }
              };
              const auto hold = lock.acquire();
              look();
              if (contended.try_acquire(5ms)) return "a false grant";  // opens what waiters need
              look();
              return taken;
          }) == "");
    CHECK(fs::file_size(lock.path()) == 0);
}
#endif

}  // namespace errors_test

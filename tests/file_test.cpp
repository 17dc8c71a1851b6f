// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The lock file: where it is, that nothing but locking is done to it, and what happens when others remove it.
#include "support/catch.hpp"

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/stat.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
#endif
#if defined(__APPLE__)  // which has older names
#define st_atim st_atimespec
#define st_ctim st_ctimespec
#define st_mtim st_mtimespec
#endif

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/platform.hpp"
#include "support/proc.hpp"
#include "support/safety_net.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"
#include "support/worker.hpp"
#if !defined(_WIN32)
#include "support/child.hpp"
#endif

namespace file_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlock::named_lock;

void write_file(const fs::path& path, const std::string& content) { std::ofstream{path} << content; }

std::string content_of(const fs::path& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

#if !defined(_WIN32)
nlock::lock_options options_in(const fs::path& dir) {
    nlock::lock_options options;
    options.locks_dir = dir;
    return options;
}

struct stat status_of_file(const fs::path& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) throw std::system_error{errno, std::generic_category(), path};
    return status;
}

unsigned mode_of(const fs::path& path) { return status_of_file(path).st_mode & 07777U; }

#endif

bool is_held(const fs::path& file) { return !foreign_hold::is_possible(file, hold_kind::shared); }

#if !defined(_WIN32)
class changed_umask {
  public:
    explicit changed_umask(mode_t mask) : before_{::umask(mask)} {}
    changed_umask(const changed_umask&) = delete;
    changed_umask& operator=(const changed_umask&) = delete;
    ~changed_umask() { ::umask(before_); }

  private:
    mode_t before_;
};
#endif

class changed_directory {
  public:
    explicit changed_directory(const fs::path& dir) : before_{fs::current_path()} { fs::current_path(dir); }
    changed_directory(const changed_directory&) = delete;
    changed_directory& operator=(const changed_directory&) = delete;
    ~changed_directory() { fs::current_path(before_); }

  private:
    fs::path before_;
};

/// All uses of a lock: held and contended, in each way.
void use(named_lock lock) {
    { const auto guard = lock.acquire(); }
    { const auto guard = lock.acquire_shared(); }
    lock.lock();
    lock.lock();
    lock.release(true);
    const foreign_hold foreign{lock};
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(lock.try_acquire_shared());
    CHECK_FALSE(lock.try_acquire(5ms));
    CHECK_THROWS_AS(lock.acquire(5ms), nlock::lock_timeout);
    CHECK(lock.holders().empty() != tells_holders);
}

}  // namespace

// ---- where it is ----

TEST_CASE("the lock file is the name with .lock in the locks directory") {
    temp_dir dir;
    named_lock lock{"calculation", dir.path()};
    CHECK(lock.path() == dir.path() / "calculation.lock");
    const auto guard = lock.acquire();
    CHECK(is_held(dir.path() / "calculation.lock"));
    CHECK(count_entries(dir.path()) == 1);
}

TEST_CASE("the locks directory is called locks unless another one is named") {
    temp_dir dir;
    const changed_directory there{dir.path()};
    CHECK(named_lock{"x"}.path() == dir.path() / "locks" / "x.lock");
    const auto guard = named_lock{"x"}.acquire();
    CHECK(is_held(dir.path() / "locks" / "x.lock"));
}

TEST_CASE("constructing, asking and giving up touch nothing") {
    temp_dir dir;
    named_lock lock{"x", dir.path() / "a" / "b"};
    CHECK_FALSE(lock.is_locked());
    CHECK(lock.holders().empty());
    lock.release();
    lock.release(true);
    CHECK_THROWS_AS(lock.unlock(), nlock::lock_error);
    CHECK(fs::is_empty(dir.path()));
}

TEST_CASE("the locks directory is created with its parents by the first acquisition") {
    temp_dir dir;
    const auto locks_dir = dir.path() / "a" / "b" / "c";
    named_lock lock{"x", locks_dir};
    SECTION("that waits for ever") {
        const auto guard = lock.acquire();
        CHECK(is_held(locks_dir / "x.lock"));
    }
    SECTION("that only tries") {
        const auto guard = lock.try_acquire();
        CHECK(is_held(locks_dir / "x.lock"));
    }
    SECTION("that is shared") {
        const auto guard = lock.acquire_shared();
        CHECK(fs::exists(locks_dir / "x.lock"));
    }
}

TEST_CASE("a locks directory that is deleted between two acquisitions is created again") {
    temp_dir dir;
    const auto locks_dir = dir.path() / "a" / "b";
    named_lock lock{"x", locks_dir};
    { const auto guard = lock.acquire(); }
    fs::remove_all(dir.path() / "a");
    const auto guard = lock.acquire();
    CHECK(is_held(locks_dir / "x.lock"));
}

TEST_CASE("a locks directory that is missing is an error, if none may be created") {
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path() / "a" / "b";
    options.create_directories = false;
    const auto check = [&](named_lock lock) {
        const auto error = thrown_by<nlock::lock_error>([&] { (void)lock.acquire(0s); });
        CHECK(error.code() == std::errc::no_such_file_or_directory);
        CHECK(error.path() == lock.path());
        CHECK_THAT(error.what(), Catch::Matchers::ContainsSubstring("its directory does not exist"));
    };
    check(named_lock{"x", options});
    check(named_lock::at(dir.path() / "c" / "app", options));
    CHECK(fs::is_empty(dir.path()));

    fs::create_directories(options.locks_dir);
    CHECK(named_lock{"x", options}.acquire(0s));
}

TEST_CASE("many processes create the directories of one lock at once") {
    temp_dir dir;
    std::vector<worker> workers;
    for (int i = 0; i < 6; ++i) workers.emplace_back(dir.path() / "a" / "b" / "c" / "d");
    const auto file = dir.path() / "counter";
    for (worker& w : workers) w.write_line("count 20 " + file.string() + " x");
    for (worker& w : workers) CHECK(w.read_line() == "ok");
}

TEST_CASE("a lock stays where it was when the process changes its directory") {
    temp_dir dir;
    fs::create_directory(dir.path() / "elsewhere");
    const changed_directory there{dir.path()};
    named_lock lock{"x", fs::path{"locks"}};
    const changed_directory elsewhere{dir.path() / "elsewhere"};
    CHECK(lock.path() == dir.path() / "locks" / "x.lock");
    const auto guard = lock.acquire();
    CHECK(is_held(dir.path() / "locks" / "x.lock"));
    CHECK(fs::is_empty(dir.path() / "elsewhere"));
    CHECK(named_lock{"x", fs::path{"locks"}}.path() == dir.path() / "elsewhere" / "locks" / "x.lock");
}

TEST_CASE("equivalent spellings of the locks directory are one lock") {
    temp_dir dir;
    const bool exists_before = GENERATE(true, false);
    CAPTURE(exists_before);
    fs::create_directory(dir.path() / "real");
    if (!on_windows) fs::create_directory_symlink("real", dir.path() / "link");
    if (exists_before) fs::create_directory(dir.path() / "real" / "locks");
    const changed_directory there{dir.path()};
    const fs::path link = on_windows ? "REAL" : "link";
    const std::vector<fs::path> spellings{"real/locks",
                                          "./real/locks",
                                          "real//locks/",
                                          "real/./locks/.",
                                          link / "../real/locks",
                                          link / "locks",
                                          "." / link / "./locks",
                                          dir.path() / "real/locks",
                                          dir.path() / link / "locks/",
                                          dir.path() / ".." / dir.path().filename() / "real/locks"};
    const auto guard = named_lock{"x", dir.path() / "real" / "locks"}.acquire();
    REQUIRE(guard);
    for (const fs::path& spelling : spellings) {
        CAPTURE(spelling.string());
        named_lock lock{"x", spelling};
        CHECK(lock.path() == dir.path() / "real" / "locks" / "x.lock");
        CHECK(lock.is_locked());
        CHECK(lock.try_acquire());
        CHECK_FALSE(in_another_thread([&] { return static_cast<bool>(lock.try_acquire()); }));
    }
}

#if !defined(_WIN32)  // which leaves "x/.." out by itself
TEST_CASE("the way to the locks directory may lead over a directory that is created with it") {
    temp_dir dir;
    named_lock lock{"x", dir.path() / "missing" / ".." / "locks"};
    worker other{dir.path() / "locks"};
    const auto guard = lock.acquire();
    CHECK(is_held(dir.path() / "locks" / "x.lock"));
    CHECK(other.ask("try x") == "busy");
    CHECK(named_lock{"x", dir.path() / "missing" / ".." / "locks"}.path() == dir.path() / "locks" / "x.lock");
}
#endif

TEST_CASE("two processes that spell the locks directory differently share its locks") {
    temp_dir dir;
    fs::create_directory(dir.path() / "real");
    if (!on_windows) fs::create_directory_symlink("real", dir.path() / "link");
    worker first{dir.path() / "real" / "locks"};
    worker second{dir.path() / (on_windows ? "REAL" : "link") / "." / "locks"};
    first.tell("acquire -1 x");
    CHECK(second.ask("try x") == "busy");
}

// ---- what is done to it ----

#if !defined(_WIN32)  // windows_file_test.cpp has its own
TEST_CASE("the content of the lock file is neither read nor written nor truncated") {
    temp_dir dir;
    auto options = options_in(dir.path());
    options.method = GENERATE(nlock::lock_method::flock, nlock::lock_method::fcntl);
    named_lock lock{"x", options};
    const auto file = lock.path();
    write_file(file, "not ours\n");
    constexpr timespec long_ago{1'000'000'000, 123'456'789};
    const timespec times[]{long_ago, long_ago};
    REQUIRE(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
    const struct stat before = status_of_file(file);

    { const auto guard = lock.acquire(); }
    { const auto guard = lock.acquire_shared(); }
    {
        const foreign_hold foreign{lock, hold_kind::exclusive, options.method};
        CHECK_FALSE(lock.try_acquire());
        CHECK_THROWS_AS(lock.acquire(5ms), nlock::lock_timeout);
    }
    const struct stat after = status_of_file(file);
    CHECK(after.st_mtim.tv_sec == before.st_mtim.tv_sec);  // written
    CHECK(after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
    CHECK(after.st_atim.tv_sec ==
          before.st_atim.tv_sec);  // read: no later than the last change, as even relatime notes
    CHECK(after.st_atim.tv_nsec == before.st_atim.tv_nsec);
    CHECK(after.st_ctim.tv_sec == before.st_ctim.tv_sec);
    CHECK(after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);  // mode, owner, links
    CHECK(content_of(file) == "not ours\n");
}

TEST_CASE("the lock file is empty when it is created, and stays") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    { const auto guard = lock.acquire(); }
    const auto inode = status_of_file(lock.path()).st_ino;
    use(lock);
    CHECK(status_of_file(lock.path()).st_ino == inode);
    CHECK(status_of_file(lock.path()).st_size == 0);
    CHECK(count_entries(dir.path()) == 1);
}

#endif

TEST_CASE("nothing else in the locks directory is touched") {
    temp_dir dir;
    write_file(dir.path() / "build_id", "42");
    write_file(dir.path() / "x.lock.info", "mine");
    fs::create_directory(dir.path() / "x");
    use(named_lock{"x", dir.path()});
    CHECK(content_of(dir.path() / "build_id") == "42");
    CHECK(content_of(dir.path() / "x.lock.info") == "mine");
    CHECK(fs::is_empty(dir.path() / "x"));
    CHECK(count_entries(dir.path()) == 4);
}

#if !defined(_WIN32)  // there are no modes, and nobody can remove an open lock file
TEST_CASE("a lock file is created with the mode 0666 less the umask") {
    temp_dir dir;
    const auto [mask, mode] = GENERATE(table<unsigned, unsigned>({{0U, 0666U}, {022U, 0644U}, {077U, 0600U}}));
    CAPTURE(mask);
    const changed_umask changed{static_cast<mode_t>(mask)};
    const auto guard = named_lock{"x", dir.path()}.acquire();
    CHECK(mode_of(dir.path() / "x.lock") == mode);
}

TEST_CASE("the option permissions is the mode of a lock file that is created, whatever the umask") {
    temp_dir dir;
    const unsigned mask = GENERATE(0U, 022U, 0777U);
    const unsigned mode = GENERATE(0600U, 0640U, 0666U, 0777U);
    CAPTURE(mask, mode);
    auto options = options_in(dir.path());
    options.permissions = static_cast<fs::perms>(mode);
    const changed_umask changed{static_cast<mode_t>(mask)};
    const auto guard = named_lock{"x", options}.acquire();
    CHECK(mode_of(dir.path() / "x.lock") == mode);
}

TEST_CASE("the option permissions is the mode less the umask, if that applies") {
    temp_dir dir;
    const unsigned mask = GENERATE(0U, 022U, 077U, 0777U);
    const unsigned mode = GENERATE(0600U, 0644U, 0444U, 0777U);
    CAPTURE(mask, mode);
    auto options = options_in(dir.path());
    options.permissions = static_cast<fs::perms>(mode);
    options.apply_umask = true;
    const changed_umask changed{static_cast<mode_t>(mask)};
    const auto guard = named_lock{"x", options}.acquire();
    CHECK(mode_of(dir.path() / "x.lock") == (mode & ~mask));
}

TEST_CASE("the umask alone makes no other file than without it") {
    temp_dir dir;
    auto options = options_in(dir.path());
    options.apply_umask = true;
    const changed_umask changed{022};
    const auto guard = named_lock{"x", options}.acquire();
    CHECK(mode_of(dir.path() / "x.lock") == 0644);
}

TEST_CASE("the option permissions sets no other bits than those of reading, writing and executing") {
    temp_dir dir;
    auto options = options_in(dir.path());
    options.permissions = fs::perms::owner_all | fs::perms::set_uid | fs::perms::set_gid | fs::perms::sticky_bit;
    const auto guard = named_lock{"x", options}.acquire();
    CHECK(mode_of(dir.path() / "x.lock") == 0700);
}

#if defined(__linux__)
/// Where a lock file gets its mode, and where its name: the file system has files without a name, or it has not, or
/// no hard links either.
enum class creation { nameless, temporary, in_place };

/// For a scope: on such a file system, with a look whenever the file is about to get something.
class observed_creation {
  public:
    observed_creation(creation how, std::function<void()> look) {
        before_fchmod = [look] { return look(), 0; };
        before_linkat = [how, look](int flags) {
            if (how == creation::in_place) return look(), EPERM;
            if (how == creation::temporary && flags == AT_SYMLINK_FOLLOW) return ENOENT;  // there is no /proc
            return look(), 0;
        };
    }
    observed_creation(const observed_creation&) = delete;
    observed_creation& operator=(const observed_creation&) = delete;
    ~observed_creation() {
        before_fchmod = nullptr;
        before_linkat = nullptr;
    }
};

nlock::lock_options shared_by_all(const fs::path& dir) {
    auto options = options_in(dir);
    options.permissions = fs::perms{0666};
    return options;
}

TEST_CASE("a lock file appears at its path with its mode") {
    const auto how = GENERATE(creation::nameless, creation::temporary);
    temp_dir dir;
    const changed_umask changed{077};
    named_lock lock{"x", shared_by_all(dir.path())};
    int looks = 0;
    bool was_there = false;
    {
        const observed_creation observed{how, [&] {
                                             ++looks;
                                             was_there = was_there || fs::exists(lock.path());
                                         }};
        CHECK(lock.try_acquire());
    }
    CHECK(looks >= 2);
    CHECK_FALSE(was_there);
    CHECK(mode_of(lock.path()) == 0666);
    CHECK(count_entries(dir.path()) == 1);
}

TEST_CASE("a creator that is killed at any moment shuts nobody out") {
    const auto how = GENERATE(creation::nameless, creation::temporary);
    const int moment = GENERATE(1, 2, 3);  // after the last one the file is there
    CAPTURE(moment);
    temp_dir dir;
    fs::permissions(dir.path(), fs::perms{0777});
    const changed_umask changed{077};
    named_lock lock{"x", shared_by_all(dir.path())};
    {
        child creator{[&](child& self) -> std::string {
            int looks = 0;
            const observed_creation observed{how, [&] {
                                                 if (++looks < moment) return;
                                                 self.say("there");
                                                 self.wait_for_parent();
                                             }};
            const auto guard = lock.try_acquire();
            self.say("has it");
            self.wait_for_parent();
            return "";
        }};
        const std::string said = creator.read_line();
        CHECK((said == "there" || said == "has it"));
        CHECK(fs::exists(lock.path()) == (said == "has it"));
    }
    CHECK(in_child([&]() -> std::string {
              constexpr uid_t nobody = 65534;
              if (::geteuid() == 0 && ::setuid(nobody) != 0) return "cannot be somebody else";
              return lock.try_acquire() ? "" : "held";
          }) == "");
    CHECK(mode_of(lock.path()) == 0666);
    CHECK(fs::exists(lock.path()));
    if (how == creation::nameless) CHECK(count_entries(dir.path()) == 1);
    for (const auto& entry : fs::directory_iterator{dir.path()}) {
        CHECK((entry.path() == lock.path() || entry.path().extension() != ".lock"));
    }
}

TEST_CASE("a lock file is created with its mode where there are no hard links") {
    temp_dir dir;
    const changed_umask changed{077};
    const observed_creation observed{creation::in_place, [] {}};
    named_lock lock{"x", shared_by_all(dir.path())};
    CHECK(lock.try_acquire());
    CHECK(mode_of(lock.path()) == 0666);
    CHECK(count_entries(dir.path()) == 1);
}

TEST_CASE("a lock file that somebody else creates meanwhile is used, and keeps its mode") {
    const auto how = GENERATE(creation::nameless, creation::temporary, creation::in_place);
    temp_dir dir;
    const auto file = dir.path() / "x.lock";
    const observed_creation observed{how, [&] {
                                         if (fs::exists(file)) return;
                                         write_file(file, "theirs");
                                         fs::permissions(file, fs::perms{0604});
                                     }};
    const auto guard = named_lock{"x", shared_by_all(dir.path())}.try_acquire();
    CHECK(guard);
    CHECK(is_held(file));
    CHECK(mode_of(file) == 0604);
    CHECK(content_of(file) == "theirs");
    CHECK(count_entries(dir.path()) == 1);
}

/// What new files in the directory get: rw for their owner, rwx for user 12345 and for the group, nothing for others.
bool set_default_acl(const fs::path& dir) {
    struct entry {
        std::uint16_t tag;
        std::uint16_t allowed;
        std::uint32_t id;
    };
    constexpr std::uint32_t nobody = 0xFFFFFFFF;
    const struct {
        std::uint32_t version;
        entry entries[5];
    } acl{2, {{0x01, 6, nobody}, {0x02, 7, 12345}, {0x04, 7, nobody}, {0x10, 7, nobody}, {0x20, 0, nobody}}};
    return ::setxattr(dir.c_str(), "system.posix_acl_default", &acl, sizeof acl, 0) == 0;
}

void check_modes_in(const fs::path& dir) {
    const changed_umask changed{077};
    for (const auto how : {creation::nameless, creation::temporary, creation::in_place}) {
        for (const unsigned mode : {0600U, 0660U, 0644U}) {
            CAPTURE(how == creation::nameless, how == creation::temporary, mode);
            auto options = options_in(dir);
            options.permissions = static_cast<fs::perms>(mode);
            const observed_creation observed{how, [] {}};
            named_lock lock{"x", options};
            CHECK(lock.try_acquire());
            CHECK(mode_of(lock.path()) == mode);
            CHECK(status_of_file(lock.path()).st_gid == status_of_file(dir).st_gid);
            fs::remove(lock.path());
            CHECK(fs::is_empty(dir));
        }
    }
}

TEST_CASE("the option permissions is the mode in a directory that has a default ACL") {
    temp_dir dir;
    if (!set_default_acl(dir.path())) SKIP_TEST("this file system has no ACLs");
    check_modes_in(dir.path());
}

TEST_CASE("the option permissions is the mode in a sticky directory") {
    temp_dir dir;
    fs::permissions(dir.path(), fs::perms{01777});
    check_modes_in(dir.path());
}

TEST_CASE("the option permissions is the mode in a directory that gives its group to its files") {
    temp_dir dir;
    constexpr gid_t group = 12345;
    if (::chown(dir.path().c_str(), static_cast<uid_t>(-1), group) != 0) SKIP_TEST("it takes the superuser");
    fs::permissions(dir.path(), fs::perms{02777});
    check_modes_in(dir.path());
}
#endif

TEST_CASE("the umask of the process is left alone") {
    temp_dir dir;
    const changed_umask changed{027};
    auto options = options_in(dir.path());
    options.permissions = fs::perms{0666};
    options.on_wait = [](const nlock::lock_wait&) {
        // Not even for a moment: another thread may create a file then. That is seen in the middle of an acquisition.
        if (const mode_t mask = ::umask(027); mask != 027) throw std::logic_error{"the umask was changed"};
    };
    named_lock lock{"x", options};
    { const auto guard = lock.acquire(); }
    const foreign_hold foreign{lock};
    CHECK_THROWS_AS(lock.acquire(5ms), nlock::lock_timeout);
    CHECK(::umask(027) == 027);
}

TEST_CASE("a lock file that exists keeps its mode") {
    temp_dir dir;
    const auto file = dir.path() / "x.lock";
    write_file(file, "");
    fs::permissions(file, fs::perms{0604});
    auto options = options_in(dir.path());
    options.permissions = fs::perms{0660};
    named_lock lock{"x", options};
    const auto guard = lock.acquire();
    CHECK(guard);
    CHECK(mode_of(file) == 0604);
}

TEST_CASE("one that does not get the lock does not change the mode of its file") {
    temp_dir dir;
    worker holder{dir};
    holder.tell("umask 077");
    holder.tell("acquire -1 x");
    auto options = options_in(dir.path());
    options.permissions = fs::perms{0666};
    CHECK_FALSE(named_lock{"x", options}.try_acquire());
    CHECK_FALSE(named_lock{"x", options}.try_acquire(5ms));
    CHECK(mode_of(dir.path() / "x.lock") == 0600);
}

// ---- when others remove it ----

TEST_CASE("a waiter follows its path when somebody removes the lock file") {
    temp_dir dir;
    const auto file = dir.path() / "x.lock";
    const auto away = dir.path() / "away";
    worker holder{dir};
    auto waiter = worker::without_polling(dir);  // who removes the file wakes it
    const std::string how = GENERATE("acquire -1 x", "acquire_shared -1 x", "acquire 60000 x");
    CAPTURE(how);
    holder.tell("acquire -1 x");
    waiter.let_wait(how);

    SECTION("it is deleted") { fs::remove(file); }
    SECTION("it is renamed") { fs::rename(file, away); }
    SECTION("it is deleted and made anew") {
        fs::remove(file);
        write_file(file, "");
    }
    SECTION("it is replaced") {
        write_file(away, "");
        fs::rename(away, file);
    }
    SECTION("it is deleted, but has another name still") {
        fs::create_hard_link(file, away);
        fs::remove(file);
    }

    CHECK(waiter.read_line() == "ok");
    CHECK(fs::exists(file));
    CHECK_FALSE(foreign_hold::is_possible(file, hold_kind::exclusive));
    CHECK(holder.ask("holds") == "ok\t1");  // it holds a file that is no longer the lock
}

TEST_CASE("a waiter follows its path when somebody removes the locks directory") {
    temp_dir dir;
    const auto locks_dir = dir.path() / "locks";
    const auto file = locks_dir / "x.lock";
    worker holder{locks_dir};
    worker waiter{locks_dir};  // no event tells of its directory: the next poll finds out
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire -1 x");

    SECTION("it is deleted") {  // where it has another name: the waiter might put a new file into it in between
        fs::rename(locks_dir, dir.path() / "away");
        fs::remove_all(dir.path() / "away");
    }
    SECTION("it is renamed") { fs::rename(locks_dir, dir.path() / "away"); }
    SECTION("it is replaced") {
        fs::create_directory(dir.path() / "new");
        write_file(dir.path() / "new" / "x.lock", "");
        fs::rename(locks_dir, dir.path() / "away");
        fs::rename(dir.path() / "new", locks_dir);
    }

    CHECK(waiter.read_line() == "ok");
    CHECK(is_held(file));
}

TEST_CASE("the release of a file that was moved away grants nothing to a waiter") {
    temp_dir dir;
    const auto file = dir.path() / "x.lock";
    worker old_holder{dir};
    auto waiter = worker::without_polling(dir);
    old_holder.tell("acquire -1 x");
    waiter.let_wait("acquire -1 x");

    // The new file is held before it takes the path: there is no moment at which the waiter may have the lock.
    const auto next = dir.path() / "next.lock";
    worker new_holder{dir};
    new_holder.tell("acquire -1 next");
    fs::rename(next, file);
    old_holder.tell("release");
    CHECK(waiter.is_silent());
    new_holder.tell("release");
    CHECK(waiter.read_line() == "ok");
    CHECK(is_held(file));
}

TEST_CASE("a thread joins no shared hold on a file that the path does not name any more") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto first = lock.acquire_shared();
    const auto join = [&] { return in_another_thread([&] { return static_cast<bool>(lock.try_acquire_shared()); }); };
    CHECK(join());
    fs::remove(lock.path());
    foreign_hold writer{lock};
    CHECK_FALSE(join());
    CHECK(lock.try_acquire_shared());  // the thread that holds it enters again
    first.release();
    CHECK_FALSE(join());
    writer.release();
    CHECK(join());
}

TEST_CASE("a time-out is kept while the lock file is replaced again and again") {
    temp_dir dir;
    const auto file = dir.path() / "x.lock";
    auto held = std::make_unique<foreign_hold>(file);
    worker waiter{dir};
    waiter.let_wait("acquire 300 x");
    const auto start = std::chrono::steady_clock::now();
    std::string answer;
    while (answer.empty()) {
        auto next = std::make_unique<foreign_hold>(dir.path() / "next");
        fs::rename(dir.path() / "next", file);
        held = std::move(next);
        if (!waiter.is_silent(1ms)) answer = waiter.read_line();
        REQUIRE(std::chrono::steady_clock::now() < start + patience);
    }
    CHECK(split(answer)[0] == "timeout");
}

TEST_CASE("a hold is not disturbed when somebody removes its file") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    {
        const auto guard = lock.acquire();
        fs::remove(lock.path());
        CHECK(guard);
        CHECK(lock.is_locked());
        CHECK(lock.try_acquire());  // again by the same thread: it still holds it
        CHECK_FALSE(in_another_thread([&] { return static_cast<bool>(lock.try_acquire()); }));
        CHECK_FALSE(fs::exists(lock.path()));
    }
    CHECK_FALSE(lock.is_locked());
    const auto guard = lock.acquire();
    CHECK(is_held(lock.path()));
}

#if defined(__linux__)
TEST_CASE("what comes to the path while the lock is waited for, and is no lock file, ends the wait with an error") {
    temp_dir dir;
    const auto file = dir.path() / "x.lock";
    worker holder{dir};
    auto waiter = worker::without_polling(dir);
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire -1 x");
    const auto thing = dir.path() / "thing";
    int code = 0;
    SECTION("a directory") {
        fs::create_directory(thing);
        code = EISDIR;
    }
    SECTION("a symlink") {
        fs::create_symlink("target", thing);
        code = ELOOP;
    }
    // In one step, or the waiter may lock the path in between.
    constexpr unsigned exchange = 2;  // RENAME_EXCHANGE, which, as renameat2(), only some C libraries declare
    if (::syscall(SYS_renameat2, AT_FDCWD, thing.c_str(), AT_FDCWD, file.c_str(), exchange) != 0) {
        SKIP_TEST("this file system cannot exchange two names");
    }
    const auto answer = split(waiter.read_line());
    REQUIRE(answer.size() == 4);
    CHECK(answer[0] == "error");
    CHECK(answer[1] == std::to_string(code));
    CHECK(answer[2] == file);
}
#endif
#endif

}  // namespace file_test

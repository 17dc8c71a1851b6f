// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Which acquisitions are the same lock, which are the same holder, and what reentrant = false changes.
#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/platform.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"

namespace reentry_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlock::guard;
using nlock::named_lock;
using std::chrono::steady_clock;

named_lock reentrant_lock(const temp_dir& dir) { return {"x", dir.path()}; }

named_lock lock_without_owner(const temp_dir& dir) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.reentrant = false;
    return named_lock{"x", options};
}

/// Another working directory while it lives.
class in_directory {
  public:
    explicit in_directory(const fs::path& path) : before_{fs::current_path()} { fs::current_path(path); }
    in_directory(const in_directory&) = delete;
    in_directory& operator=(const in_directory&) = delete;
    ~in_directory() { fs::current_path(before_); }

  private:
    fs::path before_;
};

bool others_can_enter(named_lock lock) {
    return in_another_thread([&] { return static_cast<bool>(lock.try_acquire()); });
}

}  // namespace

TEST_CASE("the thread that holds a lock enters again, and counts") {
    temp_dir dir;
    auto lock = reentrant_lock(dir);
    CHECK(lock.lock_count() == 0);
    CHECK_FALSE(lock.is_locked());
    const auto first = lock.acquire();
    CHECK(lock.lock_count() == 1);
    CHECK(lock.is_locked());
    {
        const auto second = lock.acquire(0s);
        CHECK(lock.lock_count() == 2);
        const auto third = lock.try_acquire();
        CHECK(third);
        CHECK(lock.lock_count() == 3);
    }
    CHECK(lock.lock_count() == 1);
    CHECK(lock.is_locked());
}

TEST_CASE("a lock is entered again in all ways of acquiring it") {
    temp_dir dir;
    auto lock = reentrant_lock(dir);
    const auto held = lock.acquire();
    lock.lock();
    CHECK(lock.try_lock());
    CHECK(lock.try_lock_for(0s));
    CHECK(lock.try_lock_until(steady_clock::now()));
    lock.lock_shared();
    CHECK(lock.try_lock_shared());
    CHECK(lock.try_lock_shared_for(0s));
    CHECK(lock.try_lock_shared_until(steady_clock::now()));
    CHECK(lock.acquire_shared(0s));
    CHECK(lock.try_acquire_shared());
    CHECK(lock.lock_count() == 9);
    CHECK(seen_by_others(lock) == seen::exclusive);
    lock.release(true);
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a lock is entered again a thousand times, and free after as many releases") {
    temp_dir dir;
    auto lock = reentrant_lock(dir);
    std::vector<guard> guards(1000);
    for (auto& g : guards) g = lock.acquire(0s);
    CHECK(lock.lock_count() == 1000);
    while (guards.size() > 1) guards.pop_back();
    CHECK(lock.lock_count() == 1);
    CHECK(seen_by_others(lock) == seen::exclusive);
    guards.clear();
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("two objects of one path are one lock") {
    temp_dir dir;
    auto one = reentrant_lock(dir);
    auto other = reentrant_lock(dir);
    const auto guard = one.acquire();
    CHECK(other.is_locked());
    CHECK(other.lock_count() == 1);
    CHECK(other.try_acquire());
    CHECK_FALSE(others_can_enter(one));
    CHECK_FALSE(others_can_enter(other));
    other.unlock();
    CHECK_FALSE(one.is_locked());
    CHECK_FALSE(guard);
}

TEST_CASE("a lock is entered again without a look at the disk") {
    SKIP_ON_WINDOWS("nobody can remove an open lock file there");
    temp_dir dir;
    named_lock lock{"x", dir.path() / "locks"};
    const auto first = lock.acquire();
    fs::remove_all(dir.path() / "locks");
    const auto second = lock.acquire(0s);
    CHECK(lock.lock_count() == 2);
    CHECK_FALSE(fs::exists(dir.path() / "locks"));
}

TEST_CASE("other threads wait until all holds are given up") {
    temp_dir dir;
    auto lock = reentrant_lock(dir);
    std::vector<guard> guards(3);
    for (auto& g : guards) g = lock.acquire();
    event waits;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    task other{[&] { return static_cast<bool>(named_lock{"x", options}.acquire()); }};
    REQUIRE(waits.wait());
    guards[0].release();
    CHECK(other.is_blocked());
    guards[2].release();
    CHECK(other.is_blocked());
    guards[1].release();
    CHECK(other.get());
}

TEST_CASE("is_locked and lock_count speak of the calling thread") {
    temp_dir dir;
    auto lock = reentrant_lock(dir);
    struct answer {
        bool is_locked;
        std::size_t count;
    };
    const auto ask = [&] { return answer{lock.is_locked(), lock.lock_count()}; };
    const auto shared_twice = [&] {
        const auto first = lock.acquire_shared();
        const auto second = lock.acquire_shared();
        return ask();
    };
    {
        const auto guard = lock.acquire();
        const auto elsewhere = in_another_thread(ask);
        CHECK_FALSE(elsewhere.is_locked);
        CHECK(elsewhere.count == 0);
    }
    const auto guard = lock.acquire_shared();
    const auto elsewhere = in_another_thread(shared_twice);
    CHECK(elsewhere.is_locked);
    CHECK(elsewhere.count == 2);
    CHECK(lock.lock_count() == 1);
}

TEST_CASE("different names and different directories are different locks") {
    temp_dir dir;
    const auto guard = named_lock{"x", dir.path() / "a"}.acquire();
    CHECK(seen_by_others(named_lock{"x", dir.path() / "b"}) == seen::free);
    CHECK(seen_by_others(named_lock{"y", dir.path() / "a"}) == seen::free);
    CHECK(seen_by_others(named_lock{"x", dir.path() / "a"}) == seen::exclusive);
    CHECK_FALSE(named_lock{"y", dir.path() / "a"}.is_locked());
}

TEST_CASE("all spellings of a locks directory are one lock, whether it exists or not") {
    const bool exists = GENERATE(true, false);
    CAPTURE(exists);
    temp_dir dir;
    const fs::path real = fs::canonical(dir.path());
    fs::create_directories(real / "sub");
    if (exists) fs::create_directories(real / "sub" / "locks");
    if (!on_windows) {  // where links take a privilege
        fs::create_directory_symlink(real / "sub", real / "link_to_parent");
        fs::create_directory_symlink("sub", real / "relative_link");
    }
    const in_directory here{real};

    named_lock lock{"x", real / "sub" / "locks"};
    const fs::path path = real / "sub" / "locks" / "x.lock";
    CHECK(lock.path() == path);
    const std::string absolute = real.string();
    for (const std::string& spelling :
         {std::string{"sub/locks"}, std::string{"./sub/locks"}, std::string{"sub/./locks"}, std::string{"sub//locks"},
          std::string{"sub/locks/"}, std::string{"sub/../sub/locks"}, std::string{"link_to_parent/locks"},
          std::string{"relative_link/locks"}, std::string{"link_to_parent/../sub/locks"}, absolute + "/sub/locks/",
          absolute + "/./sub/locks", absolute + "//sub/locks", absolute + "/link_to_parent/locks",
          absolute + "/sub/../relative_link/locks/."}) {
        if (on_windows && spelling.find("link") != std::string::npos) continue;
        INFO("spelled " << spelling);
        named_lock same{"x", spelling};
        CHECK(same.path() == path);
        const auto guard = lock.acquire();
        CHECK(same.is_locked());
        CHECK(same.try_acquire());
        CHECK(seen_by_others(same) == seen::exclusive);
        if (!exists && !on_windows) fs::remove_all(real / "sub" / "locks");
    }
}

TEST_CASE("the working directory is a locks directory under each of its names") {
    temp_dir dir;
    const fs::path real = fs::canonical(dir.path());
    const in_directory here{real};
    named_lock lock{"x", real};
    const auto guard = lock.acquire();
    for (const char* spelling : {".", "./", "", "../."}) {
        INFO("spelled '" << spelling << "'");
        const fs::path spelled = std::string{spelling} == "../." ? "../" + real.filename().string() : spelling;
        CHECK(named_lock{"x", spelled}.path() == real / "x.lock");
        CHECK(named_lock{"x", spelled}.is_locked());
    }
}

TEST_CASE("a symlink to the locks directory is the same directory") {
    SKIP_ON_WINDOWS("links take a privilege there");
    temp_dir dir;
    const fs::path real = fs::canonical(dir.path());
    fs::create_directory(real / "locks");
    fs::create_directory_symlink(real / "locks", real / "link");
    named_lock through_link{"x", real / "link"};
    CHECK(through_link.path() == real / "locks" / "x.lock");
    const auto guard = through_link.acquire();
    CHECK(named_lock{"x", real / "locks"}.is_locked());
}

TEST_CASE("a path that leads nowhere yet is resolved anew when it is a symlink by then") {
    SKIP_ON_WINDOWS("links take a privilege there");
    temp_dir dir;
    const fs::path real = fs::canonical(dir.path());
    (void)named_lock{"x", real / "link"};
    fs::create_directory(real / "locks");
    fs::create_directory_symlink(real / "locks", real / "link");
    named_lock through_link{"x", real / "link"};
    CHECK(through_link.path() == real / "locks" / "x.lock");
    const auto guard = through_link.acquire();
    CHECK(named_lock{"x", real / "locks"}.is_locked());
}

TEST_CASE("the path is fixed when the object is constructed") {
    temp_dir dir;
    const fs::path real = fs::canonical(dir.path());
    fs::create_directories(real / "one");
    fs::create_directories(real / "two");
    const in_directory one{real / "one"};
    named_lock lock{"x"};
    const in_directory two{real / "two"};
    CHECK(lock.path() == real / "one" / "locks" / "x.lock");
    const auto guard = lock.acquire();
    CHECK(fs::exists(real / "one" / "locks" / "x.lock"));
    CHECK_FALSE(fs::exists(real / "two" / "locks"));
    CHECK(named_lock{"x"}.path() == real / "two" / "locks" / "x.lock");
    CHECK_FALSE(named_lock{"x"}.is_locked());
}

TEST_CASE("a new thread does not inherit the hold of a finished one") {
    // The guards of finished threads live on. Systems use the ids of finished threads again.
    temp_dir dir;
    auto lock = reentrant_lock(dir);
    std::set<std::thread::id> ids;
    const auto guard = in_another_thread([&] {
        ids.insert(std::this_thread::get_id());
        return lock.acquire();
    });
    for (int i = 0; i < 50; ++i) {
        struct answer {
            std::thread::id id;
            bool is_locked;
            bool entered;
        };
        const auto there = in_another_thread([&] {
            return answer{std::this_thread::get_id(), lock.is_locked(), static_cast<bool>(lock.try_acquire())};
        });
        ids.insert(there.id);
        REQUIRE_FALSE(there.is_locked);
        REQUIRE_FALSE(there.entered);
    }
    INFO("thread ids in use: " << ids.size() << " of 51");
    CHECK(seen_by_others(lock) == seen::exclusive);
}

// ---- reentrant = false ----

TEST_CASE("a lock that is not reentrant waits even in the thread that holds it") {
    temp_dir dir;
    auto lock = lock_without_owner(dir);
    auto guard = lock.acquire();
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(lock.try_lock());
    CHECK_FALSE(lock.try_acquire_shared());
    CHECK_FALSE(lock.try_lock_shared());
    CHECK_THROWS_AS(lock.acquire(0s), nlock::lock_timeout);
    for (const auto timeout : {1ms, 20ms}) {
        const auto start = steady_clock::now();
        CHECK_FALSE(lock.try_acquire(timeout));
        CHECK(steady_clock::now() - start >= timeout);
        CHECK_THROWS_AS(lock.acquire_shared(timeout), nlock::lock_timeout);
        CHECK_FALSE(lock.try_lock_for(timeout));
    }
    CHECK(lock.lock_count() == 1);
    guard.release();
    CHECK(lock.try_acquire());
}

TEST_CASE("two objects that are not reentrant wait for each other in one thread") {
    temp_dir dir;
    auto one = lock_without_owner(dir);
    auto other = lock_without_owner(dir);
    const auto guard = one.acquire();
    CHECK_FALSE(other.try_acquire());
    CHECK_FALSE(other.try_acquire(5ms));
}

TEST_CASE("a lock that is not reentrant is held shared twice by one thread") {
    temp_dir dir;
    auto lock = lock_without_owner(dir);
    auto first = lock.acquire_shared();
    auto second = lock.acquire_shared();
    CHECK(lock.lock_count() == 2);
    first.release();
    CHECK(seen_by_others(lock) == seen::shared);
    second.release();
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a lock that is not reentrant and held shared is waited for exclusively, in the holding thread too") {
    temp_dir dir;
    auto lock = lock_without_owner(dir);
    auto guard = lock.acquire_shared();
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(lock.try_acquire(5ms));
    CHECK_THROWS_AS(lock.acquire(5ms), nlock::lock_timeout);
    guard.release();
    CHECK(lock.try_acquire());
}

TEST_CASE("a hold without owner is given up from any thread") {
    temp_dir dir;
    auto lock = lock_without_owner(dir);
    SECTION("by its guard") {
        auto guard = lock.acquire();
        in_another_thread([&] { guard.release(); });
    }
    SECTION("by unlock") {
        lock.lock();
        in_another_thread([&] { lock.unlock(); });
    }
    SECTION("by unlock_shared") {
        lock.lock_shared();
        in_another_thread([&] { lock.unlock_shared(); });
    }
    SECTION("by release") {
        lock.lock();
        in_another_thread([&] { lock.release(); });
    }
    SECTION("by release of all") {
        const auto first = lock.acquire_shared();
        const auto second = lock.acquire_shared();
        in_another_thread([&] { lock.release(true); });
        CHECK_FALSE(first);
        CHECK_FALSE(second);
    }
    CHECK(seen_by_others(lock) == seen::free);
    CHECK_FALSE(lock.is_locked());
}

TEST_CASE("a thread waits for a hold without owner until another thread gives it up") {
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.reentrant = false;
    event waits;
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    named_lock lock{"x", options};
    auto first = lock.acquire();
    task other{[&] {
        const bool waited = waits.wait();
        first.release();
        return waited;
    }};
    const auto second = lock.acquire();  // in the thread that holds it
    CHECK(second);
    CHECK(other.get());
}

TEST_CASE("holds without owner are counted in every thread alike") {
    temp_dir dir;
    auto lock = lock_without_owner(dir);
    const auto first = lock.acquire_shared();
    const auto second = in_another_thread([&] { return lock.acquire_shared(); });
    CHECK(lock.lock_count() == 2);
    CHECK(lock.is_locked());
    CHECK(in_another_thread([&] { return lock.lock_count(); }) == 2);
    CHECK(in_another_thread([&] { return lock.is_locked(); }));
}

TEST_CASE("a thread's hold and a hold without owner exclude each other, in one thread too") {
    temp_dir dir;
    auto owned = reentrant_lock(dir);
    auto ownerless = lock_without_owner(dir);
    {
        const auto guard = owned.acquire();
        CHECK_FALSE(ownerless.try_acquire());
        CHECK_FALSE(ownerless.try_acquire(5ms));
        CHECK_FALSE(ownerless.try_acquire_shared());
        CHECK(ownerless.lock_count() == 0);
    }
    const auto guard = ownerless.acquire();
    CHECK_FALSE(owned.try_acquire());
    CHECK_FALSE(owned.try_acquire(5ms));
    CHECK_FALSE(owned.try_acquire_shared());
    CHECK(owned.lock_count() == 0);
    CHECK(ownerless.lock_count() == 1);
}

TEST_CASE("a thread's shared hold and a shared hold without owner go together, each with its own count") {
    temp_dir dir;
    auto owned = reentrant_lock(dir);
    auto ownerless = lock_without_owner(dir);
    auto one = owned.acquire_shared();
    auto other = ownerless.try_acquire_shared();
    REQUIRE(other);
    CHECK(owned.lock_count() == 1);
    CHECK(ownerless.lock_count() == 1);
    one.release();
    CHECK(ownerless.lock_count() == 1);
    CHECK(seen_by_others(owned) == seen::shared);
    other.release();
    CHECK(seen_by_others(owned) == seen::free);
}

TEST_CASE("giving up with one kind of object leaves the other kind's holds alone") {
    temp_dir dir;
    auto owned = reentrant_lock(dir);
    auto ownerless = lock_without_owner(dir);
    const auto one = owned.acquire_shared();
    const auto other = ownerless.acquire_shared();
    ownerless.release(true);
    CHECK(one);
    CHECK_FALSE(other);
    const auto again = ownerless.acquire_shared();
    owned.release(true);
    CHECK_FALSE(one);
    CHECK(again);
    const auto e = thrown_by<nlock::lock_error>([&] { owned.unlock_shared(); });
    CHECK(e.code() == std::errc::operation_not_permitted);
    CHECK(again);
}

}  // namespace reentry_test

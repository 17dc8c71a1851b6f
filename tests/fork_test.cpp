// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// fork and exec: a hold stays with the parent. The child inherits none, and nothing that it does or leaves undone
// releases the parent's lock or keeps it alive.
#include "support/catch.hpp"

#include <fcntl.h>  // F_OFD_SETLK
#include <pthread.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <named_lock/detail/platform.hpp>
#include <named_lock/named_lock.hpp>

#include "support/child.hpp"
#include "support/counter_file.hpp"
#include "support/others.hpp"
#include "support/platform.hpp"
#include "support/proc.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/worker.hpp"

namespace fork_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using nlock::guard;
using nlock::lock_method;
using nlock::named_lock;

nlock::lock_options options_in(const temp_dir& dir) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    return options;
}

bool is_refused(named_lock& lock, void (named_lock::*unlock)()) {
    try {
        (lock.*unlock)();
    } catch (const nlock::lock_error& e) {
        return e.code() == std::errc::operation_not_permitted;
    }
    return false;
}

/// What makes `lock`, held by the parent, look held by this child.
std::string signs_of_a_hold(named_lock& lock) {
    std::string signs;
    if (lock.is_locked()) signs += "is_locked ";
    if (lock.lock_count() != 0) signs += "lock_count ";
    if (!is_refused(lock, &named_lock::unlock)) signs += "unlock ";
    if (!is_refused(lock, &named_lock::unlock_shared)) signs += "unlock_shared ";
    if (lock.try_acquire()) signs += "try_acquire ";
    if (lock.try_acquire(1ms)) signs += "try_acquire(1ms) ";
    return signs;
}

lock_method any_method() {
#if defined(F_OFD_SETLK)
    return GENERATE(lock_method::flock, lock_method::fcntl);
#else
    return lock_method::flock;
#endif
}

std::string any_method_by_name() { return any_method() == lock_method::flock ? "flock" : "fcntl"; }

#if defined(__linux__)
/// The files that only this library has open: lock files and what waiters use.
std::vector<std::string> lock_descriptors(std::vector<std::string> files) {
    const auto is_other = [](const std::string& file) {
        return file.find(".lock") == std::string::npos && file.find("inotify") == std::string::npos &&
               file.find("eventfd") == std::string::npos;
    };
    files.erase(std::remove_if(files.begin(), files.end(), is_other), files.end());
    return files;
}

/// Makes `w` wait once, and hold "x" then: it has all kinds of descriptors that this library uses.
void let_hold_after_waiting(worker& w, const temp_dir& dir) {
    foreign_hold foreign{dir.path() / "x.lock"};
    w.let_wait("acquire -1 x");
    REQUIRE(gets_to_watch(w.pid()));
    foreign.release();
    REQUIRE(w.read_line() == "ok");
}
#endif

}  // namespace

// ---- the child inherits none ----

TEST_CASE("a forked child holds nothing of what its parent holds") {
    temp_dir dir;
    auto options = options_in(dir);
    options.method = any_method();
    options.reentrant = GENERATE(true, false);
    const bool shared = GENERATE(false, true);
    CAPTURE(options.reentrant, shared);
    named_lock lock{"x", options};
    const auto held = shared ? lock.acquire_shared() : lock.acquire();

    CHECK(in_child([&] {
              std::string signs = signs_of_a_hold(lock);
              named_lock same{"x", options};
              if (signs_of_a_hold(same) != signs) signs += "only a new object ";
              if (held) signs += "guard ";
              return signs;
          }) == "");
    CHECK(held);
    CHECK(lock.lock_count() == 1);
}

TEST_CASE("a forked child that holds nothing may use a lock that its parent holds shared, and its own ones") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    named_lock other{"y", dir.path()};
    const auto held = lock.acquire_shared();
    CHECK(in_child([&]() -> std::string {
              const auto outer = other.acquire(0s);
              const auto inner = other.acquire(0s);
              const auto shared = lock.acquire_shared(0s);
              const named_lock new_one{"z", dir.path()};
              const auto new_hold = named_lock{new_one}.acquire(0s);
              return other.lock_count() == 2 && lock.lock_count() == 1 && new_one.is_locked() ? "" : "counts";
          }) == "");
    CHECK(seen_by_others(lock) == seen::shared);
    CHECK(seen_by_others(other) == seen::free);
}

TEST_CASE("holds of other threads and without a thread are not inherited either") {
    temp_dir dir;
    auto options = options_in(dir);
    named_lock lock{"x", options};
    options.reentrant = false;
    named_lock ownerless{"y", options};
    auto of_a_thread = in_another_thread([&] { return lock.acquire(); });
    const auto of_nobody = ownerless.acquire();
    CHECK(in_child([&] {
              std::string signs = signs_of_a_hold(lock) + signs_of_a_hold(ownerless);
              if (of_a_thread || of_nobody) signs += "guard ";
              signs += in_another_thread([&] { return signs_of_a_hold(lock) + signs_of_a_hold(ownerless); });
              return signs;
          }) == "");
    CHECK(of_a_thread);
    CHECK(of_nobody);
}

#if defined(__linux__)
TEST_CASE("a forked child has no descriptor of its parent's locks") {
    SKIP_UNDER_QEMU();
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    worker parent{dir};
    let_hold_after_waiting(parent, dir);
    parent.tell("acquire -1 y");
    parent.tell("acquire_shared -1 z");
    REQUIRE(lock_descriptors(files_of(parent.pid())).size() > 3);
    parent.tell("fork");
    CHECK(lock_descriptors(split(parent.ask("files"))).empty());
}

TEST_CASE("a forked child has no descriptor of locks of which its parent has more than fit into the first table") {
    using nlock::detail::descriptor_table;
    static_assert(sizeof(descriptor_table) < 1024, "in each program");
    temp_dir dir;
    std::vector<nlock::guard> guards;
    for (std::size_t i = 0; i < sizeof(descriptor_table); ++i) {  // more than it has entries
        guards.push_back(named_lock{std::to_string(i), dir.path()}.acquire());
    }
    CHECK(lock_descriptors(files_of(::getpid())).size() >= guards.size());
    CHECK(in_child([] { return std::to_string(lock_descriptors(files_of(::getpid())).size()); }) == "0");
}
#endif

TEST_CASE("a file during whose opening another thread forks is opened again, as the child may keep it") {
    int openings = 0;
    std::string wrong_in_child = "not forked";
    const auto file = nlock::detail::descriptor::from([&] {
        const int opened = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (++openings == 1) wrong_in_child = in_another_thread([] { return in_child([] { return std::string{}; }); });
        return opened;
    });
    CHECK(static_cast<bool>(file));
    CHECK(openings == 2);
    CHECK(wrong_in_child == "");
}

// ---- nothing that it does releases the parent's lock ----

TEST_CASE("what a forked child does with its copies of guards and locks releases nothing of the parent's") {
    temp_dir dir;
    auto options = options_in(dir);
    options.method = any_method();
    named_lock lock{"x", options};
    auto held = lock.acquire();
    std::list<guard> more;
    more.push_back(lock.acquire());
    worker other{dir};
    other.tell(options.method == lock_method::flock ? "method flock" : "method fcntl");

    CHECK(in_child([&]() -> std::string {
              held.release();
              more.clear();
              lock.release();
              lock.release(true);
              guard moved = std::move(held);
              moved = guard{};
              if (is_refused(lock, &named_lock::unlock)) return "";
              return "unlock";
          }) == "");
    CHECK(other.ask("try x") == "busy");
    CHECK(other.ask("try_shared x") == "busy");
    CHECK(lock.lock_count() == 2);
    more.clear();
    CHECK(other.ask("try x") == "busy");
    held.release();
    CHECK(other.ask("try x") == "ok");
}

TEST_CASE("an inherited guard does not give up the hold that the child has acquired itself") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto inherited = lock.acquire_shared();
    auto second = lock.acquire_shared();
    child busy{[&](child& self) -> std::string {
        const auto own = lock.acquire_shared(0s);
        inherited.release();
        { const guard gone = std::move(second); }
        self.say("holds");
        self.wait_for_parent();
        return own && lock.lock_count() == 1 ? "" : "lost";
    }};
    REQUIRE(busy.read_line() == "holds");
    inherited.release();
    second.release();
    CHECK(seen_by_others(lock) == seen::shared);
    busy.let_go_on();
    CHECK(busy.verdict() == "");
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("the end of a forked child, whatever it is, does not release the parent's lock") {
    SKIP_UNDER_QEMU();
    const std::string method = any_method_by_name();
    const std::string how = GENERATE("exit", "exec true", "crash");
    const std::string take = GENERATE("acquire", "acquire_shared");
    CAPTURE(method, how, take);
    temp_dir dir;
    worker parent{dir};
    worker other{dir};
    parent.tell("method " + method);
    other.tell("method " + method);
    parent.tell(take + " -1 x");
    const auto pid = static_cast<pid_t>(std::stol(parent.tell("fork")));
    if (how == "crash") {
        ::kill(pid, SIGKILL);
    } else {
        parent.write_line(how);  // exit: through the destructors of all its guards
    }
    CHECK(split(parent.read_line())[0] == "child");
    CHECK(other.ask("try x") == "busy");
    CHECK(parent.ask("holds") == "ok\t1");
    parent.tell("release");
    CHECK(other.ask("try x") == "ok");
}

TEST_CASE("a child that ends by _exit leaves the parent's lock alone") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    const auto held = lock.acquire();
    CHECK(in_child([] { return ""; }) == "");
    CHECK(held);
    CHECK(seen_by_others(lock) == seen::exclusive);
}

// ---- nothing that it leaves undone keeps it alive ----

TEST_CASE("a child that lives on does not keep the lock alive that its parent gives up") {
    SKIP_UNDER_QEMU();
    const std::string method = any_method_by_name();
    CAPTURE(method);
    temp_dir dir;
    worker parent{dir};
    auto waiter = worker::without_polling(dir);
    parent.tell("method " + method);
    waiter.tell("method " + method);
    parent.tell("acquire -1 x");
    parent.tell("fork_silent");
    waiter.let_wait("acquire -1 x");
    parent.tell("release");
    CHECK(waiter.read_line() == "ok");
}

TEST_CASE("a child that lives on does not keep the lock alive of its parent that was killed") {
    SKIP_UNDER_QEMU();
    const std::string method = any_method_by_name();
    const std::string take = GENERATE("acquire", "acquire_shared");
    CAPTURE(method, take);
    temp_dir dir;
    worker parent{dir};
    auto waiter = worker::without_polling(dir);
    parent.tell("method " + method);
    waiter.tell("method " + method);
    parent.tell(take + " -1 x");
    parent.tell("fork_silent");
    waiter.let_wait("acquire -1 x");
    parent.crash();
    CHECK(waiter.read_line() == "ok");
}

TEST_CASE("a grandchild neither holds, nor releases, nor keeps alive what the first process holds") {
    SKIP_UNDER_QEMU();
    temp_dir dir;
    worker first{dir};
    worker other{dir};
    first.tell("acquire -1 x");
    first.tell("fork");
    CHECK(first.ask("holds") == "ok\t0");
    first.tell("acquire -1 y");
    first.tell("fork");
    CHECK(first.ask("holds") == "ok\t0");
    CHECK(first.ask("try x") == "busy");
    CHECK(first.ask("try y") == "busy");
    SECTION("it ends before the others") {
        CHECK(first.ask("exit") == "child\t0");
        CHECK(other.ask("try y") == "busy");
        CHECK(first.ask("exit") == "child\t0");
        CHECK(other.ask("try y") == "ok");
        CHECK(other.ask("try x") == "busy");
        CHECK(first.ask("holds") == "ok\t1");
    }
    SECTION("it lives on when the first is killed") {
        first.kill(SIGKILL);
        CHECK(first.wait() == -SIGKILL);
        CHECK(other.ask("try x") == "ok");
        CHECK(other.ask("try y") == "busy");
        CHECK(first.ask("try x") == "busy");  // it still answers
    }
}

#if defined(__linux__)
TEST_CASE("a process that was forked behind the library's back does not keep the lock alive that its parent gives up") {
    // By clone(), as some sandboxes do, or between vfork and exec: no fork handler runs, and its copy of the descriptor
    // would keep the lock if the parent did not unlock before it closes.
    temp_dir dir;
    auto options = options_in(dir);
    options.method = any_method();
    named_lock lock{"x", options};
    auto held = lock.acquire();
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    const auto pid = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
    if (pid == 0) {
        ::close(pipe[1]);
        char c = 0;
        while (::read(pipe[0], &c, 1) != 0) {  // until this test lets go of it, or has ended
        }
        ::_exit(0);
    }
    REQUIRE(pid > 0);
    held.release();
    const seen state = seen_by_others(lock, options.method);
    ::close(pipe[1]);
    ::close(pipe[0]);
    CHECK(::waitpid(pid, nullptr, 0) == pid);
    CHECK(state == seen::free);
}
#endif

// ---- its own locks ----

TEST_CASE("parent and child exclude each other, and wait for each other") {
    temp_dir dir;
    auto options = options_in(dir);
    options.method = any_method();
    options.poll_interval = 1h;
    child* speaker = nullptr;
    options.on_wait = [&](const nlock::lock_wait&) {
        if (speaker != nullptr) speaker->say("waits");
    };
    named_lock lock{"x", options};
    auto held = lock.acquire();
    child other{[&](child& self) -> std::string {
        speaker = &self;
        const auto own = lock.acquire();
        self.say("holds");
        self.wait_for_parent();
        return own ? "" : "guard";
    }};
    REQUIRE(other.read_line() == "waits");
    held.release();
    REQUIRE(other.read_line() == "holds");
    CHECK_FALSE(lock.try_acquire());
    task waiter{[&] { return static_cast<bool>(lock.acquire()); }};
    CHECK(waiter.is_blocked());
    other.let_go_on();
    CHECK(waiter.get());
    CHECK(other.verdict() == "");
}

TEST_CASE("a child waits for the lock that its parent holds until the parent ends") {
    SKIP_UNDER_QEMU();
    temp_dir dir;
    worker parent = worker::without_polling(dir);
    parent.tell("acquire -1 x");
    parent.tell("fork");
    parent.let_wait("acquire -1 x");
    CHECK(parent.is_silent());
    parent.kill(SIGKILL);  // the parent only: its child speaks on
    CHECK(parent.read_line() == "ok");
    CHECK(parent.ask("holds") == "ok\t1");
}

TEST_CASE("a child that is forked while other threads wait can use all locks at once") {
    temp_dir dir;
    auto options = options_in(dir);
    std::atomic<int> waiting{0};
    event all_wait;
    options.poll_interval = 1h;
    options.on_wait = [&](const nlock::lock_wait&) {
        if (++waiting == 4) all_wait.happen();
    };
    named_lock on_program{"x", options};
    named_lock on_thread{"y", options};
    foreign_hold foreign{on_program};
    auto of_thread = on_thread.acquire();
    std::list<task<bool>> waiters;
    for (int i = 0; i < 2; ++i) {
        waiters.emplace_back([&] { return static_cast<bool>(on_program.acquire()); });
        waiters.emplace_back([&] { return static_cast<bool>(on_thread.acquire()); });
    }
    REQUIRE(all_wait.wait());

    CHECK(in_child([&]() -> std::string {
              named_lock free_one{"z", dir.path()};
              { const auto own = free_one.acquire(0s); }
              if (on_program.try_acquire(20ms) || on_thread.try_acquire(20ms)) return "a false grant";
              // From a thread of the child as well, beside which another one waits.
              task thread{[&] { return static_cast<bool>(on_thread.try_acquire(20ms)); }};
              return on_thread.try_acquire(20ms) || thread.get() ? "a false grant in a thread" : "";
          }) == "");

    for (auto& waiter : waiters) CHECK(waiter.is_blocked(5ms));
    foreign.release();
    of_thread.release();
    for (auto& waiter : waiters) CHECK(waiter.get());  // what the child has done has lost them no wake-up
}

TEST_CASE("children that are forked while other threads acquire, wait and release can use all locks at once") {
    if (fork_beside_busy_threads_may_hang) SKIP_TEST("this sanitizer's allocator may hang in such a child");
    constexpr int children = 60;
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    named_lock other{"y", dir.path()};
    std::atomic<bool> ended{false};
    std::list<task<void>> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&, i] {
            for (int round = 0; !ended; ++round) {
                named_lock each_time{"z" + std::to_string(round % 5), dir.path()};
                { const auto hold = each_time.acquire(); }
                { const auto hold = lock.acquire(); }
                { const auto hold = other.acquire_shared(); }
                { const auto hold = i == 0 ? other.try_acquire(1ms) : lock.try_acquire(1ms); }
            }
        });
    }
    threads.emplace_back([&] {
        while (!ended) const named_lock no_more_than_constructed{"new", dir.path()};
    });
    std::string wrong;
    for (int i = 0; i < children && wrong.empty(); ++i) {
        wrong = in_child([&]() -> std::string {
#if defined(__linux__)
            if (!lock_descriptors(files_of(::getpid())).empty()) return "a descriptor of the parent";
#endif
            named_lock own{"own", dir.path()};
            { const auto hold = own.acquire(0s); }
            if (lock.is_locked() || other.is_locked()) return "inherits";
            const auto hold = lock.acquire(patience / 2);
            const auto another = other.acquire(patience / 2);
            return hold && another ? "" : "no hold";
        });
    }
    ended = true;
    for (auto& thread : threads) thread.get();
    CHECK(wrong == "");
    CHECK(seen_by_others(lock) == seen::free);
}

#if defined(__linux__)
/// What the test does in fork(), when the library's handler has run: those that were registered first run last.
const std::function<void()>* in_first_handler = nullptr;

[[gnu::constructor(101)]] void register_first() {  // before the library does, which is before main()
    ::pthread_atfork([] { if (in_first_handler != nullptr) (*in_first_handler)(); }, nullptr, nullptr);
}

/// Forks a child that ends at once.
void fork_with(const std::function<void()>& handler) {
    in_first_handler = &handler;
    const pid_t pid = in_another_thread([] {
        const pid_t forked = ::fork();
        if (forked == 0) ::_exit(0);
        return forked;
    });
    in_first_handler = nullptr;
    REQUIRE(::waitpid(pid, nullptr, 0) == pid);
}

TEST_CASE("a fork handler that was registered before the library's may lock what is held around an acquisition") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    std::mutex outer;
    event is_locked;
    event forks;
    task other{[&] {
        const std::scoped_lock held{outer};
        is_locked.happen();
        return forks.wait() && lock.acquire();
    }};
    REQUIRE(is_locked.wait());
    fork_with([&] {
        forks.happen();
        const std::scoped_lock held{outer};
    });
    CHECK(other.get());
}

TEST_CASE("a fork handler that was registered before the library's may use locks") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    bool has_acquired = false;
    fork_with([&] { has_acquired = static_cast<bool>(lock.acquire()); });
    CHECK(has_acquired);
}
#endif

TEST_CASE("all threads of a process may fork at once, beside each other's acquisitions") {
    if (fork_beside_busy_threads_may_hang) SKIP_TEST("this sanitizer's allocator may hang in such a child");
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    std::list<task<std::string>> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            std::string wrong;
            for (int round = 0; round < 15; ++round) {
                auto hold = lock.acquire();
                wrong += in_child([&] { return hold ? "guard" : signs_of_a_hold(lock); });
                if (!hold) wrong += "lost ";
                hold.release();
                wrong += in_child([&] { return lock.acquire(patience / 2) ? "" : "no hold"; });
            }
            return wrong;
        });
    }
    for (auto& thread : threads) CHECK(thread.get() == "");
    CHECK(seen_by_others(lock) == seen::free);
}

// ---- fork in on_wait ----

TEST_CASE("on_wait may fork a child that ends there") {
    temp_dir dir;
    auto options = options_in(dir);
    event forked;
    std::string verdict;
    options.poll_interval = 1h;
    options.on_wait = [&](const nlock::lock_wait&) {
        verdict = in_child([&]() -> std::string {
            named_lock own{"y", dir.path()};
            return own.acquire(0s) ? "" : "no hold";
        });
        forked.happen();
    };
    named_lock lock{"x", options};
    foreign_hold foreign{lock};
    task waiter{[&] { return static_cast<bool>(lock.acquire()); }};
    REQUIRE(forked.wait());
    CHECK(waiter.is_blocked());
    foreign.release();
    CHECK(waiter.get());
    CHECK(verdict == "");
}

TEST_CASE("a child forked in on_wait goes on with that acquisition as a process of its own") {
    temp_dir dir;
    worker holder{dir};
    holder.tell("acquire -1 x");
    const auto file = dir.path() / "counter";
    child both{[&](child& self) -> std::string {  // so that what is forked in it does not get back into Catch2
        auto options = options_in(dir);
        options.poll_interval = 1h;
        pid_t forked = -1;
        options.on_wait = [&](const nlock::lock_wait&) {
            forked = ::fork();
            self.say("waits");
        };
        bool success = false;
        {
            const auto hold = named_lock{"x", options}.try_acquire(patience / 2);
            success = hold && counter_file{file}.add_one();
        }
        if (forked == 0) ::_exit(success ? 0 : 1);
        int status = -1;
        ::waitpid(forked, &status, 0);
        return success && status == 0 ? "" : "no hold";
    }};
    REQUIRE(both.read_line() == "waits");
    REQUIRE(both.read_line() == "waits");
    holder.tell("release");
    CHECK(both.verdict() == "");
    CHECK(counter_file{file}.value() == 2);
}

// ---- exec, posix_spawn, system ----

#if defined(__linux__)
TEST_CASE("nothing is inherited through exec") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    worker holder{dir};
    worker other{dir};
    let_hold_after_waiting(holder, dir);
    REQUIRE_FALSE(lock_descriptors(files_of(holder.pid())).empty());
    holder.write_line(std::string{"exec "} + NAMED_LOCK_WORKER);
    CHECK(lock_descriptors(split(holder.ask("files"))).empty());
    CHECK(other.ask("try x") == "ok");
}

TEST_CASE("programs that are started while a lock is held and waited for have no descriptor of it") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    auto options = options_in(dir);
    event waits;
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    named_lock lock{"x", options};
    named_lock other{"y", options};
    const auto held = lock.acquire();
    foreign_hold foreign{other};
    task waiter{[&] { return static_cast<bool>(other.acquire()); }};
    REQUIRE(waits.wait());
    REQUIRE(gets_to_watch(::getpid()));
    worker spawned{dir};  // by posix_spawn
    CHECK(lock_descriptors(files_of(spawned.pid())).empty());
    const std::string list = (dir.path() / "list").string();
    REQUIRE(std::system(("ls -l /proc/self/fd > '" + list + "'").c_str()) == 0);
    CHECK(std::system(("grep -e '\\.lock' -e inotify -e eventfd '" + list + "'").c_str()) != 0);
    CHECK(held);
    CHECK(seen_by_others(lock) == seen::exclusive);
    foreign.release();
    CHECK(waiter.get());
}
#endif

}  // namespace fork_test

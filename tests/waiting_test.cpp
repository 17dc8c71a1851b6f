// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Waiting: the release itself wakes the waiter, whatever it waits with, and no wake-up is lost. Meanwhile it uses no
// processor time, no thread, no signal and no file. With the safety net cut, a lost wake-up is a hang.
#include "support/catch.hpp"

#if defined(__linux__)

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/detail/platform.hpp>
#include <named_lock/named_lock.hpp>
#include <named_lock/pending_acquire.hpp>

#include "support/counter_file.hpp"
#include "support/others.hpp"
#include "support/proc.hpp"
#include "support/replaced_calls.hpp"
#include "support/safety_net.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/worker.hpp"

namespace waiting_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlock::named_lock;

/// How long a waiter is left alone, so that the quick attempts after a report are over and its net is cut.
constexpr std::chrono::milliseconds long_while{150};

nlock::lock_options options_in(const temp_dir& dir) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.poll_interval = 1min;
    return options;
}

/// A worker whose waits only a report ends, from the first moment on: for releases by this library.
worker worker_without_net(const temp_dir& dir) {
    worker result{dir};
    result.tell("poll 60000");
    result.tell("cut_net 0");
    return result;
}

long net_cuts_of(worker& w) { return std::stol(w.tell("net_cuts")); }

/// What workers say who were all told to `count` or `compare`: "" if all is well.
std::string wrong_answers(std::list<worker>& workers) {
    std::string wrong;
    for (worker& w : workers) {
        if (const auto answer = w.read_line(); answer != "ok") wrong += answer + " ";
    }
    return wrong;
}

/// Opens and closes the lock file all the time, as Python's filelock does when it polls, only far more often.
class noise {
  public:
    explicit noise(const fs::path& file)
        : thread_{[this, file] {
              while (!ended_) {
                  ::close(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
                  std::this_thread::yield();
              }
          }} {}
    noise(const noise&) = delete;
    noise& operator=(const noise&) = delete;
    ~noise() { ended_ = true; }

  private:
    std::atomic<bool> ended_{false};
    task<void> thread_;
};

std::size_t inotify_instances_of(pid_t pid) {
    const auto files = files_of(pid);
    return static_cast<std::size_t>(std::count(files.begin(), files.end(), "anon_inode:inotify"));
}

std::size_t descriptors_on(const fs::path& file, pid_t pid) {
    const auto files = files_of(pid);
    return static_cast<std::size_t>(std::count(files.begin(), files.end(), file.string()));
}

}  // namespace

// ---- no wake-up is lost ----

TEST_CASE("no wake-up is lost in thousands of hand-offs, however the waiter waits") {
    SKIP_WITHOUT_INOTIFY();
    constexpr int rounds = 500;
    const std::string method = GENERATE("flock", "fcntl");
    const std::string how = GENERATE("acquire -1 x", "acquire 3600000 x", "acquire_shared -1 x");
    CAPTURE(method, how);
    temp_dir dir;
    worker holder{dir};
    worker waiter = worker_without_net(dir);
    holder.tell("method " + method);
    waiter.tell("method " + method);
    for (int i = 0; i < rounds; ++i) {
        holder.tell("acquire -1 x");
        waiter.let_wait(how);
        // Somewhere between on_wait and its sleep, or asleep: the release comes at any of these moments.
        if (i % 4 == 0) REQUIRE(gets_to_wait(waiter.pid()));
        if (i % 8 == 0) REQUIRE(waiter.is_silent(1ms));
        holder.tell("release_after " + std::to_string(i % 50));
        REQUIRE(waiter.read_line() == "ok");
        waiter.tell("release");
    }
    CHECK(net_cuts_of(waiter) > 0);
}

TEST_CASE("no wake-up is lost if the release comes right before the waiter begins to watch, or to sleep") {
    SKIP_WITHOUT_INOTIFY();
    const bool is_asleep_next = GENERATE(false, true);
    const bool shared = GENERATE(false, true);
    CAPTURE(is_asleep_next, shared);
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    foreign_hold foreign{lock};
    bool was_released = false;
    task waiter{[&] {
        const cut_net no_net{net_but_quick_attempts};
        (is_asleep_next ? before_sleeping : before_watching) = [&] {
            foreign.release();
            was_released = true;
        };
        return static_cast<bool>(shared ? lock.acquire_shared() : lock.acquire());
    }};
    CHECK(waiter.get());
    CHECK(was_released);
}

TEST_CASE("a waiter follows its path when the file is moved right before it begins to watch, or to sleep") {
    SKIP_WITHOUT_INOTIFY();
    const bool is_asleep_next = GENERATE(false, true);
    const bool is_deleted = GENERATE(false, true);
    CAPTURE(is_asleep_next, is_deleted);
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    const foreign_hold foreign{lock};
    bool was_moved = false;
    task waiter{[&] {
        const cut_net no_net{net_when_watching};
        (is_asleep_next ? before_sleeping : before_watching) = [&] {
            is_deleted ? (void)fs::remove(lock.path()) : fs::rename(lock.path(), dir.path() / "away");
            was_moved = true;
        };
        return static_cast<bool>(lock.acquire());
    }};
    CHECK(waiter.get());
    CHECK(was_moved);
}

TEST_CASE("a waiter keeps the watch of its file when the thread before it ends its own, which is the same one") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    std::optional<foreign_hold> foreign{lock};
    event watches;
    event shall_release;
    event has_released;
    event is_held_again;
    task before{[&] {
        after_watching = [&] { watches.happen(); };
        auto guard = lock.acquire();  // which has the watch as long
        const bool was_asked = shall_release.wait();
        guard.release();
        has_released.happen();
        return was_asked;
    }};
    REQUIRE(watches.wait());
    foreign.reset();
    while (seen_by_others(lock) != seen::exclusive) std::this_thread::yield();
    task waiter{[&] {
        const cut_net no_net{net_when_watching};
        after_watching = [&] {
            shall_release.happen();
            if (has_released.wait()) foreign.emplace(lock);
            is_held_again.happen();
        };
        return static_cast<bool>(lock.acquire());
    }};
    CHECK(before.get());
    REQUIRE(is_held_again.wait());
    REQUIRE(waiter.is_blocked());
    foreign.reset();
    CHECK(waiter.get());
}

TEST_CASE("no wake-up is lost, at whatever moment of the acquisition the release comes") {
    constexpr int rounds = 1500;
    constexpr int longest_us = 800;  // by then the waiter sleeps
    const std::string method = GENERATE("flock", "fcntl");
    CAPTURE(method);
    temp_dir dir;
    worker holder{dir};
    worker waiter = worker_without_net(dir);
    holder.tell("method " + method);
    waiter.tell("method " + method);
    for (int i = 0; i < rounds; ++i) {
        holder.tell("acquire -1 x");
        holder.write_line("release_after " + std::to_string(i * 7 % longest_us));
        if (waiter.ask("acquire -1 x") == "waiting") REQUIRE(waiter.read_line() == "ok");
        waiter.tell("release");
        REQUIRE(holder.read_line() == "ok");
    }
}

TEST_CASE("no wake-up is lost between processes that contend for a lock") {
    const std::string method = GENERATE("flock", "fcntl");
    CAPTURE(method);
    constexpr int processes = 4;
    constexpr int times = 1000;
    temp_dir dir;
    const auto file = dir.path() / "counter";
    std::list<worker> workers;
    for (int i = 0; i < processes; ++i) {
        workers.push_back(worker_without_net(dir));
        workers.back().tell("method " + method);
    }
    for (worker& w : workers) w.write_line("count " + std::to_string(times) + " " + file.string() + " x");
    CHECK(wrong_answers(workers) == "");
    CHECK(counter_file{file}.value() == processes * times);
}

TEST_CASE("no wake-up is lost between processes that read and those that write") {
    constexpr int times = 400;
    temp_dir dir;
    const auto file = dir.path() / "counter";
    const std::string rest = std::to_string(times) + " " + file.string() + " x";
    std::list<worker> workers;
    for (const char* verb : {"count ", "compare ", "compare ", "count ", "compare "}) {
        workers.push_back(worker_without_net(dir));
        workers.back().write_line(verb + rest);
    }
    CHECK(wrong_answers(workers) == "");
    CHECK(counter_file{file}.value() == 2 * times);
}

TEST_CASE("no wake-up is lost while others open and close the lock file all the time") {
    constexpr int processes = 3;
    constexpr int times = 400;
    temp_dir dir;
    const auto file = dir.path() / "counter";
    std::list<worker> workers;
    for (int i = 0; i < processes; ++i) workers.push_back(worker_without_net(dir));
    const noise others{dir.path() / "x.lock"};
    for (worker& w : workers) w.write_line("count " + std::to_string(times) + " " + file.string() + " x");
    CHECK(wrong_answers(workers) == "");
    CHECK(counter_file{file}.value() == processes * times);
}

TEST_CASE("no wake-up is lost between threads and processes that wait in all ways") {
    constexpr int times = 300;
    constexpr int processes = 2;
    temp_dir dir;
    const auto file = dir.path() / "counter";
    named_lock lock{"x", options_in(dir)};
    std::list<worker> workers;
    for (int i = 0; i < processes; ++i) workers.push_back(worker_without_net(dir));
    std::atomic<int> counted{0};
    std::atomic<bool> ended{false};
    std::list<task<bool>> threads;
    const auto counts = [&](auto acquire) {
        return [&, acquire] {
            const cut_net no_net;
            counter_file counter{file};
            bool fine = true;
            for (int i = 0; i < times; ++i) {
                const auto hold = acquire();
                fine = fine && hold && counter.add_one();
                ++counted;
            }
            return fine;
        };
    };
    for (worker& w : workers) w.write_line("count " + std::to_string(times) + " " + file.string() + " x");
    threads.emplace_back(counts([&] { return lock.acquire(); }));
    threads.emplace_back(counts([&] { return lock.acquire(1h); }));
    threads.emplace_back(counts([&] { return lock.try_acquire(1h); }));
    threads.emplace_back([&] {
        const cut_net no_net;
        bool fine = true;
        for (int i = 0; i < times; ++i) {
            const auto hold = lock.acquire_shared();
            fine = fine && counter_file{file}.is_whole();
        }
        return fine;
    });
    std::list<task<void>> quitters;  // who leave the queue at any moment, in particular when they would be next
    quitters.emplace_back([&] {
        for (int i = 0; !ended; ++i) (void)lock.try_acquire(std::chrono::microseconds{i % 700});
    });
    quitters.emplace_back([&] {
        for (int i = 0; !ended; ++i) (void)lock.try_acquire_shared(std::chrono::microseconds{i % 500});
    });
#if defined(__cpp_lib_jthread)
    quitters.emplace_back([&] {
        const cut_net no_net;
        for (int i = 0; !ended; ++i) {
            std::stop_source stop;
            task canceller{[&] {
                std::this_thread::sleep_for(std::chrono::microseconds{i % 600});
                stop.request_stop();
            }};
            (void)lock.try_acquire(stop.get_token(), 1h);
            canceller.get();
        }
    });
#endif
    for (auto& thread : threads) CHECK(thread.get());
    CHECK(wrong_answers(workers) == "");
    ended = true;
    for (auto& quitter : quitters) quitter.get();
    CHECK(counter_file{file}.value() == (processes + 3) * times);
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("no wake-up is lost when the holders are killed") {
    SKIP_WITHOUT_INOTIFY();
    constexpr int rounds = 20;
    temp_dir dir;
    const std::string holds_it = GENERATE("acquire", "acquire_shared");
    CAPTURE(holds_it);
    auto waiter = worker::without_polling(dir);
    for (int i = 0; i < rounds; ++i) {
        worker holder{dir};
        holder.tell(holds_it + " -1 x");
        waiter.let_wait("acquire -1 x");
        REQUIRE(gets_to_watch(waiter.pid()));
        holder.crash();
        REQUIRE(waiter.read_line() == "ok");
        waiter.tell("release");
    }
}

TEST_CASE("waiters of every kind are woken by the release of a hold that has lasted") {
    SKIP_WITHOUT_INOTIFY();
    // Long enough for all of them to sleep deeply: quick attempts do not help any more.
    temp_dir dir;
    const std::string ended_by = GENERATE("a release", "a crash", "a program that closes the file");
    CAPTURE(ended_by);
    std::list<worker> waiters;
    for (const char* how : {"acquire -1 x", "acquire 3600000 x", "acquire_shared -1 x", "acquire_shared 3600000 x"}) {
        waiters.push_back(worker::without_polling(dir));
        worker holder{dir};
        std::list<foreign_hold> foreign;
        if (ended_by == "a program that closes the file") {
            foreign.emplace_back(dir.path() / "x.lock");
        } else {
            holder.tell("acquire -1 x");
        }
        waiters.back().let_wait(how);
        CHECK(waiters.back().is_silent(long_while));
        foreign.clear();
        if (ended_by == "a release") holder.tell("release");
        if (ended_by == "a crash") holder.crash();
        CHECK(waiters.back().read_line() == "ok");
        waiters.back().tell("release");
    }
}

TEST_CASE("all processes that wait shared are woken by one release") {
    temp_dir dir;
    worker holder{dir};
    std::list<worker> waiters;
    holder.tell("acquire -1 x");
    for (int i = 0; i < 4; ++i) {
        waiters.push_back(worker::without_polling(dir));
        waiters.back().let_wait("acquire_shared -1 x");
    }
    CHECK(waiters.front().is_silent(long_while));
    holder.tell("release");
    CHECK(wrong_answers(waiters) == "");  // while all of the others hold it, too
}

TEST_CASE("a process that waits exclusively is woken by the last of the shared holders") {
    temp_dir dir;
    std::list<worker> holders;
    for (int i = 0; i < 3; ++i) holders.emplace_back(dir).tell("acquire_shared -1 x");
    auto waiter = worker::without_polling(dir);
    waiter.let_wait("acquire -1 x");
    CHECK(waiter.is_silent(long_while));
    for (worker& holder : holders) {
        CHECK(waiter.is_silent());
        holder.tell("release");
    }
    CHECK(waiter.read_line() == "ok");
}

TEST_CASE("a release while the waiter is stopped is not lost on it") {
    temp_dir dir;
    worker holder{dir};
    auto waiter = worker_without_net(dir);
    for (int i = 0; i < 5; ++i) {
        holder.tell("acquire -1 x");
        waiter.let_wait("acquire -1 x");
        waiter.kill(SIGSTOP);
        REQUIRE(becomes_true([&] { return status_of(waiter.pid(), "State").find('T') != std::string::npos; }));
        holder.tell("release");
        CHECK(waiter.is_silent(5ms));
        waiter.kill(SIGCONT);
        REQUIRE(waiter.read_line() == "ok");
        waiter.tell("release");
    }
}

TEST_CASE("a thread whose turn it is to watch is replaced by the next one when it gives up") {
    temp_dir dir;
    std::atomic<int> waiting{0};
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait&) { ++waiting; };
    named_lock lock{"x", options};
    foreign_hold foreign{lock};
    task first{[&] { return static_cast<bool>(lock.try_acquire(100ms)); }};
    REQUIRE(becomes_true([&] { return waiting == 1; }));
    std::list<task<bool>> rest;
    for (int i = 0; i < 3; ++i) {
        rest.emplace_back([&] {
            const cut_net no_net{net_but_quick_attempts};
            return static_cast<bool>(lock.acquire());
        });
    }
    REQUIRE(becomes_true([&] { return waiting == 4; }));
    CHECK_FALSE(first.get());
    CHECK(rest.front().is_blocked(long_while));
    foreign.release();
    for (auto& thread : rest) CHECK(thread.get());
}

#if defined(__cpp_lib_jthread)
TEST_CASE("a thread whose turn it is to watch is replaced by the next one when it is cancelled") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    std::atomic<int> waiting{0};
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait&) { ++waiting; };
    named_lock lock{"x", options};
    foreign_hold foreign{lock};
    std::stop_source stop;
    task first{[&] {
        const cut_net no_net{net_but_quick_attempts};
        return static_cast<bool>(lock.try_acquire(stop.get_token(), 1h));
    }};
    REQUIRE(gets_to_watch(::getpid()));
    task second{[&] {
        const cut_net no_net{net_but_quick_attempts};
        return static_cast<bool>(lock.acquire());
    }};
    REQUIRE(becomes_true([&] { return waiting == 2; }));
    CHECK(first.is_blocked());
    stop.request_stop();
    CHECK_FALSE(first.get());
    CHECK(second.is_blocked(long_while));
    foreign.release();
    CHECK(second.get());
}
#endif

TEST_CASE("processes that time out early do not disturb those that go on waiting") {
    temp_dir dir;
    worker holder{dir};
    holder.tell("acquire -1 x");
    std::list<worker> patient;
    std::list<worker> hasty;
    for (int i = 0; i < 3; ++i) {
        hasty.emplace_back(dir).let_wait(i == 1 ? "acquire_shared 60 x" : "acquire 60 x");
        patient.push_back(worker_without_net(dir));
        patient.back().let_wait("acquire -1 x");
    }
    for (worker& w : hasty) CHECK(split(w.read_line())[0] == "timeout");
    for (worker& w : patient) CHECK(w.is_silent(5ms));
    worker outsider{dir};
    CHECK(outsider.ask("try_shared x") == "busy");
    holder.tell("release");
    for (std::size_t served = 0; served < patient.size(); ++served) {
        worker* next = nullptr;
        REQUIRE(becomes_true([&] {
            for (worker& w : patient) {
                if (next == nullptr && !w.is_silent(1ms)) next = &w;
            }
            return next != nullptr;
        }));
        CHECK(next->read_line() == "ok");
        CHECK(outsider.ask("try_shared x") == "busy");
        next->tell("release");
    }
}

TEST_CASE("a waiter keeps its time-out while news for another waiter of its process comes without end") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    named_lock other{"other", options_in(dir)};
    named_lock lock{"x", options_in(dir)};
    const foreign_hold foreign_other{other};
    const foreign_hold foreign{lock};
    bool watches = false;
    after_watching = [&] { watches = true; };
    auto pending = other.begin_acquire(1min);
    while (!watches) REQUIRE_FALSE(pending.try_complete());

    // A waiter that goes on for as long as there is news gets to the end of these.
    int news_left = 1'000;
    const std::function<void()> close_other = [&] {
        std::this_thread::sleep_for(500us);  // not so much of it that it rests
        ::close(::open(other.path().c_str(), O_RDWR | O_CLOEXEC));
        if (--news_left > 0) before_sleeping = close_other;
    };
    before_sleeping = close_other;
    CHECK_FALSE(lock.try_acquire(20ms));
    before_sleeping = nullptr;
    CHECK(news_left > 0);
}

TEST_CASE("a waiter rests, and gets the lock, while news for another waiter of its process comes without end") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    named_lock other{"other", options_in(dir)};
    named_lock lock{"x", options_in(dir)};
    const foreign_hold foreign_other{other};
    foreign_hold foreign{lock};
    bool watches = false;
    after_watching = [&] { watches = true; };
    auto pending = other.begin_acquire(1min);
    while (!watches) REQUIRE_FALSE(pending.try_complete());
    event waiter_watches;
    task waiter{[&] {
        const cut_net cut{net_but_quick_attempts};
        after_watching = [&] { waiter_watches.happen(); };
        return static_cast<bool>(lock.acquire());
    }};
    REQUIRE(waiter_watches.wait());
    REQUIRE(becomes_true([&] { return net_cuts > 0; }));
    const long cuts_before = net_cuts;
    const auto start = std::chrono::steady_clock::now();
    {
        const noise closes_other{other.path()};
        CHECK(waiter.is_blocked(long_while));
        foreign.release();
        CHECK(waiter.get());
    }
    // It rests for 8 ms after each 64 events in vain.
    const std::chrono::milliseconds::rep most =
        10 * std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count() + 128;
    CHECK(net_cuts - cuts_before <= most);
}

TEST_CASE("signals that interrupt a waiter do not end its wait") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    static std::atomic<int> caught{0};
    caught = 0;
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = [](int) { ++caught; };
    action.sa_flags = 0;  // no SA_RESTART: system calls fail with EINTR
    REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);
    named_lock lock{"x", options_in(dir)};
    foreign_hold foreign{lock};
    std::atomic<pthread_t> thread{};
    task waiter{[&] {
        thread = ::pthread_self();
        return static_cast<bool>(lock.acquire());
    }};
    REQUIRE(gets_to_watch(::getpid()));
    for (int i = 0; i < 50; ++i) {
        ::pthread_kill(thread, SIGUSR1);
        REQUIRE(becomes_true([&] { return caught > i; }));
    }
    CHECK(waiter.is_blocked());
    foreign.release();
    CHECK(waiter.get());
    ::sigaction(SIGUSR1, &before, nullptr);
}

// ---- what a waiter uses ----

TEST_CASE("a waiter uses hardly any processor time") {
    SKIP_WITHOUT_INOTIFY();
    const std::string how = GENERATE("acquire -1 x", "acquire 3600000 x", "acquire_shared -1 x");
    CAPTURE(how);
    constexpr std::chrono::milliseconds observed{600};
    temp_dir dir;
    worker holder{dir};
    worker waiter{dir};  // with the usual poll interval
    holder.tell("acquire -1 x");
    waiter.let_wait(how);
    REQUIRE(gets_to_watch(waiter.pid()));
    const auto before = processor_time_of(waiter.pid());
    CHECK(waiter.is_silent(observed));
    CHECK(processor_time_of(waiter.pid()) - before < observed / 20);
}

TEST_CASE("threads that wait for another thread of their process use hardly any processor time") {
    constexpr std::chrono::milliseconds observed{300};
    temp_dir dir;
    std::atomic<int> waiting{0};
    auto options = options_in(dir);
    options.poll_interval = 50ms;
    options.on_wait = [&](const nlock::lock_wait&) { ++waiting; };
    named_lock lock{"x", options};
    auto held = lock.acquire();
    std::list<task<bool>> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] { return static_cast<bool>(lock.acquire()); });
        threads.emplace_back([&] { return static_cast<bool>(lock.try_acquire(1h)); });
    }
    REQUIRE(becomes_true([&] { return waiting == 6; }));
    const auto before = processor_time_of(::getpid());
    CHECK(threads.front().is_blocked(observed));
    CHECK(processor_time_of(::getpid()) - before < observed / 20);
    held.release();
    for (auto& thread : threads) CHECK(thread.get());
}

TEST_CASE("waiting uses no thread and no signal, and leaves no file") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    worker holder{dir};
    worker waiter{dir};
    const std::array<const char*, 3> keys{"SigCgt", "SigIgn", "SigBlk"};
    std::vector<std::string> signals;
    for (const char* key : keys) signals.push_back(status_of(waiter.pid(), key));
    const auto threads = threads_of(waiter.pid());
    const auto check_all_as_before = [&] {
        CHECK(threads_of(waiter.pid()) == threads);
        for (std::size_t i = 0; i < keys.size(); ++i) CHECK(status_of(waiter.pid(), keys[i]) == signals[i]);
        CHECK(count_entries(dir.path()) == 1);
        CHECK(fs::exists(dir.path() / "x.lock"));
    };
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire 3600000 x");
    REQUIRE(gets_to_watch(waiter.pid()));
    check_all_as_before();
    holder.tell("release");
    CHECK(waiter.read_line() == "ok");
    check_all_as_before();
    waiter.tell("release");
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire 20 x");
    CHECK(split(waiter.read_line())[0] == "timeout");
    check_all_as_before();
}

TEST_CASE("of all threads that wait for a name only one waits on the system") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    std::atomic<int> waiting{0};
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait&) { ++waiting; };
    named_lock lock{"x", options};
    named_lock other{"y", options};
    foreign_hold foreign{lock};
    foreign_hold other_foreign{other};
    std::list<task<bool>> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] { return static_cast<bool>(lock.acquire()); });
        threads.emplace_back([&] { return static_cast<bool>(lock.acquire(1h)); });
        threads.emplace_back([&] { return static_cast<bool>(other.acquire_shared()); });
    }
    REQUIRE(becomes_true([&] { return waiting == 12; }));
    REQUIRE(gets_to_watch(::getpid(), 2));  // one for each name
    CHECK(threads.front().is_blocked());
    CHECK(watches_of(::getpid()) == 2);
    CHECK(becomes_true([&] {  // the others, however many, need no descriptors
        const auto files = files_of(::getpid());
        const auto open_on = [&](const named_lock& l) {
            return std::count(files.begin(), files.end(), l.path().string());
        };
        return open_on(lock) <= 3 && open_on(other) <= 3;  // the holder's, the waiter's, and one that stays open
    }));
    CHECK(inotify_instances_of(::getpid()) == 1);
    foreign.release();
    other_foreign.release();
    for (auto& thread : threads) CHECK(thread.get());
}

TEST_CASE("a writer behind which readers of its process do not wait any longer leaves the system to them") {
    temp_dir dir;
    auto options = options_in(dir);
    options.courtesy = 50ms;
    named_lock lock{"x", options};
    foreign_hold foreign{lock};
    // Open all the time: to close it would wake whoever watches it.
    const auto file = nlock::detail::open_lock_file(lock.path());
    const auto first_in_line = [&](nlock::detail::lock_kind kind) {
        return becomes_true([&] {
            const auto view = nlock::detail::look_at_line(file);
            return view.shows_waiter() && view.place.kind == kind;
        });
    };
    task writer{[&] { return static_cast<bool>(lock.acquire()); }};
    REQUIRE(first_in_line(nlock::detail::lock_kind::exclusive));
    task reader{[&] { return static_cast<bool>(lock.acquire_shared()); }};
    CHECK(first_in_line(nlock::detail::lock_kind::shared));
    CHECK(becomes_true([&] {  // the two here, the reader's, and one that stays open
        return descriptors_on(lock.path(), ::getpid()) <= 4;
    }));
    foreign.release();
    CHECK(reader.get());
    CHECK(writer.get());
}

TEST_CASE("waits one after the other use the same few descriptors, and leave no watch behind") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    std::size_t files = 0;
    std::size_t instances = 0;
    for (int i = 0; i < 30; ++i) {
        foreign_hold foreign{lock};
        task waiter{[&] { return static_cast<bool>(lock.acquire()); }};
        REQUIRE(gets_to_watch(::getpid()));
        foreign.release();
        REQUIRE(waiter.get());
        CHECK(watches_of(::getpid()) == 0);
        if (i == 0) {
            files = files_of(::getpid()).size();
            instances = inotify_instances_of(::getpid());
        }
    }
    CHECK(files_of(::getpid()).size() == files);
    CHECK(inotify_instances_of(::getpid()) == instances);  // to close one would take milliseconds
    CHECK(descriptors_on(lock.path(), ::getpid()) == 1);   // it stays open
}

TEST_CASE("waits that end with a time-out leave no descriptor and no watch behind") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    foreign_hold foreign{lock};
    task first{[&] { return static_cast<bool>(lock.acquire()); }};
    REQUIRE(gets_to_watch(::getpid()));  // from now on the process has all that it needs
    foreign.release();
    CHECK(first.get());
    const foreign_hold again{lock};
    const auto before = files_of(::getpid());
    for (int i = 0; i < 20; ++i) CHECK_FALSE(lock.try_acquire(2ms));
    CHECK(files_of(::getpid()) == before);
    CHECK(watches_of(::getpid()) == 0);
}

}  // namespace waiting_test

#endif

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// pending_acquire on Linux: the event loops that watch it, order between processes, what it costs, and what the program or
// strangers do to it. Where only news may end a wait, its own time is cut: a lost wake-up is a hang, and seen.
#include "support/catch.hpp"

#if defined(__linux__)

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/detail/platform.hpp>
#include <named_lock/pending_acquire.hpp>

#include "support/child.hpp"
#include "support/event_loop.hpp"
#include "support/others.hpp"
#include "support/own_files.hpp"
#include "support/proc.hpp"
#include "support/safety_net.hpp"
#include "support/seccomp.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"
#include "support/worker.hpp"

namespace pending_linux_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlock::guard;
using nlock::named_lock;
using nlock::pending_acquire;
using std::chrono::steady_clock;

#if defined(__SANITIZE_THREAD__)
constexpr bool under_thread_sanitizer = true;
#else
constexpr bool under_thread_sanitizer = NLOCK_TEST_HAS_FEATURE(thread_sanitizer);
#endif

nlock::lock_options options_in(const temp_dir& dir) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.poll_interval = 1min;
    return options;
}

named_lock lock_in(const temp_dir& dir, const std::string& name = "x") { return named_lock{name, options_in(dir)}; }

/// So that its own looks are rare, and that it watches the file.
bool gets_to_watch_file(pending_acquire& pending) { return gets_to_sleep(pending, 50ms); }

void open_and_close(const fs::path& path) { ::close(::open(path.c_str(), O_RDWR | O_CLOEXEC)); }

std::size_t descriptors() { return open_descriptors().size(); }

/// Whether the process may have that many, after asking for it.
bool may_open(std::size_t count) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    limit.rlim_cur = limit.rlim_max;
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= count;
}

std::list<pending_acquire> many(named_lock lock, std::size_t count) {
    std::list<pending_acquire> line;
    while (line.size() < count) line.push_back(lock.begin_acquire());
    return line;
}

/// An epoll instance.
class epoll_loop {
  public:
    explicit epoll_loop(std::uint32_t how = 0) : events_{EPOLLIN | how} {}
    epoll_loop(const epoll_loop&) = delete;
    epoll_loop& operator=(const epoll_loop&) = delete;
    ~epoll_loop() { ::close(fd_); }

    [[nodiscard]] int fd() const noexcept { return fd_; }

    [[nodiscard]] bool add(int fd, void* what) const {
        epoll_event event{};
        event.events = events_;
        event.data.ptr = what;
        return ::epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) == 0;
    }
    [[nodiscard]] bool add(pending_acquire& pending) const { return add(pending.native_handle(), &pending); }
    /// Null: none within that time.
    [[nodiscard]] void* next(std::chrono::milliseconds longest = patience) const {
        epoll_event event{};
        return ::epoll_wait(fd_, &event, 1, static_cast<int>(longest.count())) == 1 ? event.data.ptr : nullptr;
    }

  private:
    int fd_ = ::epoll_create1(EPOLL_CLOEXEC);
    std::uint32_t events_;
};

/// Each of them in its turn, as the loop tells.
void serve_in_order(const epoll_loop& loop, std::list<pending_acquire>& line) {
    for (auto& expected : line) {
        guard held;
        while (!held) {
            REQUIRE(loop.next() == &expected);
            held = expected.try_complete();
        }
    }
}

}  // namespace

// ---- the line of processes ----

TEST_CASE("a pending acquisition stands in the line of processes") {
    temp_dir dir;
    worker holder{dir};
    worker before = worker::without_polling(dir);
    worker after = worker::without_polling(dir);
    auto lock = lock_in(dir);
    holder.tell("acquire -1 x");
    before.let_wait("acquire -1 x");
    REQUIRE(gets_in_line(before.pid()));
    auto pending = lock.begin_acquire();
    CHECK(marks_of(::getpid()) == 1);
    after.let_wait("acquire -1 x");
    REQUIRE(gets_in_line(after.pid()));
    REQUIRE(gets_to_watch_file(pending));

    holder.tell("release");
    CHECK(before.read_line() == "ok");
    CHECK_FALSE(pending.try_complete());
    CHECK_FALSE(has_news(pending));
    before.tell("release");
    CHECK(has_news(pending, patience));
    auto held = complete(pending);
    CHECK(marks_of(::getpid()) == 0);
    CHECK(after.is_silent());
    held.release();
    CHECK(after.read_line() == "ok");
}

TEST_CASE("one that is killed while it has an acquisition pending leaves the line") {
    temp_dir dir;
    worker holder{dir};
    worker first{dir};
    auto lock = lock_in(dir);
    holder.tell("acquire -1 x");
    first.let_wait("begin -1 x");
    REQUIRE(first.read_line() == "ok");
    REQUIRE(gets_in_line(first.pid()));
    auto pending = lock.begin_acquire();
    REQUIRE(gets_to_watch_file(pending));
    first.crash();
    holder.tell("release");
    CHECK(has_news(pending, patience));
    CHECK(complete(pending));
}

TEST_CASE("a process that does not look after its pending acquisition does not stop the others") {
    temp_dir dir;
    worker holder{dir};
    worker idle{dir};
    worker next{dir};
    holder.tell("acquire -1 x");
    idle.let_wait("begin -1 x");
    REQUIRE(idle.read_line() == "ok");
    REQUIRE(gets_in_line(idle.pid()));
    next.let_wait("acquire -1 x");
    REQUIRE(gets_in_line(next.pid()));
    holder.tell("release");
    CHECK(next.read_line() == "ok");
    next.tell("release");
    CHECK(idle.ask("complete") == "ok");
}

// ---- what ends the hold of others ----

TEST_CASE("what is closed, replaced or taken away elsewhere is news") {
    SKIP_WITHOUT_INOTIFY();
    const std::string what = GENERATE("closed", "closed, fcntl", "killed", "moved", "removed", "directory moved");
    CAPTURE(what);
    temp_dir dir;
    auto options = options_in(dir);
    options.locks_dir = dir.path() / "locks";
    if (what == "closed, fcntl") options.method = nlock::lock_method::fcntl;
    named_lock lock{"x", options};
    fs::create_directory(options.locks_dir);
    worker holder{options.locks_dir};
    std::optional<foreign_hold> foreign;
    if (what == "killed") {
        holder.tell("acquire -1 x");
    } else {
        foreign.emplace(lock, hold_kind::exclusive, options.method);
    }
    auto pending = lock.begin_acquire();
    REQUIRE(gets_to_watch_file(pending));
    CHECK_FALSE(has_news(pending));

    const fs::path aside = dir.path() / "aside";
    if (what == "killed") holder.crash();
    if (what == "moved") {
        std::ofstream{aside};
        fs::rename(aside, lock.path());
    }
    if (what == "removed") fs::remove(lock.path());
    if (what == "directory moved") fs::rename(options.locks_dir, aside);
    if (what == "closed" || what == "closed, fcntl") foreign->release();
    if (what == "directory moved") {  // of which a file in it hears nothing
        const auto held = complete(pending, 10min);
        CHECK(held);
        return;
    }
    CHECK(has_news(pending, patience));
    const auto held = complete(pending, net_but_quick_attempts);
    CHECK(held);
    CHECK(seen_by_others(lock, options.method) == seen::exclusive);
}

TEST_CASE("an error that comes up while it is pending is thrown by try_complete") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    auto options = options_in(dir);
    options.locks_dir = dir.path() / "locks";
    named_lock lock{"x", options};
    foreign_hold foreign{lock};
    auto pending = lock.begin_acquire();
    REQUIRE(gets_to_watch_file(pending));
    fs::remove_all(options.locks_dir);
    std::ofstream{options.locks_dir};
    CHECK(has_news(pending, patience));
    CHECK_THROWS_AS(complete(pending), nlock::lock_error);
    CHECK(pending.is_done());
    CHECK(marks_of(::getpid()) == 0);
}

TEST_CASE("after news in vain it looks again soon, however many are pending") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    foreign_hold others_held{lock_in(dir, "y")};
    const auto others = many(lock_in(dir, "y"), 600);
    auto lock = lock_in(dir);
    foreign_hold foreign{lock};
    auto pending = lock.begin_acquire();
    REQUIRE(gets_to_sleep(pending, 300ms));
    open_and_close(lock.path());  // as a holder's close is reported, a moment before its lock is gone
    CHECK(has_news(pending, patience));
    CHECK_FALSE(pending.try_complete());
    CHECK(time_until_wake(pending) < 100ms);
}

TEST_CASE("threads and pending acquisitions hear for each other what is reported") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    auto lock = lock_in(dir);
    auto threads_lock = lock_in(dir, "y");
    for (int i = 0; i < 3; ++i) {
        foreign_hold for_thread{threads_lock};
        foreign_hold foreign{lock};
        task thread{[&] {
            const cut_net no_net{net_but_quick_attempts};
            return static_cast<bool>(threads_lock.acquire());
        }};
        auto pending = lock.begin_acquire();
        REQUIRE(gets_to_watch_file(pending));
        REQUIRE(gets_to_watch(::getpid(), 2));
        foreign.release();
        REQUIRE(has_news(pending, patience));
        auto held = complete(pending, net_but_quick_attempts);
        CHECK(held);
        auto second = lock.begin_acquire();  // it hears for the thread, if that does not itself
        for_thread.release();
        while (thread.is_blocked(1ms)) {
            if (has_news(second)) CHECK_FALSE(second.try_complete());
        }
        CHECK(thread.get());
    }
}

// ---- event loops ----

TEST_CASE("an event loop serves many pending acquisitions of several locks, in order") {
    const std::uint32_t how = GENERATE(0u, static_cast<std::uint32_t>(EPOLLET));
    CAPTURE(how);
    temp_dir dir;
    worker holder{dir};
    std::vector<named_lock> locks;
    for (const char* name : {"x", "y", "z"}) {
        locks.push_back(lock_in(dir, name));
        holder.tell("acquire -1 " + std::string{name});
    }
    struct client {
        pending_acquire pending;
        std::size_t lock;
        std::size_t number;
    };
    std::list<client> clients;
    const epoll_loop loop{how};
    for (std::size_t i = 0; i < 30; ++i) {
        clients.push_back({locks[i % 3].begin_acquire(), i % 3, i});
        REQUIRE(loop.add(clients.back().pending.native_handle(), &clients.back()));
    }
    for (client& c : clients) CHECK_FALSE(c.pending.try_complete());
    for (std::size_t i = 0; i < 3; ++i) holder.tell("release");
    std::array<std::size_t, 3> next{0, 1, 2};
    std::vector<guard> held(3);
    for (std::size_t granted = 0; granted < clients.size();) {
        auto* const c = static_cast<client*>(loop.next());  // news, and no timer
        REQUIRE(c != nullptr);
        auto guard = c->pending.try_complete();
        if (!guard) continue;
        ++granted;
        CHECK(c->number == std::exchange(next[c->lock], next[c->lock] + 3));
        guard.release();
    }
    CHECK(loop.next(0ms) == nullptr);
}

TEST_CASE("news stays readable until it is looked at, for whoever comes to watch") {
    temp_dir dir;
    auto lock = lock_in(dir);
    auto held = lock.acquire();
    auto pending = lock.begin_acquire();
    held.release();
    const epoll_loop first;
    const epoll_loop second{EPOLLET};
    REQUIRE(first.add(pending));
    REQUIRE(second.add(pending));
    CHECK(first.next(0ms) == &pending);
    CHECK(first.next(0ms) == &pending);
    CHECK(second.next(0ms) == &pending);
    CHECK(has_news(pending));
    CHECK(complete(pending));
    CHECK(first.next(0ms) == nullptr);
}

TEST_CASE("one epoll instance can watch hundreds of pending acquisitions, and be watched itself") {
    temp_dir dir;
    if (!may_open(2000)) SKIP_TEST("the process may not open that many files");
    auto lock = lock_in(dir);
    worker holder{dir};
    holder.tell("acquire -1 x");
    auto line = many(lock, 600);
    const epoll_loop loop;
    const epoll_loop outer;
    for (auto& one : line) REQUIRE(loop.add(one));
    REQUIRE(outer.add(loop.fd(), nullptr));
    auto late = lock.begin_acquire();
    REQUIRE(loop.add(late));
    REQUIRE(gets_to_watch_file(line.front()));
    CHECK(loop.next(0ms) == nullptr);
    holder.tell("release");
    serve_in_order(loop, line);
    CHECK(complete(late));
}

TEST_CASE("10,000 acquisitions of one lock can be pending") {
    temp_dir dir;
    if (under_thread_sanitizer) SKIP_TEST("with ThreadSanitizer it takes minutes");
    if (!may_open(11'000)) SKIP_TEST("the process may not open that many files");
    auto lock = lock_in(dir);
    worker holder{dir};
    holder.tell("acquire -1 x");
    const auto before = descriptors();
    auto line = many(lock, 10'000);
    CHECK(descriptors() - before < 10'200);
    const epoll_loop loop;
    for (auto& one : line) REQUIRE(loop.add(one));
    REQUIRE(gets_to_watch_file(line.front()));
    CHECK(loop.next(0ms) == nullptr);
    holder.tell("release");
    serve_in_order(loop, line);
}

// ---- what it costs ----

TEST_CASE("a pending acquisition needs one descriptor, the first of a lock two more, and all are given back") {
    temp_dir dir;
    auto lock = lock_in(dir);
    auto other = lock_in(dir, "y");
    worker holder{dir};
    holder.tell("acquire -1 x");
    holder.tell("acquire -1 y");
    {
        auto pending = lock.begin_acquire();
        REQUIRE(gets_to_watch_file(pending));
    }
    const auto before =
        descriptors();  // with what the process keeps: an inotify instance, the file, what wakes a waiter
    {
        const auto first = other.begin_acquire();
        CHECK(descriptors() == before + 3);  // one for all is new; what wakes it was kept
        const auto second = other.begin_acquire();
        const auto third = other.begin_acquire_shared();
        CHECK(descriptors() <= before + 6);  // and a file that one of them tried first
    }
    {
        auto line = many(lock, 300);
        CHECK(descriptors() <= before + 300 + 10);
        while (line.size() > 1) line.pop_front();
        CHECK(descriptors() <= before + 4);
    }
    CHECK(descriptors() <= before + 1);  // the file of the other lock may be kept, too
}

TEST_CASE("pending acquisitions cost no threads and, while nothing happens, hardly any processor time") {
    temp_dir dir;
    auto options = options_in(dir);
    options.poll_interval = nlock::lock_options{}.poll_interval;
    worker holder{dir};
    std::list<pending_acquire> all;
    const auto threads = threads_of(::getpid());
    const epoll_loop loop;
    for (int i = 0; i < 50; ++i) {
        const std::string name = "n" + std::to_string(i);
        holder.tell("acquire -1 " + name);
        all.push_back(named_lock{name, options}.begin_acquire());
        REQUIRE(loop.add(all.back()));
    }
    CHECK(threads_of(::getpid()) == threads);
    long calls = 0;
    const auto run = [&](std::chrono::milliseconds time) {
        const auto end = steady_clock::now() + time;
        while (steady_clock::now() < end) {
            const auto first = std::min_element(all.begin(), all.end(),
                                                [](const auto& a, const auto& b) { return a.wake_at() < b.wake_at(); });
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(time_until_wake(*first));
            const void* const ready = loop.next(std::clamp(left, 0ms, 1000ms));
            for (auto& one : all) {
                if (&one != ready && one.wake_at() > steady_clock::now()) continue;
                CHECK_FALSE(one.try_complete());
                ++calls;
            }
        }
    };
    run(500ms);
    calls = 0;
    run(200ms);
    CHECK(calls <= 600);  // about a thousand in a second
}

TEST_CASE("without inotify many pending acquisitions do not look more often") {
    temp_dir dir;
    if (!may_open(4000)) SKIP_TEST("the process may not open that many files");
    worker holder{dir};
    holder.tell("acquire -1 x");
    holder.tell("acquire -1 y");
    const std::string wrong = in_child([&] {
        if (!answer_inotify_with(EMFILE)) return std::string{"impossible"};
        const auto others = many(lock_in(dir, "y"), 3000);
        auto pending = lock_in(dir).begin_acquire();
        const auto end = steady_clock::now() + 100ms;
        while (steady_clock::now() < end && time_until_wake(pending) < 100ms) {
            sleep_until_due(pending, 1h);
            if (pending.try_complete()) return std::string{"granted"};
        }
        return std::string{time_until_wake(pending) > 1500ms ? "" : "it looks again too soon"};
    });
    if (wrong == "impossible") SKIP_TEST("no system call can be made to fail here");
    CHECK(wrong.empty());
}

TEST_CASE("a call makes few attempts, so that it is slow only where one is") {
    temp_dir dir;
    auto lock = lock_in(dir);
    foreign_hold foreign{lock};
    int attempts = 0;
    instead_of_flock = [&](int file, int operation) {
        ++attempts;
        return static_cast<int>(::syscall(SYS_flock, file, operation));
    };
    auto pending = lock.begin_acquire();
    CHECK(attempts <= 2);
    attempts = 0;
    for (int i = 0; i < 100; ++i) {
        if (pending.wake_at() > steady_clock::now()) break;
        CHECK_FALSE(pending.try_complete());
        CHECK(std::exchange(attempts, 0) <= 2);
    }
    REQUIRE(gets_to_watch_file(pending));
    attempts = 0;
    CHECK_FALSE(pending.try_complete());
    CHECK(attempts == 0);
    foreign.release();
    auto held = complete(pending);
    CHECK(attempts <= 6);
    auto behind = lock.begin_acquire();
    attempts = 0;
    for (int i = 0; i < 10; ++i) CHECK_FALSE(behind.try_complete());
    CHECK(attempts == 0);
    instead_of_flock = nullptr;
}

// ---- fork ----

TEST_CASE("a forked child's copy of a pending acquisition does nothing, and the parent's goes on") {
    temp_dir dir;
    auto lock = lock_in(dir);
    worker holder{dir};
    holder.tell("acquire -1 x");
    auto first = std::make_optional(lock.begin_acquire());
    auto second = std::make_optional(lock.begin_acquire());
    auto granted = std::make_optional(lock_in(dir, "y").begin_acquire());
    REQUIRE(gets_to_watch_file(*first));
    CHECK(in_child([&] {
              std::string wrong;
              for (auto* copy : {&first, &second, &granted}) {
                  if ((*copy)->try_complete()) wrong += "granted ";
                  if ((*copy)->native_handle() >= 0) wrong += "handle ";
                  if ((*copy)->wake_at() != (steady_clock::time_point::max)()) wrong += "time ";
              }
              second->cancel();
              if (second->try_complete()) wrong += "granted after cancel ";
              for (auto* copy : {&first, &second, &granted}) copy->reset();
              return wrong;
          }).empty());
    CHECK_FALSE(has_news(*first));
    CHECK_FALSE(second->try_complete());
    CHECK(seen_by_others(lock_in(dir, "y")) == seen::exclusive);
    holder.tell("release");
    CHECK(has_news(*first, patience));
    auto held = complete(*first);
    CHECK(held);
    held.release();
    CHECK(has_news(*second, patience));
    CHECK(complete(*second));
}

TEST_CASE("a forked child has pending acquisitions of its own, and does not count the parent's") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    worker parents{dir};
    std::list<pending_acquire> of_parent;
    for (int i = 0; i < 20; ++i) {  // more than watch the events of files
        const std::string name = "n" + std::to_string(i);
        parents.tell("acquire -1 " + name);
        of_parent.push_back(lock_in(dir, name).begin_acquire());
    }
    for (auto& one : of_parent) REQUIRE(gets_to_sleep(one));
    of_parent.splice(of_parent.end(), many(lock_in(dir, "n0"), 400));
    worker holder{dir};
    holder.tell("acquire -1 x");
    child forked{[&](child& self) {
        auto pending = lock_in(dir).begin_acquire();
        if (!gets_to_watch_file(pending)) return std::string{"granted"};
        std::string wrong = time_until_wake(pending) > 300ms ? "counts the parent's " : "";
        self.say("ready");
        if (!has_news(pending, patience)) wrong += "no news ";
        if (!complete(pending)) wrong += "not granted";
        of_parent.clear();
        auto again = lock_in(dir).begin_acquire();
        if (!again.try_complete()) wrong += "not again";
        return wrong;
    }};
    REQUIRE(forked.read_line() == "ready");
    holder.crash();
    CHECK(forked.verdict().empty());
}

// ---- what the program and strangers do ----

TEST_CASE("pending acquisitions go on where the program has closed all descriptors") {
    temp_dir dir;
    temp_dir aside;
    worker holder{dir};
    worker program{dir};
    const int turn = GENERATE(0, 1, 2);
    const std::string how = GENERATE("closed", "replaced");
    CAPTURE(turn, how);
    holder.tell("acquire -1 x");
    for (int i = 0; i < 3; ++i) {
        program.let_wait("begin -1 x");
        REQUIRE(program.read_line() == "ok");
    }
    REQUIRE(std::stoi(program.tell("take_numbers " + how + " " + std::to_string(turn) + " " + aside.path().string())) >
            0);
    holder.tell("release");
    for (int i = 0; i < 3; ++i) {
        CHECK(program.ask("complete") == "ok");
        CHECK(holder.ask("try x") == "busy");
        program.tell("release");
    }
    CHECK(program.tell("own_files_changed").empty());
    CHECK(holder.ask("try x") == "ok");
}

TEST_CASE("without descriptors it cannot begin, or does with fewer") {
    temp_dir dir;
    worker holder{dir};
    holder.tell("acquire -1 x");
    const std::string wrong = in_child([&]() -> std::string {
        auto lock = lock_in(dir);
        int begun = 0;
        for (rlim_t left = 0; left < 8; ++left) {
            rlimit limit{};
            ::getrlimit(RLIMIT_NOFILE, &limit);
            const rlimit usual = limit;
            const int next = ::dup(0);
            ::close(next);
            limit.rlim_cur = static_cast<rlim_t>(next) + left;
            ::setrlimit(RLIMIT_NOFILE, &limit);
            std::optional<pending_acquire> pending;
            try {
                pending = lock.begin_acquire(50ms);
            } catch (const std::system_error& e) {
                if (e.code().value() != EMFILE) return "another error at " + std::to_string(left);
            }
            if (pending) {
                ++begun;
                try {
                    if (complete(*pending)) return "granted at " + std::to_string(left);
                } catch (const nlock::lock_error& e) {
                    if (e.code() != std::errc::timed_out && e.code().value() != EMFILE) {
                        return "another error later at " + std::to_string(left);
                    }
                }
            }
            ::setrlimit(RLIMIT_NOFILE, &usual);
        }
        auto pending = lock.begin_acquire();
        return begun != 0 && !pending.try_complete() ? "" : "it cannot begin";
    });
    CHECK(wrong == "");
}

TEST_CASE("who floods a pending acquisition with bytes keeps its event loop neither busy nor from the lock") {
    temp_dir dir;
    auto lock = lock_in(dir);
    worker holder{dir};
    holder.tell("acquire -1 x");
    auto pending = lock.begin_acquire();
    REQUIRE(gets_to_watch_file(pending));
    const auto file = nlock::detail::open_lock_file(lock.path(), {});
    const nlock::detail::socket_name name{nlock::detail::look_at_line(file).place.address};
    std::atomic<bool> ended{false};
    std::atomic<long> sent{0};
    task stranger{[&] {
        const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        while (!ended) {
            if (::sendto(socket, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL, name.get(), name.size()) == 1) ++sent;
            std::this_thread::yield();
        }
        ::close(socket);
        return true;
    }};
    REQUIRE(becomes_true([&] { return sent > 5; }));
    const auto begin = steady_clock::now();
    long calls = 0;
    while (steady_clock::now() < begin + 150ms) {
        sleep_until_due(pending, 1h);
        CHECK_FALSE(pending.try_complete());
        ++calls;
    }
    // As for a thread: it rests for 8 ms after 8 bytes in vain, and twice that.
    CHECK(calls <= 2 * std::chrono::ceil<std::chrono::milliseconds>(steady_clock::now() - begin).count() + 32);
    holder.tell("release");
    CHECK(complete(pending));
    ended = true;
    CHECK(stranger.get());
}

TEST_CASE("an acquisition may be pending in one thread and be woken by others, at any moment") {
    temp_dir dir;
    auto lock = lock_in(dir);
    std::atomic<bool> ended{false};
    std::list<task<bool>> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
            while (!ended) (void)lock.acquire();
            return true;
        });
    }
    for (int i = 0; i < 300; ++i) {
        auto pending = lock.begin_acquire();
        auto other = lock.begin_acquire();
        if (i % 3 == 0) pending.cancel();
        if (i % 3 == 1) CHECK(complete(pending, 1s));
        if (i % 3 == 2) (void)pending.try_complete();
        if (pending.is_done()) CHECK(complete(other, 1s));
    }
    ended = true;
    for (auto& thread : threads) CHECK(thread.get());
}

}  // namespace pending_linux_test

#endif

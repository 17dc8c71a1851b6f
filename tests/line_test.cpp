// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The line of processes that wait for a lock: first come, first served, and nobody gives the turn away. Whatever breaks
// the line costs order and a little time, and neither exclusion nor liveness. With the safety net cut, a turn that is not
// passed on is a hang.
#include "support/catch.hpp"

#if defined(__linux__)

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/detail/lock_registry.hpp>
#include <named_lock/detail/lock_state.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/named_lock.hpp>

#include "support/counter_file.hpp"
#include "support/others.hpp"
#include "support/own_files.hpp"
#include "support/platform.hpp"
#include "support/proc.hpp"
#include "support/safety_net.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/worker.hpp"

namespace line_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlock::named_lock;
using nlock::detail::lock_kind;

/// How long a waiter is left alone, so that the quick looks at the beginning of a wait are over.
constexpr std::chrono::milliseconds long_while{150};

#if defined(__SANITIZE_THREAD__)
constexpr bool under_thread_sanitizer = true;
#else
constexpr bool under_thread_sanitizer = NLOCK_TEST_HAS_FEATURE(thread_sanitizer);
#endif

constexpr const char* cannot_forbid = "no system call can be made to fail here";

nlock::lock_options options_in(const temp_dir& dir) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.poll_interval = 1min;
    return options;
}

fs::path lock_file_in(const temp_dir& dir) { return dir.path() / "x.lock"; }

/// A worker that sleeps until it is told, and gives way to writers for as long as it takes.
worker deaf_worker(const temp_dir& dir, std::chrono::microseconds cut_from = 0us,
                   const std::vector<std::string>& launcher = {}) {
    worker result{dir.path(), launcher};
    result.tell("poll 60000");
    result.tell("courtesy 60000");
    result.tell("cut_net " + std::to_string(cut_from.count()));
    return result;
}

void stop(worker& w) {
    w.kill(SIGSTOP);
    REQUIRE(becomes_true([&] { return status_of(w.pid(), "State").find('T') != std::string::npos; }));
}

/// Once it stands in line, nothing but the wait for news makes it sleep.
bool is_asleep(worker& w) {
    return becomes_true([&] { return status_of(w.pid(), "State").find('S') != std::string::npos; });
}

void let_stand_in_line(worker& w, const std::string& how = "acquire") {
    w.let_wait(how + " -1 x");
    REQUIRE(gets_in_line(w.pid()));
}

/// Which of them gets the lock next.
std::size_t next_served(std::list<worker>& line) {
    std::optional<std::size_t> served;
    REQUIRE(becomes_true([&] {
        std::size_t i = 0;
        for (worker& w : line) {
            if (!w.is_silent(0ms)) served = i;
            if (served) break;
            ++i;
        }
        return served.has_value();
    }));
    REQUIRE(std::next(line.begin(), static_cast<std::ptrdiff_t>(*served))->read_line() == "ok");
    return *served;
}

worker& at(std::list<worker>& line, std::size_t i) { return *std::next(line.begin(), static_cast<std::ptrdiff_t>(i)); }

nlock::detail::file_handle open_file(const temp_dir& dir) {
    return nlock::detail::open_lock_file(lock_file_in(dir));
}

std::size_t files_on(const fs::path& file, pid_t pid) {
    const auto files = files_of(pid);
    return static_cast<std::size_t>(std::count(files.begin(), files.end(), file.string()));
}

std::size_t lock_files_of(pid_t pid) {
    const auto files = files_of(pid);
    return static_cast<std::size_t>(std::count_if(files.begin(), files.end(), [](const std::string& file) {
        const std::string end = ".lock";
        return file.size() > end.size() && file.compare(file.size() - end.size(), end.size(), end) == 0;
    }));
}

std::size_t inotify_instances_of(pid_t pid) {
    const auto files = files_of(pid);
    return static_cast<std::size_t>(std::count(files.begin(), files.end(), "anon_inode:inotify"));
}

/// Makes `w` have all kinds of descriptors that are kept while nothing is held.
void let_keep_all(worker& w, const temp_dir& dir) {
    worker other{dir};
    other.tell("acquire -1 x");
    w.let_wait("acquire -1 x");
    REQUIRE(gets_to_watch(w.pid()));
    other.tell("release");
    REQUIRE(w.read_line() == "ok");
    let_stand_in_line(other);
    w.tell("release");
    REQUIRE(other.read_line() == "ok");
    other.tell("release");
    REQUIRE(files_on(lock_file_in(dir), w.pid()) == 1);
    REQUIRE(inotify_instances_of(w.pid()) == 1);
}

/// Closes all descriptors of a worker that has kept all that it may, and gives their numbers to files of its own.
void let_take_numbers(worker& w, const temp_dir& dir, const std::string& how, int turn) {
    let_keep_all(w, dir);
    // The lock file, the inotify instance, and the sockets on which it sleeps and from which it calls.
    REQUIRE(std::stoi(w.tell("take_numbers " + how + std::to_string(turn) + " " + dir.path().string())) >= 4);
    REQUIRE(w.tell("own_files_changed") == "");
}

/// A stranger that rings a waiter's bell all the time.
class flood {
  public:
    explicit flood(nlock::detail::bell_address address, std::chrono::microseconds pause = 0us)
        : thread_{[this, address, pause] {
              const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
              const nlock::detail::socket_name name{address};
              while (!ended_) {
                  if (::sendto(socket, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL, name.get(), name.size()) == 1) {
                      ++sent_;
                      if (pause > 0us) std::this_thread::sleep_for(pause);
                  } else {
                      std::this_thread::yield();
                  }
              }
              ::close(socket);
          }} {}
    flood(const flood&) = delete;
    flood& operator=(const flood&) = delete;
    ~flood() { ended_ = true; }

    [[nodiscard]] long sent() const noexcept { return sent_; }

  private:
    std::atomic<bool> ended_{false};
    std::atomic<long> sent_{0};
    task<void> thread_;
};

/// Of this process.
std::vector<nlock::detail::bell_address> bells() {
    std::vector<nlock::detail::bell_address> found;
    for (const int number : open_descriptors()) {
        sockaddr_un name{};
        socklen_t size = sizeof name;
        const bool has_name = ::getsockname(number, reinterpret_cast<sockaddr*>(&name), &size) == 0;
        const std::string text{name.sun_path + 1};
        if (!has_name || name.sun_family != AF_UNIX || text.find("named_lock-") != 0) continue;
        found.push_back(std::stoull(text.substr(text.find('-') + 1), nullptr, 16));
    }
    return found;
}

std::vector<std::string> ways_to_leave() {
    return {
        "a time-out", "an error", "an error of the last attempt",
#if defined(__cpp_lib_jthread)
            "a stop request"
#endif
    };
}

std::vector<std::string> in_another_network() {
    if (std::system("unshare --net true 2>/dev/null") == 0) return {"unshare", "--net"};
    if (std::system("unshare --user --map-root-user --net true 2>/dev/null") == 0) {
        return {"unshare", "--user", "--map-root-user", "--net"};
    }
    return {};
}

}  // namespace

// ---- first come, first served ----

TEST_CASE("processes that wait are served in the order in which they came") {
    const std::string without = GENERATE("", "sockets");
    CAPTURE(without);
    if (!without.empty()) SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    worker holder{dir};
    std::list<worker> line;
    for (int i = 0; i < 4; ++i) line.push_back(deaf_worker(dir, without.empty() ? 0us : 1us));
    for (worker& w : line) {
        if (!without.empty() && w.ask("forbid " + without) != "ok") SKIP_TEST(cannot_forbid);
    }
    holder.tell("acquire -1 x");
    for (worker& w : line) let_stand_in_line(w);
    if (!without.empty()) {
        for (worker& w : line) REQUIRE(gets_to_watch(w.pid()));
    }
    CHECK(line.front().is_silent());
    holder.tell("release");
    for (std::size_t i = 0; i < line.size(); ++i) {
        REQUIRE(next_served(line) == i);
        at(line, i).tell("release");
    }
}

TEST_CASE("readers come in together, after the writers that came before them and before those that came after") {
    const std::string held = GENERATE("acquire", "acquire_shared");
    CAPTURE(held);
    temp_dir dir;
    worker holder{dir};
    holder.tell(held + " -1 x");
    const std::string writer = "acquire";
    const std::string reader = "acquire_shared";
    std::list<worker> line;
    for (const auto& how : {writer, writer, reader, reader, reader, writer, reader}) {
        line.push_back(deaf_worker(dir));
        let_stand_in_line(line.back(), how);
    }
    holder.tell("release");
    const std::vector<std::set<std::size_t>> turns{{0}, {1}, {2, 3, 4}, {5}, {6}};
    for (const auto& turn : turns) {
        std::set<std::size_t> served;
        while (served.size() < turn.size()) served.insert(next_served(line));
        REQUIRE(served == turn);
        if (turn.size() > 1) CHECK(at(line, *turn.rbegin() + 1).is_silent());
        for (const std::size_t i : turn) at(line, i).tell("release");
    }
}

TEST_CASE("the threads of a process queue in the line") {
    temp_dir dir;
    worker holder{dir};
    holder.tell("acquire -1 x");
    named_lock lock{"x", options_in(dir)};
    event inside;
    event may_leave;
    task first{[&] {
        const cut_net no_net;
        const auto hold = lock.acquire();
        inside.happen();
        return may_leave.wait();
    }};
    REQUIRE(gets_in_line(::getpid()));
    worker other = deaf_worker(dir);
    let_stand_in_line(other);
    event second_waits;
    auto options = options_in(dir);
    options.on_wait = [&](const nlock::lock_wait&) { second_waits.happen(); };
    task second{[&] {
        const cut_net no_net;
        return static_cast<bool>(named_lock{"x", options}.acquire());
    }};
    REQUIRE(second_waits.wait());
    holder.tell("release");
    REQUIRE(inside.wait());
    CHECK(other.is_silent());
    may_leave.happen();
    CHECK(first.get());
    CHECK(other.read_line() == "ok");
    CHECK(second.is_blocked());
    other.tell("release");
    CHECK(second.get());
}

TEST_CASE("a process that has just held the lock goes behind one that has waited") {
    temp_dir dir;
    worker waiter = deaf_worker(dir);
    auto options = options_in(dir);
    int waits = 0;
    options.on_wait = [&](const nlock::lock_wait&) {
        ++waits;
        waiter.kill(SIGCONT);
        REQUIRE(waiter.read_line() == "ok");
        waiter.tell("release");
    };
    named_lock lock{"x", options};
    bool was_quick = false;
    while (waits == 0 && !was_quick) {  // not for long it gives way, and a busy machine may take that long
        auto hold = lock.acquire();
        let_stand_in_line(waiter);
        CHECK(waiter.is_silent());
        stop(waiter);  // so that nobody but this process wants the lock when it is released
        const auto released = std::chrono::steady_clock::now();
        hold.release();
        hold = lock.acquire();
        was_quick = std::chrono::steady_clock::now() - released < nlock::detail::line_memory::slow;
        if (waits != 0) break;
        waiter.kill(SIGCONT);
        hold.release();
        REQUIRE(waiter.read_line() == "ok");
        waiter.tell("release");
    }
    CHECK(waits == 1);
}

// ---- between the attempts ----

TEST_CASE("a lock that was released right before its waiter stood in line is not missed") {
    temp_dir dir;
    const auto file = open_file(dir);
    named_lock lock{"x", options_in(dir)};
    int refusals = 0;
    task waiter{[&] {
        const cut_net no_net;
        instead_of_flock = [&](int fd, int operation) {
            if (operation == LOCK_UN || nlock::detail::look_at_line(file).shows_waiter()) {
                return static_cast<int>(::syscall(SYS_flock, fd, operation));
            }
            ++refusals;
            errno = EWOULDBLOCK;
            return -1;
        };
        return static_cast<bool>(lock.acquire());
    }};
    CHECK(waiter.get());
    CHECK(refusals > 0);
}

TEST_CASE("who gets in line right before the lock is released is called") {
    temp_dir dir;
    worker waiter = deaf_worker(dir);
    named_lock lock{"x", options_in(dir)};
    auto held = lock.acquire();
    bool sleeps = false;
    instead_of_flock = [&](int fd, int operation) {
        if (operation == LOCK_UN && !std::exchange(sleeps, true)) {
            waiter.let_wait("acquire -1 x");
            if (!gets_in_line(waiter.pid()) || !is_asleep(waiter)) std::abort();
        }
        return static_cast<int>(::syscall(SYS_flock, fd, operation));
    };
    held.release();
    instead_of_flock = nullptr;
    REQUIRE(sleeps);
    CHECK(waiter.read_line() == "ok");
}

TEST_CASE("who stands behind others makes an attempt at the deadline, although they have moved on") {
    SKIP_WITHOUT_INOTIFY();
    using nlock::detail::line_place;
    temp_dir dir;
    auto file = open_file(dir);
    const line_place first{100, 1us, lock_kind::exclusive};  // both have come before all others
    const line_place next{200, 2us, lock_kind::exclusive};
    REQUIRE(nlock::detail::stand_in_line(file, first));
    foreign_hold foreign{lock_file_in(dir)};
    named_lock lock{"x", options_in(dir)};
    bool has_moved_on = false;
    bool is_acquired = false;
    for (auto timeout = 100ms; !has_moved_on; timeout *= 2) {  // on a slow machine it may be over before it is in line
        is_acquired = in_another_thread([&] {
            before_sleeping = [&] {
                has_moved_on = true;
                foreign.release_unseen();
                if (!nlock::detail::stand_in_line(file, next) || !nlock::detail::leave_line(file, first)) std::abort();
            };
            return static_cast<bool>(lock.try_acquire(timeout));
        });
    }
    CHECK(is_acquired);
}

#if defined(__cpp_lib_jthread)
TEST_CASE("a stop request during an attempt of a waiter in line ends its wait") {
    temp_dir dir;
    const auto file = open_file(dir);
    const foreign_hold foreign{lock_file_in(dir)};
    named_lock lock{"x", options_in(dir)};
    std::stop_source stop;
    task waiter{[&] {
        const cut_net no_net;
        instead_of_flock = [&](int fd, int operation) {
            const auto result = static_cast<int>(::syscall(SYS_flock, fd, operation));
            const int reason = errno;
            if (nlock::detail::look_at_line(file).shows_waiter()) stop.request_stop();
            errno = reason;
            return result;
        };
        return static_cast<bool>(lock.try_acquire(stop.get_token(), 1h));
    }};
    CHECK_FALSE(waiter.get());
    CHECK(stop.stop_requested());
}
#endif

// ---- a line that is broken ----

TEST_CASE("there is a line only on file systems that are known to be local") {
    temp_dir dir;
    CHECK(nlock::detail::has_line(open_file(dir), nlock::lock_method::flock));
    const auto elsewhere = nlock::detail::open_lock_file("/proc/self/status");
    CHECK_FALSE(nlock::detail::has_line(elsewhere, nlock::lock_method::flock));
}

TEST_CASE("whatever the line lacks, whoever waits gets the lock") {
    const std::string holder_lacks = GENERATE("nothing", "sockets", "names", "ofd_locks");
    const std::string waiter_lacks = GENERATE("nothing", "sockets", "names", "ofd_locks");
    CAPTURE(holder_lacks, waiter_lacks);
    temp_dir dir;
    worker holder{dir};
    worker waiter{dir};
    if (holder_lacks != "nothing" && holder.ask("forbid " + holder_lacks) != "ok") SKIP_TEST(cannot_forbid);
    if (waiter_lacks != "nothing" && waiter.ask("forbid " + waiter_lacks) != "ok") SKIP_TEST(cannot_forbid);
    for (const char* how : {"acquire -1 x", "acquire 60000 x", "acquire_shared -1 x"}) {
        holder.tell("acquire -1 x");
        waiter.let_wait(how);
        CHECK(waiter.is_silent(10ms));
        holder.tell("release");
        CHECK(waiter.read_line() == "ok");
        CHECK(holder.ask("try x") == "busy");
        waiter.tell("release");
    }
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire 5 x");
    CHECK(split(waiter.read_line())[0] == "timeout");
}

TEST_CASE("a waiter without sockets is woken by the release itself") {
    SKIP_WITHOUT_INOTIFY();
    const bool waiter_lacks_them = GENERATE(true, false);  // else the holder
    const std::string what = GENERATE("sockets", "names");
    CAPTURE(waiter_lacks_them, what);
    temp_dir dir;
    worker holder{dir};
    // Who cannot be called watches before it sleeps for the first time.
    worker waiter = deaf_worker(dir, waiter_lacks_them ? 0us : 1us);
    if ((waiter_lacks_them ? waiter : holder).ask("forbid " + what) != "ok") SKIP_TEST(cannot_forbid);
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire -1 x");
    REQUIRE(gets_to_watch(waiter.pid()));
    CHECK(waiter.is_silent());
    holder.tell("release");
    CHECK(waiter.read_line() == "ok");
}

TEST_CASE("no increment is lost between processes whose lines are broken in different ways") {
    constexpr int times = 150;
    temp_dir dir;
    const auto file = dir.path() / "counter";
    std::list<worker> workers;
    for (const char* what : {"nothing", "sockets", "names", "ofd_locks", "nothing"}) {
        workers.emplace_back(dir);
        if (what != std::string{"nothing"} && workers.back().ask(std::string{"forbid "} + what) != "ok") {
            SKIP_TEST(cannot_forbid);
        }
    }
    for (worker& w : workers) w.write_line("count " + std::to_string(times) + " " + file.string() + " x");
    for (worker& w : workers) CHECK(w.read_line() == "ok");
    CHECK(counter_file{file}.value() == times * static_cast<long>(workers.size()));
}

TEST_CASE(
    "a waiter that may not mark the file, as another program has locked its whole range, is woken by the release") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    worker holder{dir};
    holder.tell("acquire -1 x");
    const foreign_hold whole_range{lock_file_in(dir), hold_kind::exclusive, nlock::lock_method::fcntl};
    std::list<worker> waiters;
    for (int i = 0; i < 2; ++i) {
        waiters.push_back(deaf_worker(dir, 10ms));
        waiters.back().let_wait("acquire -1 x");
        REQUIRE(gets_to_watch(waiters.back().pid()));
    }
    for (worker& w : waiters) CHECK(marks_of(w.pid()) == 0);
    CHECK(waiters.front().is_silent(long_while));
    holder.tell("release");
    const std::size_t first = next_served(waiters);
    CHECK(at(waiters, 1 - first).is_silent());
    at(waiters, first).tell("release");
    CHECK(next_served(waiters) == 1 - first);
}

TEST_CASE("a byte that is lost, or a mark of nobody, costs a waiter a poll") {
    temp_dir dir;
    worker holder{dir};
    worker waiter{dir};
    holder.tell("acquire -1 x");
    auto file = open_file(dir);
    const nlock::detail::bell never_looked_at;
    const bool has_bell = GENERATE(true, false);
    CAPTURE(has_bell);
    // Whom the release calls, and who has come before all others.
    REQUIRE(nlock::detail::stand_in_line(file, {has_bell ? never_looked_at.address() : 1, 1us, lock_kind::exclusive}));
    let_stand_in_line(waiter);
    holder.tell("release");
    CHECK(waiter.read_line() == "ok");
    waiter.tell("release");
    CHECK(holder.ask("acquire_shared 10000 x") != "");
}

TEST_CASE("a waiter that strangers flood with bytes rests, and gets the lock") {
    const auto pause = GENERATE(0us, 100us);  // from byte to byte
    CAPTURE(pause.count());
    temp_dir dir;
    worker holder{dir};
    worker waiter = deaf_worker(dir, pause);  // which looks again, between the bytes
    holder.tell("acquire -1 x");
    const auto file = open_file(dir);
    let_stand_in_line(waiter);
    CHECK(waiter.is_silent(10ms));  // for a wait that has lasted
    const auto start = std::chrono::steady_clock::now();
    {
        const flood bytes{nlock::detail::look_at_line(file).place.address, pause};
        REQUIRE(becomes_true([&] { return bytes.sent() > 100; }));
        CHECK(waiter.is_silent(long_while));
        holder.tell("release");
        CHECK(waiter.read_line() == "ok");
    }
    // It rests for 8 ms after each 8 bytes in vain; twice that may come of the beginning and of a slow machine.
    const std::chrono::milliseconds::rep most =
        2 * std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count() + 32;
    CHECK(std::stol(waiter.tell("net_cuts")) <= most);
}

TEST_CASE("a thread that strangers flood with bytes while it waits for its turn rests, and gets the lock") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    auto hold = lock.acquire();
    task front{[&] { return static_cast<bool>(lock.acquire()); }};
    REQUIRE(gets_in_line(::getpid()));
    const nlock::cancellation stop;
    task queued{[&] {
        const cut_net cut;
        return static_cast<bool>(lock.acquire(stop));
    }};
    REQUIRE(becomes_true([&] { return net_cuts > 0; }));
    CHECK(queued.is_blocked(10ms));  // for a wait that has lasted
    const long cuts_before = net_cuts;
    const auto start = std::chrono::steady_clock::now();
    {
        std::list<flood> bytes;
        for (const auto address : bells()) bytes.emplace_back(address);
        REQUIRE(bytes.size() >= 2);
        for (const flood& f : bytes) REQUIRE(becomes_true([&] { return f.sent() > 100; }));
        CHECK(queued.is_blocked(long_while));
        hold.release();
        CHECK(queued.get());
        CHECK(front.get());
    }
    const std::chrono::milliseconds::rep most =
        2 * std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count() + 32;
    CHECK(net_cuts - cuts_before <= most);
}

// ---- waiters out of reach ----

TEST_CASE("a waiter in another network namespace gets its turn at the release") {
    SKIP_WITHOUT_INOTIFY();
    const auto elsewhere = in_another_network();
    if (elsewhere.empty()) SKIP_TEST("this user may not create a network namespace");
    const bool first_is_elsewhere = GENERATE(true, false);
    CAPTURE(first_is_elsewhere);
    temp_dir dir;
    worker holder{dir};
    std::list<worker> line;
    for (int i = 0; i < 3; ++i) {
        const bool is_elsewhere = (i % 2 == 0) == first_is_elsewhere;
        line.push_back(deaf_worker(dir, 1us, is_elsewhere ? elsewhere : std::vector<std::string>{}));
    }
    holder.tell("acquire -1 x");
    for (worker& w : line) {
        let_stand_in_line(w);
        REQUIRE(gets_to_watch(w.pid()));
    }
    holder.tell("release");
    for (std::size_t i = 0; i < line.size(); ++i) {
        REQUIRE(next_served(line) == i);
        at(line, i).tell("release");
    }
}

TEST_CASE("readers of several network namespaces come in together") {
    SKIP_WITHOUT_INOTIFY();
    const auto elsewhere = in_another_network();
    if (elsewhere.empty()) SKIP_TEST("this user may not create a network namespace");
    temp_dir dir;
    worker holder{dir};
    std::list<worker> readers;
    for (int i = 0; i < 3; ++i) {
        readers.push_back(deaf_worker(dir, 1us, i == 1 ? elsewhere : std::vector<std::string>{}));
    }
    holder.tell("acquire -1 x");
    for (worker& w : readers) {
        let_stand_in_line(w, "acquire_shared");
        REQUIRE(gets_to_watch(w.pid()));
    }
    holder.tell("release");
    for (worker& w : readers) CHECK(w.read_line() == "ok");
}

TEST_CASE("who could not call a waiter watches at once when it waits itself, as it may not be called either") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    worker holder{dir};
    worker waiter = deaf_worker(dir);
    if (holder.ask("forbid sockets") != "ok") SKIP_TEST(cannot_forbid);
    auto file = open_file(dir);
    const nlock::detail::line_place nobody{1, 1us, lock_kind::exclusive};
    waiter.tell("acquire -1 x");
    REQUIRE(nlock::detail::stand_in_line(file, nobody));
    waiter.tell("release");
    REQUIRE(nlock::detail::leave_line(file, nobody));
    holder.tell("acquire -1 x");
    waiter.let_wait("acquire -1 x");
    REQUIRE(gets_to_watch(waiter.pid()));
    holder.tell("release");
    CHECK(waiter.read_line() == "ok");
}

TEST_CASE("who could not call one waiter counts as out of reach for a while, though it can call others") {
    temp_dir dir;
    auto theirs = open_file(dir);
    const auto ours = open_file(dir);
    const nlock::detail::bell bell;
    if (bell.address() == nlock::detail::no_address) SKIP_TEST("no sockets here");
    const auto calls = [&](nlock::detail::line_memory& memory, nlock::detail::bell_address address) {
        const nlock::detail::line_place place{address, 1us, lock_kind::exclusive};
        REQUIRE(nlock::detail::stand_in_line(theirs, place));
        const bool told = memory.call(nlock::detail::look_at_line(ours), ours, 1h).is_told;
        REQUIRE(nlock::detail::leave_line(theirs, place));
        return told;
    };
    nlock::detail::line_memory memory;
    CHECK(calls(memory, bell.address()));
    CHECK_FALSE(memory.is_out_of_reach(1h));
    CHECK_FALSE(calls(memory, 1));
    CHECK(calls(memory, bell.address()));
    CHECK(memory.is_out_of_reach(1h));
    CHECK_FALSE(memory.is_out_of_reach(2h));
}

TEST_CASE("a waiter whose queue of bytes is full has been told") {
    temp_dir dir;
    worker holder{dir};
    worker waiter = deaf_worker(dir);
    holder.tell("acquire -1 x");
    const auto file = open_file(dir);
    let_stand_in_line(waiter);
    stop(waiter);
    for (int i = 0; i < 1000; ++i) CHECK(nlock::detail::call_first(file, lock_kind::exclusive));
    holder.tell("release");
    waiter.kill(SIGCONT);
    CHECK(waiter.read_line() == "ok");
}

TEST_CASE("stopped processes at the head of the line do not hold up the others, and get their turns when they go on") {
    const int count = GENERATE(1, 3);
    CAPTURE(count);
    temp_dir dir;
    worker holder = deaf_worker(dir);
    std::list<worker> heads;
    std::list<worker> others;
    holder.tell("acquire -1 x");
    for (int i = 0; i < count; ++i) let_stand_in_line(heads.emplace_back(deaf_worker(dir)));
    for (int i = 0; i < 2; ++i) let_stand_in_line(others.emplace_back(deaf_worker(dir)));
    for (worker& w : heads) stop(w);
    holder.tell("release");
    for (int i = 0; i < count; ++i) {
        holder.tell("try x");
        CHECK(others.front().is_silent());
        holder.tell("release");  // which has called the first ones in vain before, and so calls the next one as well
    }
    CHECK(next_served(others) == 0);
    CHECK(others.back().is_silent());
    for (worker& w : heads) w.kill(SIGCONT);
    for (worker& w : heads) CHECK(w.is_silent());
    others.front().tell("release");
    for (int i = 0; i < count; ++i) at(heads, next_served(heads)).tell("release");
    CHECK(next_served(others) == 1);
}

TEST_CASE("behind a stopped process at the head of the line a waiter that nobody calls gets the lock by polling") {
    temp_dir dir;
    worker holder{dir};
    worker head{dir};
    std::list<worker> others;
    holder.tell("acquire -1 x");
    let_stand_in_line(head);
    for (int i = 0; i < 3; ++i) let_stand_in_line(others.emplace_back(dir));
    stop(head);
    holder.tell("release");
    for (std::size_t i = 0; i < others.size(); ++i) at(others, next_served(others)).tell("release");
    head.kill(SIGCONT);
    CHECK(head.read_line() == "ok");
}

TEST_CASE("a waiter whose name is taken takes another") {
    int attempts = 0;
    instead_of_bind = [&](int) {
        if (++attempts == 3) instead_of_bind = nullptr;
        errno = EADDRINUSE;
        return -1;
    };
    const nlock::detail::bell bell;
    instead_of_bind = nullptr;
    CHECK(attempts == 3);
    REQUIRE(bell.address() != nlock::detail::no_address);
    CHECK(nlock::detail::process_voice.value.call(bell.address()));
    char byte = 1;
    CHECK(::recv(bell.fd(), &byte, 1, MSG_DONTWAIT) == 1);
}

// ---- nobody gives the turn away ----

TEST_CASE("who leaves the head of the line passes the turn on to the next at once") {
    const std::string leaves_by = GENERATE(from_range(ways_to_leave()));
    const bool next_is_elsewhere = GENERATE(false, true);
    CAPTURE(leaves_by, next_is_elsewhere);
    const auto elsewhere = in_another_network();
    if (next_is_elsewhere && elsewhere.empty()) SKIP_TEST("this user may not create a network namespace");
    if (next_is_elsewhere) SKIP_WITHOUT_INOTIFY();
    const bool at_its_end = leaves_by == "a time-out" || leaves_by == "an error of the last attempt";
    temp_dir dir;
    worker holder{dir};
    holder.tell("acquire -1 x");
    worker next = next_is_elsewhere ? deaf_worker(dir, 1us, elsewhere) : deaf_worker(dir);
    const auto file = open_file(dir);
    named_lock lock{"x", options_in(dir)};
#if defined(__cpp_lib_jthread)
    std::stop_source stop;
#endif
    bool was_called = false;
    const auto head = [&](std::chrono::milliseconds timeout) -> std::string {
        const auto end = std::chrono::steady_clock::now() + timeout;
        bool next_waits = false;
        // In line, each time that it is refused: what may happen before it does the next step.
        const auto after_refusal = [&](int reason) {
            if (!std::exchange(next_waits, true)) {
                next.let_wait("acquire -1 x");
                if (!gets_in_line(next.pid()) || (next_is_elsewhere && !gets_to_watch(next.pid()))) std::abort();
            }
            if (at_its_end && std::chrono::steady_clock::now() < end) {
                std::this_thread::sleep_until(end + 2ms);  // so that the next attempt is the last one
                return reason;
            }
#if defined(__cpp_lib_jthread)
            if (leaves_by == "a stop request") stop.request_stop();
#endif
            holder.tell("release");  // which calls this thread
            was_called = true;
            instead_of_flock = nullptr;
            return leaves_by == "an error" || leaves_by == "an error of the last attempt" ? ENOLCK : reason;
        };
        instead_of_flock = [&](int fd, int operation) {
            const auto result = static_cast<int>(::syscall(SYS_flock, fd, operation));
            if (result == 0 || !nlock::detail::look_at_line(file).shows_waiter()) return result;
            errno = after_refusal(errno);
            return -1;
        };
        try {
#if defined(__cpp_lib_jthread)
            if (leaves_by == "a stop request") return lock.try_acquire(stop.get_token(), 1h) ? "ok" : leaves_by;
#endif
            return lock.try_acquire(at_its_end ? timeout : 1h) ? "ok" : "a time-out";
        } catch (const nlock::lock_error& e) {
            return e.code() == std::errc::no_lock_available ? leaves_by : e.what();
        }
    };
    std::string outcome;
    auto timeout = 100ms;
    while (!was_called) {  // on a slow machine the time may be over before it is in line
        outcome = in_another_thread([&] { return head(timeout); });
        timeout *= 2;
    }
    // Or in the moment in which it gets there, and then there is another attempt.
    if (!at_its_end || outcome != "ok") CHECK(outcome == leaves_by);
    CHECK(next.read_line() == "ok");
}

TEST_CASE("when the head of the line is killed the next one takes the turn") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    worker holder{dir};
    worker head{dir};
    worker next = deaf_worker(dir, 10ms);
    holder.tell("acquire -1 x");
    let_stand_in_line(head);
    let_stand_in_line(next);
    REQUIRE(gets_to_watch(next.pid()));
    stop(head);
    CHECK(next.is_silent(long_while));
    holder.tell("release");  // calls the head
    CHECK(next.is_silent());
    head.crash();
    CHECK(next.read_line() == "ok");
}

// ---- who is told as a holder ----

TEST_CASE("who waits is never told as a holder") {
    temp_dir dir;
    worker holder{dir};
    worker writer{dir};
    worker reader{dir};
    holder.tell("acquire_shared -1 x");
    let_stand_in_line(writer);
    let_stand_in_line(reader, "acquire_shared");
    auto options = options_in(dir);
    options.method = GENERATE(nlock::lock_method::flock, nlock::lock_method::fcntl);
    const named_lock lock{"x", options};
    const auto holders = lock.holders();
    if (options.method == nlock::lock_method::fcntl) {
        CHECK(holders.empty());
    } else {
        REQUIRE(holders.size() == 1);
        CHECK(holders[0].pid == holder.pid());
    }
    stop(writer);
    stop(reader);
    holder.tell("release");
    CHECK(marks_of(writer.pid()) == 1);
    CHECK(marks_of(reader.pid()) == 1);
    CHECK(lock.holders().empty());
}

// ---- the file that stays open ----

TEST_CASE("the lock file stays open between acquisitions, unless it may not") {
    const bool keep_open = GENERATE(true, false);
    const std::string how = GENERATE("acquire -1 x", "acquire_shared -1 x", "try x");
    CAPTURE(keep_open, how);
    temp_dir dir;
    worker w{dir};
    if (!keep_open) w.tell("keep_open 0");
    const std::size_t when_idle = keep_open ? 1 : 0;
    for (int i = 0; i < 3; ++i) {
        w.tell(how);
        CHECK(files_on(lock_file_in(dir), w.pid()) == 1);
        w.tell("release");
        CHECK(files_on(lock_file_in(dir), w.pid()) == when_idle);
    }
    const foreign_hold foreign{lock_file_in(dir)};
    CHECK(w.ask("try x") == "busy");
    CHECK(files_on(lock_file_in(dir), w.pid()) == when_idle);
    w.let_wait("acquire 5 x");
    CHECK(split(w.read_line())[0] == "timeout");
    CHECK(files_on(lock_file_in(dir), w.pid()) == when_idle);
}

TEST_CASE("the lock file does not stay open while on_wait is called, unless it may") {
    temp_dir dir;
    const foreign_hold foreign{lock_file_in(dir)};
    const std::size_t others = files_on(lock_file_in(dir), ::getpid());
    auto options = options_in(dir);
    options.keep_open = GENERATE(true, false);
    CAPTURE(options.keep_open);
    std::size_t files = 0;
    options.on_wait = [&](const nlock::lock_wait&) { files = files_on(lock_file_in(dir), ::getpid()); };
    CHECK_FALSE(named_lock{"x", options}.try_acquire(5ms));
    CHECK(files == others + (options.keep_open ? 1 : 0));
}

TEST_CASE("the lock file does not stay open where its closing is all that others hear, or a later one looks the same") {
    const std::string why = GENERATE("method fcntl", "forbid brands");
    CAPTURE(why);
    temp_dir dir;
    worker w{dir};
    if (w.ask(why) != "ok") SKIP_TEST(cannot_forbid);
    w.tell("acquire -1 x");
    w.tell("release");
    CHECK(files_on(lock_file_in(dir), w.pid()) == 0);
    const auto method = why == "method fcntl" ? nlock::lock_method::fcntl : nlock::lock_method::flock;
    const foreign_hold foreign{lock_file_in(dir), hold_kind::exclusive, method};
    CHECK(w.ask("try x") == "busy");
    CHECK(files_on(lock_file_in(dir), w.pid()) == 0);
}

TEST_CASE("of many lock files the latest ones stay open, and none of which no object is left but the very latest") {
    constexpr std::size_t most = 16;
    temp_dir dir;
    worker w{dir};
    for (int i = 0; i < 100; ++i) {
        w.tell("acquire -1 n" + std::to_string(i));
        w.tell("release");
        REQUIRE(lock_files_of(w.pid()) <= most);
    }
    CHECK(lock_files_of(w.pid()) == most);
    CHECK(files_on(dir.path() / "n99.lock", w.pid()) == 1);
    CHECK(files_on(dir.path() / "n84.lock", w.pid()) == 1);
    w.tell("poll 50");  // it forgets its objects
    CHECK(lock_files_of(w.pid()) <= 1);
    for (int i = 0; i < 20; ++i) {
        w.tell("acquire -1 n" + std::to_string(i));
        w.tell("release");
        w.tell("poll 50");
        REQUIRE(lock_files_of(w.pid()) <= 1);
    }
}

TEST_CASE("a file that was left open is the lock only while the path names it") {
    const std::string what = GENERATE("deleted", "renamed", "replaced", "renamed with its directory");
    const bool is_held = GENERATE(true, false);  // the old file, by another program
    CAPTURE(what, is_held);
    temp_dir dir;
    const fs::path locks = dir.path() / "locks";
    const fs::path file = locks / "x.lock";
    worker w{locks};
    w.tell("acquire -1 x");
    w.tell("release");
    std::list<foreign_hold> foreign;
    if (is_held) foreign.emplace_back(file);
    if (what == "deleted") fs::remove(file);
    if (what == "renamed") fs::rename(file, locks / "y.lock");
    if (what == "renamed with its directory") fs::rename(locks, dir.path() / "elsewhere");
    if (what == "replaced") {
        const foreign_hold other{locks / "new.lock"};
        fs::rename(locks / "new.lock", file);
    }
    CHECK(w.ask("try x") == "ok");
    REQUIRE(fs::exists(file));
    CHECK_FALSE(foreign_hold::is_possible(file, hold_kind::shared));
    w.tell("release");
    CHECK(foreign_hold::is_possible(file, hold_kind::exclusive));
    CHECK(files_on(file, w.pid()) == 1);
    CHECK(lock_files_of(w.pid()) == 1);

    fs::remove(file);
    const foreign_hold newer{file};
    CHECK(w.ask("try x") == "busy");
    w.let_wait("acquire 5 x");
    CHECK(split(w.read_line())[0] == "timeout");
}

TEST_CASE("who stands in the line of the new file is woken by its process though others stand in that of the old one") {
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    auto hold = lock.acquire();
    auto old_file = open_file(dir);
    task waiter{[&] {
        const cut_net cut{net_when_watching};
        return static_cast<bool>(lock.acquire());
    }};
    REQUIRE(gets_to_watch(::getpid()));
    REQUIRE(becomes_true([&] { return net_cuts > 0; }));
    const long cuts_before = net_cuts;
    ::close(::open((dir.path() / "new").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    fs::rename(dir.path() / "new", lock_file_in(dir));
    const auto new_file = open_file(dir);
    REQUIRE(becomes_true([&] { return nlock::detail::look_at_line(new_file).shows_waiter() && net_cuts > cuts_before; }));
    const nlock::detail::bell of_another;
    REQUIRE(nlock::detail::stand_in_line(old_file, {of_another.address(), 1us, lock_kind::exclusive}));
    hold.release();
    CHECK(waiter.get());
}

TEST_CASE("a program that closes all descriptors finds its own files untouched, and the lock works") {
    SKIP_WITHOUT_INOTIFY();
    const std::string how = GENERATE("closed ", "replaced ");
    const int turn = GENERATE(0, 1, 2);
    CAPTURE(how, turn);
    temp_dir dir;
    worker w{dir};
    let_take_numbers(w, dir, how, turn);

    CHECK(w.ask("try x") == "ok");
    CHECK_FALSE(foreign_hold::is_possible(lock_file_in(dir), hold_kind::shared));
    w.tell("release");
    CHECK(foreign_hold::is_possible(lock_file_in(dir), hold_kind::exclusive));
    CHECK(w.tell("own_files_changed") == "");
    let_keep_all(w, dir);
    CHECK(w.tell("own_files_changed") == "");
    w.tell("poll 50");  // its objects go
    CHECK(w.tell("own_files_changed") == "");
}

TEST_CASE("a program that closes all descriptors and forks finds its own files untouched, and the lock works") {
    SKIP_WITHOUT_INOTIFY();
    SKIP_UNDER_QEMU();
    const std::string how = GENERATE("closed ", "replaced ");
    const int turn = GENERATE(0, 1, 2);
    CAPTURE(how, turn);
    temp_dir dir;
    worker w{dir};
    let_take_numbers(w, dir, how, turn);

    w.tell("fork");
    CHECK(w.tell("own_files_changed") == "");
    CHECK(w.ask("try x") == "ok");
    CHECK_FALSE(foreign_hold::is_possible(lock_file_in(dir), hold_kind::shared));
    w.tell("release");
    CHECK(w.tell("own_files_changed") == "");
    w.write_line("exit");
    CHECK(w.read_line() == "child\t0");
    CHECK(w.tell("own_files_changed") == "");
    CHECK(w.ask("try x") == "ok");
    w.tell("release");
    CHECK(w.tell("own_files_changed") == "");
}

TEST_CASE("a program that closes all descriptors while it holds the lock finds its own files untouched") {
    const std::string how = GENERATE("closed ", "replaced ");
    const int turn = GENERATE(0, 1, 2);
    CAPTURE(how, turn);
    temp_dir dir;
    worker w{dir};
    w.tell("acquire -1 x");
    w.tell("take_numbers " + how + std::to_string(turn) + " " + dir.path().string());
    w.tell("release");
    CHECK(w.tell("own_files_changed") == "");
    CHECK(w.ask("try x") == "ok");
    CHECK_FALSE(foreign_hold::is_possible(lock_file_in(dir), hold_kind::shared));
    w.tell("release");
    CHECK(w.tell("own_files_changed") == "");
}

TEST_CASE("a program that closes the descriptors of a thread that waits finds its own files untouched") {
    SKIP_WITHOUT_INOTIFY();
    if (under_thread_sanitizer) SKIP_TEST("it reports a descriptor that is closed beside its use");
    const int turn = GENERATE(0, 1, 2);
    CAPTURE(turn);
    temp_dir dir;
    worker holder{dir};
    holder.tell("acquire -1 x");
    named_lock lock{"x", dir.path()};
    task waiter{[&] { return static_cast<bool>(lock.acquire()); }};
    REQUIRE(gets_in_line(::getpid()));
    REQUIRE(gets_to_watch(::getpid()));
    std::vector<int> numbers;  // the lock file, the inotify instance, and what it sleeps on
    for (const int number : open_descriptors()) {
        const std::string file = fs::read_symlink("/proc/self/fd/" + std::to_string(number)).string();
        const bool is_socket = file.compare(0, 7, "socket:") == 0;
        if (is_socket || file == "anon_inode:inotify" || file == lock.path()) numbers.push_back(number);
    }
    REQUIRE(numbers.size() == 3);
    own_files own;
    own.replace(numbers, dir.path().string(), turn);
    CHECK(waiter.is_blocked());
    CHECK(own.changes() == "");
    holder.tell("release");
    CHECK(waiter.get());
    CHECK(own.changes() == "");
    CHECK(lock.try_acquire());
    CHECK(own.changes() == "");
}

TEST_CASE("a waiter whose process has lost its inotify instance hears of it from the next one that watches") {
    SKIP_WITHOUT_INOTIFY();
    if (under_thread_sanitizer) SKIP_TEST("it reports a descriptor that is closed beside its use");
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    named_lock other{"other", options_in(dir)};
    foreign_hold foreign{lock};
    const foreign_hold foreign_other{other};
    task waiter{[&] {
        const cut_net cut{net_but_quick_attempts};
        return static_cast<bool>(lock.acquire());
    }};
    REQUIRE(gets_to_watch(::getpid()));
    REQUIRE(becomes_true([&] { return net_cuts > 0; }));
    const long cuts_before = net_cuts;
    ::close(::open(lock.path().c_str(), O_RDWR | O_CLOEXEC));  // it takes events, and sleeps again
    REQUIRE(becomes_true([&] { return net_cuts > cuts_before; }));
    for (const int number : open_descriptors()) {
        const std::string file = fs::read_symlink("/proc/self/fd/" + std::to_string(number)).string();
        if (file == "anon_inode:inotify") ::close(number);
    }
    CHECK_FALSE(other.try_acquire(100ms));
    CHECK(watches_of(::getpid()) == 1);
    foreign.release();
    CHECK(waiter.get());
}

TEST_CASE("a program that locks the file itself, under the number that it had here, is not mistaken for the lock") {
    temp_dir dir;
    worker w{dir};
    w.tell("acquire -1 x");
    w.tell("release");
    w.tell("lock_itself " + lock_file_in(dir).string());
    CHECK(w.ask("try x") == "busy");
    CHECK_FALSE(foreign_hold::is_possible(lock_file_in(dir), hold_kind::shared));
    w.tell("poll 50");
    CHECK_FALSE(foreign_hold::is_possible(lock_file_in(dir), hold_kind::shared));
}

// ---- fork ----

TEST_CASE("a forked child ends none of its parent's marks and wakes nobody") {
    SKIP_UNDER_QEMU();
    temp_dir dir;
    worker holder{dir};
    holder.tell("acquire -1 x");
    worker parent{dir};
    parent.tell("keep_open 1");
    CHECK(parent.ask("try x") == "busy");
    REQUIRE(files_on(lock_file_in(dir), parent.pid()) == 1);
    const auto child = static_cast<pid_t>(std::stol(parent.tell("fork_silent")));
    CHECK(becomes_true([&] { return files_on(lock_file_in(dir), child) == 0; }));
    let_stand_in_line(parent);
    ::kill(child, SIGKILL);
    CHECK(parent.is_silent());
    CHECK(marks_of(parent.pid()) == 1);
    holder.tell("release");
    CHECK(parent.read_line() == "ok");
}

TEST_CASE("a mark ends with its process, though a child of it lives on") {
    SKIP_UNDER_QEMU();
    temp_dir dir;
    worker holder{dir};
    holder.tell("acquire -1 x");
    worker parent{dir};
    CHECK(parent.ask("try x") == "busy");  // the file stays open
    const auto child = static_cast<pid_t>(std::stol(parent.tell("fork_silent")));
    let_stand_in_line(parent);
    const auto file = open_file(dir);
    CHECK(nlock::detail::look_at_line(file).shows_waiter());
    parent.crash();
    CHECK(becomes_true([&] { return !nlock::detail::look_at_line(file).shows_waiter(); }));
    CHECK(::kill(child, 0) == 0);
    ::kill(child, SIGKILL);
}

TEST_CASE("a forked child stands in line and calls others like any process") {
    SKIP_UNDER_QEMU();
    SKIP_WITHOUT_INOTIFY();
    temp_dir dir;
    worker w{dir};
    let_keep_all(w, dir);
    w.tell("poll 60000");
    w.tell("cut_net 0");
    const auto child = static_cast<pid_t>(std::stol(w.tell("fork")));
    worker other = deaf_worker(dir);
    for (int i = 0; i < 2; ++i) {
        other.tell("acquire -1 x");
        w.let_wait("acquire -1 x");
        REQUIRE(gets_in_line(child));
        other.tell("release");
        CHECK(w.read_line() == "ok");
        let_stand_in_line(other);
        w.tell("release");
        CHECK(other.read_line() == "ok");
        other.tell("release");
    }
    CHECK(files_on(lock_file_in(dir), w.pid()) == 1);  // the parent's
    w.write_line("exit");
    CHECK(w.read_line() == "child\t0");
    other.tell("acquire -1 x");
    let_stand_in_line(w);
    other.tell("release");
    CHECK(w.read_line() == "ok");
}

// ---- readers and writers ----

TEST_CASE("a writer gets in beside readers that overlap in other processes") {
    temp_dir dir;
    worker first_reader{dir};
    worker second_reader = deaf_worker(dir);
    worker outsider{dir};
    worker writer = deaf_worker(dir);
    first_reader.tell("acquire_shared -1 x");
    CHECK(outsider.ask("try_shared x") == "ok");
    outsider.tell("release");
    let_stand_in_line(writer);
    CHECK(outsider.ask("try_shared x") == "busy");
    let_stand_in_line(second_reader, "acquire_shared");
    CHECK(second_reader.is_silent());
    first_reader.tell("release");
    CHECK(writer.read_line() == "ok");
    CHECK(second_reader.is_silent());
    writer.tell("release");
    CHECK(second_reader.read_line() == "ok");
}

TEST_CASE("a writer gets in beside readers that overlap in threads of another process") {
    temp_dir dir;
    auto options = options_in(dir);
    options.courtesy = 1min;
    named_lock lock{"x", options};
    worker writer = deaf_worker(dir);
    auto first_reader = in_another_thread([&] { return lock.acquire_shared(); });
    let_stand_in_line(writer);
    CHECK_FALSE(in_another_thread([&] { return static_cast<bool>(lock.try_acquire_shared()); }));
    first_reader.release();
    CHECK(writer.read_line() == "ok");
}

TEST_CASE("a writer that may only read the file gets in beside readers that overlap") {
    temp_dir dir;
    worker first_reader{dir};
    worker second_reader = deaf_worker(dir);
    worker writer = deaf_worker(dir);
    first_reader.tell("acquire_shared -1 x");
    fs::permissions(dir.path(), fs::perms{0755});
    fs::permissions(lock_file_in(dir), fs::perms{0444});
    if (::geteuid() == 0) writer.tell("as_user 65534");
    let_stand_in_line(writer);
    let_stand_in_line(second_reader, "acquire_shared");
    first_reader.tell("release");
    CHECK(writer.read_line() == "ok");
    CHECK(second_reader.is_silent());
    writer.tell("release");
    CHECK(second_reader.read_line() == "ok");
}

TEST_CASE("a reader gives way to a writer for as long as its courtesy says") {
    CHECK(nlock::lock_options{}.courtesy == 2s);
    temp_dir dir;
    worker first_reader{dir};
    worker writer = deaf_worker(dir);
    worker reader{dir};
    first_reader.tell("acquire_shared -1 x");
    let_stand_in_line(writer);
    SECTION("not at all") {
        reader.tell("courtesy 0");
        CHECK(reader.ask("acquire_shared -1 x") == "ok");
        reader.tell("release");
        CHECK(reader.ask("try_shared x") == "ok");
    }
    SECTION("a while") {
        reader.tell("courtesy 100");
        CHECK(reader.ask("try_shared x") == "busy");
        reader.let_wait("acquire_shared -1 x");
        CHECK(reader.read_line() == "ok");
    }
    SECTION("longer than its time-out") {
        reader.let_wait("acquire_shared 50 x");
        CHECK(split(reader.read_line())[0] == "timeout");
        CHECK(reader.ask("try_shared x") == "busy");
    }
    CHECK(writer.is_silent());
    reader.crash();
    first_reader.tell("release");
    CHECK(writer.read_line() == "ok");
}

TEST_CASE("a reader that tries again and again lets a writer in that waits, where the lock is free as well") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    bool has_given_way = false;
    for (int i = 0; i < 100 && !has_given_way; ++i) {  // what comes too late for it, on a busy machine, does not
        auto reads = lock.acquire_shared();
        worker writer{dir};
        let_stand_in_line(writer);
        REQUIRE(becomes_true([&] { return lock.waiters().at(0).waited > 2ms; }));
        stop(writer);  // or it might have the lock first
        reads.release();
        has_given_way = !lock.try_acquire_shared();
        CHECK(lock.try_acquire_shared());  // once: it may not come
        writer.kill(SIGCONT);
        CHECK(writer.read_line() == "ok");
    }
    CHECK(has_given_way);
}

TEST_CASE("a single attempt of a reader goes past a writer of its process only before its turn, or without courtesy") {
    using namespace nlock::detail;
    nlock::detail::lock_state state{"/x.lock"};
    const nlock::lock_options options;
    const auto asked = [&](lock_kind kind, std::chrono::nanoseconds timeout) {
        return request{kind, given_up_by::guard, timeout, options, no_thread, nullptr, false};
    };
    const request reads = asked(lock_kind::shared, 0ns);
    const request writes = asked(lock_kind::exclusive, 0ns);
    const request waits = asked(lock_kind::exclusive, nlock::forever);
    CHECK(state.may_overtake(reads, true));
    waiter front{waits, std::chrono::steady_clock::now() - 1h, nullptr};
    state.enqueue(front);
    CHECK_FALSE(state.may_overtake(reads, true));
    CHECK(state.may_overtake(reads, false));
    CHECK(state.may_overtake(writes, false));
    CHECK_FALSE(state.may_overtake(waits, false));
    state.leave_queue(front);
    waiter just_now{waits, std::chrono::steady_clock::now() + 1h, nullptr};
    state.enqueue(just_now);
    CHECK(state.may_overtake(reads, true));
    CHECK(state.may_overtake(waits, false));
}

TEST_CASE("a stopped writer costs readers nothing where nobody holds the lock") {
    temp_dir dir;
    worker holder{dir};
    worker writer{dir};
    worker reader = deaf_worker(dir);
    holder.tell("acquire_shared -1 x");
    let_stand_in_line(writer);
    stop(writer);
    holder.tell("release");
    CHECK(reader.ask("acquire_shared -1 x") == "ok");
    CHECK(reader.ask("release") == "ok");
    CHECK(reader.is_silent());  // long enough for it to see that the writer does not come
    CHECK(reader.ask("try_shared x") == "ok");
    CHECK(reader.ask("release") == "ok");
    for (int i = 0; i < 10; ++i) {
        REQUIRE(reader.ask("acquire_shared -1 x") == "ok");
        reader.tell("release");
    }
    writer.kill(SIGCONT);
    CHECK(writer.read_line() == "ok");
}

TEST_CASE("another program's lock of the whole range is no writer that waits") {
    temp_dir dir;
    worker first{dir};
    worker second{dir};
    first.tell("acquire -1 x");
    first.tell("release");
    const foreign_hold whole_range{lock_file_in(dir), hold_kind::exclusive, nlock::lock_method::fcntl};
    CHECK(first.ask("acquire_shared -1 x") == "ok");
    CHECK(second.ask("acquire_shared -1 x") == "ok");
    CHECK(second.ask("release") == "ok");
    CHECK(second.ask("try_shared x") == "ok");
}

// ---- what the system does not report, and what it has few of ----

TEST_CASE("that a holder unlocks and stays open is noticed late by a part of the time waited") {
    temp_dir dir;
    worker waiter{dir};
    waiter.tell("poll 60000");
    constexpr std::chrono::milliseconds waited{600};
    foreign_hold foreign{lock_file_in(dir)};
    waiter.let_wait("acquire -1 x");
    CHECK(waiter.is_silent(waited));
    foreign.release_unseen();
    CHECK_FALSE(waiter.is_silent(waited));
    CHECK(waiter.read_line() == "ok");
}

TEST_CASE("hundreds of waits at once use few inotify instances and few descriptors afterwards") {
    SKIP_WITHOUT_INOTIFY();
    constexpr int waits = 300;
    constexpr rlim_t needed = 1000;
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_max < needed) SKIP_TEST("this user may not have so many descriptors");
    limit.rlim_cur = (std::max)(limit.rlim_cur, needed);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    temp_dir dir;
    worker holder{dir};
    for (int i = 0; i < waits; ++i) holder.tell("acquire -1 w" + std::to_string(i));
    const auto before = files_of(::getpid()).size();
    std::list<task<bool>> threads;
    for (int i = 0; i < waits; ++i) {
        threads.emplace_back([&dir, i] {
            return static_cast<bool>(named_lock{"w" + std::to_string(i), options_in(dir)}.acquire());
        });
    }
    const bool all_watch = becomes_true([] { return watches_of(::getpid()) == waits; });
    CHECK(all_watch);
    CHECK(inotify_instances_of(::getpid()) <= 16);
    holder.crash();
    for (auto& thread : threads) CHECK(thread.get());
    CHECK(inotify_instances_of(::getpid()) <= 2);
    CHECK(files_of(::getpid()).size() <=
          before + 1 + 16 + 2 + 1);  // a file, what waiters sleep on, instances, the voice
}

}  // namespace line_test

#endif

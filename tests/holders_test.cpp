// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Who holds a lock: holders(), and what lock_timeout and on_wait tell of it. Linux alone tells.
#include "support/catch.hpp"

#if defined(__linux__)

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/detail/platform.hpp>
#include <named_lock/named_lock.hpp>
#include <named_lock/pending_acquire.hpp>

#include "support/child.hpp"
#include "support/platform.hpp"
#include "support/proc.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"
#include "support/worker.hpp"

namespace holders_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlock::lock_method;
using nlock::named_lock;
namespace detail = nlock::detail;

using pid_and_name = std::map<std::int64_t, std::string>;

std::string name_of(pid_t pid) {
    std::ifstream file{proc_dir(pid) / "comm"};
    std::string name;
    std::getline(file, name);
    return name;
}

pid_and_name shown(const std::vector<nlock::lock_holder>& holders) {
    pid_and_name result;
    for (const auto& holder : holders) result[holder.pid] = holder.process;
    CHECK(result.size() == holders.size());  // nobody twice
    return result;
}

pid_and_name expected(std::initializer_list<const process*> processes) {
    pid_and_name result;
    for (const process* p : processes) result[p->pid()] = name_of(p->pid());
    return result;
}

std::string word_of(lock_method method) { return method == lock_method::flock ? "flock" : "fcntl"; }

nlock::lock_options options_in(const temp_dir& dir, lock_method method = lock_method::flock) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.method = method;
    return options;
}

/// A shell that says "in" when `script` has locked $1, and then waits for a line.
process shell(const std::string& script, const named_lock& lock) {
    process result{{"sh", "-c", script, "sh", lock.path().string()}};
    REQUIRE(result.read_line() == "in");
    return result;
}

/// What a worker says that cannot have the lock, with or without the words about the holder.
std::string timeout_in(const fs::path& dir, const std::string& held_by = "") {
    return "timeout\tlock 'x' (" + (dir / "x.lock").string() + ") was not acquired within 0 s" + held_by;
}

constexpr const char* unseen = "; held by a process that cannot be seen from here";

std::string shown(const worker& holder) { return std::to_string(holder.pid()) + " (" + name_of(holder.pid()) + ")"; }

/// Whether `launcher` starts a program at all.
bool works(const std::vector<std::string>& launcher) {
    std::string command;
    for (const auto& word : launcher) command.append("'").append(word).append("' ");
    return std::system((command + "true >/dev/null 2>&1").c_str()) == 0;
}

/// Starts a program in a pid namespace of its own.
std::vector<std::string> in_own_pids(std::vector<std::string> more) {
    std::vector<std::string> launcher{"unshare", "--pid", "--fork", "--kill-child"};
    if (::geteuid() != 0) launcher.insert(launcher.begin() + 1, {"--user", "--map-root-user"});
    launcher.insert(launcher.end(), more.begin(), more.end());
    return launcher;
}

/// Where a look has to see several processes, or comes to all the others first, no number of looks helps.
constexpr const char* too_slow = "a look for holders is over before qemu-user has looked at so many processes";

constexpr const char* no_pid_namespace = "this user may not create a pid namespace";

/// Starts a program after `script`, a shell's, in which "$1" is `dir`.
std::vector<std::string> after(std::vector<std::string> launcher, const std::string& script, const fs::path& dir) {
    for (const std::string& word :
         {std::string{"sh"}, std::string{"-ec"}, script + "\nshift\nexec \"$@\"", std::string{"sh"}, dir.string()}) {
        launcher.push_back(word);
    }
    return launcher;
}

/// Starts a program in the mount namespace of `other`.
std::vector<std::string> beside(const worker& other) {
    return {"nsenter", "--mount=" + (proc_dir(other.pid()) / "ns" / "mnt").string()};
}

/// A lock of an open file beyond the end of any file, as one who waits sets it.
class mark {
  public:
    mark(const fs::path& file, short type, std::int64_t pid = 77) : fd_{::open(file.c_str(), O_RDWR | O_CLOEXEC)} {
        struct flock range {};
        range.l_type = type;
        range.l_whence = SEEK_SET;
        range.l_start = static_cast<off_t>(detail::first_mark) + pid;
        range.l_len = 1000;
        REQUIRE(::fcntl(fd_, F_OFD_SETLK, &range) == 0);
    }
    mark(const mark&) = delete;
    mark& operator=(const mark&) = delete;
    ~mark() { ::close(fd_); }

    [[nodiscard]] std::string fdinfo() const {
        std::ifstream file{"/proc/self/fdinfo/" + std::to_string(fd_)};
        return {std::istreambuf_iterator<char>{file}, {}};
    }

  private:
    int fd_;
};

std::chrono::nanoseconds own_processor_time() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

/// What `search` finds that may take so long.
std::vector<nlock::lock_holder> found_within(std::chrono::nanoseconds time, const named_lock& lock,
                                             lock_method method) {
    const detail::look_time enough{10s};
    const detail::look_time limit{time};
    const auto file = detail::proc_file::at(lock.path(), enough);
    REQUIRE(file);
    return detail::holder_search{*file, method, limit}.run(detail::read_proc("/proc/locks", enough)).holders;
}

/// A look ends after 5 ms of processor time, of which sanitizers, counters of lines and emulators take many times more:
/// there the next one may see what this one has not. (And no number of looks gets past 20 later processes with 64
/// descriptors each, as tests make them: cases that look through descriptors are played alone.)
#if defined(NAMED_LOCK_COVERAGE)
constexpr bool is_slowed_down = true;
#else
constexpr bool is_slowed_down =
    under_qemu || NLOCK_TEST_HAS_FEATURE(address_sanitizer) || NLOCK_TEST_HAS_FEATURE(thread_sanitizer);
#endif
constexpr int most_looks = is_slowed_down ? 1000 : 1;

template <class Look, class Seen>
Seen seen_by(Look look, const Seen& wanted) {
    Seen seen = look();
    for (int i = 1; i < most_looks && !(seen == wanted); ++i) seen = look();
    return seen;
}
void check_holders(const named_lock& lock, const pid_and_name& wanted) {
    CHECK(seen_by([&] { return shown(lock.holders()); }, wanted) == wanted);
}
void check_timeout(worker& w, const std::string& wanted) {
    CHECK(seen_by([&] { return w.ask("acquire 0 x"); }, wanted) == wanted);
}

/// Gives this process `count` descriptors more, of nothing. How many it got.
int open_many(int count) {
    const auto enough = static_cast<rlim_t>(count) + 100;
    rlimit limit{enough, enough};
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        ::getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    int opened = 0;
    while (opened < count && ::fcntl(file, F_DUPFD_CLOEXEC, 0) >= 0) ++opened;
    return opened;
}

}  // namespace

TEST_CASE("a lock that nobody holds has no holders") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    temp_dir dir;
    named_lock lock{"x", options_in(dir, method)};
    CHECK(lock.holders().empty());
    { const auto hold = lock.acquire(); }
    CHECK(lock.holders().empty());
    const auto other = named_lock{"y", options_in(dir, method)}.acquire();
    CHECK(lock.holders().empty());
}

TEST_CASE("a lock that this process holds has it as the holder, once", "[serial]") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    CAPTURE(word_of(method));
    temp_dir dir;
    named_lock lock{"x", options_in(dir, method)};
    const auto hold = GENERATE(false, true) ? lock.acquire_shared() : lock.acquire();
    const auto again = lock.acquire_shared();
    check_holders(lock, pid_and_name{{::getpid(), name_of(::getpid())}});
}

TEST_CASE("the holder is another process, with its pid and its short name", "[serial]") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    CAPTURE(word_of(method));
    temp_dir dir;
    named_lock lock{"x", options_in(dir, method)};
    worker holder{dir};
    holder.tell("method " + word_of(method));
    holder.tell("acquire -1 x");
    holder.tell("acquire -1 y");
    check_holders(lock, expected({&holder}));
    if (!under_qemu) CHECK(name_of(holder.pid()) == "named_lock_work");  // the system keeps 15 bytes
    holder.crash();
    CHECK(lock.holders().empty());
}

TEST_CASE("all processes that hold a lock shared are its holders", "[serial]") {
    if (under_qemu) SKIP_TEST(too_slow);
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    CAPTURE(word_of(method));
    temp_dir dir;
    named_lock lock{"x", options_in(dir, method)};
    std::array<worker, 3> workers{worker{dir}, worker{dir}, worker{dir}};
    for (worker& w : workers) {
        w.tell("method " + word_of(method));
        w.tell("acquire_shared -1 x");
    }
    check_holders(lock, expected({&workers[0], &workers[1], &workers[2]}));
    workers[1].tell("release");
    check_holders(lock, expected({&workers[0], &workers[2]}));
    const auto hold = lock.acquire_shared();
    auto all = expected({&workers[0], &workers[2]});
    all[::getpid()] = name_of(::getpid());
    check_holders(lock, all);
}

TEST_CASE("who waits is no holder") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    worker holder{dir};
    worker writer{dir};
    worker reader{dir};
    holder.tell("acquire -1 x");
    writer.let_wait("acquire -1 x");
    reader.let_wait("acquire_shared -1 x");
    // The kernel lists those that it has blocked, this one among them, below the holder.
    process blocked{{"flock", lock.path().string(), "true"}};
    REQUIRE(becomes_true([&] {
        std::ifstream locks{"/proc/locks"};
        const std::string text{std::istreambuf_iterator<char>{locks}, {}};
        return text.find("-> FLOCK  ADVISORY  WRITE " + std::to_string(blocked.pid()) + " ") != std::string::npos;
    }));
    check_holders(lock, expected({&holder}));
}

TEST_CASE("a process that was forked from the holder is no holder", "[serial]") {
    SKIP_UNDER_QEMU();
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    CAPTURE(word_of(method));
    temp_dir dir;
    named_lock lock{"x", options_in(dir, method)};
    worker holder{dir};
    holder.tell("method " + word_of(method));
    holder.tell("acquire -1 x");
    const auto parent = expected({&holder});
    holder.tell("fork");
    CHECK(holder.ask("holds") == "ok\t0");  // it lives
    check_holders(lock, parent);
    holder.kill(SIGKILL);
    CHECK(holder.wait() == -SIGKILL);
    CHECK(holder.ask("holds") == "ok\t0");
    CHECK(lock.holders().empty());
}

TEST_CASE("flock(1) is a holder") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    process holder{{"flock", lock.path().string(), "-c", "echo in; read line"}};
    REQUIRE(holder.read_line() == "in");
    const auto holders = shown(lock.holders());
    REQUIRE(holders.size() == 1);
    CHECK(holders.begin()->second == "flock");
    CHECK(holders.begin()->first == holder.pid());
}

TEST_CASE("a holder whose lock was taken by a process that has ended is found") {
    // As usual in shell scripts: flock(1) locks the shell's descriptor, and ends. /proc/locks goes on naming its pid.
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    process holder = shell("exec 9<>\"$1\"; flock 9; echo in; read line", lock);
    check_holders(lock, expected({&holder}));
}

TEST_CASE("a program in Python is a holder, by each kind of lock") {
    const std::string python = NAMED_LOCK_PYTHON;
    if (python.empty()) SKIP_TEST("the tests with Python are switched off");
    const std::string call = GENERATE("fcntl.flock(f, fcntl.LOCK_EX)", "fcntl.lockf(f, fcntl.LOCK_EX)");
    CAPTURE(call);
    temp_dir dir;
    const bool by_flock = call.find("lockf") == std::string::npos;
    named_lock lock{"x", options_in(dir, by_flock ? lock_method::flock : lock_method::fcntl)};
    process holder{
        {python, "-c",
         "import fcntl, sys\nf = open(sys.argv[1], 'w')\n" + call + "\nprint('in', flush=True)\nsys.stdin.readline()",
         lock.path().string()}};
    REQUIRE(holder.read_line() == "in");
    const auto holders = lock.holders();
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].process == name_of(static_cast<pid_t>(holders[0].pid)));
    CHECK(holders[0].process.compare(0, 6, "python") == 0);
    CHECK_FALSE(lock.try_acquire());
}

TEST_CASE("the name of a holder is shown as the system has it") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    const auto hold = lock.acquire();
    const std::string before = name_of(::getpid());
    const std::string name = GENERATE("my job (1)", ") R 1 1", "");
    REQUIRE(::prctl(PR_SET_NAME, name.c_str(), 0, 0, 0) == 0);
    const auto holders = lock.holders();
    ::prctl(PR_SET_NAME, before.c_str(), 0, 0, 0);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].process == name);
}

TEST_CASE("what no terminal should get is shown by its number in the name of a holder") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    const auto hold = lock.acquire();
    const std::string before = name_of(::getpid());
    REQUIRE(::prctl(PR_SET_NAME, "\x1b[2J\nok\x9b", 0, 0, 0) == 0);
    const auto holders = lock.holders();
    ::prctl(PR_SET_NAME, before.c_str(), 0, 0, 0);
    REQUIRE(holders.size() == 1);
    CHECK(holders[0].process == R"(\x1B[2J\x0Aok\x9B)");
}

TEST_CASE("a time-out tells who holds the lock, in its text too") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    CAPTURE(word_of(method));
    temp_dir dir;
    named_lock lock{"x", options_in(dir, method)};
    worker holder{dir};
    holder.tell("method " + word_of(method));
    holder.tell("acquire_shared -1 x");
    const auto time_out = [&](std::chrono::milliseconds timeout, std::size_t holders) {
        auto error = thrown_by<nlock::lock_timeout>([&] { (void)lock.acquire(timeout); });
        for (int i = 1; i < most_looks && error.holders().size() != holders; ++i) {
            error = thrown_by<nlock::lock_timeout>([&] { (void)lock.acquire(timeout); });
        }
        return error;
    };
    const auto check = [&](std::chrono::milliseconds timeout, const std::string& held_by) {
        const auto error = time_out(timeout, 1);
        CHECK(error.what() == "lock 'x' (" + lock.path().string() + ") was not acquired within " +
                                  std::to_string(timeout.count()) + (timeout == 0ms ? " s" : " ms") + held_by);
        return shown(error.holders());
    };
    const auto name = [](const worker& w) { return "pid " + std::to_string(w.pid()) + " (" + name_of(w.pid()) + ")"; };
    for (const auto timeout : {0ms, 20ms}) {
        CHECK(check(timeout, "; held by " + name(holder)) == expected({&holder}));
    }
    worker second{dir};
    second.tell("method " + word_of(method));
    second.tell("acquire_shared -1 x");
    const auto error = time_out(5ms, 2);
    CHECK(shown(error.holders()) == expected({&holder, &second}));
    const std::string text = error.what();
    const bool in_order = error.holders()[0].pid == holder.pid();
    const std::string both = in_order ? name(holder) + ", " + name(second) : name(second) + ", " + name(holder);
    CHECK(text.substr(text.find(';')) == "; held by " + both);
}

TEST_CASE("who waits is told in order, with pid, short name and kind, and counted by a time-out") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    worker holder{dir};
    worker writer{dir};
    worker reader{dir};
    CHECK(lock.waiters().empty());
    holder.tell("acquire -1 x");
    writer.let_wait("acquire -1 x");
    REQUIRE(becomes_true([&] { return lock.waiters().size() == 1; }));
    reader.let_wait("acquire_shared -1 x");
    REQUIRE(becomes_true([&] { return lock.waiters().size() == 2; }));
    const auto waiters = lock.waiters();
    REQUIRE(waiters.size() == 2);
    CHECK(waiters[0].pid == writer.pid());
    CHECK(waiters[1].pid == reader.pid());
    for (const nlock::lock_waiter& waiter : waiters) {
        CHECK(waiter.process == name_of(static_cast<pid_t>(waiter.pid)));
        CHECK(waiter.waited > 0ns);
    }
    CHECK_FALSE(waiters[0].shared);
    CHECK(waiters[1].shared);
    const auto error = thrown_by<nlock::lock_timeout>([&] { (void)lock.acquire(0s); });
    CHECK(error.others_wait() == 2);
    CHECK(std::string{error.what()}.find("; 2 others wait") != std::string::npos);
}

namespace {

/// What a time-out says last, if it is of a deadlock; else nothing.
std::string circle_in(const std::string& message) {
    const std::size_t at = message.find("; perhaps a deadlock: ");
    return at == std::string::npos ? "" : message.substr(at);
}
template <class Acquire>
std::string circle_in_timeout(Acquire acquire) {
    return circle_in(thrown_by<nlock::lock_timeout>(acquire).what());
}

/// A look has little time, and the machine may be busy: of those that saw a holder.
bool tells_of_circle(named_lock lock) {
    std::string message;
    REQUIRE(becomes_true([&] {
        message = thrown_by<nlock::lock_timeout>([&] { (void)lock.acquire(0s); }).what();
        return message.find("; held by pid ") != std::string::npos;
    }));
    return !circle_in(message).empty();
}

std::string circle_of(const worker& holder, const named_lock& its_wait) {
    return "; perhaps a deadlock: pid " + shown(holder) + " waits for " + its_wait.path().string() +
           ", which this process holds";
}

void wait_for_waiters(const named_lock& lock, std::size_t count) {
    REQUIRE(becomes_true([&] { return lock.waiters().size() == count; }));
}

}  // namespace

TEST_CASE("a time-out tells of a holder that waits for a lock of this process") {
    temp_dir dir;
    auto options = options_in(dir);
    options.reentrant = GENERATE(true, false);
    named_lock a{"a", options};
    named_lock b{"b", options};
    worker other{dir};
    other.tell("acquire -1 b");
    auto hold = a.acquire();
    CHECK_FALSE(tells_of_circle(b));
    other.let_wait("acquire -1 a");
    wait_for_waiters(a, 1);
    const std::string circle = circle_of(other, a);
    CHECK(becomes_true([&] { return circle_in_timeout([&] { (void)b.acquire(0s); }) == circle; }));
    CHECK(becomes_true([&] { return circle_in_timeout([&] { (void)nlock::acquire_all({b}, 0s); }) == circle; }));
    CHECK(becomes_true([&] {
        return circle_in_timeout([&] { (void)b.begin_acquire(0s).try_complete(); }) == circle;
    }));
    hold.release();
    CHECK(other.read_line() == "ok");
    CHECK_FALSE(tells_of_circle(b));
}

TEST_CASE("two processes that wait for each other are told so") {
    temp_dir dir;
    named_lock a{"a", options_in(dir)};
    worker first{dir};
    worker second{dir};
    first.tell("acquire -1 a");
    second.tell("acquire -1 b");
    second.let_wait("acquire -1 a");
    wait_for_waiters(a, 1);
    CHECK(becomes_true([&] { return circle_in(first.ask("acquire 0 b")) == circle_of(second, a); }));
}

TEST_CASE("a time-out tells of no circle where there is none") {
    temp_dir dir;
    temp_dir elsewhere;
    named_lock a{"a", options_in(dir)};
    named_lock b{"b", options_in(dir)};
    worker other{dir};
    other.tell("acquire -1 b");
    SECTION("the holder waits for a lock of the same name in another directory") {
        const auto hold = a.acquire();
        const auto same_name = named_lock{"a", options_in(elsewhere)};
        worker third{elsewhere};
        third.tell("acquire -1 a");
        other.tell("dir " + elsewhere.path().string());
        other.let_wait("acquire -1 a");
        wait_for_waiters(same_name, 1);
        CHECK_FALSE(tells_of_circle(b));
    }
    SECTION("another one waits for the lock of this process") {
        const auto hold = a.acquire();
        worker third{dir};
        third.let_wait("acquire -1 a");
        wait_for_waiters(a, 1);
        CHECK_FALSE(tells_of_circle(b));
    }
    SECTION("another process that has the holder's pid elsewhere does") {
        const auto hold = a.acquire();
        const mark of_same_pid{a.path(), F_RDLCK, other.pid()};
        REQUIRE(a.waiters().at(0).pid == other.pid());
        CHECK_FALSE(tells_of_circle(b));
    }
    SECTION("the holder waits for a lock that a third process holds") {
        worker third{dir};
        third.tell("acquire -1 a");
        other.let_wait("acquire -1 a");
        wait_for_waiters(a, 1);
        CHECK_FALSE(tells_of_circle(b));
    }
    SECTION("the holder waits as a reader for another writer, beside this reader") {
        const auto hold = a.acquire_shared();
        worker writer{dir};
        writer.let_wait("acquire -1 a");
        wait_for_waiters(a, 1);
        other.tell("courtesy 3600000");
        other.let_wait("acquire_shared -1 a");
        wait_for_waiters(a, 2);
        CHECK_FALSE(tells_of_circle(b));
    }
}

TEST_CASE("a time-out tells what is known where no process can be named") {
    using detail::held_by;
    const auto text = [](std::vector<nlock::lock_holder> holders, held_by known) {
        const std::string all = nlock::lock_timeout{"x", "/x.lock", 0s, std::move(holders), known}.what();
        return all.substr(all.find(" s") + 2);
    };
    CHECK(text({}, held_by::unknown).empty());
    CHECK(text({}, held_by::this_process) == "; held by this process");
    CHECK(text({}, held_by::another_process) == "; held by a process that cannot be seen from here");
    CHECK(text({{42, "job"}, {17, ""}}, held_by::unknown) == "; held by pid 42 (job), pid 17");
    CHECK(text({{42, "job"}}, held_by::this_process) == "; held by pid 42 (job)");
    CHECK(text({{42, "job"}}, held_by::another_process) == "; held by pid 42 (job)");
}

TEST_CASE("a time-out says that this process holds the lock where /proc does not tell") {
    const std::string launched = "mount -t tmpfs tmpfs /proc";
    if (::geteuid() != 0) SKIP_TEST("it takes the superuser to mount");
    temp_dir dir;
    if (!works(after({"unshare", "--mount"}, launched, dir.path()))) SKIP_TEST("nothing can be mounted here");
    worker other{dir.path(), after({"unshare", "--mount"}, launched, dir.path())};
    other.tell("reentrant 0");
    other.tell("acquire -1 x");
    CHECK(other.ask("acquire 0 x") == timeout_in(dir.path(), "; held by this process"));
}

TEST_CASE("one who has to wait is told who holds the lock", "[serial]") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    CAPTURE(word_of(method));
    temp_dir dir;
    auto options = options_in(dir, method);
    std::vector<nlock::lock_holder> told;
    options.on_wait = [&](const nlock::lock_wait& wait) { told = wait.holders; };
    named_lock lock{"x", options};
    worker holder{dir};
    holder.tell("method " + word_of(method));
    holder.tell("acquire -1 x");
    const auto told_by_waiting = [&] {
        CHECK_FALSE(lock.try_acquire(5ms));
        return shown(told);
    };
    const auto wanted = expected({&holder});
    CHECK(seen_by(told_by_waiting, wanted) == wanted);
}

TEST_CASE("a holder that may not be looked at is left out") {
    if (::geteuid() != 0) SKIP_TEST("it takes the superuser to be two users");
    temp_dir dir;
    fs::permissions(dir.path(), fs::perms{0777});
    worker holder{dir};
    worker other{dir};
    holder.tell("umask 0");
    holder.tell("method fcntl");
    holder.tell("acquire -1 x");  // no pid in /proc/locks, and the superuser's /proc/PID/fdinfo is closed to others
    other.tell("method fcntl");
    other.tell("as_user 65534");
    CHECK(other.ask("acquire 0 x") == timeout_in(dir.path(), unseen));
}

// ---- what /proc says ----

TEST_CASE("the lines of /proc/locks are understood, and nothing else") {
    const auto lock = detail::parse_lock("17: FLOCK  ADVISORY  WRITE 4242 08:02:131 0 EOF");
    REQUIRE(lock);
    CHECK(lock->type == "FLOCK");
    CHECK_FALSE(lock->shared);
    CHECK(lock->pid == 4242);
    CHECK(lock->file == "08:02:131");
    CHECK(lock->start == 0);
    CHECK(lock->length == 0);
    CHECK(detail::is_hold(*lock, lock_method::flock));
    CHECK_FALSE(detail::is_hold(*lock, lock_method::fcntl));

    const auto in_fdinfo = detail::parse_lock("lock:\t1: POSIX  ADVISORY  READ 0 00:2a:6 10 19");
    REQUIRE(in_fdinfo);
    CHECK(in_fdinfo->shared);
    CHECK(in_fdinfo->pid == 0);
    CHECK(in_fdinfo->start == 10);
    CHECK(in_fdinfo->length == 10);
    CHECK(detail::is_hold(*in_fdinfo, lock_method::fcntl));
    CHECK_FALSE(detail::is_hold(*in_fdinfo, lock_method::flock));

    for (const char* line :
         {"", "1: -> FLOCK  ADVISORY  WRITE 4242 08:02:131 0 EOF", "1:  -> POSIX  ADVISORY  READ 1 08:02:131 0 EOF",
          "1: POSIX  *NOINODE* ADVISORY  WRITE 4242 08:02:131 0 EOF", "pos:\t0", "mnt_id:\t27",
          "lock:", "1: FLOCK  ADVISORY  WRITE 4242", "1: FLOCK  ADVISORY  WRITE 4242 08:02:131 0",
          "1: FLOCK  ADVISORY  WRITE 4242 08:02:131 0 EO", "1: FLOCK  ADVISORY  WRITE pid 08:02:131 0 EOF",
          "1: FLOCK  ADVISORY  WRITE 4242 08:02:131 9 8", "1 FLOCK  ADVISORY  WRITE 4242 08:02:131 0 EOF"}) {
        CAPTURE(line);
        CHECK_FALSE(detail::parse_lock(line));
    }
    const auto lease = detail::parse_lock("1: LEASE  ACTIVE    WRITE 4242 08:02:131 0 EOF");
    REQUIRE(lease);
    CHECK_FALSE(detail::is_hold(*lease, lock_method::flock));
    CHECK_FALSE(detail::is_hold(*lease, lock_method::fcntl));
}

TEST_CASE("a lock beyond the end of any file is a mark and no hold, whatever its kind") {
    for (const char* type : {"OFDLCK", "POSIX "}) {
        for (const char* start : {"4611686018427387904", "9223372036854775806"}) {  // 2^62, 2^63 - 2
            const std::string line = std::string{"1: "} + type + " ADVISORY  READ -1 08:02:131 " + start + " " +
                                     std::to_string(std::numeric_limits<std::int64_t>::max() - 1);
            CAPTURE(line);
            const auto lock = detail::parse_lock(line);
            REQUIRE(lock);
            CHECK(lock->pid == -1);
            CHECK_FALSE(detail::is_hold(*lock, lock_method::fcntl));
            CHECK(detail::is_mark(*lock) == (lock->type == "OFDLCK"));
        }
        const std::string last = std::string{"1: "} + type + " ADVISORY  READ -1 08:02:131 4611686018427387903 EOF";
        const auto lock = detail::parse_lock(last);
        REQUIRE(lock);
        CHECK(detail::is_hold(*lock, lock_method::fcntl));
        CHECK_FALSE(detail::is_mark(*lock));
    }
}

TEST_CASE("who has marked the file is no holder, and the mark can be read", "[serial]") {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    const short type = GENERATE(short{F_RDLCK}, short{F_WRLCK});
    CAPTURE(word_of(method), type);
    temp_dir dir;
    named_lock lock{"x", options_in(dir, method)};
    { const auto hold = lock.acquire(); }
    const mark waiter{lock.path(), type};
    CHECK(lock.holders().empty());

    const detail::look_time enough{10s};
    const auto file = detail::proc_file::at(lock.path(), enough);
    REQUIRE(file);
    std::ifstream table{"/proc/locks"};
    for (const std::string& text : {std::string{std::istreambuf_iterator<char>{table}, {}}, waiter.fdinfo()}) {
        int marks = 0;
        detail::for_each_lock_line(text, file->name(), [&](const detail::lock_line& line) {
            CHECK(detail::is_mark(line));
            CHECK(line.shared == (type == F_RDLCK));
            CHECK(line.start == detail::first_mark + 77);
            CHECK(line.length == 1000);
            ++marks;
        });
        CHECK(marks == 1);
    }
    worker holder{dir};
    holder.tell("method " + word_of(method));
    if (method == lock_method::flock) {  // a whole-file lock of fcntl goes as far as the mark
        holder.tell("acquire -1 x");
        check_holders(lock, expected({&holder}));
    }
}

TEST_CASE("the numbers of a device are those of <sys/sysmacros.h>, and of its mount") {
    CHECK(detail::device_of(0xFE00) == detail::device_numbers{254, 0});
    CHECK(detail::device_of(0x2A) == detail::device_numbers{0, 42});
    if (sizeof(dev_t) == 8) {
        const std::uint64_t large = 0x45 | 0x678ULL << 8 | 0x123ULL << 20 | 0x89ABCULL << 44;
        CHECK(detail::device_of(static_cast<dev_t>(large)) == detail::device_numbers{0x89ABC678, 0x12345});
    }
    CHECK(detail::proc_file::name_of({0, 42}, 6) == "00:2a:6");
    CHECK(detail::proc_file::name_of({259, 1}, 1099511627776) == "103:01:1099511627776");

    const std::string mounts = "27 1 254:0 / / rw,relatime - ext4 /dev/root rw\n"
                               "44 27 0:39 / /srv/a\\040b rw,relatime shared:1 - btrfs /dev/loop0 rw\n";
    CHECK(detail::device_in(mounts, "44") == detail::device_numbers{0, 39});
    CHECK(detail::device_in(mounts, "27") == detail::device_numbers{254, 0});
    for (const char* id : {"4", "", "254:0"}) CHECK_FALSE(detail::device_in(mounts, id));
    CHECK_FALSE(detail::device_in("44 27 nonsense / /", "44"));
    CHECK_FALSE(detail::device_in("44", "44"));
}

// ---- pids ----

TEST_CASE("a holder outside the pid namespace is left out") {
    const auto launcher = in_own_pids({"--mount-proc"});
    if (!works(launcher)) SKIP_TEST(no_pid_namespace);
    temp_dir dir;
    worker holder{dir};
    worker inside{dir.path(), launcher};
    holder.tell("acquire -1 x");
    CHECK(inside.ask("acquire 0 x") == timeout_in(dir.path(), unseen));
    holder.tell("release");
    inside.tell("acquire -1 x");
    CHECK_FALSE(named_lock{"x", options_in(dir)}.holders().empty());  // by its pid out here
}

TEST_CASE("inside a pid namespace a holder is found whose lock was taken by a process that has ended") {
    if (!works(in_own_pids({"--mount-proc"}))) SKIP_TEST(no_pid_namespace);
    temp_dir dir;
    // /proc/locks says nothing, and fdinfo has pid 0.
    const auto script = "exec 9<>\"$1/x.lock\"\nflock 9\nsleep 1000 <&- >&- 2>&- &\necho $! >\"$1/pid\"\nexec 9>&-";
    worker inside{dir.path(), after(in_own_pids({"--mount-proc"}), script, dir.path())};
    std::string pid;
    std::ifstream{dir.path() / "pid"} >> pid;
    check_timeout(inside, timeout_in(dir.path(), "; held by pid " + pid + " (sleep)"));
}

TEST_CASE("where /proc is that of another pid namespace nobody is named") {
    const auto launcher = in_own_pids({});  // and no /proc of its own
    if (!works(launcher)) SKIP_TEST(no_pid_namespace);
    temp_dir dir;
    worker holder{dir};
    holder.tell("acquire -1 x");
    worker inside{dir.path(), launcher};
    CHECK(inside.ask("acquire 0 x") == timeout_in(dir.path(), unseen));
}

TEST_CASE("a process that has got the pid of the one that took the lock is no holder") {
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    process holder = shell("exec 9<>\"$1\"; flock 9; echo in; read line", lock);
    const detail::look_time enough{10s};
    const auto file = detail::proc_file::at(lock.path(), enough);
    REQUIRE(file);
    std::int64_t locker = 0;
    detail::for_each_lock_line(detail::read_proc("/proc/locks", enough).value_or(""), file->name(),
                               [&](const detail::lock_line& line) { locker = line.pid; });
    if (locker <= 0) SKIP_TEST("this pid namespace does not tell the pid of a process that has ended");

    auto wanted = static_cast<pid_t>(locker);
    clone_args args{};
    args.exit_signal = SIGCHLD;
    args.set_tid = reinterpret_cast<std::uintptr_t>(&wanted);
    args.set_tid_size = 1;
    const auto stranger = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
    if (stranger == 0) {
        for (;;) ::pause();
    }
    if (stranger < 0 && errno != EEXIST) SKIP_TEST("this user may not choose a pid");  // EEXIST: it is taken again
    const auto end_it = [stranger](const void*) {
        if (stranger < 0) return;
        ::kill(stranger, SIGKILL);
        ::waitpid(stranger, nullptr, 0);
    };
    const std::unique_ptr<const temp_dir, decltype(end_it)> ends{&dir, end_it};
    CHECK(::kill(wanted, 0) == 0);
    check_holders(lock, expected({&holder}));
}

// ---- a hardened /proc ----

TEST_CASE("a holder that /proc hides is told by its pid") {
    const std::string hidepid = GENERATE("1", "2");
    CAPTURE(hidepid);
    if (::geteuid() != 0) SKIP_TEST("it takes the superuser to be two users");
    temp_dir dir;
    fs::permissions(dir.path(), fs::perms{0777});
    const std::string mount_it = "mount -t proc -o hidepid=" + hidepid + " proc /proc";
    if (!works(after({"unshare", "--mount"}, mount_it, dir.path()))) SKIP_TEST("no /proc can be mounted here");
    worker holder{dir};
    worker other{dir.path(), after({"unshare", "--mount"}, mount_it, dir.path())};
    holder.tell("umask 0");
    holder.tell("acquire -1 x");
    other.tell("as_user 65534");
    check_timeout(other, timeout_in(dir.path(), "; held by pid " + std::to_string(holder.pid())));
    holder.tell("release");
    CHECK(other.ask("acquire 0 x") == "ok");
}

TEST_CASE("without /proc/locks holders are found by their descriptors", "[serial]") {
    if (under_qemu) SKIP_TEST(too_slow);
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    CAPTURE(word_of(method));
    if (::geteuid() != 0) SKIP_TEST("it takes the superuser to mount");
    temp_dir dir;
    const std::string mount_it = "mount -t proc -o subset=pid proc /proc";  // systemd's ProcSubset=pid
    if (!works(after({"unshare", "--mount"}, mount_it, dir.path()))) SKIP_TEST("no /proc can be mounted here");
    worker holder{dir};
    worker other{dir.path(), after({"unshare", "--mount"}, mount_it, dir.path())};
    for (worker* w : {&holder, &other}) w->tell("method " + word_of(method));
    holder.tell("acquire_shared -1 x");
    check_timeout(other, timeout_in(dir.path(), "; held by pid " + shown(holder)));
}

TEST_CASE("without /proc nobody is named") {
    if (::geteuid() != 0) SKIP_TEST("it takes the superuser to mount");
    temp_dir dir;
    const std::string mount_it = "mount -t tmpfs tmpfs /proc";
    if (!works(after({"unshare", "--mount"}, mount_it, dir.path()))) SKIP_TEST("nothing can be mounted here");
    worker holder{dir};
    worker other{dir.path(), after({"unshare", "--mount"}, mount_it, dir.path())};
    holder.tell("acquire -1 x");
    CHECK(other.ask("acquire 0 x") == timeout_in(dir.path(), unseen));
}

// ---- file systems whose device numbers are not those of stat(2) ----

namespace {

/// What the lock of a process is on, as /proc has it.
std::string locked_file(const worker& holder) {
    const detail::look_time enough{10s};
    const std::string fdinfo = "/proc/" + std::to_string(holder.pid()) + "/fdinfo/";
    detail::proc_directory numbers{fdinfo};
    for (auto number = numbers.next(); number; number = numbers.next()) {
        std::string text = detail::read_proc(fdinfo + std::to_string(*number), enough).value_or("");
        const auto begin = text.find("lock:");
        if (begin == std::string::npos) continue;
        const auto lock = detail::parse_lock(text = text.substr(begin, text.find('\n', begin) - begin));
        if (lock) return std::string{lock->file};
    }
    return "none of " + std::to_string(holder.pid());
}

/// Whether holders are named, each on its own file, in two directories, a and b, of what `mount_it` mounts at "$1"/mnt.
void check_holders_on(const std::string& mount_it, const temp_dir& dir) {
    const auto method = GENERATE(lock_method::flock, lock_method::fcntl);
    const std::string first = GENERATE("a", "b");
    const std::string second = first == "a" ? "b" : "a";
    CAPTURE(word_of(method), first);
    worker holder{dir.path(), after({"unshare", "--mount"}, mount_it, dir.path())};
    worker stranger{dir.path(), beside(holder)};
    worker other{dir.path(), beside(holder)};
    const fs::path mounted = dir.path() / "mnt";
    const auto begin = [&](worker& w, const std::string& locks) {
        w.tell("method " + word_of(method));
        w.tell("dir " + (mounted / locks).string());
    };
    for (worker* w : {&stranger, &holder}) w->tell("umask 0");
    begin(stranger, first);
    begin(holder, second);
    begin(other, second);
    stranger.tell("acquire -1 x");
    holder.tell("acquire -1 x");
    check_timeout(other, timeout_in(mounted / second, "; held by pid " + shown(holder)));
    CHECK(locked_file(holder) == locked_file(stranger));  // or it would be no wonder

    worker blind{dir.path(), beside(holder)};  // that may not look who of the two has which file
    begin(blind, second);
    blind.tell("as_user 65534");
    CHECK(blind.ask("acquire 0 x") == timeout_in(mounted / second, unseen));
    holder.tell("release");
    stranger.tell("release");
}

}  // namespace

TEST_CASE("a holder on btrfs is named, and not the one of a file of another subvolume", "[serial]") {
    if (::geteuid() != 0) SKIP_TEST("it takes the superuser to mount");
    temp_dir dir;
    fs::permissions(dir.path(), fs::perms{0777});
    const std::string make = "truncate -s 128M '" + (dir.path() / "image").string() + "' && mkfs.btrfs -q '" +
                             (dir.path() / "image").string() + "' >/dev/null 2>&1 && mkdir '" +
                             (dir.path() / "mnt").string() + "'";
    if (std::system(make.c_str()) != 0) SKIP_TEST("there is no mkfs.btrfs");
    const std::string mount_it =
        "mount -o loop \"$1/image\" \"$1/mnt\" && cd \"$1/mnt\" && "
        "for s in a b; do [ -d $s ] || btrfs subvolume create $s >/dev/null; done; chmod 777 a b; cd /";
    if (!works(after({"unshare", "--mount"}, mount_it, dir.path()))) SKIP_TEST("no btrfs can be mounted here");
    check_holders_on(mount_it, dir);
}

TEST_CASE("a holder on overlayfs is named, and not the one of a file of another layer", "[serial]") {
    if (::geteuid() != 0) SKIP_TEST("it takes the superuser to mount");
    temp_dir dir;
    fs::permissions(dir.path(), fs::perms{0777});
    // Two file systems below, whose inodes have the same numbers. And one file has a second link, so that stat(2)
    // gives it another number when it is opened for writing.
    const std::string mount_it =
        "cd \"$1\" && mkdir -p lower upper mnt && mount -t tmpfs tmpfs lower && mount -t tmpfs tmpfs upper && "
        "mkdir lower/a lower/b upper/up upper/work && for i in 1 2 3 4 5 6 7 8 9; do : >lower/$i; done && "
        ": >lower/a/x.lock && ln lower/a/x.lock lower/a/y && chmod -R a+w lower && "
        "mount -t overlay -o lowerdir=lower,upperdir=upper/up,workdir=upper/work,xino=off overlay mnt && "
        "until : >mnt/b/x.lock && [ $(stat -c %i mnt/b/x.lock) -ge $(stat -c %i mnt/a/x.lock) ]; do "
        "mv mnt/b/x.lock mnt/b/$((i += 1)); done; chmod a+w mnt/b/x.lock; cd /";
    if (!works(after({"unshare", "--mount"}, mount_it, dir.path()))) SKIP_TEST("no overlayfs can be mounted here");
    check_holders_on(mount_it, dir);
}

// ---- bounds ----

TEST_CASE("a look for holders that has no time left reads no more of /proc") {
    temp_dir dir;
    named_lock by_flock{"x", options_in(dir)};
    named_lock by_fcntl{"y", options_in(dir, lock_method::fcntl)};
    const auto first = by_flock.acquire();
    const auto second = by_fcntl.acquire();
    const pid_and_name this_one{{::getpid(), name_of(::getpid())}};
    CHECK(shown(found_within(10s, by_flock, lock_method::flock)) == this_one);
    CHECK(shown(found_within(10s, by_fcntl, lock_method::fcntl)) == this_one);
    CHECK(shown(found_within(0s, by_flock, lock_method::flock)) == this_one);  // /proc/locks has told
    CHECK(found_within(0s, by_fcntl, lock_method::fcntl).empty());
}

TEST_CASE("after itself a process looks at the latest ones first, also when pids have begun anew") {
    const auto ordered = [](std::int64_t latest) {
        std::vector<std::int64_t> pids{1, 5, 9, 20};
        detail::order_by_age(pids, latest, 9);
        return pids;
    };
    CHECK(ordered(20) == std::vector<std::int64_t>{9, 20, 9, 5, 1});
    CHECK(ordered(9) == std::vector<std::int64_t>{9, 9, 5, 1, 20});
    CHECK(ordered(7) == std::vector<std::int64_t>{9, 5, 1, 20, 9});
    CHECK(ordered(0) == std::vector<std::int64_t>{9, 20, 9, 5, 1});
}

TEST_CASE("processes with many descriptors do not keep one who looks for holders") {
    constexpr int many = 20'000;
    temp_dir dir;
    named_lock lock{"x", options_in(dir)};
    process holder = shell("exec 9<>\"$1\"; flock 9; echo in; read line", lock);
    std::list<child> crowd;
    int opened = 0;
    for (int i = 0; i < 8; ++i) {
        crowd.emplace_back([](child& self) -> std::string {
            self.say(std::to_string(open_many(many)));
            self.wait_for_parent();
            return "";
        });
        opened += std::stoi(crowd.back().read_line());
    }
    if (opened < 2 * many) SKIP_TEST("this user may not open so many files");
    const auto before = own_processor_time();
    const auto holders = shown(lock.holders());
    const auto used = own_processor_time() - before;
    CHECK(used < 100ms);                                                   // for all of them it takes half a second
    for (const auto& found : holders) CHECK(found.first == holder.pid());  // which it may miss
}

TEST_CASE("a look for holders leaves no descriptor in a child that is forked meanwhile") {
    SKIP_UNDER_QEMU();
    temp_dir dir;
    named_lock lock{"x", options_in(dir, lock_method::fcntl)};
    const auto hold = lock.acquire();
    std::atomic<bool> is_over{false};
    std::atomic<int> looks{0};
    std::thread looker{[&] {
        while (!is_over) {
            (void)lock.holders();
            ++looks;
        }
    }};
    int leaks = 0;
    for (int i = 0; i < 100; ++i) {
        for (const int seen = looks; looks == seen;) std::this_thread::yield();
        const pid_t pid = ::fork();
        if (pid == 0) {  // with nothing but system calls: the other thread may have been in malloc
            int found = 0;
            for (int fd = STDERR_FILENO + 1; fd < 64; ++fd) {
                std::array<char, 32> link{"/proc/self/fd/"};
                link[14] = static_cast<char>('0' + fd / 10);
                link[15] = static_cast<char>('0' + fd % 10);
                std::array<char, 6> target{};
                const char* const name = fd < 10 ? (link[14] = link[15], link[15] = '\0', link.data()) : link.data();
                if (::readlink(name, target.data(), target.size()) == 6 &&
                    std::string_view{target.data(), 6} == "/proc/") {
                    ++found;
                }
            }
            ::_exit(found);
        }
        int status = -1;
        ::waitpid(pid, &status, 0);
        leaks += status == 0 ? 0 : 1;
    }
    is_over = true;
    looker.join();
    CHECK(leaks == 0);
}

}  // namespace holders_test

#endif

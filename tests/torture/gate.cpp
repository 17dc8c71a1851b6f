// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// fork() in the worst moment of another thread: at each instruction of the way in which that thread begins to open a file
// while a fork is under way, opens one, and closes one. The child has the fork_observer and the table of descriptors as
// they were in that instant, but not the thread that would go on. Whatever instruction it was, the child must be able to
// fork and to use its locks, must keep no lock of its parent's alive, and must have closed what the parent still has.
//
// And a descriptor that the program has closed, while another thread gets its number for a file of its own: at no
// instruction may it pass for what it was, or the one lock would be taken on the other one's file.
//
// The other thread is stepped through by the trap flag, so this is for x86-64.
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <thread>

#include <named_lock/named_lock.hpp>

#include "common.hpp"
#include "rest.hpp"

#if defined(__x86_64__)

namespace {

using namespace torture;

std::atomic<bool> is_armed{false};
std::atomic<bool> fork_is_under_way{false};
std::atomic<bool> has_forked{false};
std::atomic<bool> has_stopped{false};
std::atomic<bool> has_passed{false};
std::atomic<long> steps{0};
long stop_at = 0;

/// Runs within fork(), when the library's handler has run: handlers that were registered first run last.
void before_fork() {
    if (!is_armed.exchange(false)) return;
    fork_is_under_way = true;
    // The other thread either stops at its instruction or waits for the fork, and never comes there.
    const auto limit = now_ns() + 20'000'000;
    while (!has_stopped && now_ns() < limit) {
    }
}

void on_step(int) {
    const int saved_errno = errno;
    if (++steps == stop_at) {
        has_stopped = true;
        while (!has_forked) {
        }
    }
    errno = saved_errno;
}

void begin_steps() { asm volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc"); }
void end_steps() { asm volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc"); }

/// Before the library does, which is before main().
[[gnu::constructor(101)]] void register_first() { ::pthread_atfork(before_fork, nullptr, nullptr); }

void prepare(long instruction) {
    steps = 0;
    stop_at = instruction;
    fork_is_under_way = has_forked = has_stopped = has_passed = false;
}

/// In the child: 0, if it can fork and use its locks, and has nothing of its parent's.
int judge_in_child(nlock::named_lock& lock) {
    std::signal(SIGTRAP, SIG_DFL);
    ::alarm(2);
    const pid_t grandchild = ::fork();
    if (grandchild == 0) end_process(0);
    ::waitpid(grandchild, nullptr, 0);
    return lock.acquire(std::chrono::seconds{1}) ? 0 : 1;
}

void report_child(report& results, const char* what, long instruction, int status) {
    results.tried(std::string{"fork() at each instruction of a thread that "} + what);
    results.expect(status == 0, "after a fork() while another thread, which " + std::string{what} +
                                    ", was at instruction " + std::to_string(instruction) +
                                    (WIFSIGNALED(status)        ? ", the child hangs in its own fork()"
                                     : WEXITSTATUS(status) == 1 ? ", the child cannot use its locks"
                                                                : ", the child still has its parent's file"));
}

/// False: the thread had passed, or waited, before it came to that instruction.
bool play_beginning(const fs::path& locks, long instruction, report& results) {
    prepare(instruction);
    is_armed = true;
    nlock::named_lock lock{"x", locks};
    std::thread other{[] {
        while (!fork_is_under_way) {
        }
        begin_steps();
        nlock::detail::process_forks.end(nlock::detail::process_forks.begin());
        end_steps();
        has_passed = true;
    }};
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) {
        die_with_parent(parent);
        end_process(judge_in_child(lock));
    }
    has_forked = true;
    int status = 0;
    ::waitpid(child, &status, 0);
    other.join();
    if (!has_stopped) return false;
    report_child(results, "begins to open a file during the fork", instruction, status);
    return true;
}

/// A child that was forked when another thread was at an instruction of `job`. It lives on until this ends.
class child_of_an_instruction {
  public:
    template <class Job>
    child_of_an_instruction(nlock::named_lock& lock, long instruction, Job job, bool is_to_be_closed) {
        prepare(instruction);
        std::thread other{[&] {
            begin_steps();
            job();
            end_steps();
            has_passed = true;
        }};
        while (!has_stopped && !has_passed) {
        }
        if (has_stopped) fork(lock, is_to_be_closed);
        has_forked = true;
        other.join();
    }
    child_of_an_instruction(const child_of_an_instruction&) = delete;
    child_of_an_instruction& operator=(const child_of_an_instruction&) = delete;
    ~child_of_an_instruction() {
        if (pid_ > 0) finish();
    }

    bool exists() const { return pid_ > 0; }
    int finish() {
        ::close(alive_);
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return status;
    }

  private:
    void fork(nlock::named_lock& lock, bool is_to_be_closed) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) give_up("pipe2");
        const pid_t parent = ::getpid();
        pid_ = ::fork();
        if (pid_ == 0) {
            die_with_parent(parent);
            ::close(ends[1]);
            constexpr int has_file = 2;
            if (is_to_be_closed && count_descriptors().lock_files != 0) end_process(has_file);
            char byte;
            (void)!::read(ends[0], &byte, 1);
            end_process(judge_in_child(lock));
        }
        ::close(ends[0]);
        alive_ = ends[1];
    }

    pid_t pid_ = -1;
    int alive_ = -1;
};

nlock::detail::descriptor open_file(const fs::path& path) {
    return nlock::detail::descriptor::from([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666); });
}

bool play_opening(const fs::path& locks, long instruction, report& results) {
    const fs::path path = locks / "opened.lock";
    nlock::named_lock lock{"x", locks};
    nlock::detail::descriptor file;
    child_of_an_instruction child{lock, instruction, [&] { file = open_file(path); }, false};
    if (!child.exists()) return false;
    // As if this process had died with the lock: the child, which lives, must not keep it.
    const int fd = file.get();
    results.expect(fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0, "what was opened cannot be locked");
    ::close(fd);
    file.close();  // of which the program has closed the number
    // Who reads /proc/PID/fdinfo at this moment keeps it as well, but not for long.
    seen look = look_at(path);
    for (const auto end = now_ns() + 2'000'000'000; look != seen::free && now_ns() < end;) look = look_at(path);
    results.expect(look == seen::free, "after a fork() while another thread was at instruction " +
                                           std::to_string(instruction) +
                                           " of opening a file, the child keeps that file's lock");
    report_child(results, "opens a file", instruction, child.finish());
    return true;
}

bool play_closing(const fs::path& locks, long instruction, report& results) {
    nlock::named_lock lock{"x", locks};
    nlock::detail::descriptor file = open_file(locks / "closed.lock");
    child_of_an_instruction child{lock, instruction, [&] { file.close(); }, true};
    if (!child.exists()) return false;
    report_child(results, "closes a file", instruction, child.finish());
    return true;
}

using nlock::detail::descriptor;

/// `make` gives the same number each time, if that is free.
template <class Make>
bool play_same_number(const char* what, const Make& make, long instruction, report& results) {
    const descriptor closed = make(0);
    ::close(closed.get());
    prepare(instruction);
    descriptor opened;
    std::thread other{[&] {
        begin_steps();
        opened = make(1);
        end_steps();
        has_passed = true;
    }};
    while (!has_stopped && !has_passed) {
    }
    const bool passes = closed.is_ours();
    has_forked = true;
    other.join();
    results.tried(std::string{"a closed descriptor at instructions of a thread that "} + what);
    results.expect(opened.get() == closed.get(), std::string{"another number is given to who "} + what);
    results.expect(!passes, "a descriptor that was closed passes for what it was, while another thread, at instruction " +
                                std::to_string(instruction) + ", " + what);
    return has_stopped;
}

/// As many of them in a build that has more.
template <class Make>
void play_some_instructions(const char* what, const Make& make, report& results) {
    constexpr long never = 0;
    constexpr long enough = 50;
    play_same_number(what, make, never, results);
    const long stride = steps / enough + 1;
    for (long i = 1; play_same_number(what, make, i, results); i += stride) {
    }
}

void play_same_numbers(const fs::path& locks, report& results) {
    const fs::path paths[]{locks / "first.lock", locks / "second.lock"};
    const auto open = [&](int which) { return nlock::detail::open_file(paths[which], O_RDWR | O_CREAT, 0666); };
    const auto open_socket = [](int) { return nlock::detail::open_datagram_socket(); };
    const descriptor files[]{open(0), open(1)};
    const auto copy = [&](int which) {
        constexpr int high = 100;
        return files[which].copy(high);
    };
    play_some_instructions("opens a lock file", open, results);
    play_some_instructions("opens a socket", open_socket, results);
    play_some_instructions("renumbers a lock file", copy, results);
}

}  // namespace

int main() {
    std::signal(SIGTRAP, on_step);
    report results;
    scratch_dir scratch;
    nlock::lock_options options;
    options.locks_dir = scratch.path();
    options.keep_open = false;
    nlock::named_lock{"x", options}.acquire().release();
    // fork() waits a moment for who is opening: not all of a thousand instructions: all of the first ones, then some.
    constexpr long most = 60;
    constexpr long stride = 5;
    for (long i = 1; i < most && play_beginning(scratch.path(), i, results); ++i) {
    }
    for (const auto play : {play_opening, play_closing}) {
        for (long i = 1; play(scratch.path(), i, results); i += i < most ? 1 : stride) {
        }
    }
    play_same_numbers(scratch.path(), results);
    return results.finish();
}

#else

int main() {
    torture::report results;
    results.skipped("fork() at each instruction of a thread that opens a file", "needs the trap flag of x86-64");
    return results.finish();
}

#endif

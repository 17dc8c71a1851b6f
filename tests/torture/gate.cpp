// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// fork() in the worst moment of another thread: each instruction of the way in which that thread passes the fork gate.
// The child has the gate as it was in that instant, but not the thread that would go on. The child must be able to fork
// and to use its locks, whatever instruction it was.
//
// The other thread is stepped through by the trap flag, so this is for x86-64.
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <thread>

#include <named_lock/named_lock.hpp>

#include "common.hpp"

#if defined(__x86_64__)

namespace {

using namespace torture;

std::atomic<bool> is_armed{false};
std::atomic<bool> gate_is_closed{false};
std::atomic<bool> has_forked{false};
std::atomic<bool> has_stopped{false};
std::atomic<bool> has_passed{false};
std::atomic<long> steps{0};
long stop_at = 0;

/// Runs within fork(), when the library's handler has closed the gate: handlers that were registered first run last.
void before_fork() {
    if (!is_armed.exchange(false)) return;
    gate_is_closed = true;
    // The other thread either stops at its instruction or comes to wait for the gate, and never there.
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

/// False: the thread had passed, or waited, before it came to that instruction.
bool play(const fs::path& locks, long instruction, report& results) {
    steps = 0;
    stop_at = instruction;
    gate_is_closed = has_forked = has_stopped = has_passed = false;
    is_armed = true;
    nlock::named_lock lock{"x", locks};
    std::thread other{[] {
        while (!gate_is_closed) {
        }
        begin_steps();
        nlock::detail::process_fork_gate.enter();
        nlock::detail::process_fork_gate.leave();
        end_steps();
        has_passed = true;
    }};
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) {
        die_with_parent(parent);
        std::signal(SIGTRAP, SIG_DFL);
        ::alarm(2);
        const pid_t grandchild = ::fork();
        if (grandchild == 0) end_process(0);
        ::waitpid(grandchild, nullptr, 0);
        const auto guard = lock.acquire(std::chrono::seconds{1});
        end_process(guard ? 0 : 1);
    }
    has_forked = true;
    int status = 0;
    ::waitpid(child, &status, 0);
    other.join();
    if (!has_stopped) return false;
    results.tried("fork() at each instruction of a thread that passes the gate");
    results.expect(status == 0,
                   "after a fork() while another thread was at instruction " + std::to_string(instruction) +
                       " of its way through the fork gate, " +
                       (WIFSIGNALED(status) ? "the child hangs in its own fork()" : "the child cannot use its locks"));
    return true;
}

}  // namespace

int main() {
    std::signal(SIGTRAP, on_step);
    report results;
    scratch_dir scratch;
    nlock::named_lock{"x", scratch.path()}.acquire().release();
    for (long instruction = 1; instruction < 60 && play(scratch.path(), instruction, results); ++instruction) {
    }
    return results.finish();
}

#else

int main() {
    torture::report results;
    results.skipped("fork() at each instruction of a thread that passes the gate", "needs the trap flag of x86-64");
    return results.finish();
}

#endif

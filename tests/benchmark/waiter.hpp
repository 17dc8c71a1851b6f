// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A process that waits for a lock, to be looked at from outside.
#pragma once

#include <signal.h>
#include <time.h>

#include <atomic>
#include <thread>

#include <named_lock/named_lock.hpp>

#include "support.hpp"

namespace bench {

/// Waits for a lock that somebody holds, with a time-out, when its constructor has returned. Gives it up as soon as it
/// is granted.
class waiter {
  public:
    explicit waiter(const nlock::named_lock& lock)
        : news_{shared<news>()}, pid_{start_child([&] { wait_for(lock, *news_); })} {
        using namespace std::chrono_literals;
        while (news_->begun_ns == 0) std::this_thread::sleep_for(1ms);
        std::this_thread::sleep_for(20ms);  // on_wait is called before it sleeps
    }
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;
    ~waiter() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        ::munmap(news_, sizeof *news_);
    }

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] std::int64_t granted_ns() const {
        while (news_->granted_ns == 0) std::this_thread::sleep_for(std::chrono::milliseconds{1});
        return news_->granted_ns;
    }
    /// Of its whole wait, which must be over.
    [[nodiscard]] double cpu_percent() const {
        const double whole = static_cast<double>(granted_ns() - news_->begun_ns);
        return 100 * static_cast<double>(cpu_ns() - news_->cpu_before_ns) / whole;
    }
    [[nodiscard]] std::int64_t cpu_ns() const {
        clockid_t clock = 0;
        if (::clock_getcpuclockid(pid_, &clock) != 0) throw std::runtime_error{"clock_getcpuclockid"};
        return time_of(clock);
    }

  private:
    struct news {
        std::atomic<std::int64_t> cpu_before_ns{0};
        std::atomic<std::int64_t> begun_ns{0};
        std::atomic<std::int64_t> granted_ns{0};
    };

    static std::int64_t time_of(clockid_t clock) {
        timespec time{};
        ::clock_gettime(clock, &time);
        return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
    }

    static void wait_for(const nlock::named_lock& lock, news& told) {
        using namespace std::chrono_literals;
        std::int64_t begun = 0;
        nlock::lock_options options{lock.path().parent_path()};
        options.on_wait = [&](const nlock::lock_wait&) { told.begun_ns = begun; };
        nlock::named_lock mine{lock.name(), options};
        told.cpu_before_ns = time_of(CLOCK_PROCESS_CPUTIME_ID);
        begun = now_ns();
        {
            const auto held = mine.acquire(300s);
            told.granted_ns = now_ns();
        }
        ::pause();  // its end is not to be measured
    }

    news* news_;
    pid_t pid_;
};

}  // namespace bench

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/acquire_all.hpp>
#include <named_lock/named_lock.hpp>

#include "../options.hpp"
#include "../system.hpp"
#include "places.hpp"
#include "processes.hpp"
#include "run.hpp"

#ifdef NAMED_LOCK_HAS_ETCD
#include <named_lock/etcd_lock.hpp>
#endif

namespace {

using steady = std::chrono::steady_clock;

/// "1st", "2nd", "11th"
std::string ordinal(std::size_t number) {
    const bool is_teen = number / 10 % 10 == 1;
    const std::size_t last = is_teen ? 0 : number % 10;
    return std::to_string(number) + (last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th");
}

/// Says whom we wait for: to a terminal at once, else after a second, as a log needs no line about each short wait.
class waiting_line {
  public:
    explicit waiting_line(bool is_quiet) : is_quiet_{is_quiet} {}
    waiting_line(const waiting_line&) = delete;
    waiting_line& operator=(const waiting_line&) = delete;
    ~waiting_line() { end(); }

    void begin(const std::string& name, const nlock::named_lock& lock) {
        end();
        if (is_quiet_) return;
        has_ended_ = false;
        teller_ = std::thread{[this, name, lock] {
            std::unique_lock held{mutex_};
            const auto delay = std::chrono::seconds{is_watched() ? 0 : 1};
            if (!ended_.wait_for(held, delay, [this] { return has_ended_; })) say(name, lock);
        }};
    }

    void end() {
        if (!teller_.joinable()) return;
        {
            const std::scoped_lock held{mutex_};
            has_ended_ = true;
            ended_.notify_all();
        }
        teller_.join();
    }

  private:
    static void say(const std::string& name, const nlock::named_lock& lock) {
        const auto holders = named_after_commands(lock.holders());
        const auto waiters = lock.waiters();
        std::string line = "named-lock: waiting for '" + name + "'";
        if (!holders.empty()) line += ", held by " + to_string(holders);
        if (!holders.empty() || !waiters.empty()) {  // else the system does not tell
            const auto own = std::find_if(waiters.begin(), waiters.end(),
                                          [](const nlock::lock_waiter& w) { return w.pid == own_pid(); });
            line += ", " + ordinal(static_cast<std::size_t>(own - waiters.begin()) + 1) + " in line";
        }
        std::cerr << line + '\n' << std::flush;
    }

    const bool is_quiet_;
    std::mutex mutex_;
    std::condition_variable ended_;
    bool has_ended_ = false;
    std::thread teller_;
};

/// For -v.
class stopwatch {
  public:
    void has_acquired() { acquired_ = steady::now(); }
    void tell(const run_options& wanted) const {
        if (!wanted.verbose) return;
        std::cerr << "named-lock: waited " + in_words(acquired_ - began_) + " for " + text_of(wanted.names) +
                         ", held it for " + in_words(steady::now() - acquired_) + '\n'
                  << std::flush;
    }

  private:
    static std::string text_of(const std::vector<std::string>& names) {
        std::string text;
        for (const std::string& name : names) text.append(text.empty() ? "'" : ", '").append(name).append("'");
        return text;
    }

    steady::time_point began_ = steady::now();
    steady::time_point acquired_ = began_;
};

/// Of a time-out, with the names of commands.
std::string message_of(const nlock::lock_timeout& e) {
    std::string message = e.what();
    const std::string holders = to_string(e.holders());
    const std::size_t at = holders.empty() ? std::string::npos : message.find(holders);
    if (at != std::string::npos) message.replace(at, holders.size(), to_string(named_after_commands(e.holders())));
    return message;
}

#ifdef NAMED_LOCK_HAS_ETCD
/// The command may go on for a moment after the lock was lost: whatever it writes to must check tokens, which it finds
/// in its environment, or bear that.
int run_with_etcd(const run_options& wanted) {
    const std::string& name = wanted.names[0];
    nlock::etcd_options options;
    options.ttl = std::chrono::ceil<std::chrono::seconds>(wanted.ttl);
    options.on_wait = [&](const nlock::etcd_wait& wait) {
        if (wanted.quiet) return;
        std::string line = "named-lock: waiting for '" + wait.name + "'";
        for (const nlock::etcd_holder& holder : wait.holders) line += ", held by " + to_string(holder);
        if (!wait.trouble.empty()) line += ": " + wait.trouble;
        std::cerr << line + '\n' << std::flush;
    };
    nlock::etcd_lock lock{name, nlock::etcd_cluster{wanted.etcd, options}};
    stopwatch time;
    auto guard = [&] {
        const borrowed_name as_the_command{wanted.command};  // which the queue entry shows
        return lock.acquire(wanted.timeout);
    }();
    time.has_acquired();
    set_environment("NAMED_LOCK_TOKEN", std::to_string(guard.token()));
    killable_command command{wanted.command, wanted.grace};
    guard.on_lost([&] { command.end_soon(); });
    const int status = command.wait();
    const bool was_held = guard.release() && !command.was_told_to_end();
    time.tell(wanted);
    if (was_held) return status;
    std::cerr << "named-lock: the lock '" << name << "' was lost while the command ran" << std::endl;
    return exit_lost;
}
#else
int run_with_etcd(const run_options&) { throw usage_error{"this program was built without etcd"}; }
#endif

int run_with_files(const run_options& wanted, const place& where) {
    waiting_line line{wanted.quiet};
    std::vector<nlock::named_lock> locks;
    for (const std::string& name : wanted.names) {
        nlock::lock_options options;
        options.on_wait = [&, i = locks.size()](const nlock::lock_wait&) { line.begin(name, locks[i]); };
        locks.push_back(lock_of(name, where, options));
    }
    stopwatch time;
    auto guards = wanted.shared ? acquire_all_shared(locks, wanted.timeout) : acquire_all(locks, wanted.timeout);
    line.end();
    time.has_acquired();
    const int status = run(wanted.command);
    guards.clear();
    time.tell(wanted);
    return status;
}

}  // namespace

int run_with_locks(const run_options& wanted, const place& where) {
    try {
        return wanted.etcd.empty() ? run_with_files(wanted, where) : run_with_etcd(wanted);
    } catch (const nlock::lock_timeout& e) {
        if (!wanted.quiet) std::cerr << "named-lock: " + message_of(e) + '\n' << std::flush;
        return wanted.conflict_status;
    }
}

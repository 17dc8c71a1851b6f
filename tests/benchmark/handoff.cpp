// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// How long a waiter that may time out sleeps on after the release, and what its waiting costs.
//
//   handoff [--quick] --python PYTHON --peers DIR      measures, one JSON line for each figure
//   handoff stamp MILLISECONDS                         the command that flock(1) runs: says when it ends
//
// Holders are other processes that print "held", keep the lock for a while, release it and print when they began to.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <atomic>
#include <cstring>
#include <iostream>
#include <list>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <named_lock/named_lock.hpp>

#if __has_include(<boost/interprocess/sync/file_lock.hpp>)
#include <boost/date_time/posix_time/posix_time_types.hpp>
#include <boost/interprocess/sync/file_lock.hpp>
#define HAS_BOOST 1
#endif

#include "support.hpp"
#include "waiter.hpp"

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// A child process and the lines it prints.
class peer {
  public:
    template <class Body>
    explicit peer(Body body) {
        int out[2];
        if (::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error{"pipe"};
        pid_ = bench::start_child([&] {
            ::dup2(out[1], STDOUT_FILENO);
            body();
        });
        ::close(out[1]);
        lines_ = ::fdopen(out[0], "r");
    }
    peer(const peer&) = delete;
    peer& operator=(const peer&) = delete;
    ~peer() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        std::fclose(lines_);
    }

    std::string line() {
        char text[64] = "";
        if (std::fgets(text, sizeof text, lines_) == nullptr) throw std::runtime_error{"a holder ended too early"};
        return text;
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

  private:
    pid_t pid_ = 0;
    FILE* lines_ = nullptr;
};

void say(const std::string& text) {
    std::cout << text << std::endl;  // at once
}

void hold_and_stamp(milliseconds time) {
    say("held");
    std::this_thread::sleep_for(time);
    say(std::to_string(bench::now_ns()));
}

struct settings {
    std::filesystem::path file;
    nlock::named_lock lock;
    std::string self;
    std::string python;
    std::filesystem::path peers;
};

/// Starts a holder of that kind that keeps the lock for `time`.
std::unique_ptr<peer> start_holder(const std::string& kind, const settings& s, milliseconds time) {
    const std::string ms = std::to_string(time.count());
    return std::make_unique<peer>([&] {
        if (kind == "named_lock") {
            nlock::named_lock lock = s.lock;
            auto guard = lock.acquire();
            say("held");
            std::this_thread::sleep_for(time);
            const auto stamp = bench::now_ns();
            guard.release();
            say(std::to_string(stamp));
            ::pause();  // its end is not to be measured
        } else if (kind == "killed") {
            nlock::named_lock lock = s.lock;
            const auto guard = lock.acquire();
            say("held");
            ::pause();
        } else if (kind == "Python filelock") {
            ::execl(s.python.c_str(), s.python.c_str(), (s.peers / "hold.py").c_str(), s.file.c_str(), ms.c_str(),
                    nullptr);
        } else if (kind == "flock(1)") {
            ::execlp("flock", "flock", s.file.c_str(), s.self.c_str(), "stamp", ms.c_str(), nullptr);
        }
        ::_exit(1);
    });
}

/// Waits for the lock in that way and returns when it was granted.
std::int64_t wait_for_lock(const std::string& way, settings& s) {
    if (way == "named_lock") {
        const auto guard = s.lock.acquire(60s);
        return bench::now_ns();
    }
    if (way == "kernel flock") {
        const int fd = ::open(s.file.c_str(), O_RDWR | O_CLOEXEC);
        while (::flock(fd, LOCK_EX) != 0) {
        }
        const auto time = bench::now_ns();
        ::close(fd);
        return time;
    }
#ifdef HAS_BOOST
    if (way == "Boost timed_lock") {  // fcntl: excludes only its own kind, so the holder is one as well
        boost::interprocess::file_lock lock{s.file.c_str()};
        lock.timed_lock(boost::posix_time::microsec_clock::universal_time() + boost::posix_time::seconds{60});
        return bench::now_ns();
    }
#endif
    if (way == "Python filelock") {
        peer waiter{[&] {
            ::execl(s.python.c_str(), s.python.c_str(), (s.peers / "wait.py").c_str(), s.file.c_str(), nullptr);
        }};
        return std::stoll(waiter.line());
    }
    throw std::runtime_error{way};
}

void hand_off(const std::string& holder_kind, milliseconds hold, int rounds, const std::vector<std::string>& ways,
              settings& s) {
    const std::string question = "hand-off, " + holder_kind + ", " + std::to_string(hold.count()) + " ms";
    std::vector<std::vector<double>> samples(ways.size());
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < ways.size(); ++i) {
            const auto holder = start_holder(holder_kind, s, hold);
            holder->line();
            if (holder_kind == "killed") {
                auto* stamp = bench::shared<std::int64_t>();
                const pid_t killer = bench::start_child([&] {
                    std::this_thread::sleep_for(hold);
                    *stamp = bench::now_ns();
                    ::kill(holder->pid(), SIGKILL);
                });
                const auto granted = wait_for_lock(ways[i], s);
                ::waitpid(killer, nullptr, 0);
                samples[i].push_back(static_cast<double>(granted - *stamp) / 1e3);
                ::munmap(stamp, sizeof *stamp);
            } else {
                const auto granted = wait_for_lock(ways[i], s);
                samples[i].push_back(static_cast<double>(granted - std::stoll(holder->line())) / 1e3);
            }
        }
    }
    for (std::size_t i = 0; i < ways.size(); ++i) bench::report(question, ways[i], "us", samples[i]);
}

#ifdef HAS_BOOST
/// Boost.Interprocess among its own kind, as its locks do not see flock.
void boost_hand_off(milliseconds hold, int rounds, settings& s) {
    std::vector<double> samples;
    for (int round = 0; round < rounds; ++round) {
        peer holder{[&] {
            boost::interprocess::file_lock lock{s.file.c_str()};
            lock.lock();
            say("held");
            std::this_thread::sleep_for(hold);
            const auto stamp = bench::now_ns();
            lock.unlock();
            say(std::to_string(stamp));
            ::pause();
        }};
        holder.line();
        const auto granted = wait_for_lock("Boost timed_lock", s);
        samples.push_back(static_cast<double>(granted - std::stoll(holder.line())) / 1e3);
    }
    bench::report("hand-off, named_lock, " + std::to_string(hold.count()) + " ms", "Boost timed_lock", "us", samples);
}
#endif

double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void waiting_costs(milliseconds wait, std::size_t others, int rounds, settings& s) {
    std::vector<double> percent;
    for (int round = 0; round < rounds; ++round) {
        auto held = s.lock.acquire();
        std::list<bench::waiter> beside;
        while (beside.size() < others) beside.emplace_back(s.lock);
        const bench::waiter measured{s.lock};
        std::this_thread::sleep_for(wait);
        held.release();
        percent.push_back(measured.cpu_percent());
    }
    bench::report("CPU of a 2 s wait",
                  others == 0 ? "named_lock" : "named_lock, " + std::to_string(others) + " others wait", "%", percent);
}

void costs_of_other_waits(milliseconds wait, settings& s) {
    const double idle_before = cpu_seconds();
    const auto idle_start = bench::steady::now();
    for (auto slept = 0ms; slept < wait; slept += 50ms) ::poll(nullptr, 0, 50);
    bench::report("CPU of a 2 s wait", "40 times poll(2) of nothing", "%",
                  {100 * (cpu_seconds() - idle_before) / bench::seconds_since(idle_start)});
#ifdef HAS_BOOST
    peer holder{[&] {
        boost::interprocess::file_lock lock{s.file.c_str()};
        lock.lock();
        hold_and_stamp(wait);
    }};
    holder.line();
    const double before = cpu_seconds();
    const auto start = bench::steady::now();
    wait_for_lock("Boost timed_lock", s);
    bench::report("CPU of a 2 s wait", "Boost timed_lock", "%",
                  {100 * (cpu_seconds() - before) / bench::seconds_since(start)});
#endif
}

/// From `stop`, which ends the wait of `acquire`, to what that throws.
template <class Acquire, class Stop>
void ends_of_waits(const std::string& question, const std::string& what, int rounds, Acquire acquire, Stop stop) {
    std::vector<double> late;
    for (int round = 0; round < rounds; ++round) {
        std::atomic<std::int64_t> thrown{0};
        std::jthread waiter{[&](const std::stop_token& token) {
            try {
                (void)acquire(token);
            } catch (const nlock::lock_cancelled&) {
                thrown = bench::now_ns();
            }
        }};
        std::this_thread::sleep_for(20ms);
        const auto requested = bench::now_ns();
        stop(waiter);
        waiter.join();
        late.push_back(static_cast<double>(thrown - requested) / 1e3);
    }
    bench::report(question, what, "us", late);
}

void lateness(int rounds, settings& s) {
    const auto holder = start_holder("killed", s, 0ms);
    holder->line();
    std::vector<double> late;
    std::vector<double> bare;
    for (int round = 0; round < rounds; ++round) {
        const auto start = bench::steady::now();
        if (s.lock.try_acquire(100ms)) throw std::runtime_error{"granted"};
        late.push_back((bench::seconds_since(start) - 0.1) * 1e6);
        const auto bare_start = bench::steady::now();
        ::poll(nullptr, 0, 100);
        bare.push_back((bench::seconds_since(bare_start) - 0.1) * 1e6);
    }
    bench::report("time-out of 100 ms: how late", "named_lock", "us", late);
    bench::report("time-out of 100 ms: how late", "poll(2) of nothing", "us", bare);

    const auto by_token = [&](const std::stop_token& stop) { return s.lock.acquire(stop); };
    ends_of_waits("stop request to lock_cancelled", "named_lock", rounds, by_token, [](std::jthread& w) {
        w.request_stop();
    });
    const auto by_cancellation = [&](const char* where) {
        nlock::cancellation cancelled;
        ends_of_waits("cancel() to lock_cancelled", where, rounds,
                      [&](const std::stop_token&) {
                          cancelled.reset();
                          return s.lock.acquire(cancelled);
                      },
                      [&](std::jthread&) { cancelled.cancel(); });
    };
    by_cancellation("named_lock");
    std::jthread front{[&](const std::stop_token& stop) { (void)s.lock.try_acquire(stop, 60s); }};
    std::this_thread::sleep_for(20ms);
    by_cancellation("named_lock, behind another thread");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 3 && std::strcmp(argv[1], "stamp") == 0) {
        hold_and_stamp(milliseconds{std::stoi(argv[2])});
        return 0;
    }
    const bench::arguments given{argc, argv};
    const bool quick = given.quick;
    const bench::directory dir;
    const nlock::named_lock lock{"hand-off", dir.path()};
    settings s{lock.path(), lock, std::filesystem::canonical("/proc/self/exe"), given.python, given.peers};
    { const auto create = s.lock.acquire(); }

    const int many = quick ? 10 : 300;
    const int some = quick ? 5 : 100;
    const std::vector<std::string> both{"kernel flock", "named_lock"};
    hand_off("named_lock", 5ms, many, both, s);
    hand_off("named_lock", 200ms, quick ? 3 : 100, both, s);
    hand_off("killed", 5ms, some, both, s);
    hand_off("Python filelock", 5ms, some, both, s);
    hand_off("flock(1)", 5ms, some, both, s);
    hand_off("named_lock", 300ms, quick ? 2 : 20, {"Python filelock"}, s);
#ifdef HAS_BOOST
    boost_hand_off(5ms, some, s);
    boost_hand_off(200ms, quick ? 2 : 20, s);
#endif
    const auto wait = quick ? 200ms : 2000ms;
    waiting_costs(wait, 0, quick ? 1 : 5, s);
    waiting_costs(wait, 63, quick ? 1 : 3, s);
    costs_of_other_waits(wait, s);
    lateness(quick ? 5 : 100, s);
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What is left of a lock when many want it all the time: acquisitions per second and each one's share of them.
// Usage: crowd [--quick]
#include <fcntl.h>
#include <sys/file.h>

#include <atomic>
#include <cstring>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support.hpp"

namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

enum class stage { waiting, running, over };

/// What the processes of a crowd share.
struct board {
    std::atomic<stage> now{stage::waiting};
    std::atomic<int> ready{0};
    std::atomic<std::int64_t> writer_waited_us{0};
    std::atomic<long> acquisitions[1024]{};
};

using work = std::function<void(std::atomic<long>& count, const std::atomic<stage>& now)>;

struct crowd {
    int processes;
    int threads;

    [[nodiscard]] int members() const { return processes * threads; }
    [[nodiscard]] std::string name() const {
        return std::to_string(processes) + (processes == 1 ? " process" : " processes") +
               (threads == 1 ? "" : " x " + std::to_string(threads) + " threads");
    }
};

struct result {
    double per_second;
    double smallest_share;  // of a process, 1: its fair share
    double largest_share;
};

result run(const crowd& who, double seconds, const work& body, const std::function<void(board&)>& meanwhile = {}) {
    board* shared = bench::shared<board>();
    std::vector<pid_t> children;
    for (int p = 0; p < who.processes; ++p) {
        children.push_back(bench::start_child([&] {
            std::vector<std::thread> threads;
            for (int t = 0; t < who.threads; ++t) {
                threads.emplace_back([&, t] {
                    ++shared->ready;
                    while (shared->now == stage::waiting) std::this_thread::sleep_for(1ms);
                    body(shared->acquisitions[p * who.threads + t], shared->now);
                });
            }
            for (auto& thread : threads) thread.join();
        }));
    }
    while (shared->ready != who.members()) std::this_thread::sleep_for(1ms);
    const auto start = bench::steady::now();
    shared->now = stage::running;
    if (meanwhile) meanwhile(*shared);
    std::this_thread::sleep_until(
        start + std::chrono::duration_cast<bench::steady::duration>(std::chrono::duration<double>{seconds}));
    std::vector<double> of_process(static_cast<std::size_t>(who.processes));
    for (int i = 0; i < who.members(); ++i) {
        of_process[static_cast<std::size_t>(i / who.threads)] += static_cast<double>(shared->acquisitions[i].load());
    }
    const double elapsed = bench::seconds_since(start);
    shared->now = stage::over;
    for (const pid_t child : children) ::waitpid(child, nullptr, 0);
    ::munmap(shared, sizeof *shared);
    const double sum = std::accumulate(of_process.begin(), of_process.end(), 0.0);
    const auto [least, most] = std::minmax_element(of_process.begin(), of_process.end());
    return {sum / elapsed, *least * who.processes / sum, *most * who.processes / sum};
}

work with_kernel_flock(const std::filesystem::path& path, microseconds hold) {
    return [=](std::atomic<long>& count, const std::atomic<stage>& now) {
        const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        while (now == stage::running) {
            while (::flock(fd, LOCK_EX) != 0) {
            }
            bench::busy_for(hold);
            ++count;
            ::flock(fd, LOCK_UN);
        }
        ::close(fd);
    };
}

work with_named_lock(const nlock::named_lock& handle, microseconds hold) {
    return [=](std::atomic<long>& count, const std::atomic<stage>& now) {
        nlock::named_lock lock = handle;
        while (now == stage::running) {
            const auto guard = lock.acquire(60s);
            bench::busy_for(hold);
            ++count;
        }
    };
}

void report_all(const std::string& question, const std::string& what, const std::vector<result>& results) {
    std::vector<double> rates;
    std::vector<double> least;
    std::vector<double> most;
    for (const result& r : results) {
        rates.push_back(r.per_second);
        least.push_back(r.smallest_share);
        most.push_back(r.largest_share);
    }
    bench::report(question, what, "1/s", rates);
    bench::report(question, what + ", smallest share", "share", least);
    bench::report(question, what + ", largest share", "share", most);
}

struct entrant {
    std::string what;
    crowd who;
    work body;
};

void contest(const std::string& question, const std::vector<entrant>& entrants, double seconds, int rounds) {
    std::vector<std::vector<result>> results(entrants.size());
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < entrants.size(); ++i) {
            results[i].push_back(run(entrants[i].who, seconds, entrants[i].body));
        }
    }
    for (std::size_t i = 0; i < entrants.size(); ++i) report_all(question, entrants[i].what, results[i]);
}

void readers(const nlock::named_lock& handle, double seconds) {
    const work read = [handle](std::atomic<long>& count, const std::atomic<stage>& now) {
        nlock::named_lock lock = handle;
        while (now == stage::running) {
            const auto guard = lock.acquire_shared(60s);
            bench::busy_for(100us);
            ++count;
        }
    };
    const auto writer_arrives = [&](board& shared) {
        std::this_thread::sleep_for(100ms);
        nlock::named_lock lock = handle;
        const auto start = bench::steady::now();
        const auto guard = lock.try_acquire(std::chrono::duration<double>{seconds});
        shared.writer_waited_us = static_cast<std::int64_t>(bench::seconds_since(start) * 1e6);
        const double waited = static_cast<double>(shared.writer_waited_us.load());
        bench::report("readers", guard ? "a writer among 100 waits" : "a writer among 100 gave up after", "us",
                      {waited});
    };
    report_all("readers", "1 reader", {run({1, 1}, seconds, read)});
    report_all("readers", "2 readers", {run({2, 1}, seconds, read)});
    report_all("readers", "100 readers", {run({100, 1}, seconds, read)});
    run({100, 1}, seconds, read, writer_arrives);
    const auto local = run({1, 100}, seconds, read, writer_arrives);
    report_all("readers", "100 readers, threads of one process", {local});
}

}  // namespace

int main(int argc, char** argv) {
    const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
    const bench::directory dir;
    const nlock::named_lock lock{"crowd", dir.path()};
    { const auto create = nlock::named_lock{lock}.acquire(); }

    const double seconds = quick ? 0.2 : 10;
    for (const int n : {2, 8, 64, 256}) {
        contest("always wanted, holds of 100 us, " + std::to_string(n) + " processes",
                {{"kernel flock", {n, 1}, with_kernel_flock(lock.path(), 100us)},
                 {"named_lock", {n, 1}, with_named_lock(lock, 100us)}},
                seconds, quick ? 1 : 2);
    }
    contest("always wanted, holds of 100 us, threads",
            {{"32 processes", {32, 1}, with_named_lock(lock, 100us)},
             {"4 processes x 8 threads", {4, 8}, with_named_lock(lock, 100us)}},
            quick ? 0.2 : 5, quick ? 1 : 3);
    for (const int n : {2, 8}) {
        contest("empty critical section, " + std::to_string(n) + " threads",
                {{"one process per thread", {n, 1}, with_named_lock(lock, 0us)},
                 {"threads of one process", {1, n}, with_named_lock(lock, 0us)}},
                quick ? 0.2 : 2, quick ? 1 : 5);
    }
    readers(lock, quick ? 0.2 : 3);
}

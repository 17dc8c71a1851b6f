// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
//     named_lock_etcd_benchmark WHAT URLS [NAME]
//
//   basic       the three bare requests, an acquisition and release of a free lock, the round trip of a watch, a hand-off
//   hold NAME   for benchmark.py: acquires, prints a line, and gives up when it reads one
//   crowd N     N processes with empty sections for ten seconds: sections per second, and whether they were in order
//   bare N      N processes that do nothing but the three bare requests, for ten seconds, each for a lock of its own
//   timeout     how late a time-out of 100 ms is, of a lock that is held; again after a line, before which the server
//               is stopped
//   silent      the same, of URLS that nobody answers
//   wait        the processor time of a waiter during ten seconds
//   keep N      the processor time of N held locks during a minute, and how many were lost
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/etcd_lock.hpp>

namespace {

using namespace std::chrono_literals;
using namespace nlock::detail::etcd;
using nlock::etcd_lock;
using std::chrono::steady_clock;
using milliseconds = std::chrono::duration<double, std::milli>;

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> parts;
    std::istringstream rest{text};
    for (std::string part; std::getline(rest, part, ',');) parts.push_back(part);
    return parts;
}

void print(const std::string& what, std::vector<double> values) {
    std::sort(values.begin(), values.end());
    std::printf("%-44s median %8.3f ms   p95 %8.3f ms   n=%zu\n", what.c_str(), values[values.size() / 2],
                values[values.size() * 95 / 100], values.size());
    std::fflush(stdout);
}

template <class Work>
double time_of(const Work& work) {
    const auto start = steady_clock::now();
    work();
    return milliseconds{steady_clock::now() - start}.count();
}

double processor_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

class benchmark {
  public:
    explicit benchmark(std::vector<std::string> urls)
        : urls_{std::move(urls)}, cluster_{urls_, options()}, channel_{network_.open()} {}

    /// Interleaved, so that what else the machine does meets all alike.
    void basic() {
        constexpr int rounds = 400;
        std::vector<double> bare;
        std::vector<double> lock;
        etcd_lock free{"free", cluster_};
        for (int i = 0; i < rounds + 20; ++i) {
            const double requests = time_of([&] { three_requests("bare"); });
            const double acquisition = time_of([&] { (void)free.acquire(); });
            if (i < 20) continue;  // connections, and the server's first steps
            bare.push_back(requests);
            lock.push_back(acquisition);
        }
        print("grant + txn + revoke, bare", bare);
        print("acquire + release", lock);
        std::vector<double> watches;
        std::vector<double> handoffs;
        for (int i = 0; i < rounds; ++i) {
            watches.push_back(watch_round_trip());
            handoffs.push_back(handoff());
        }
        print("revoke until the watch tells", watches);
        print("hand-off, release() until the next one has it", handoffs);
    }

    void timeout() {
        const auto guard = etcd_lock{"busy", cluster_}.acquire();
        measure_timeouts("up");
        std::string line;
        std::cout << "stop it" << std::endl;
        std::getline(std::cin, line);
        measure_timeouts("stopped");
    }

    void measure_timeouts(const std::string& how) {
        std::vector<double> late;
        for (int i = 0; i < 50; ++i) {
            late.push_back(time_of([&] { (void)etcd_lock{"busy", cluster_}.try_acquire(100ms); }) - 100);
        }
        std::printf("a time-out of 100 ms, the server %s: earliest %.3f ms, latest %.3f ms\n", how.c_str(),
                    *std::min_element(late.begin(), late.end()), *std::max_element(late.begin(), late.end()));
        print("... late by", late);
    }

    void wait() {
        const auto guard = etcd_lock{"busy", cluster_}.acquire();
        etcd_lock lock{"busy", nlock::etcd_cluster{urls_, options()}};
        (void)lock.try_acquire(100ms);
        const double before = processor_seconds();
        (void)lock.try_acquire(10s);
        std::printf("a waiter and the keepalives of two during 10 s: %.4f %% of a core\n",
                    (processor_seconds() - before) * 10);
    }

    void keep(int count) {
        std::vector<nlock::etcd_guard> guards;
        for (int i = 0; i < count; ++i) guards.push_back(etcd_lock{"kept" + std::to_string(i), cluster_}.acquire());
        const double before = processor_seconds();
        std::this_thread::sleep_for(60s);
        const double used = processor_seconds() - before;
        const auto held =
            std::count_if(guards.begin(), guards.end(), [](const auto& guard) { return guard.is_held(); });
        std::printf("%d held locks during 60 s: %.3f %% of a core, %d lost\n", count, used / 60 * 100,
                    count - static_cast<int>(held));
    }

    void crowd(int size) {
        const result all = in_processes(size, [this](steady_clock::time_point end) { return sections(end); });
        std::printf("%d processes, empty sections: %.0f sections/s, %ld tokens out of order\n", size,
                    static_cast<double>(all.rounds) / 10, all.disorders);
    }

    void bare(int size) {
        const result all = in_processes(size, [this](steady_clock::time_point end) {
            const std::string name = "bare" + std::to_string(::getpid());
            result own;
            for (; steady_clock::now() < end; ++own.rounds) three_requests(name);
            return own;
        });
        std::printf("%d processes, the three bare requests: %.0f times/s\n", size,
                    static_cast<double>(all.rounds) / 10);
    }

    void hold(const std::string& name) {
        auto guard = etcd_lock{name, cluster_}.acquire();
        std::cout << steady_clock::now().time_since_epoch().count() << std::endl;
        std::string line;
        std::getline(std::cin, line);
    }

  private:
    static nlock::etcd_options options() {
        nlock::etcd_options options;
        options.prefix = "benchmark" + std::to_string(::getpid()) + "/";
        return options;
    }

    struct result {
        long rounds = 0;
        long disorders = 0;
    };

    /// For ten seconds, all at once; what they have done together.
    template <class Work>
    result in_processes(int size, const Work& work) {
        std::array<int, 2> gate{};
        std::array<int, 2> results{};
        if (pipe(gate.data()) != 0 || pipe(results.data()) != 0) std::exit(1);
        for (int i = 0; i < size; ++i) {
            if (fork() != 0) continue;
            close(gate[1]);
            char none = 0;
            (void)!read(gate[0], &none, 1);
            const result own = work(steady_clock::now() + 10s);
            (void)!write(results[1], &own, sizeof own);
            std::_Exit(0);
        }
        close(gate[1]);  // all go
        close(results[1]);
        result all;
        for (result one; read(results[0], &one, sizeof one) == sizeof one;) {
            all.rounds += one.rounds;
            all.disorders += one.disorders;
        }
        while (::wait(nullptr) > 0) {
        }
        return all;
    }

    result sections(steady_clock::time_point end) {
        result own;
        std::uint64_t last = 0;
        etcd_lock lock{"crowd", cluster_};
        while (steady_clock::now() < end) {
            const auto guard = lock.try_acquire(end - steady_clock::now());
            if (!guard) break;
            ++own.rounds;
            if (guard.token() <= last) ++own.disorders;
            last = guard.token();
        }
        return own;
    }

    std::string post(const char* path, const std::string& body) {
        return channel_->post({urls_[0] + path, body, ""}, time_after(5s)).body;
    }

    void three_requests(const std::string& name) {
        const queue_names names{name, options().prefix};
        const lease_id id = lease::random_id();
        post(path::grant, grant_request(id, 15s));
        post(path::txn, join_request(names, id, this_process(), join::at_the_end));
        post(path::revoke, revoke_request(id));
    }

    double watch_round_trip() {
        const queue_names names{"watched", options().prefix};
        const lease_id id = lease::random_id();
        post(path::grant, grant_request(id, 15s));
        post(path::txn, join_request(names, id, "", join::at_the_end));
        const auto other = network_.open();
        other->open_stream({urls_[0] + path::watch, watch_request(names.entry(id)), ""});
        (void)other->next_line(time_after(5s));
        std::this_thread::sleep_for(15ms);  // as long as the hand-off's waiter waits
        steady_clock::time_point end;
        std::thread watcher{[&] {
            (void)other->next_line(time_after(5s));
            end = steady_clock::now();
        }};
        std::this_thread::sleep_for(2ms);
        const auto start = steady_clock::now();
        post(path::revoke, revoke_request(id));
        watcher.join();
        return milliseconds{end - start}.count();
    }

    double handoff() {
        auto guard = etcd_lock{"handed", cluster_}.acquire();
        steady_clock::time_point end;
        std::thread waiter{[&] {
            const auto next = etcd_lock{"handed", cluster_}.acquire();
            end = steady_clock::now();
        }};
        std::this_thread::sleep_for(17ms);
        const auto start = steady_clock::now();
        guard.release();
        waiter.join();
        return milliseconds{end - start}.count();
    }

    std::vector<std::string> urls_;
    nlock::etcd_cluster cluster_;
    curl_transport network_{tls_files{}};
    std::unique_ptr<channel> channel_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return 64;
    const std::string what = argv[1];
    benchmark run{split(argv[2])};
    const int count = argc > 3 ? std::atoi(argv[3]) : 0;
    if (what == "basic") run.basic();
    if (what == "timeout") run.timeout();
    if (what == "silent") run.measure_timeouts("cut off");
    if (what == "wait") run.wait();
    if (what == "keep") run.keep(count);
    if (what == "crowd") run.crowd(count);
    if (what == "bare") run.bare(count);
    if (what == "hold") run.hold(argv[3]);
}

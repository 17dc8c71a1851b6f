// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
//     named_lock_etcd_chaos_client URLS PREFIX LOG [naive]
//
// Acquires the lock "chaos" again and again, and writes into LOG what it believed, with the time of CLOCK_BOOTTIME,
// which all processes of the machine share:
//
//   hold BEGIN END TOKEN     from when it had the guard until when it last saw is_held()
//   wait ASKED TOOK STALLED  a time-out: what was asked for, how long it took, and for how much of that this process
//                            was stopped or did not get a processor, in nanoseconds
//   error WORDS
//
// naive is the negative control: etcd's own lock service by HTTP, believed in for as long as keepalives do not fail, as
// a program does that knows nothing of leases. The checker must catch it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/etcd_lock.hpp>

namespace {

using namespace std::chrono_literals;
using namespace nlock::detail::etcd;
namespace etcd = nlock::detail::etcd;

constexpr std::chrono::seconds ttl{5};
volatile std::sig_atomic_t shall_end = 0;

std::int64_t count(time_point t) { return t.time_since_epoch().count(); }

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> parts;
    std::istringstream rest{text};
    for (std::string part; std::getline(rest, part, ',');) parts.push_back(part);
    return parts;
}

std::chrono::milliseconds some_time(int most) {
    static std::mt19937 random{std::random_device{}()};
    return std::chrono::milliseconds{std::uniform_int_distribution<int>{0, most}(random)};
}

/// Stays inside for a while, and writes down the last moment at which it believed to be.
template <class Believes>
void hold(std::ostream& log, std::uint64_t token, const Believes& believes) {
    const time_point begin = boot_clock::now();
    time_point last = begin;
    const time_point end = begin + some_time(20) + (some_time(49) == 0ms ? some_time(8000) : 0ms);
    // One line for each look: a stop in the middle must not make the interval end later than was believed.
    while (shall_end == 0) {
        const time_point before = boot_clock::now();
        if (!believes()) break;
        last = before;
        if (before >= end) break;
        std::this_thread::sleep_for(1ms);
    }
    log << "hold " << count(begin) << ' ' << count(last) << ' ' << token << std::endl;
}

/// Notes the times in which this process does not run.
class stalls {
  public:
    /// How much of the time between the two. Waits until all of it has been looked at: after a stop, this thread may
    /// run long before the one that notes it.
    [[nodiscard]] std::int64_t between(time_point begin, time_point end) const {
        std::unique_lock lock{mutex_};
        looked_.wait(lock, [&] { return last_ >= end; });
        std::chrono::nanoseconds sum{0};
        for (const auto& [from, to] : noted_) sum += (std::max)((std::min)(to, end) - (std::max)(from, begin), 0ns);
        return sum.count();
    }

  private:
    void look() {
        std::this_thread::sleep_for(5ms);
        const time_point now = boot_clock::now();
        const std::scoped_lock lock{mutex_};
        if (now - last_ > 6ms) noted_.emplace_back(last_ + 6ms, now);
        last_ = now;
        looked_.notify_all();
    }

    mutable std::mutex mutex_;
    mutable std::condition_variable looked_;
    std::vector<std::pair<time_point, time_point>> noted_;
    time_point last_ = boot_clock::now();
    std::thread looks_{[this] {
        for (;;) look();
    }};
};

void run(nlock::etcd_cluster cluster, std::ostream& log) {
    static const stalls& stopped = *new stalls;  // until the end of the process
    nlock::etcd_lock lock{"chaos", std::move(cluster)};
    while (shall_end == 0) {
        const auto timeout = some_time(4) == 0ms ? some_time(300) + 1ms : 3000ms;
        const time_point asked = boot_clock::now();
        try {
            const auto guard = lock.acquire(timeout);
            hold(log, guard.token(), [&] { return guard.is_held(); });
        } catch (const nlock::lock_timeout&) {
            const time_point end = boot_clock::now();
            log << "wait " << std::chrono::nanoseconds{timeout}.count() << ' ' << (end - asked).count() << ' '
                << stopped.between(asked, end) << std::endl;
        } catch (const nlock::lock_error& e) {
            log << "error " << e.what() << std::endl;
        }
        std::this_thread::sleep_for(some_time(10));
    }
}

// ---- the negative control ----

class naive_client {
  public:
    naive_client(std::vector<std::string> urls, std::string name)
        : urls_{std::move(urls)}, name_{std::move(name)}, channel_{network_.open()}, keeper_{network_.open()} {}

    void run(std::ostream& log) {
        while (shall_end == 0) {
            lease_ = lease::random_id();
            is_lost_ = false;
            if (!post(*channel_, etcd::path::grant, grant_request(lease_, ttl), 1s)) continue;
            std::thread keeps{[this] { keep(); }};
            const json request = {{"name", to_base64(name_)}, {"lease", std::to_string(lease_)}};
            const auto got = post(*channel_, "/v3/lock/lock", in_text(request), 20s);
            if (got && got->code == ok) {
                const auto revision = number(member(got->body, "header"), "revision");
                hold(log, revision, [&] { return !is_lost_; });
            }
            is_lost_ = true;
            keeps.join();
            post(*channel_, etcd::path::revoke, revoke_request(lease_), 1s);
        }
    }

  private:
    std::optional<answer> post(channel& with, const char* path, const std::string& body, std::chrono::seconds longest) {
        const auto got = with.post({urls_[at_ % urls_.size()] + path, body, ""}, time_after(longest));
        auto read = got.outcome == transfer::answered ? read_answer(got.body) : std::nullopt;
        if (!read || read->code != ok) ++at_;
        return read;
    }

    void keep() {
        while (!is_lost_ && shall_end == 0) {
            const auto got = post(*keeper_, etcd::path::keepalive, revoke_request(lease_), 1s);
            if (got && got->code == ok && number(got->body, "TTL") == 0) is_lost_ = true;
            for (int i = 0; i < 100 && !is_lost_ && shall_end == 0; ++i) std::this_thread::sleep_for(10ms);
        }
    }

    curl_transport network_{tls_files{}};
    std::vector<std::string> urls_;
    std::string name_;
    std::unique_ptr<channel> channel_;
    std::unique_ptr<channel> keeper_;
    std::atomic<std::size_t> at_{std::random_device{}()};
    std::atomic<lease_id> lease_{0};
    std::atomic<bool> is_lost_{false};
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return 64;
    std::signal(SIGTERM, [](int) { shall_end = 1; });
    std::ofstream log{argv[3], std::ios::app};
    if (argc > 4) {
        naive_client{split(argv[1]), std::string{argv[2]} + "chaos"}.run(log);
    } else {
        nlock::etcd_options options;
        options.prefix = argv[2];
        options.ttl = ttl;
        run(nlock::etcd_cluster{split(argv[1]), options}, log);
    }
}

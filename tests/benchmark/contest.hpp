// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Crowds that always want one lock, taking turns with each other: what they got done, each one's share of it, and how
// long each waited every time. Members write it down on a board in shared memory; peer.py and peer.go know its layout.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <bit>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support.hpp"

namespace bench {

using namespace std::chrono_literals;
using std::chrono::microseconds;

/// Waits by their length: four classes for each doubling from 1.024 us, up to half a minute.
constexpr int wait_classes = 100;

inline int class_of_wait(std::int64_t ns) {
    const auto quarters = static_cast<std::uint64_t>(std::max<std::int64_t>(ns >> 8, 4));
    const int doublings = static_cast<int>(std::bit_width(quarters)) - 3;
    return std::min(4 * doublings + static_cast<int>(quarters >> doublings & 3), wait_classes - 1);
}

inline double end_of_class_ms(int index) {
    ++index;
    return static_cast<double>((4LL + index % 4) << (index / 4)) * 256e-6;
}

enum class stage : std::int64_t { waiting, running, over };

struct alignas(64) member {
    std::atomic<std::int64_t> ready{0};
    std::atomic<std::int64_t> sections{0};
    std::atomic<std::int64_t> longest_wait_ns{0};
    std::atomic<std::int64_t> asking_since_ns{0};  // 0: does not wait now
    std::array<std::atomic<std::int64_t>, wait_classes> waits{};
};
static_assert(sizeof(member) == 8 * (4 + wait_classes));

struct board {
    alignas(64) std::atomic<stage> now{stage::waiting};
    std::array<member, 1024> members{};
};

/// A member's place at the board. The board is a file, so that it can be shared with other programs.
struct seat {
    int file;
    board* shared;
    int index;

    [[nodiscard]] member& mine() const { return shared->members[static_cast<std::size_t>(index)]; }
    [[nodiscard]] bool goes_on() const { return shared->now == stage::running; }
    void begin() const {
        mine().ready = 1;
        while (shared->now == stage::waiting) std::this_thread::sleep_for(1ms);
    }
    void asks() const { mine().asking_since_ns.store(now_ns(), std::memory_order_relaxed); }
    void is_granted() const {
        const auto wait = now_ns() - mine().asking_since_ns.load(std::memory_order_relaxed);
        mine().asking_since_ns.store(0, std::memory_order_relaxed);
        if (wait > mine().longest_wait_ns.load(std::memory_order_relaxed)) mine().longest_wait_ns = wait;
        mine().waits[static_cast<std::size_t>(class_of_wait(wait))].fetch_add(1, std::memory_order_relaxed);
    }
    void is_done() const { mine().sections.fetch_add(1, std::memory_order_relaxed); }
};

/// What a member does until it ends; it calls begin() when it is ready.
using work = std::function<void(const seat&)>;

template <class Acquire>
void compete(const seat& place, microseconds hold, Acquire acquire) {
    place.begin();
    while (place.goes_on()) {
        place.asks();
        const auto held = acquire();
        place.is_granted();
        if (hold > 0us) busy_for(hold);
        place.is_done();
    }
}

inline work with_kernel_flock(const std::filesystem::path& file, microseconds hold) {
    return [=](const seat& place) {
        const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
        struct unlock {
            int fd;
            ~unlock() { ::flock(fd, LOCK_UN); }
        };
        compete(place, hold, [&] {
            while (::flock(fd, LOCK_EX) != 0) {
            }
            return unlock{fd};
        });
        ::close(fd);
    };
}

inline work with_named_lock(nlock::named_lock lock, microseconds hold) {
    return [=](const seat& place) mutable { compete(place, hold, [&] { return lock.acquire(60s); }); };
}

/// Members that are programs: COMMAND... FILE BOARD INDEX MICROSECONDS
inline work with_program(std::vector<std::string> command, const std::filesystem::path& file, microseconds hold) {
    return [=](const seat& place) mutable {
        for (const std::string& last : {file.string(), "/proc/self/fd/" + std::to_string(place.file),
                                        std::to_string(place.index), std::to_string(hold.count())}) {
            command.push_back(last);
        }
        std::vector<char*> arguments;
        for (auto& argument : command) arguments.push_back(argument.data());
        arguments.push_back(nullptr);
        ::execvp(arguments[0], arguments.data());
        ::_exit(1);
    };
}

struct crowd {
    int processes;
    int threads = 1;            // of each process
    bool two_networks = false;  // half of them in a network namespace of their own

    [[nodiscard]] int members() const { return processes * threads; }
};

/// The processes that are started while it lives cannot reach the others' sockets.
class other_network {
  public:
    /// Only for root, and not in every container.
    static bool is_possible() {
        int status = 1;
        ::waitpid(start_child([] { ::_exit(::unshare(CLONE_NEWNET) == 0 ? 0 : 1); }), &status, 0);
        return status == 0;
    }

    other_network() : home_{::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)} {
        if (::unshare(CLONE_NEWNET) != 0) throw std::runtime_error{"unshare"};
    }
    other_network(const other_network&) = delete;
    other_network& operator=(const other_network&) = delete;
    ~other_network() {
        if (::setns(home_, CLONE_NEWNET) != 0) std::abort();
        ::close(home_);
    }

  private:
    int home_;
};

struct outcome {
    double seconds = 0;
    std::vector<double> sections;                    // of each process
    double longest_wait_ms = 0;                      // of anybody
    std::array<std::int64_t, wait_classes> waits{};  // who still waits at the end counts as well

    [[nodiscard]] double total() const { return std::accumulate(sections.begin(), sections.end(), 0.0); }
    [[nodiscard]] double per_second() const { return total() / seconds; }
    /// 1: what would be fair.
    [[nodiscard]] double share(double of_process) const {
        return of_process * static_cast<double>(sections.size()) / std::max(total(), 1.0);
    }
    [[nodiscard]] double smallest_share() const { return share(*std::min_element(sections.begin(), sections.end())); }
    [[nodiscard]] double largest_share() const { return share(*std::max_element(sections.begin(), sections.end())); }
};

inline outcome read(const board& shared, const crowd& who, double seconds) {
    outcome result{seconds, std::vector<double>(static_cast<std::size_t>(who.processes)), 0, {}};
    for (int i = 0; i < who.members(); ++i) {
        const member& m = shared.members[static_cast<std::size_t>(i)];
        result.sections[static_cast<std::size_t>(i / who.threads)] += static_cast<double>(m.sections.load());
        const auto since = m.asking_since_ns.load();
        const auto waits_now = since == 0 ? 0 : now_ns() - since;
        const auto longest = std::max(m.longest_wait_ns.load(), waits_now);
        result.longest_wait_ms = std::max(result.longest_wait_ms, static_cast<double>(longest) / 1e6);
        for (std::size_t c = 0; c < m.waits.size(); ++c) result.waits[c] += m.waits[c].load();
        if (since != 0) ++result.waits[static_cast<std::size_t>(class_of_wait(waits_now))];
    }
    return result;
}

inline std::vector<pid_t> start(const crowd& who, const seat& first, const work& body) {
    std::vector<pid_t> children;
    std::unique_ptr<other_network> away;
    for (int p = 0; p < who.processes; ++p) {
        if (who.two_networks && p == who.processes / 2) away = std::make_unique<other_network>();
        children.push_back(start_child([&] {
            std::vector<std::thread> threads;
            for (int t = 0; t < who.threads; ++t) {
                threads.emplace_back([&, t] { work{body}({first.file, first.shared, p * who.threads + t}); });
            }
            for (auto& thread : threads) thread.join();
        }));
    }
    return children;
}

inline void wait_until_ready(const board& shared, int members) {
    const auto since = steady::now();
    for (int i = 0; i < members;) {
        if (shared.members[static_cast<std::size_t>(i)].ready != 0) {
            ++i;
            continue;
        }
        if (seconds_since(since) > 60) throw std::runtime_error{"a member of a crowd is never ready"};
        std::this_thread::sleep_for(1ms);
    }
}

/// Lets them compete for so many seconds, or until `meanwhile` ends where that is later.
inline outcome run(const crowd& who, double seconds, const work& body, const std::function<void()>& meanwhile = {}) {
    const int file = ::memfd_create("board", 0);
    if (file < 0 || ::ftruncate(file, sizeof(board)) != 0) throw std::runtime_error{"memfd_create"};
    void* memory = ::mmap(nullptr, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) throw std::runtime_error{"mmap"};
    board* shared = new (memory) board;
    const auto children = start(who, {file, shared, 0}, body);
    wait_until_ready(*shared, who.members());
    const auto begin = steady::now();
    shared->now = stage::running;
    if (meanwhile) meanwhile();
    std::this_thread::sleep_until(begin +
                                  std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>{seconds}));
    outcome result = read(*shared, who, seconds_since(begin));
    shared->now = stage::over;
    for (const pid_t child : children) ::waitpid(child, nullptr, 0);
    ::munmap(memory, sizeof(board));
    ::close(file);
    return result;
}

inline void report_waits(const std::string& question, const std::string& what, const std::vector<outcome>& results) {
    std::array<std::int64_t, wait_classes> waits{};
    for (const outcome& r : results) {
        for (std::size_t c = 0; c < waits.size(); ++c) waits[c] += r.waits[c];
    }
    const auto total = std::accumulate(waits.begin(), waits.end(), std::int64_t{0});
    const auto end_of = [&](double part) {
        auto left = static_cast<std::int64_t>(part * static_cast<double>(total));
        for (int c = 0; c < wait_classes; ++c) {
            if ((left -= waits[static_cast<std::size_t>(c)]) < 0) return end_of_class_ms(c);
        }
        return end_of_class_ms(wait_classes - 1);
    };
    std::string classes;
    for (int c = 0; c < wait_classes; ++c) {
        if (const auto count = waits[static_cast<std::size_t>(c)]; count != 0) {
            classes += (classes.empty() ? "" : ",") + ("[" + std::to_string(end_of_class_ms(c))) + "," +
                       std::to_string(count) + "]";
        }
    }
    std::printf(R"({"question":"%s","what":"%s, waits","unit":"ms","median":%.4g,"p99":%.4g,"min":%.4g,"max":%.4g,)"
                R"("n":%lld,"up_to":[%s]})"
                "\n",
                question.c_str(), what.c_str(), end_of(0.5), end_of(0.99), end_of(0), end_of(1 - 1e-12),
                static_cast<long long>(total), classes.c_str());
    std::fflush(stdout);
}

inline void report(const std::string& question, const std::string& what, const std::vector<outcome>& results) {
    const auto figures = [&](auto figure) {
        std::vector<double> samples;
        for (const outcome& r : results) samples.push_back(std::invoke(figure, r));
        return samples;
    };
    report(question, what, "1/s", figures(&outcome::per_second));
    report(question, what + ", smallest share", "share", figures(&outcome::smallest_share));
    report(question, what + ", largest share", "share", figures(&outcome::largest_share));
    report(question, what + ", longest wait", "ms", figures(&outcome::longest_wait_ms));
    report_waits(question, what, results);
}

struct entrant {
    std::string what;
    crowd who;
    work body;
    /// Makes what is there besides, while they compete.
    std::function<std::shared_ptr<void>()> beside = {};
};

/// They take turns, and the ratio to the throughput of the first one is taken within a round.
inline void contest(const std::string& question, const std::vector<entrant>& entrants, double seconds, int rounds) {
    std::vector<std::vector<outcome>> results(entrants.size());
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < entrants.size(); ++i) {
            const auto beside = entrants[i].beside ? entrants[i].beside() : nullptr;
            results[i].push_back(run(entrants[i].who, seconds, entrants[i].body));
        }
    }
    for (std::size_t i = 0; i < entrants.size(); ++i) {
        report(question, entrants[i].what, results[i]);
        std::vector<double> ratios;
        for (std::size_t round = 0; round < results[i].size(); ++round) {
            ratios.push_back(results[i][round].per_second() / results[0][round].per_second());
        }
        report(question, entrants[i].what, "ratio", ratios);
    }
}

inline std::string always_wanted(int processes, microseconds hold) {
    return "always wanted, holds of " +
           (hold < 1ms ? std::to_string(hold.count()) + " us" : std::to_string(hold.count() / 1000) + " ms") + ", " +
           std::to_string(processes) + " processes";
}

/// Long enough for thirty turns of each.
inline double seconds_for(int processes, microseconds hold, bool quick) {
    return quick ? 0.2 : std::max(2.5, 30e-6 * processes * static_cast<double>(hold.count()));
}

}  // namespace bench

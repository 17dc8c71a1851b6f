// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The soak: millions of acquisitions over a thousand names, in rounds, by threads and another process. After each round
// everything is at rest, and the process must have no descriptor open but a few, and as many bytes as after the first.
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <new>
#include <optional>
#include <random>
#include <thread>

#include <named_lock/named_lock.hpp>

#include "common.hpp"
#include "rest.hpp"

namespace {
std::atomic<std::int64_t> live_bytes{0};
}

// All memory that C++ code takes, with the library's.
void* operator new(std::size_t size) {
    void* memory = std::malloc(size);
    if (memory == nullptr) throw std::bad_alloc{};
    live_bytes += static_cast<std::int64_t>(::malloc_usable_size(memory));
    return memory;
}
void operator delete(void* memory) noexcept {
    live_bytes -= static_cast<std::int64_t>(::malloc_usable_size(memory));
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }

namespace {

using namespace std::chrono_literals;
using namespace torture;

constexpr int names = 1000;
constexpr int crowded = 5;  // of them everybody wants
constexpr int threads = 3;

std::string name_of_lock(unsigned long number) { return "soak " + std::to_string(number); }

/// `count` acquisitions; how many were granted.
long acquire_many(const fs::path& locks, unsigned long seed, long count) {
    std::mt19937_64 random{seed};
    nlock::lock_options options;
    options.locks_dir = locks;
    options.timeout = 10s;
    std::optional<nlock::named_lock> reused;
    long granted = 0;
    for (long i = 0; i < count; ++i) {
        const auto dice = random();
        if (!reused || dice % 4 != 0) {
            options.reentrant = dice % 16 != 1;
            options.keep_open = dice / 512 % 8 != 0;
            options.courtesy = dice / 4096 % 4 == 0 ? 1ms : dice / 4096 % 4 == 1 ? 0ms : 2000ms;
            reused.emplace(name_of_lock(dice / 64 % (dice % 32 == 2 ? crowded : names)), options);
        }
        const auto kind = dice / 8 % 8;
        if (kind == 0) {
            const auto guard = reused->acquire_shared();
            granted += guard ? 1 : 0;
        } else if (kind == 1) {
            const auto guard = reused->try_acquire();
            granted += guard ? 1 : 0;
        } else if (kind == 2 && reused->try_lock_for(1ms)) {
            ++granted;
            reused->unlock();
        } else {
            const auto guard = reused->acquire();
            granted += guard ? 1 : 0;
            if (dice % 1024 == 3) std::this_thread::sleep_for(50us);
        }
    }
    return granted;
}

struct inventory {
    descriptor_count descriptors;
    long watches = 0;
    std::int64_t bytes = 0;
    long resident_kib = 0;
};

inventory take_inventory() {
    inventory now;
    displace_latest_lock();
    now.bytes = live_bytes;
    now.descriptors = count_descriptors();
    for (const auto& entry : fs::directory_iterator{"/proc/self/fdinfo"}) {
        std::ifstream info{entry.path()};
        for (std::string line; std::getline(info, line);) now.watches += line.rfind("inotify wd:", 0) == 0 ? 1 : 0;
    }
    std::ifstream status{"/proc/self/status"};
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("VmRSS:", 0) == 0) now.resident_kib = std::atol(line.c_str() + 6);
    }
    return now;
}

long play_round(const fs::path& locks, unsigned long seed, long count) {
    std::fflush(stdout);
    const pid_t parent = ::getpid();
    const pid_t other = ::fork();  // no other thread is running
    if (other == 0) {
        die_with_parent(parent);
        acquire_many(locks, seed + 99, count / 20);
        end_process(0);
    }
    std::atomic<long> granted{0};
    {
        std::vector<std::thread> all;
        for (unsigned long i = 0; i < threads; ++i) {
            all.emplace_back([&, i] { granted += acquire_many(locks, seed + i, count / threads); });
        }
        for (auto& thread : all) thread.join();
    }
    ::waitpid(other, nullptr, 0);
    return granted;
}

}  // namespace

/// soak [--acquisitions N] [--seconds S]: whichever comes first
int main(int argc, char** argv) {
    double wanted = 10e6;
    double seconds = 3600;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (std::strcmp(argv[i], "--acquisitions") == 0) wanted = std::atof(argv[i + 1]);
        if (std::strcmp(argv[i], "--seconds") == 0) seconds = std::atof(argv[i + 1]);
    }
    report results;
    scratch_dir scratch;
    const fs::path locks = scratch.path() / "locks";
    const auto end = now_ns() + static_cast<std::int64_t>(seconds * 1e9);
    constexpr long per_round = 60'000;
    const auto before = count_descriptors();
    long granted = play_round(locks, 1, per_round);  // until each thread has waited once
    const inventory first = take_inventory();
    inventory last = first;
    long rounds = 1;
    for (; static_cast<double>(granted) < wanted && now_ns() < end; ++rounds) {
        granted += play_round(locks, static_cast<unsigned long>(rounds) * 1000, per_round);
        last = take_inventory();
        const std::string where = " (in round " + std::to_string(rounds) + ")";
        const std::string excess = excess_at_rest(before, threads);
        if (!excess.empty()) results.leak(excess + where);
        if (last.watches != 0) results.leak("inotify watches: " + std::to_string(last.watches) + where);
        // A thread that had never to wait before may have added a bell since.
        const std::int64_t more = last.bytes - first.bytes - 256 * (last.descriptors.bells - first.descriptors.bells);
        if (more > 1024) results.leak("memory: " + std::to_string(more) + " bytes" + where);
        if (results.finish_quietly() != 0) break;
    }
    long held = 0;
    for (unsigned long i = 0; i < names; ++i) {
        held += look_at(locks / (name_of_lock(i) + ".lock")) == seen::free ? 0 : 1;
    }
    results.expect(held == 0, std::to_string(held) + " locks are not free in the end");
    const auto words = [](const inventory& i) {
        return i.descriptors.words() + ", " + std::to_string(i.watches) + " watches, " + std::to_string(i.bytes) +
               " bytes, " + std::to_string(i.resident_kib) + " KiB resident";
    };
    results.note("soak: after the first round " + words(first));
    results.note("soak: after the last round " + words(last));
    results.tried("soak: acquisitions granted, over 1000 names", granted);
    results.tried("soak: rounds", rounds);
    return results.finish();
}

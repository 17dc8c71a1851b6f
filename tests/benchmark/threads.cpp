// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Threads beside processes, and readers: what they get done. Usage: threads [--quick]
#include "contest.hpp"

namespace {

using namespace std::chrono_literals;

void readers(const nlock::named_lock& handle, double seconds) {
    const bench::work read = [handle](const bench::seat& place) {
        nlock::named_lock lock = handle;
        bench::compete(place, 100us, [&] { return lock.acquire_shared(60s); });
    };
    const auto writer_arrives = [&] {
        std::this_thread::sleep_for(100ms);
        nlock::named_lock lock = handle;
        const auto start = bench::steady::now();
        const auto guard = lock.try_acquire(std::chrono::duration<double>{seconds});
        bench::report("readers", guard ? "a writer among 100 waits" : "a writer among 100 gave up after", "us",
                      {bench::seconds_since(start) * 1e6});
    };
    bench::report("readers", "1 reader", {bench::run({1}, seconds, read)});
    bench::report("readers", "2 readers", {bench::run({2}, seconds, read)});
    bench::report("readers", "100 readers", {bench::run({100}, seconds, read)});
    bench::run({100}, seconds, read, writer_arrives);
    bench::report("readers", "100 readers, threads of one process",
                  {bench::run({1, 100}, seconds, read, writer_arrives)});
}

}  // namespace

int main(int argc, char** argv) {
    const bool quick = bench::arguments{argc, argv}.quick;
    const bench::directory dir;
    const nlock::named_lock lock{"threads", dir.path()};
    { const auto create = nlock::named_lock{lock}.acquire(); }

    const auto busy = bench::with_named_lock(lock, 100us);
    bench::contest("always wanted, holds of 100 us, threads",
                   {{"32 processes", {32}, busy}, {"4 processes x 8 threads", {4, 8}, busy}}, quick ? 0.2 : 4,
                   quick ? 1 : 3);
    const auto empty = bench::with_named_lock(lock, 0us);
    for (const int n : {2, 8}) {
        bench::contest("empty critical section, " + std::to_string(n) + " threads",
                       {{"one process per thread", {n}, empty}, {"threads of one process", {1, n}, empty}},
                       quick ? 0.2 : 2, quick ? 1 : 5);
    }
    readers(lock, quick ? 0.2 : 2);
}

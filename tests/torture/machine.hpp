// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// How late things are on this machine whatever the library does, so that only the rest is held against it.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "common.hpp"

namespace torture {

struct interval {
    std::int64_t from = 0;
    std::int64_t to = 0;

    std::int64_t overlap(std::int64_t begin, std::int64_t end) const {
        return std::max<std::int64_t>(std::min(to, end) - std::max(from, begin), 0);
    }
};

/// When the machine was late; of zeros at first, in memory that processes share.
struct delays {
    static constexpr std::size_t most = 1 << 16;
    std::atomic<std::size_t> count{0};
    interval all[most];

    void add(const interval& i) {
        const std::size_t at = count.fetch_add(1);
        if (at < most) all[at] = i;
    }
    /// How much of that time it was.
    std::int64_t within(std::int64_t from, std::int64_t to) const {
        const auto* end = all + std::min(count.load(), most);  // in order, as there is one metronome
        const auto* at =
            std::lower_bound(all, end, from, [](const interval& i, std::int64_t time) { return i.to < time; });
        std::int64_t sum = 0;
        for (; at != end && at->from < to; ++at) sum += at->overlap(from, to);
        return sum;
    }
};

template <class Shared>
Shared& share() {
    void* memory =
        ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) give_up("mmap");
    return *static_cast<Shared*>(memory);  // of zeros, which is what all members start with
}

/// A process that sleeps for 2 ms, makes, locks and removes a file of its own, and notes when all together took longer
/// than it should. The lock is there because Linux stops all flock() calls of the machine for as long as somebody reads
/// /proc/locks (fs/locks.c, file_rwsem): that is a grace period of RCU, milliseconds at rest, and on a busy machine
/// hundreds of them.
inline void run_metronome(const std::atomic<bool>& over, delays& late, const fs::path& directory) {
    const fs::path file = directory / "metronome";
    const fs::path other = directory / "metronome.moved";
    while (!over) {
        const std::int64_t due = now_ns() + 2'000'000;
        const timespec pause{0, 2'000'000};
        ::nanosleep(&pause, nullptr);
        (void)foreign_file{file, false, O_RDWR | O_CREAT}.try_lock();
        ::rename(file.c_str(), other.c_str());
        ::unlink(other.c_str());
        const std::int64_t now = now_ns();
        if (now - due >= 1'000'000) late.add({due, now});
    }
}

}  // namespace torture

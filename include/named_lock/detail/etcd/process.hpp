// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What belongs to one process: how a forked child starts afresh, and by which name others know this process.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#if !defined(_WIN32)
#include <pthread.h>
#include <unistd.h>
#endif

#include <named_lock/detail/abi.hpp>

namespace nlock::NAMED_LOCK_ABI::detail::etcd {

inline std::atomic<std::uint64_t> fork_count{0};

/// Differs between a process and its forked children.
inline std::uint64_t fork_generation() noexcept { return fork_count.load(std::memory_order_relaxed); }

#if !defined(_WIN32)
inline const bool counts_forks = ::pthread_atfork(nullptr, nullptr, [] { ++fork_count; }) == 0;
#endif

/// A T made on first use, and made anew on first use in a forked child. What the parent had stays there untouched, and
/// is never destroyed in the child: its thread is not there, its mutexes may be locked, its connections are shared with
/// the parent. No mutex here either, for the same reason.
template <class T>
class per_process {
  public:
    explicit per_process(std::function<std::shared_ptr<T>()> make) : make_{std::move(make)} {}
    per_process(const per_process&) = delete;
    per_process& operator=(const per_process&) = delete;
    ~per_process() {
        const made* now = made_.load();
        if (now != nullptr && now->generation == fork_generation()) delete now;
    }

    std::shared_ptr<T> get() {
        const made* now = made_.load(std::memory_order_acquire);
        while (now == nullptr || now->generation != fork_generation()) {
            auto fresh = std::make_unique<const made>(made{fork_generation(), make_()});
            if (made_.compare_exchange_strong(now, fresh.get())) now = fresh.release();
        }
        return now->value;
    }

  private:
    struct made {
        std::uint64_t generation;
        std::shared_ptr<T> value;
    };
    std::function<std::shared_ptr<T>()> make_;
    std::atomic<const made*> made_{nullptr};
};

/// "4242 report web-3": the value of our queue entries.
inline std::string this_process() {
#if defined(_WIN32)
    return "";
#else
    std::string process;
    std::getline(std::ifstream{"/proc/self/comm"}, process);
    constexpr std::size_t longest = 256;
    char host[longest] = "";  // POSIX: at most 255 bytes
    if (::gethostname(host, longest - 1) != 0) host[0] = '\0';
    return std::to_string(::getpid()) + ' ' + process + ' ' + host;
#endif
}

}  // namespace nlock::NAMED_LOCK_ABI::detail::etcd

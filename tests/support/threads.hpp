// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Threads of a test: event and task. Assertions belong in the test's own thread, because Catch2's are not safe in
// others; a task hands its result, or its exception, to get().
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <iostream>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>

namespace nlock_test {

/// Longer than anything here takes on the slowest machine; only what hangs reaches it.
inline constexpr std::chrono::seconds patience{30};

/// How long something is looked at to see that it is still blocked.
inline constexpr std::chrono::milliseconds a_while{50};

/// Something that happens once, for which other threads can wait.
class event {
  public:
    void happen() {
        const std::scoped_lock lock{mutex_};
        has_happened_ = true;
        changed_.notify_all();
    }

    [[nodiscard]] bool has_happened() const {
        const std::scoped_lock lock{mutex_};
        return has_happened_;
    }

    /// False: it has not happened within `longest`.
    [[nodiscard]] bool wait(std::chrono::milliseconds longest = patience) const {
        std::unique_lock lock{mutex_};
        return changed_.wait_for(lock, longest, [this] { return has_happened_; });
    }

  private:
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    bool has_happened_ = false;
};

/// A thread and what comes of it. One that hangs ends the test program, so that a failed test leaves nothing behind.
template <class Result>
class task {
  public:
    template <class Work>
    explicit task(Work work) {
        std::packaged_task<Result()> job{std::move(work)};
        result_ = job.get_future();
        thread_ = std::thread{std::move(job)};
    }
    task(task&&) noexcept = default;
    task& operator=(task&&) = delete;
    ~task() { join(); }

    /// Whether it still runs after a while.
    [[nodiscard]] bool is_blocked(std::chrono::milliseconds longest = a_while) const {
        return result_.wait_for(longest) == std::future_status::timeout;
    }

    /// Its result, once: waits for its end. Throws what the thread threw. If it hangs, that is said of the caller's line.
    Result get(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        join(file, line);
        return result_.get();
    }

  private:
    void join(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        if (!thread_.joinable()) return;
        if (result_.wait_for(patience) == std::future_status::timeout) {
            std::cout << file << ':' << line << ": a thread of this test hangs" << std::endl;
            std::_Exit(EXIT_FAILURE);
        }
        thread_.join();
    }

    std::future<Result> result_;
    std::thread thread_;
};

template <class Work>
task(Work) -> task<std::invoke_result_t<Work&>>;

/// What `work` returns in a thread of its own.
template <class Work>
auto in_another_thread(Work work) {
    return task{std::move(work)}.get();
}

}  // namespace nlock_test

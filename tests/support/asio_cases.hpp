// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What async_acquire does with either Asio: asio_test.cpp and boost_asio_test.cpp include it, each once.
#pragma once

#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#if defined(__linux__)
#include "support/own_files.hpp"
#endif

#define ASIO_CASE(text) TEST_CASE(NLOCK_TEST_ASIO_NAME text)

namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace net = NLOCK_TEST_ASIO;
using nlock::guard;
using nlock::named_lock;

/// What an acquisition came to, and where.
struct outcome {
    bool has_come = false;
    std::exception_ptr failure;
    guard granted;

    auto handler() {
        return [this](std::exception_ptr why, guard held) {
            CHECK_FALSE(has_come);
            has_come = true;
            failure = std::move(why);
            granted = std::move(held);
        };
    }
    auto handler_on(net::io_context& io) { return net::bind_executor(io, handler()); }

    template <class Exception>
    [[nodiscard]] bool failed_with() const {
        if (!has_come || granted || failure == nullptr) return false;
        try {
            std::rethrow_exception(failure);
        } catch (const Exception&) {
            return true;
        } catch (...) {
            return false;
        }
    }
    [[nodiscard]] bool has_lock() const { return has_come && granted && failure == nullptr; }
};

named_lock lock_in(const temp_dir& dir) { return named_lock{"x", dir.path()}; }

/// Runs what can be run now, and sees that the acquisition waits.
bool still_waits(net::io_context& io, const outcome& end) {
    io.run_for(a_while);
    return !end.has_come;
}

/// An executor that nothing else can be asked of, as those of other libraries: it calls at once, and counts.
struct bare_executor {
    std::atomic<int>* calls;
    template <class Work>
    void execute(Work work) const {
        ++*calls;
        work();
    }
    friend bool operator==(const bare_executor& a, const bare_executor& b) noexcept { return a.calls == b.calls; }
    friend bool operator!=(const bare_executor& a, const bare_executor& b) noexcept { return a.calls != b.calls; }
};

/// An allocator that knows how much of its memory is in use.
template <class T>
struct counting_allocator {
    using value_type = T;
    explicit counting_allocator(std::atomic<long>* in_use) : in_use_{in_use} {}
    template <class U>
    counting_allocator(const counting_allocator<U>& other) : in_use_{other.in_use_} {}
    T* allocate(std::size_t n) {
        *in_use_ += static_cast<long>(n * sizeof(T));
        return std::allocator<T>{}.allocate(n);
    }
    void deallocate(T* memory, std::size_t n) {
        *in_use_ -= static_cast<long>(n * sizeof(T));
        std::allocator<T>{}.deallocate(memory, n);
    }
    friend bool operator==(const counting_allocator& a, const counting_allocator& b) { return a.in_use_ == b.in_use_; }
    friend bool operator!=(const counting_allocator& a, const counting_allocator& b) { return a.in_use_ != b.in_use_; }
    std::atomic<long>* in_use_;
};

/// A handler with everything that can be associated with one.
struct allocating_handler {
    using executor_type = net::io_context::executor_type;
    using allocator_type = counting_allocator<char>;
    executor_type executor;
    std::atomic<long>* in_use;
    std::function<void(long)> done;
    [[nodiscard]] executor_type get_executor() const noexcept { return executor; }
    [[nodiscard]] allocator_type get_allocator() const noexcept { return allocator_type{in_use}; }
    void operator()(std::exception_ptr, guard) const { done(*in_use); }
};

}  // namespace

ASIO_CASE("a free lock is had at once, but the handler is not called by async_acquire") {
    temp_dir dir;
    net::io_context io;
    outcome end;
    nlock::async_acquire(lock_in(dir), 0s, end.handler_on(io));
    CHECK_FALSE(end.has_come);
    CHECK(seen_by_others(lock_in(dir)) == seen::exclusive);
    io.run();
    CHECK(end.has_lock());
    CHECK(end.granted.name() == "x");
    end.granted.release();
    CHECK(seen_by_others(lock_in(dir)) == seen::free);
}

ASIO_CASE("it waits for others, and for others of this process") {
    temp_dir dir;
    net::io_context io;
    outcome first, second;
    auto theirs = std::make_unique<foreign_hold>(lock_in(dir));
    nlock::async_acquire(lock_in(dir), nlock::forever, first.handler_on(io));
    nlock::async_acquire(lock_in(dir), std::chrono::hours{1}, second.handler_on(io));
    CHECK(still_waits(io, first));
    theirs.reset();
    while (!first.has_come) io.run_one();
    CHECK(first.has_lock());
    CHECK(still_waits(io, second));
    first.granted.release();
    io.run();
    CHECK(second.has_lock());
}

ASIO_CASE("a wait for long does not keep the processor busy") {
    temp_dir dir;
    net::io_context io;
    outcome end;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.poll_interval = 1h;
    const foreign_hold theirs{lock_in(dir)};
    nlock::async_acquire(named_lock{"x", options}, nlock::forever, end.handler_on(io));
    CHECK(io.run_for(300ms) < 2000);  // two for each time that it wakes; without rest it is 100,000
    CHECK_FALSE(end.has_come);
}

ASIO_CASE("what acquire() throws is told to the handler") {
    temp_dir dir;
    net::io_context io;
    outcome late, bad, not_a_number;
    const foreign_hold theirs{lock_in(dir)};
    nlock::async_acquire(lock_in(dir), std::chrono::duration<double, std::milli>{0.5}, late.handler_on(io));
    nlock::async_acquire(named_lock{"x", dir.path() / "x.lock"}, 1s, bad.handler_on(io));
    nlock::async_acquire(lock_in(dir), std::chrono::duration<double>{std::stod("nan")}, not_a_number.handler_on(io));
    io.run();
    CHECK(late.failed_with<nlock::lock_timeout>());
    CHECK(bad.failed_with<nlock::lock_error>());
    CHECK(not_a_number.failed_with<std::invalid_argument>());
}

ASIO_CASE("shared holds are had together") {
    temp_dir dir;
    net::io_context io;
    outcome first, second, alone;
    nlock::async_acquire_shared(lock_in(dir), 1s, first.handler_on(io));
    nlock::async_acquire_shared(lock_in(dir), 1s, second.handler_on(io));
    nlock::async_acquire(lock_in(dir), 1ms, alone.handler_on(io));
    io.run();
    CHECK(first.has_lock());
    CHECK(second.has_lock());
    CHECK(alone.failed_with<nlock::lock_timeout>());
    CHECK(seen_by_others(lock_in(dir)) == seen::shared);
}

ASIO_CASE("a future has the guard or throws") {
    temp_dir dir;
    auto theirs = std::make_unique<foreign_hold>(lock_in(dir));
    CHECK_THROWS_AS(nlock::async_acquire(lock_in(dir), 1ms, net::use_future).get(), nlock::lock_timeout);
    auto future = nlock::async_acquire(lock_in(dir), nlock::forever, net::use_future);
    CHECK(future.wait_for(a_while) == std::future_status::timeout);
    theirs.reset();
    CHECK(future.get());
}

ASIO_CASE("the handler is called on its executor, and without one on a thread of the system's context") {
    temp_dir dir;
    const bool is_held = GENERATE(false, true);
    auto theirs = is_held ? std::make_unique<foreign_hold>(lock_in(dir)) : nullptr;

    SECTION("a strand") {
        net::io_context io;
        auto strand = net::make_strand(io);
        bool is_on_strand = false;
        nlock::async_acquire(lock_in(dir), nlock::forever, net::bind_executor(strand, [&](std::exception_ptr, guard) {
                                 is_on_strand = strand.running_in_this_thread();
                             }));
        if (is_held) io.run_for(a_while);
        theirs.reset();
        io.run();
        CHECK(is_on_strand);
    }
    SECTION("none") {
        event has_come;
        std::thread::id where;
        nlock::async_acquire(lock_in(dir), nlock::forever, [&](std::exception_ptr, guard) {
            where = std::this_thread::get_id();
            has_come.happen();
        });
        theirs.reset();
        REQUIRE(has_come.wait());
        CHECK(where != std::this_thread::get_id());
    }
    SECTION("one that has no execution context") {
        std::atomic<int> calls{0};
        event has_come;
        int calls_then = 0;
        nlock::async_acquire(lock_in(dir), nlock::forever,
                             net::bind_executor(bare_executor{&calls}, [&](std::exception_ptr, guard) {
                                 calls_then = calls;
                                 has_come.happen();
                             }));
        theirs.reset();
        REQUIRE(has_come.wait());
        CHECK(calls_then > 0);
    }
}

ASIO_CASE("an executor's work lasts as long as the wait") {
    temp_dir dir;
    net::io_context io;
    outcome end;
    const foreign_hold theirs{lock_in(dir)};
    nlock::async_acquire(lock_in(dir), 50ms, end.handler_on(io));
    io.run();  // or it would return at once
    CHECK(end.failed_with<nlock::lock_timeout>());
}

ASIO_CASE("many that wait on a pool of threads are alone with the lock, each once") {
    temp_dir dir;
    constexpr int many = 200;
    std::atomic<int> inside{0};
    std::atomic<int> together{0};
    std::atomic<int> failed{0};
    std::atomic<int> served{0};
    auto theirs = std::make_unique<foreign_hold>(lock_in(dir));
    net::thread_pool pool{4};
    for (int i = 0; i < many; ++i) {
        nlock::async_acquire(lock_in(dir), nlock::forever,
                             net::bind_executor(pool.get_executor(), [&](std::exception_ptr why, guard held) {
                                 if (why != nullptr || !held) ++failed;
                                 if (++inside != 1) ++together;
                                 std::this_thread::yield();
                                 --inside;
                                 ++served;
                             }));
    }
    theirs.reset();
    pool.join();
    CHECK(served == many);
    CHECK(together == 0);
    CHECK(failed == 0);
}

ASIO_CASE("a destroyed io_context leaves the line, and gives up what nobody took") {
    temp_dir dir;
    named_lock lock = lock_in(dir);
    const auto begin_and_destroy = [&](bool is_held, bool runs_before) {
        guard held = is_held ? lock.acquire() : guard{};
        std::optional<net::io_context> io{std::in_place};
        const auto mark = std::make_shared<int>();
        nlock::async_acquire(lock, nlock::forever, net::bind_executor(*io, [mark](std::exception_ptr, guard) {
                                 FAIL_CHECK("a destroyed handler was called");
                             }));
        if (runs_before) io->run_for(a_while);
        CHECK(mark.use_count() == 2);
        CHECK(seen_by_others(lock) == seen::exclusive);
        io.reset();
        CHECK(mark.use_count() == 1);
        held.release();
        CHECK(seen_by_others(lock) == seen::free);
    };
    const auto in_all_ways = [&] {
        begin_and_destroy(false, false);
        begin_and_destroy(true, false);
        begin_and_destroy(true, true);
    };
    in_all_ways();
#if defined(__linux__)
    const std::size_t files = open_descriptors().size();
    in_all_ways();
    CHECK(open_descriptors().size() == files);
#endif
}

ASIO_CASE("what a handler throws leaves run(), and the lock is free") {
    temp_dir dir;
    net::io_context io;
    auto theirs = std::make_unique<foreign_hold>(lock_in(dir));
    nlock::async_acquire(lock_in(dir), nlock::forever, net::bind_executor(io, [](std::exception_ptr, guard) {
                             throw std::runtime_error{"its own"};
                         }));
    io.run_for(a_while);
    theirs.reset();
    CHECK_THROWS_AS(io.run(), std::runtime_error);
    io.restart();
    CHECK(io.run() == 0);
    CHECK(seen_by_others(lock_in(dir)) == seen::free);
}

ASIO_CASE("the associated allocator's memory is free again when the handler is called") {
    temp_dir dir;
    net::io_context io;
    std::atomic<long> in_use{0};
    long then = -1;
    const bool is_held = GENERATE(false, true);
    auto theirs = is_held ? std::make_unique<foreign_hold>(lock_in(dir)) : nullptr;
    nlock::async_acquire(lock_in(dir), nlock::forever,
                         allocating_handler{io.get_executor(), &in_use, [&](long now) { then = now; }});
    CHECK(in_use > 0);
    theirs.reset();
    io.run();
    CHECK(then == 0);
    CHECK(in_use == 0);
}

#if defined(NLOCK_TEST_DEFERRED)
ASIO_CASE("a deferred acquisition begins when it is told to") {
    temp_dir dir;
    net::io_context io;
    outcome end;
    auto later = nlock::async_acquire(lock_in(dir), 1s, NLOCK_TEST_DEFERRED);
    CHECK(seen_by_others(lock_in(dir)) == seen::free);
    std::move(later)(end.handler_on(io));
    CHECK(seen_by_others(lock_in(dir)) == seen::exclusive);
    io.run();
    CHECK(end.has_lock());
}
#endif

#if defined(NLOCK_TEST_HAS_SLOTS)
ASIO_CASE("a cancellation signal ends the wait, wherever it is") {
    temp_dir dir;
    net::io_context io;
    outcome end;
    net::cancellation_signal stop;
    auto theirs = std::make_unique<foreign_hold>(lock_in(dir));
    const auto begin = [&] {
        nlock::async_acquire(lock_in(dir), nlock::forever,
                             net::bind_cancellation_slot(stop.slot(), end.handler_on(io)));
    };
    begin();
    const auto how =
        GENERATE(net::cancellation_type::terminal, net::cancellation_type::partial, net::cancellation_type::total);
    if (GENERATE(false, true)) io.run_for(a_while);
    stop.emit(net::cancellation_type::none);
    stop.emit(how);
    stop.emit(how);
    io.run();
    CHECK(end.failed_with<nlock::lock_cancelled>());
    CHECK_FALSE(stop.slot().has_handler());

    end = {};
    theirs.reset();
    begin();
    stop.emit(how);  // too late
    io.restart();
    io.run();
    CHECK(end.has_lock());
}

ASIO_CASE("a cancellation signal may die before the io_context, or outlive it") {
    temp_dir dir;
    named_lock lock = lock_in(dir);
    guard held = lock.acquire();
    std::optional<net::io_context> io{std::in_place};
    std::optional<net::cancellation_signal> stop{std::in_place};
    outcome end;
    nlock::async_acquire(lock, nlock::forever, net::bind_cancellation_slot(stop->slot(), end.handler_on(*io)));
    if (GENERATE(false, true)) {
        io.reset();
        stop->emit(net::cancellation_type::terminal);
        stop.reset();
    } else {
        stop.reset();
        io.reset();
    }
    held.release();
    CHECK(seen_by_others(lock) == seen::free);
    CHECK_FALSE(end.has_come);
}
#endif

#if defined(NLOCK_TEST_HAS_COROUTINES)
ASIO_CASE("a coroutine has the guard, or catches what acquire() throws, on its executor") {
    temp_dir dir;
    net::io_context io;
    auto theirs = std::make_unique<foreign_hold>(lock_in(dir));
    bool was_late = false;
    bool has_it = false;
    const auto run = [&]() -> net::awaitable<void> {
        try {
            (void)co_await nlock::async_acquire(lock_in(dir), 1ms, net::use_awaitable);
        } catch (const nlock::lock_timeout&) {
            was_late = true;
        }
        theirs.reset();
        const guard held = co_await nlock::async_acquire(lock_in(dir), nlock::forever, net::use_awaitable);
        has_it = held && io.get_executor().running_in_this_thread();
    };
    net::co_spawn(io, run(), net::detached);
    io.run();
    CHECK(was_late);
    CHECK(has_it);
    CHECK(seen_by_others(lock_in(dir)) == seen::free);
}

#if defined(NLOCK_TEST_HAS_SLOTS)
ASIO_CASE("whichever comes first, the lock or a timer, ends the other one") {
    using namespace net::experimental::awaitable_operators;
    temp_dir dir;
    net::io_context io;
    auto theirs = std::make_unique<foreign_hold>(lock_in(dir));
    std::vector<std::size_t> first;
    const auto one_of_both = [&](std::chrono::milliseconds longest) -> net::awaitable<void> {
        net::steady_timer timer{io, longest};
        auto which = co_await(nlock::async_acquire(lock_in(dir), nlock::forever, net::use_awaitable) ||
                              timer.async_wait(net::use_awaitable));
        first.push_back(which.index());
    };
    const auto both_ways = [&]() -> net::awaitable<void> {
        co_await one_of_both(5ms);
        theirs.reset();
        co_await one_of_both(1h);
    };
    net::co_spawn(io, both_ways(), net::detached);
    io.run();
    CHECK(first == std::vector<std::size_t>{1, 0});
    CHECK(seen_by_others(lock_in(dir)) == seen::free);
}
#endif
#endif

#undef ASIO_CASE

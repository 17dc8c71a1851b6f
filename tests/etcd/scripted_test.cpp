// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The protocol on a network that does to each single request whatever a network can do.
#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <named_lock/etcd_lock.hpp>

#include "etcd/support/scripted.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"

namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using nlock::etcd_lock;

struct incident {
    std::string path;
    int number;  // of the request, among those of its path
    mishap what;
};

std::shared_ptr<scripted_cluster> network_with(const incident& one) {
    return std::make_shared<scripted_cluster>([one](const std::string& path, int number) {
        return path == one.path && number == one.number ? one.what : mishap{};
    });
}

struct outcome {
    int most_inside = 0;
    int acquired = 0;
    int refused = 0;
    bool tokens_grow = true;
};

/// Three who want the lock at once, each several times, through two clusters objects as two processes would.
outcome crowd(const std::shared_ptr<scripted_cluster>& network) {
    outcome seen;
    std::atomic<int> inside{0};
    std::atomic<int> most_inside{0};
    std::atomic<int> acquired{0};
    std::atomic<int> refused{0};
    std::atomic<std::uint64_t> last_token{0};
    std::atomic<bool> tokens_grow{true};
    {
        const auto one = cluster_on(network);
        const auto other = cluster_on(network);
        const auto work = [&](const nlock::etcd_cluster& cluster) {
            etcd_lock lock{"x", cluster, 20s};
            for (int i = 0; i < 3; ++i) {
                try {
                    auto guard = lock.acquire();
                    const int now = ++inside;
                    if (now > most_inside) most_inside = now;
                    if (guard.token() <= last_token.exchange(guard.token())) tokens_grow = false;
                    ++acquired;
                    --inside;
                    guard.release();
                } catch (const nlock::lock_error&) {
                    ++refused;
                }
            }
        };
        task first{[&] { work(one); }};
        task second{[&] { work(one); }};
        task third{[&] { work(other); }};
        first.get();
        second.get();
        third.get();
    }
    network->carry_out_the_rest();
    seen.most_inside = most_inside;
    seen.acquired = acquired;
    seen.refused = refused;
    seen.tokens_grow = tokens_grow;
    return seen;
}

const std::vector<std::string> paths{etcd::path::grant, etcd::path::txn, etcd::path::watch, etcd::path::range,
                                     etcd::path::revoke};

}  // namespace

TEST_CASE("whatever is done to one request, nobody meets anybody, and all get the lock") {
    const auto path = GENERATE(from_range(paths));
    for (const fate what : {fate::normal, fate::request_lost, fate::answer_lost, fate::late, fate::very_late,
                            fate::twice, fate::answered_twice, fate::cut_off, fate::lagging}) {
        for (int number = 1; number <= 6; ++number) {
            CAPTURE(path, static_cast<int>(what), number);
            const auto network = network_with({path, number, {what}});
            const outcome seen = crowd(network);
            CHECK(seen.most_inside == 1);
            CHECK(seen.tokens_grow);
            CHECK(seen.acquired == 9);
            CHECK(network->keys() == 0);
        }
    }
}

TEST_CASE("errors that another attempt may not meet are not seen by the user") {
    const auto path = GENERATE(from_range(paths));
    for (const fate what : {fate::error, fate::done_and_error}) {
        for (const int code : {1, 2, 4, 8, 10, 11, 12, 13, 14, 15, 99}) {
            for (int number = 1; number <= 4; ++number) {
                CAPTURE(path, static_cast<int>(what), code, number);
                const auto network = network_with({path, number, {what, code}});
                const outcome seen = crowd(network);
                CHECK(seen.most_inside == 1);
                CHECK(seen.tokens_grow);
                CHECK(seen.acquired == 9);
                CHECK(network->keys() == 0);
            }
        }
    }
}

TEST_CASE("errors that stay are told at once, and do no harm to others") {
    for (const std::string path : {etcd::path::grant, etcd::path::txn}) {
        for (const int code : {3, 7, 16}) {
            for (int number = 1; number <= 3; ++number) {
                CAPTURE(path, code, number);
                const auto network = network_with({path, number, {fate::error, code, 400}});
                const outcome seen = crowd(network);
                CHECK(seen.most_inside == 1);
                CHECK(seen.tokens_grow);
                CHECK(seen.acquired == 8);
                CHECK(seen.refused == 1);
                CHECK(network->keys() == 0);
            }
        }
    }
}

TEST_CASE("a lease that ends under any request of an acquisition makes it begin anew") {
    const auto path = GENERATE(as<std::string>{}, etcd::path::txn, etcd::path::watch, etcd::path::range);
    for (int number = 1; number <= 4; ++number) {
        CAPTURE(path, number);
        scripted_cluster* servers = nullptr;
        std::atomic<bool> shall_expire{false};
        const auto network = std::make_shared<scripted_cluster>([&](const std::string& asked, int count) {
            // The servers have a mutex, which is held here: leases end in another thread.
            if (asked == path && count == number) shall_expire = true;
            return mishap{};
        });
        servers = network.get();
        std::atomic<bool> is_over{false};
        task reaper{[&] {
            while (!is_over) {
                if (shall_expire.exchange(false)) servers->expire_all();
                std::this_thread::yield();
            }
        }};
        // Those inside lose their leases as well, so that two may be inside, and look at their tokens in any order:
        // what counts is that all come through.
        const outcome seen = crowd(network);
        is_over = true;
        reaper.get();
        CHECK(seen.acquired == 9);
        CHECK(network->keys() == 0);
    }
}

TEST_CASE("a waiter looks once, when it is told that the one before it is gone") {
    const auto network = std::make_shared<scripted_cluster>();
    network->put("nlock/x/1", 1, "7 other host");
    auto options = impatient();
    event waits;
    options.on_wait = [&](const nlock::etcd_wait& wait) {
        CHECK(nlock::to_string(wait.holders.at(0)) == "pid 7 (other) on host");
        waits.happen();
    };
    const auto cluster = cluster_on(network, options);
    task waiter{[&] { return etcd_lock{"x", cluster, 20s}.acquire().is_held(); }};
    REQUIRE(waits.wait());
    network->expire(1);
    CHECK(waiter.get());
    CHECK(network->requests(etcd::path::txn) == 1);  // the one that has put the entry
    CHECK(network->requests(etcd::path::range) == 1);
}

TEST_CASE("who goes between a waiter's entry and its watch is noticed at once") {
    const auto network = network_with({etcd::path::watch, 1, {fate::normal, 0, 200, "", 1}});
    network->put("nlock/x/1", 1);
    CHECK(etcd_lock{"x", cluster_on(network)}.acquire(4s));  // after 5 s it would look in any case
}

TEST_CASE("a member that lags behind does not cost a waiter its place") {
    const auto network = std::make_shared<scripted_cluster>(
        [](const std::string& path, int number) -> mishap {
            if (path == etcd::path::watch && number == 1) return {fate::normal, 0, 200, "", 1};
            return path == etcd::path::range ? mishap{fate::lagging} : mishap{};
        });
    network->put("nlock/x/1", 1);
    network->put("nlock/x/2", 2);
    const auto cluster = cluster_on(network);
    task waiter{[&] { return etcd_lock{"x", cluster, 20s}.acquire().token(); }};
    REQUIRE(network->wait_for_watchers(1));
    network->put("nlock/x/3", 3);
    network->expire(2);
    CHECK(waiter.get() < 7);
    CHECK(network->requests(etcd::path::grant) == 1);
    network->expire(3);
}

TEST_CASE("a waiter whose entry is taken away queues again") {
    const auto network = std::make_shared<scripted_cluster>();
    const auto cluster = cluster_on(network);
    network->put("nlock/x/1", 1, "7 other host");
    task waiter{[&] { return etcd_lock{"x", cluster, 20s}.acquire().token(); }};
    REQUIRE(network->wait_for_watchers(1));
    network->delete_keys();  // of both
    CHECK(waiter.get() > 2);
    network->expire(1);
    CHECK(network->wait_for_nothing());
}

TEST_CASE("a transaction that is carried out after everything else leaves no entry behind") {
    const auto network = std::make_shared<scripted_cluster>(
        [](const std::string& path, int) { return path == etcd::path::txn ? mishap{fate::very_late} : mishap{}; });
    {
        const auto cluster = cluster_on(network);
        CHECK_THROWS_AS((void)etcd_lock("x", cluster).acquire(100ms), nlock::lock_timeout);
    }
    network->carry_out_the_rest();
    CHECK(network->keys() == 0);
    CHECK(network->leases() == 0);
}

TEST_CASE("a single attempt asks each member once, and says why it reaches none") {
    const auto network =
        std::make_shared<scripted_cluster>([](const std::string&, int) { return mishap{fate::cut_off}; });
    etcd_lock lock{"x", cluster_on(network)};
    const auto error = thrown_by<nlock::lock_error>([&] { (void)lock.try_acquire(); });
    CHECK_THAT(error.what(), ContainsSubstring("cannot reach etcd at http://"));
    CHECK(network->requests(etcd::path::grant) == 3);
    CHECK_THROWS_AS((void)lock.acquire(0s), nlock::lock_error);
    CHECK_THROWS_AS((void)lock.holders(), nlock::lock_error);
}

TEST_CASE("a time-out is kept when nobody answers, and says so") {
    for (const fate what : {fate::request_lost, fate::cut_off}) {
        const auto network = std::make_shared<scripted_cluster>([&](const std::string&, int) { return mishap{what}; });
        etcd_lock lock{"x", cluster_on(network)};
        const auto start = std::chrono::steady_clock::now();
        std::string said;
        try {
            (void)lock.acquire(150ms);
        } catch (const nlock::lock_timeout& e) {
            said = e.what();
        }
        const auto took = std::chrono::steady_clock::now() - start;
        CHECK_THAT(said, ContainsSubstring("was not acquired within 150 ms; cannot reach etcd at http://"));
        CHECK(took >= 150ms);
        CHECK(took < 10s);
        CHECK_FALSE(lock.try_acquire(50ms));
    }
}

TEST_CASE("without a time-out an acquisition waits for the cluster, and tells") {
    std::atomic<bool> is_away{true};
    const auto network = std::make_shared<scripted_cluster>(
        [&](const std::string&, int) { return is_away ? mishap{fate::cut_off} : mishap{}; });
    auto options = impatient();
    std::string trouble;
    event has_told;
    options.on_wait = [&](const nlock::etcd_wait& wait) {
        trouble = wait.trouble;
        has_told.happen();
    };
    const auto cluster = cluster_on(network, options);
    task waiter{[&] { return etcd_lock{"x", cluster}.acquire().is_held(); }};
    REQUIRE(has_told.wait());
    CHECK(waiter.is_blocked());
    is_away = false;
    CHECK(waiter.get());
    CHECK_THAT(trouble, ContainsSubstring("cannot reach etcd at http://"));
}

TEST_CASE("on_wait is told the holder once, and what it throws leaves acquire and no entry") {
    const auto network = std::make_shared<scripted_cluster>();
    network->put("nlock/x/1", 1, "7 other host");
    auto options = impatient();
    int calls = 0;
    options.on_wait = [&](const nlock::etcd_wait& wait) {
        ++calls;
        REQUIRE(wait.holders.size() == 1);
        CHECK(nlock::to_string(wait.holders[0]) == "pid 7 (other) on host");
        CHECK(wait.name == "x");
        CHECK(wait.key == "nlock/x");
        throw std::runtime_error{"enough"};
    };
    {
        const auto cluster = cluster_on(network, options);
        CHECK_THROWS_WITH((void)etcd_lock("x", cluster).acquire(), "enough");
    }
    CHECK(calls == 1);
    CHECK(network->keys() == 1);
}

TEST_CASE("a lost lease is told once, is not held any more, and release says so") {
    for (const bool by_key : {false, true}) {
        CAPTURE(by_key);
        const auto network = std::make_shared<scripted_cluster>();
        const auto cluster = cluster_on(network);
        auto guard = etcd_lock{"x", cluster}.acquire();
        const auto token = guard.token();
        std::atomic<int> calls{0};
        event lost;
        guard.on_lost([&] {
            ++calls;
            lost.happen();
        });
        CHECK(guard.is_held());
        CHECK_NOTHROW((guard.check)());
        if (by_key) {
            network->delete_keys();
        } else {
            network->expire_all();
        }
        REQUIRE(lost.wait(10s));  // with the next keepalive, after a third of 5 s
        CHECK_FALSE(guard.is_held());
        CHECK_FALSE(guard);
        CHECK(guard.remaining() == 0ns);
        CHECK(guard.token() == token);
        CHECK_THROWS_AS((guard.check)(), nlock::lock_lost);
        CHECK_FALSE(guard.release());
        CHECK(calls == 1);
        CHECK(network->wait_for_nothing());
    }
}

TEST_CASE("a callback that comes after the loss is called, too, and one may give its guard up") {
    const auto network = std::make_shared<scripted_cluster>();
    const auto cluster = cluster_on(network);
    auto guard = etcd_lock{"x", cluster}.acquire();
    event first;
    guard.on_lost([&] { first.happen(); });
    network->expire_all();
    REQUIRE(first.wait(10s));
    event second;
    bool released = true;
    guard.on_lost([&] {
        released = guard.release();
        second.happen();
    });
    REQUIRE(second.wait());
    CHECK_FALSE(released);
}

TEST_CASE("a callback may drop the last of everything") {
    const auto network = std::make_shared<scripted_cluster>();
    auto guard = std::make_shared<nlock::etcd_guard>(etcd_lock{"x", cluster_on(network)}.acquire());
    event gone;
    auto* const held = guard.get();
    held->on_lost([&gone, guard = std::move(guard)]() mutable {
        guard.reset();
        gone.happen();
    });
    network->expire_all();
    CHECK(gone.wait(10s));
}

TEST_CASE("nothing is told after a release") {
    const auto network = std::make_shared<scripted_cluster>();
    const auto cluster = cluster_on(network);
    std::atomic<bool> was_called{false};
    auto guard = etcd_lock{"x", cluster}.acquire();
    guard.on_lost([&] { was_called = true; });
    CHECK(guard.release());
    CHECK_FALSE(guard.release());
    auto other = etcd_lock{"y", cluster}.acquire();
    event lost;
    other.on_lost([&] { lost.happen(); });
    network->expire_all();
    REQUIRE(lost.wait(10s));  // by then the thread has looked at all
    CHECK_FALSE(was_called);
}

TEST_CASE("whatever is done to one keepalive, the lock is kept") {
    std::vector<task<bool>> holders;
    for (const fate what : {fate::normal, fate::request_lost, fate::answer_lost, fate::late, fate::twice,
                            fate::answered_twice, fate::cut_off, fate::error, fate::done_and_error}) {
        holders.emplace_back([what] {
            const auto network = network_with({etcd::path::keepalive, 1, {what, 14}});
            const auto cluster = cluster_on(network);
            const auto guard = etcd_lock{"x", cluster}.acquire();
            std::this_thread::sleep_for(5500ms);  // longer than the lease: only keepalives can have kept it
            return guard.is_held() && network->requests(etcd::path::keepalive) >= 2;
        });
    }
    for (auto& holder : holders) CHECK(holder.get());
}

TEST_CASE("a holder that nobody answers stops believing before its lease ends, and stays so") {
    std::atomic<bool> is_away{false};
    const auto network = std::make_shared<scripted_cluster>(
        [&](const std::string&, int) { return is_away ? mishap{fate::request_lost} : mishap{}; });
    const auto cluster = cluster_on(network);
    const auto start = etcd::boot_clock::now();
    auto guard = etcd_lock{"x", cluster}.acquire();
    is_away = true;
    event lost;
    guard.on_lost([&] { lost.happen(); });
    CHECK(guard.remaining() > 4s);
    CHECK(guard.remaining() <= 5s - 250ms);
    REQUIRE(lost.wait(20s));
    CHECK(etcd::boot_clock::now() - start < 5500ms);
    CHECK_FALSE(guard.is_held());
    is_away = false;
    CHECK(network->keys() == 1);
    CHECK_FALSE(guard.is_held());
}

TEST_CASE("validity does not come back, be the answer ever so good") {
    using namespace nlock::detail::etcd;
    validity some{boot_clock::now() + 1h};
    CHECK(some.extend(boot_clock::now() + 2h));
    CHECK_FALSE(some.is_over());
    some.end();
    CHECK_FALSE(some.extend(boot_clock::now() + 2h));
    CHECK(some.is_over());
    validity late{boot_clock::now() - 1ns};
    CHECK_FALSE(late.extend(boot_clock::now() + 1h));
    CHECK(late.is_over());
}

TEST_CASE("bad arguments are told by the constructors") {
    using nlock::etcd_cluster;
    using nlock::etcd_options;
    using invalid = std::invalid_argument;
    CHECK_THROWS_AS((etcd_cluster{std::vector<std::string>{}}), invalid);
    for (const char* url : {"", "10.0.0.1:2379", "ftp://10.0.0.1", "http://", "http://a b", "http://a/v3", "http:/a"}) {
        CAPTURE(url);
        CHECK_THROWS_AS((etcd_cluster{{url}}), invalid);
        CHECK_THROWS_AS((etcd_cluster{{"http://good:1", url}}), invalid);
    }
    CHECK_NOTHROW(etcd_cluster{{"http://10.0.0.1:2379", "https://[::1]:2379/"}});
    const auto with = [](auto change) {
        etcd_options options;
        change(options);
        return etcd_cluster{{"http://a:1"}, options};
    };
    CHECK_THROWS_AS(with([](etcd_options& o) { o.ttl = 4s; }), invalid);
    CHECK_THROWS_AS(with([](etcd_options& o) { o.request_timeout = 0ms; }), invalid);
    CHECK_THROWS_AS(with([](etcd_options& o) { o.password = "p"; }), invalid);
    CHECK_THROWS_AS(with([](etcd_options& o) { o.certificate_file = "c"; }), invalid);
    CHECK_NOTHROW(with([](etcd_options& o) { o.prefix = ""; }));
    const auto cluster = with([](etcd_options&) {});
    CHECK_THROWS_AS((etcd_lock{"a/b", cluster}), nlock::invalid_lock_name);
    CHECK_THROWS_AS((etcd_lock{"", cluster}), nlock::invalid_lock_name);
    etcd_lock lock{"x", cluster};
    CHECK_THROWS_AS((void)lock.acquire(std::chrono::duration<double>{std::nan("")}), invalid);
    CHECK(lock.key() == "nlock/x");
    CHECK(lock.name() == "x");
    CHECK(lock.timeout() == nlock::forever);
}

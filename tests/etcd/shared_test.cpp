// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What is promised of a lock file and of etcd_lock alike, shown with both.
#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>
#if __cplusplus > 201703L
#include <stop_token>
#endif

#include <named_lock/etcd_lock.hpp>
#include <named_lock/named_lock.hpp>

#include "etcd/support/server.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"

namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;

/// Lock files in a directory of their own. The holds belong to guards, as those of etcd_lock do.
class lock_files {
  public:
    using guard_type = nlock::guard;
    [[nodiscard]] static std::string missing() { return ""; }
    [[nodiscard]] nlock::named_lock lock(const std::string& name,
                                         std::chrono::nanoseconds timeout = nlock::forever) const {
        nlock::lock_options options;
        options.locks_dir = dir_.path();
        options.timeout = timeout;
        options.reentrant = false;
        options.on_wait = [this](const nlock::lock_wait&) { waits_->happen(); };
        return nlock::named_lock{name, options};
    }
    [[nodiscard]] bool waits() const { return waits_->wait(); }

  private:
    temp_dir dir_;
    std::shared_ptr<event> waits_ = std::make_shared<event>();
};

/// Keys with a prefix of their own in a running etcd.
class etcd_keys {
  public:
    using guard_type = nlock::etcd_guard;
    [[nodiscard]] static std::string missing() {
        return common_server().empty() ? "there is no etcd (Debian: etcd-server)" : "";
    }
    etcd_keys() { wait_until_usable(cluster_); }
    [[nodiscard]] nlock::etcd_lock lock(const std::string& name,
                                        std::chrono::nanoseconds timeout = nlock::forever) const {
        return nlock::etcd_lock{name, cluster_, timeout};
    }
    [[nodiscard]] bool waits() const { return waits_->wait(); }

  private:
    nlock::etcd_options options() {
        auto options = short_lease();
        options.on_wait = [waits = waits_](const nlock::etcd_wait&) { waits->happen(); };
        return options;
    }
    std::shared_ptr<event> waits_ = std::make_shared<event>();
    nlock::etcd_cluster cluster_{{common_server()}, options()};
};

#define PLACE_OR_SKIP(place)                                                                                           \
    if (const auto reason = TestType::missing(); !reason.empty()) SKIP_TEST(reason);                                   \
    const TestType place

}  // namespace

TEMPLATE_TEST_CASE("a held lock keeps others out, until its guard goes", "", lock_files, etcd_keys) {
    PLACE_OR_SKIP(place);
    auto lock = place.lock("x");
    {
        const auto guard = lock.acquire();
        CHECK(guard);
        CHECK_FALSE(place.lock("x").try_acquire());
        CHECK_FALSE(in_another_thread([&] { return static_cast<bool>(place.lock("x").try_acquire()); }));
        CHECK(place.lock("y").try_acquire());
    }
    CHECK(place.lock("x").try_acquire());
}

TEMPLATE_TEST_CASE("a waiter gets the lock when it is given up", "", lock_files, etcd_keys) {
    PLACE_OR_SKIP(place);
    auto guard = place.lock("x").acquire();
    task waiter{[&] { return static_cast<bool>(place.lock("x").acquire()); }};
    REQUIRE(place.waits());
    CHECK(waiter.is_blocked());
    guard.release();
    CHECK_FALSE(guard);
    CHECK(waiter.get());
}

TEMPLATE_TEST_CASE("a guard gives up once, can be moved, and can go in another thread", "", lock_files, etcd_keys) {
    PLACE_OR_SKIP(place);
    auto lock = place.lock("x");
    auto first = lock.acquire();
    auto second = std::move(first);
    CHECK_FALSE(first);  // NOLINT(bugprone-use-after-move)
    CHECK(second);
    first.release();
    CHECK_FALSE(lock.try_acquire());
    in_another_thread([moved = std::move(second)]() mutable {
        moved.release();
        return 0;
    });
    CHECK(lock.try_acquire());
    typename TestType::guard_type empty;
    CHECK_FALSE(empty);
    empty.release();
}

TEMPLATE_TEST_CASE("time-outs are neither early nor for ever", "", lock_files, etcd_keys) {
    PLACE_OR_SKIP(place);
    const auto guard = place.lock("x").acquire();
    auto lock = place.lock("x", 20ms);
    const auto start = std::chrono::steady_clock::now();
    CHECK_FALSE(lock.try_acquire(30ms));
    CHECK(std::chrono::steady_clock::now() - start >= 30ms);
    CHECK_FALSE(lock.try_acquire(0.0005s));
    CHECK_FALSE(lock.try_acquire(0s));
    const auto error = thrown_by<nlock::lock_timeout>([&] { (void)lock.acquire(); });
    CHECK(error.timeout() == 20ms);
    CHECK(error.code() == std::errc::timed_out);
    CHECK(lock.timeout() == 20ms);
    CHECK_THROWS_AS((void)lock.acquire(0ms), nlock::lock_timeout);
    CHECK_THROWS_AS((void)lock.acquire(std::chrono::duration<double>{std::nan("")}), std::invalid_argument);
    CHECK(guard);
}

TEMPLATE_TEST_CASE("who holds it is told to those who gave up", "", lock_files, etcd_keys) {
    PLACE_OR_SKIP(place);
    const auto guard = place.lock("x").acquire();
    std::string said;
    try {
        (void)place.lock("x").acquire(300ms);
    } catch (const nlock::lock_timeout& e) {
        said = e.what();
        REQUIRE(e.holders().size() == 1);
        CHECK(e.holders()[0].pid == ::getpid());
    }
    CHECK_THAT(said, ContainsSubstring("was not acquired within 300 ms; held by pid " + std::to_string(::getpid())));
    REQUIRE(place.lock("x").holders().size() == 1);
    CHECK(place.lock("x").holders()[0].pid == ::getpid());
    CHECK_FALSE(place.lock("x").holders()[0].process.empty());
    CHECK(place.lock("free").holders().empty());
}

TEMPLATE_TEST_CASE("the standard library's guards hold it", "", lock_files, etcd_keys) {
    PLACE_OR_SKIP(place);
    auto a = place.lock("a");
    auto b = place.lock("b");
    using lock_type = decltype(a);
    {
        const std::scoped_lock both{a, b};
        CHECK_FALSE(place.lock("a").try_acquire());
        CHECK_FALSE(place.lock("b").try_acquire());
        const std::unique_lock<lock_type> tried{a, std::try_to_lock};
        CHECK_FALSE(tried);
        const std::unique_lock<lock_type> timed{a, 5ms};
        CHECK_FALSE(timed);
        CHECK_FALSE(a.try_lock_until(std::chrono::system_clock::now() + 5ms));
    }
    bool is_locked = false;  // in a cluster, what has given up is in the way for a moment
    for (const auto end = std::chrono::steady_clock::now() + patience; !is_locked;) {
        is_locked = a.try_lock();
        if (std::chrono::steady_clock::now() > end) break;
    }
    REQUIRE(is_locked);
    a.unlock();
    CHECK(a.try_lock_for(1h));
    a.unlock();
    CHECK(a.try_lock_until(std::chrono::steady_clock::now() + 1h));
    a.unlock();
    const auto error = thrown_by<nlock::lock_error>([&] { a.unlock(); });
    CHECK(error.code() == std::errc::operation_not_permitted);
    CHECK(place.lock("a").try_acquire());
}

TEMPLATE_TEST_CASE("threads never meet inside", "", lock_files, etcd_keys) {
    PLACE_OR_SKIP(place);
    constexpr int rounds = 25;
    int counter = 0;  // no atomic: the lock protects it
    const auto work = [&] {
        auto lock = place.lock("x");
        for (int i = 0; i < rounds; ++i) {
            const auto guard = lock.acquire();
            ++counter;
        }
    };
    {
        std::vector<task<void>> crowd;
        for (int i = 0; i < 8; ++i) crowd.emplace_back(work);
        for (auto& one : crowd) one.get();
    }
    CHECK(counter == 8 * rounds);
}

TEMPLATE_TEST_CASE("names follow the same rules", "", lock_files, etcd_keys) {
    PLACE_OR_SKIP(place);
    for (const char* name : {"100%", "copying database", "$langs", "caf\xC3\xA9", "a%2Fb", "x y"}) {
        CAPTURE(name);
        const auto guard = place.lock(name).acquire();
        CHECK(guard);
        CHECK_FALSE(place.lock(name).try_acquire());
        CHECK(place.lock(name).name() == name);
    }
    for (const char* name : {"", ".", "a/b", "a\\b", "NUL", "a\nb", "\xFF"}) {
        CAPTURE(name);
        CHECK_THROWS_AS(place.lock(name), nlock::invalid_lock_name);
    }
}

#if defined(__cpp_lib_jthread)
TEMPLATE_TEST_CASE("a stop request ends the wait at once", "", lock_files, etcd_keys) {
    PLACE_OR_SKIP(place);
    const auto guard = place.lock("x").acquire();
    std::stop_source source;
    task waiter{[&] { (void)place.lock("x").acquire(source.get_token()); }};
    REQUIRE(place.waits());
    source.request_stop();
    CHECK_THROWS_AS(waiter.get(), nlock::lock_cancelled);
    CHECK_FALSE(place.lock("x").try_acquire(source.get_token(), 1h));
    CHECK_THROWS_AS((void)place.lock("y").acquire(source.get_token()), nlock::lock_cancelled);
    CHECK(place.lock("y").try_acquire(std::stop_token{}));
}
#endif

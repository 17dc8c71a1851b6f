// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// etcd_lock between processes, on one real etcd: order, death, stops, loss, fork, and etcdctl in the same queue.
#include "support/catch.hpp"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/etcd_lock.hpp>

#include "etcd/support/server.hpp"
#include "support/child.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"

namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using nlock::etcd_lock;
using std::chrono::steady_clock;
namespace etcd = nlock::detail::etcd;

std::uint64_t token_in(const std::string& answer) { return std::stoull(answer.substr(answer.rfind(' '))); }

std::string etcdctl(const std::string& url, const std::string& words) {
    return "ETCDCTL_API=3 etcdctl --endpoints " + url + " " + words;
}

/// Until so many wait for the lock.
void wait_for_waiters(const etcd_lock& lock, std::size_t wanted) {
    const auto end = steady_clock::now() + patience;
    while (lock.waiters().size() < wanted) {
        if (steady_clock::now() > end) FAIL("they do not queue");
        std::this_thread::sleep_for(2ms);
    }
}

/// What the server says to a request that the library does not make.
std::optional<etcd::answer> post(const std::string& url, const char* path, const etcd::json& request) {
    const auto got = etcd::curl_transport{etcd::tls_files{}}.open()->post({url + path, etcd::in_text(request), ""},
                                                                          etcd::time_after(patience));
    return etcd::read_answer(got.body);
}

/// Writes a key of its own as a user with something to protect in the same etcd does.
bool write_with_token(const std::string& url, const nlock::etcd_guard& guard, const std::string& key) {
    using etcd::json;
    const json put = {{"key", etcd::to_base64(key)}, {"value", etcd::to_base64("written")}};
    const json transaction = {
        {"compare", json::array({etcd::is_created_at(etcd::key_range(guard.key()), guard.token())})},
        {"success", json::array({json::object({{"request_put", put}})})}};
    return etcd::truth(post(url, etcd::path::txn, transaction).value().body, "succeeded");
}

#define ETCDCTL_OR_SKIP()                                                                                              \
    if (!has_program("etcdctl")) SKIP_TEST("there is no etcdctl (Debian: etcd-client)")

}  // namespace

TEST_CASE("processes are served in the order in which they came, with tokens that grow") {
    ETCD_OR_SKIP(url);
    const auto options = short_lease();
    etcd_lock lock{"x", nlock::etcd_cluster{{url}, options}};
    auto guard = lock.acquire();
    std::vector<etcd_worker> workers;
    for (std::size_t i = 0; i < 6; ++i) {
        workers.emplace_back(url, options.prefix);
        workers.back().ask("acquire x -1");
        wait_for_waiters(lock, i + 1);
    }
    const auto waiters = lock.waiters();
    auto last = guard.token();
    guard.release();
    for (std::size_t i = 0; i < workers.size(); ++i) {
        const auto token = token_in(workers[i].answer());
        CHECK(waiters[i].pid == workers[i]->pid());
        CHECK(token == waiters[i].token);
        CHECK(token > last);
        last = token;
        if (i + 1 < workers.size()) CHECK(workers[i + 1]->is_silent());
        CHECK(workers[i]("held") == "held 1 " + std::to_string(token));
        CHECK(workers[i]("release") == "released 1");
    }
    CHECK(lock.holders().empty());
}

TEST_CASE("processes that count together lose nothing") {
    ETCD_OR_SKIP(url);
    const auto prefix = unique_prefix();
    const temp_dir dir;
    const std::string file = (dir.path() / "number").string();
    std::vector<etcd_worker> workers;
    for (int i = 0; i < 12; ++i) workers.emplace_back(url, prefix);
    for (auto& worker : workers) worker.ask("count x 25 " + file);
    for (auto& worker : workers) CHECK(worker.answer(4 * patience) == "counted 25");
    long number = 0;
    std::ifstream{file} >> number;
    CHECK(number == 12 * 25);
}

TEST_CASE("a holder that is killed keeps the lock from others for its ttl, and hardly longer", "[serial]") {
    ETCD_OR_SKIP(url);
    const auto options = short_lease();
    etcd_lock lock{"x", nlock::etcd_cluster{{url}, options}};
    etcd_worker holder{url, options.prefix};
    const auto token = token_in(holder("acquire x -1"));
    task waiter{[&] { return lock.acquire(20s); }};
    wait_for_waiters(lock, 1);
    holder->crash();
    const auto death = steady_clock::now();
    auto guard = waiter.get();
    const auto took = steady_clock::now() - death;
    CHECK(guard.token() > token);
    CHECK(took < 5s + 600ms);
    CHECK(took > 3s);
}

TEST_CASE("a waiter that is killed does not hold up those behind it for longer than its ttl") {
    ETCD_OR_SKIP(url);
    const auto options = short_lease();
    etcd_lock lock{"x", nlock::etcd_cluster{{url}, options}};
    auto guard = lock.acquire();
    etcd_worker dead{url, options.prefix};
    dead.ask("acquire x -1");
    wait_for_waiters(lock, 1);
    task last{[&] { return lock.acquire(20s).is_held(); }};
    wait_for_waiters(lock, 2);
    dead->crash();
    guard.release();
    CHECK(last.get());
}

TEST_CASE("a waiter that gives up makes room at once") {
    ETCD_OR_SKIP(url);
    const auto options = short_lease();
    etcd_lock lock{"x", nlock::etcd_cluster{{url}, options}};
    auto guard = lock.acquire();
    etcd_worker impatient{url, options.prefix};
    impatient.ask("acquire x 4000");
    wait_for_waiters(lock, 1);
    task last{[&] { return lock.acquire(20s).is_held(); }};
    CHECK_THAT(impatient.answer(), ContainsSubstring("timeout"));
    guard.release();
    const auto start = steady_clock::now();
    CHECK(last.get());
    CHECK(steady_clock::now() - start < 3s);  // the lease of the one that gave up would have lasted 5
}

TEST_CASE("a holder that was stopped for longer than its lease does not believe in it when it goes on") {
    ETCD_OR_SKIP(url);
    const auto options = short_lease();
    etcd_lock lock{"x", nlock::etcd_cluster{{url}, options}};
    etcd_worker holder{url, options.prefix};
    const auto token = token_in(holder("acquire x -1"));
    holder->kill(SIGSTOP);
    auto guard = lock.acquire(20s);
    CHECK(guard.token() > token);
    holder->kill(SIGCONT);
    CHECK(holder("held") == "held 0 " + std::to_string(token));
    CHECK(holder("await_loss") == "lost");
    CHECK(holder("release") == "released 0");
    CHECK(guard.is_held());
}

TEST_CASE("a holder whose entry or lease is taken away by an operator is told") {
    ETCDCTL_OR_SKIP();
    ETCD_OR_SKIP(url);
    const auto options = short_lease();
    const nlock::etcd_cluster cluster{{url}, options};
    for (const bool by_key : {true, false}) {
        CAPTURE(by_key);
        auto guard = etcd_lock{"x", cluster}.acquire();
        event lost;
        guard.on_lost([&] { lost.happen(); });
        const std::string words =
            by_key
                ? "del --prefix " + options.prefix
                : "lease list | tail -n +2 | while read -r id; do " + etcdctl(url, "get --prefix " + options.prefix) +
                      " --keys-only | grep -q \"/${id#\"${id%%[!0]*}\"}\" && " +  // a key has no leading zeros
                      etcdctl(url, "lease revoke $id") + "; done";
        run_program(etcdctl(url, words));
        CHECK(lost.wait(10s));
        CHECK_FALSE(guard.is_held());
        CHECK_FALSE(guard.release());
    }
}

TEST_CASE("etcdctl lock waits for us, we wait for it, and both see the death of the other") {
    ETCDCTL_OR_SKIP();
    ETCD_OR_SKIP(url);
    const auto options = short_lease();
    etcd_lock lock{"x", nlock::etcd_cluster{{url}, options}};
    const std::vector<std::string> command{"sh", "-c", "exec " + etcdctl(url, "lock --ttl 5 ") + options.prefix + "x"};
    {
        auto guard = lock.acquire();
        process other{
            {"env", "ETCDCTL_API=3", "etcdctl", "--endpoints", url, "lock", "--ttl", "5", options.prefix + "x"}};
        wait_for_waiters(lock, 1);
        CHECK(other.is_silent());
        guard.release();
        CHECK_THAT(other.read_line(), ContainsSubstring(options.prefix + "x/"));  // it has the lock
        CHECK_FALSE(lock.try_acquire());
        task waiter{[&] { return lock.acquire(20s).is_held(); }};
        wait_for_waiters(lock, 1);
        CHECK(lock.holders().at(0).pid == 0);
        CHECK(waiter.is_blocked());
        other.kill(SIGTERM);
        CHECK(waiter.get());
        other.wait();
    }
    process dies{{"env", "ETCDCTL_API=3", "etcdctl", "--endpoints", url, "lock", "--ttl", "5", options.prefix + "x"}};
    CHECK_THAT(dies.read_line(), ContainsSubstring(options.prefix + "x/"));
    dies.crash();
    CHECK(lock.acquire(20s));
}

TEST_CASE("a client of etcd's own lock service stands in the same queue") {
    ETCD_OR_SKIP(url);
    const auto options = short_lease();
    etcd_lock lock{"x", nlock::etcd_cluster{{url}, options}};
    const auto id = etcd::lease::random_id();
    REQUIRE(post(url, etcd::path::grant, {{"ID", std::to_string(id)}, {"TTL", "600"}}).value().code == etcd::ok);
    auto guard = lock.acquire();
    task service{[&] {
        const etcd::json request = {{"name", etcd::to_base64(options.prefix + "x")}, {"lease", std::to_string(id)}};
        return post(url, "/v3/lock/lock", request).value().code;
    }};
    wait_for_waiters(lock, 1);
    CHECK(service.is_blocked());
    guard.release();
    CHECK(service.get() == etcd::ok);
    CHECK(lock.holders().at(0).pid == 0);
    CHECK_FALSE(lock.try_acquire());
    task waiter{[&] { return lock.acquire(20s).is_held(); }};
    wait_for_waiters(lock, 1);
    CHECK(waiter.is_blocked());
    post(url, etcd::path::revoke, {{"ID", std::to_string(id)}});
    CHECK(waiter.get());
}

TEST_CASE("what is written into the same etcd with key and token of a lost hold is refused") {
    ETCD_OR_SKIP(url);
    ETCDCTL_OR_SKIP();
    const auto options = short_lease();
    etcd_lock lock{"x", nlock::etcd_cluster{{url}, options}};
    const std::string row = options.prefix + "row";
    const auto lost = lock.acquire();
    CHECK(lost.key().rfind(lock.key() + "/", 0) == 0);
    CHECK(write_with_token(url, lost, row));
    CHECK(run_program(etcdctl(url, "del --prefix " + lock.key() + "/")).code == 0);
    const auto next = lock.acquire(20s);
    CHECK_FALSE(write_with_token(url, lost, row));
    CHECK(write_with_token(url, next, row));
    CHECK(nlock::etcd_guard{}.key().empty());
}

TEST_CASE("with an empty prefix the lock is the one of etcdctl lock NAME") {
    ETCDCTL_OR_SKIP();
    ETCD_OR_SKIP(url);
    const std::string name = "bare" + std::to_string(std::random_device{}());
    etcd_lock lock{name, nlock::etcd_cluster{{url}, short_lease("")}};
    const auto ran = run_program(etcdctl(url, "lock " + name + " -- sh -c 'echo inside'"));
    CHECK(ran.code == 0);
    const auto guard = lock.acquire();
    CHECK_THAT(run_program(etcdctl(url, "get --prefix --keys-only " + name)).printed, ContainsSubstring(name + "/"));
}

TEST_CASE("a forked child holds nothing, gives nothing up, and can lock by itself") {
    ETCD_OR_SKIP(url);
    const nlock::etcd_cluster cluster{{url}, short_lease()};
    etcd_lock lock{"x", cluster};
    etcd_lock in_object{"z", cluster};
    auto guard = lock.acquire();
    in_object.lock();
    child forked{[&](child&) -> std::string {
        if (guard.is_held() || guard || guard.remaining() != 0ns) return "the child holds what the parent does";
        if (guard.release()) return "the child gave up what the parent holds";
        try {
            in_object.unlock();
            return "the child unlocked what the parent locked";
        } catch (const nlock::lock_error&) {
        }
        if (lock.try_acquire()) return "the child is let in beside the parent";
        const auto own = etcd_lock{"y", cluster}.acquire(10s);
        if (!own.is_held()) return "the child cannot lock by itself";
        return "";
    }};
    CHECK(forked.verdict() == "");
    CHECK(guard.is_held());
    CHECK_FALSE(lock.try_acquire());
    CHECK_FALSE(etcd_lock{"z", cluster}.try_acquire());
    CHECK(lock.holders().at(0).pid == ::getpid());
    CHECK(guard.release());
    in_object.unlock();
}

TEST_CASE("children forked beside busy threads can lock") {
    if (fork_beside_busy_threads_may_hang) SKIP_TEST("the sanitizer's allocator does not prepare for fork()");
    ETCD_OR_SKIP(url);
    const nlock::etcd_cluster cluster{{url}, short_lease()};
    std::atomic<bool> is_over{false};
    std::vector<task<void>> busy;
    for (int i = 0; i < 3; ++i) {
        busy.emplace_back([&] {
            while (!is_over) etcd_lock{"x", cluster}.acquire().release();
        });
    }
    for (int i = 0; i < 20; ++i) {
        child forked{[&](child&) -> std::string {
            return etcd_lock{"y", cluster}.acquire(20s).is_held() ? "" : "the child cannot lock";
        }};
        CHECK(forked.verdict() == "");
    }
    is_over = true;
}

TEST_CASE("time-outs are kept while the server is stopped or gone, and the holder's lock survives a short absence",
          "[serial]") {
    if (!has_program("etcd")) SKIP_TEST("there is no etcd (Debian: etcd-server)");
    etcd_server server;
    auto options = short_lease();
    const nlock::etcd_cluster cluster{{server.url()}, options};
    wait_until_usable(cluster);
    auto guard = etcd_lock{"x", cluster}.acquire();
    const auto late_by = [&](std::chrono::milliseconds timeout) {
        const auto start = steady_clock::now();
        std::string said;
        try {
            (void)etcd_lock{"y", cluster}.acquire(timeout);
        } catch (const nlock::lock_timeout& e) {
            said = e.what();
        }
        const auto late = steady_clock::now() - start - timeout;
        CHECK_THAT(said, ContainsSubstring("cannot reach etcd at " + server.url()));
        return late;
    };
    server.stop();
    for (int i = 0; i < 3; ++i) {
        const auto late = late_by(100ms);
        CHECK(late >= 0ms);
        CHECK(late < 1s);
    }
    CHECK_THROWS_AS((void)etcd_lock("y", cluster).try_acquire(), nlock::lock_error);
    server.go_on();
    CHECK(etcd_lock{"y", cluster}.acquire(20s));
    CHECK(guard.is_held());
    server.kill();
    CHECK(late_by(100ms) >= 0ms);
    server.start();  // leases survive a restart of all members
    wait_until_usable(cluster);
    CHECK_FALSE(etcd_lock{"x", cluster}.try_acquire());
    CHECK(guard.is_held());
    CHECK(guard.release());
}

TEST_CASE("a guard that goes while the server is stopped goes within about a second, and the lock is free afterwards",
          "[serial]") {
    if (!has_program("etcd")) SKIP_TEST("there is no etcd (Debian: etcd-server)");
    etcd_server server;
    const nlock::etcd_cluster cluster{{server.url()}, short_lease()};
    wait_until_usable(cluster);
    auto guard = etcd_lock{"x", cluster}.acquire();
    server.stop();
    const auto start = steady_clock::now();
    CHECK(guard.release());  // as far as one can tell
    CHECK(steady_clock::now() - start < 3s);
    server.go_on();
    CHECK(etcd_lock{"x", cluster}.acquire(3s));  // sooner than the lease would end
}

TEST_CASE("compaction and defragmentation during a wait do no harm") {
    ETCDCTL_OR_SKIP();
    if (!has_program("etcd")) SKIP_TEST("there is no etcd (Debian: etcd-server)");
    etcd_server server;
    const nlock::etcd_cluster cluster{{server.url()}, short_lease()};
    wait_until_usable(cluster);
    etcd_lock lock{"x", cluster};
    auto guard = lock.acquire();
    task waiter{[&] { return lock.acquire(20s).is_held(); }};
    wait_for_waiters(lock, 1);
    for (int i = 0; i < 5; ++i) etcd_lock{"y", cluster}.acquire().release();
    const auto revision = etcd_lock{"y", cluster}.acquire().token();
    CHECK(run_program(etcdctl(server.url(), "compact " + std::to_string(revision))).code == 0);
    CHECK(run_program(etcdctl(server.url(), "defrag")).code == 0);
    guard.release();
    CHECK(waiter.get());
}

TEST_CASE("hundreds of locks are kept alive by one thread", "[serial]") {  // a process that cannot run loses them
    ETCD_OR_SKIP(url);
    const nlock::etcd_cluster cluster{{url}, short_lease()};
    std::vector<nlock::etcd_guard> guards;
    for (int i = 0; i < 300; ++i) guards.push_back(etcd_lock{"x" + std::to_string(i), cluster}.acquire());
    std::this_thread::sleep_for(6s);  // longer than the leases
    int held = 0;
    for (const auto& guard : guards) held += guard.is_held() ? 1 : 0;
    CHECK(held == 300);
    for (auto& guard : guards) held -= guard.release() ? 1 : 0;
    CHECK(held == 0);
}

TEST_CASE("thousands of acquisitions leave nothing: no leases, keys, descriptors, threads or memory", "[serial]") {
    if (!has_program("etcd")) SKIP_TEST("there is no etcd (Debian: etcd-server)");
    ETCDCTL_OR_SKIP();
    etcd_server server{{"--unsafe-no-fsync"}};
    const auto options = short_lease();
    const nlock::etcd_cluster cluster{{server.url()}, options};
    wait_until_usable(cluster);
    const auto count = [](const char* dir) {
        return std::distance(std::filesystem::directory_iterator{dir}, std::filesystem::directory_iterator{});
    };
    const auto resident_pages = [] {
        long size = 0;
        long resident = 0;
        std::ifstream{"/proc/self/statm"} >> size >> resident;
        return resident;
    };
    const auto acquire = [&](int times) {
        for (int i = 0; i < times; ++i) {
            const auto guard = etcd_lock{"x", cluster}.acquire(10s);
            if (i % 10 == 0 && etcd_lock{"x", cluster}.try_acquire(i % 20 == 0 ? 0ms : 2ms)) FAIL("two inside");
        }
    };
    const bool is_thorough = std::getenv("NAMED_LOCK_ETCD_THOROUGH") != nullptr;
    const int times = is_thorough ? 10'000 : 1500;
    acquire(times / 5);
    const auto descriptors = count("/proc/self/fd");
    const auto threads = count("/proc/self/task");
    const auto pages = resident_pages();
    acquire(times);
    CHECK(count("/proc/self/fd") <= descriptors + 4);  // idle connections
    CHECK(count("/proc/self/task") == threads);
    if (!fork_beside_busy_threads_may_hang) CHECK(resident_pages() - pages < 256);  // 1 MiB
    const auto end = steady_clock::now() + patience;
    std::string left;
    do {  // what was left behind is revoked in the background
        left = run_program(etcdctl(server.url(), "lease list")).printed +
               run_program(etcdctl(server.url(), "get --prefix --keys-only " + options.prefix)).printed;
    } while (left.find("found 0 leases") == std::string::npos && steady_clock::now() < end);
    CHECK(left == "found 0 leases\n");
}

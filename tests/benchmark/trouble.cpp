// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Crowds and waiters that have it hard: the first of the line is stopped, half of them are in another network,
// time-outs are short, a stranger floods them, 300 wait in one process. Usage: trouble [--quick]
#include <grp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "contest.hpp"
#include "waiter.hpp"

namespace {

using namespace std::chrono_literals;

/// The first one in line, stopped while it waited for a lock that has been given up since.
class stopped_head {
  public:
    explicit stopped_head(nlock::named_lock lock) {
        const auto held = lock.acquire();
        head_.emplace(lock);
        ::kill(head_->pid(), SIGSTOP);
        ::waitpid(head_->pid(), nullptr, WUNTRACED);
    }

  private:
    std::optional<bench::waiter> head_;
};

void crowds(const nlock::named_lock& lock, bool quick) {
    const bool two_networks = bench::other_network::is_possible();
    if (!two_networks) bench::skip("two networks", "this user cannot make another network namespace (root can)");
    for (const auto hold : {100us, 1000us}) {
        const auto body = bench::with_named_lock(lock, hold);
        for (const int n : {2, 8, 64, 256}) {
            std::vector<bench::entrant> entrants{{"named_lock", {n}, body}};
            if (two_networks) entrants.push_back({"two networks", {n, 1, true}, body});
            if (n == 64) {
                entrants.push_back(
                    {"first of the line stopped", {n}, body, [&] { return std::make_shared<stopped_head>(lock); }});
            }
            if (entrants.size() == 1) continue;
            bench::contest("in trouble: " + bench::always_wanted(n, hold), entrants, bench::seconds_for(n, hold, quick),
                           quick ? 1 : 2);
        }
    }
}

/// How many of so many attempts time out, made by 8 processes beside 64 that always want the lock for a millisecond.
void time_outs(const nlock::named_lock& handle, int attempts) {
    struct tally {
        std::atomic<int> begun{0};
        std::atomic<int> ended{0};
        std::atomic<int> failed{0};
    };
    auto* counts = bench::shared<tally>();
    const auto patient = bench::with_named_lock(handle, 1ms);
    const bench::work hasty = [=](const bench::seat& place) {
        nlock::named_lock lock = handle;
        place.begin();
        while (counts->begun++ < attempts) {
            if (const auto guard = lock.try_acquire(500ms)) {
                bench::busy_for(1ms);
            } else {
                ++counts->failed;
            }
            ++counts->ended;
        }
    };
    bench::run(
        {72}, 0, [&](const bench::seat& place) { (place.index < 64 ? patient : hasty)(place); },
        [&] {
            while (counts->ended < attempts) std::this_thread::sleep_for(1ms);
        });
    bench::report("try_acquire(500ms) under 64 processes, holds of 1 ms", "failed of 1000", "times",
                  {1000.0 * counts->failed / attempts});
    ::munmap(counts, sizeof *counts);
}

/// The abstract datagram sockets that a process has open.
std::vector<std::string> sockets_of(pid_t pid) {
    std::set<std::string> inodes;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/" + std::to_string(pid) + "/fd"}) {
        std::error_code gone;
        const std::string target = std::filesystem::read_symlink(entry, gone);
        if (target.starts_with("socket:[")) inodes.insert(target.substr(8, target.size() - 9));
    }
    std::vector<std::string> names;
    std::ifstream table{"/proc/net/unix"};
    for (std::string line; std::getline(table, line);) {
        std::istringstream words{line};
        std::string number, references, protocol, flags, type, state, inode, name;
        words >> number >> references >> protocol >> flags >> type >> state >> inode >> name;
        if (type != "0002" || !inodes.contains(inode) || !name.starts_with('@')) continue;
        std::replace(name.begin(), name.end(), '@', '\0');  // as the table shows it
        names.push_back(name);
    }
    return names;
}

void send_for_ever(const std::vector<std::string>& names, std::atomic<std::int64_t>& sent) {
    if (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(1);
    const int from = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (;;) {
        for (const std::string& name : names) {
            sockaddr_un to{};
            to.sun_family = AF_UNIX;
            name.copy(to.sun_path, sizeof to.sun_path);
            const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
            if (::sendto(from, "x", 1, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), size) == 1) ++sent;
        }
    }
}

void flood(nlock::named_lock lock, std::chrono::milliseconds time, int rounds) {
    const std::string question = "flood of datagrams by another user";
    if (::geteuid() != 0) return bench::skip(question, "only root can become another user");
    auto* sent = bench::shared<std::atomic<std::int64_t>>();
    std::vector<double> cpu;
    std::vector<double> rates;
    std::vector<double> late;
    for (int round = 0; round < rounds; ++round) {
        auto held = lock.acquire();
        const bench::waiter victim{lock};
        auto names = sockets_of(victim.pid());
        for (int pause = 0; pause < 100 && names.empty(); ++pause) {
            std::this_thread::sleep_for(10ms);
            names = sockets_of(victim.pid());
        }
        if (names.empty()) return bench::skip(question, "no socket: the waiter has no abstract datagram socket");
        *sent = 0;
        const pid_t stranger = bench::start_child([&] { send_for_ever(names, *sent); });
        while (*sent == 0 && ::waitpid(stranger, nullptr, WNOHANG) == 0) std::this_thread::sleep_for(1ms);
        if (*sent == 0) return bench::skip(question, "no process of another user could be started");
        const auto before = victim.cpu_ns();
        const auto sent_before = sent->load();
        const auto start = bench::now_ns();
        std::this_thread::sleep_for(time);
        const auto elapsed = static_cast<double>(bench::now_ns() - start);
        cpu.push_back(100 * static_cast<double>(victim.cpu_ns() - before) / elapsed);
        rates.push_back(1e9 * static_cast<double>(*sent - sent_before) / elapsed);
        const auto released = bench::now_ns();
        held.release();
        late.push_back(static_cast<double>(victim.granted_ns() - released) / 1e6);
        ::kill(stranger, SIGKILL);
        ::waitpid(stranger, nullptr, 0);
    }
    ::munmap(sent, sizeof *sent);
    bench::report(question, "datagrams that got in", "1/s", rates);
    bench::report(question, "CPU of the waiter", "%", cpu);
    bench::report(question, "granted after the release", "ms", late);
}

double inotify_instances() {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        std::error_code gone;
        if (std::filesystem::read_symlink(entry, gone) == "anon_inode:inotify") ++count;
    }
    return count;
}

/// Threads of one process wait for as many names, which another process holds.
void many_waits(const std::filesystem::path& dir, int count) {
    struct progress {
        std::atomic<int> held{0};
        std::atomic<int> waiting{0};
        std::atomic<bool> released{false};
    };
    auto* now = bench::shared<progress>();
    const auto name = [](int i) { return "name " + std::to_string(i); };
    const pid_t holder = bench::start_child([&] {
        std::vector<nlock::guard> guards;
        for (int i = 0; i < count; ++i) guards.push_back(nlock::named_lock{name(i), dir}.acquire());
        now->held = count;
        while (now->waiting < count) std::this_thread::sleep_for(1ms);
        std::this_thread::sleep_for(300ms);  // until the last one sleeps and has been counted
        guards.clear();
        now->released = true;
    });
    while (now->held < count) std::this_thread::sleep_for(1ms);
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) {
        threads.emplace_back([&, i] {
            nlock::lock_options options{dir};
            options.on_wait = [&](const nlock::lock_wait&) { ++now->waiting; };
            const auto guard = nlock::named_lock{name(i), options}.acquire(60s);
        });
    }
    while (now->waiting < count) std::this_thread::sleep_for(1ms);
    double in_use = 0;
    while (!now->released) {
        in_use = std::max(in_use, inotify_instances());
        std::this_thread::sleep_for(10ms);
    }
    for (auto& thread : threads) thread.join();
    ::waitpid(holder, nullptr, 0);
    std::this_thread::sleep_for(200ms);
    const std::string question = std::to_string(count) + " waits at once in one process";
    bench::report(question, "inotify instances in use", "instances", {in_use});
    bench::report(question, "inotify instances when idle", "instances", {inotify_instances()});
    ::munmap(now, sizeof *now);
}

}  // namespace

int main(int argc, char** argv) {
    const bool quick = bench::arguments{argc, argv}.quick;
    const bench::directory dir;
    const nlock::named_lock lock{"trouble", dir.path()};
    { const auto create = nlock::named_lock{lock}.acquire(); }

    crowds(lock, quick);
    time_outs(lock, quick ? 50 : 1000);
    flood(lock, quick ? 100ms : 1000ms, quick ? 1 : 10);
    many_waits(dir.path(), 300);
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
//     named_lock_etcd_worker URLS PREFIX TTL     (URLS: with commas)
//
// A process that does what it reads, and answers each line with one:
//
//   acquire NAME MS     "acquired TOKEN", "timeout MESSAGE", "error MESSAGE"; MS -1: for ever
//   try NAME            as acquire NAME 0
//   release             "released 1", or 0 if it was lost before
//   held                "held 1 TOKEN", or 0
//   count NAME N FILE   N times: acquires, adds one to the number in FILE, releases; "counted N"
//   tokens NAME N       N times: acquires and releases; "tokens T1 T2 ..."
//   await_loss          "lost", when the guard's on_lost is called
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <iostream>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <named_lock/etcd_lock.hpp>

namespace {

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> parts;
    std::istringstream rest{text};
    for (std::string part; std::getline(rest, part, ',');) parts.push_back(part);
    return parts;
}

class worker {
  public:
    explicit worker(nlock::etcd_cluster cluster) : cluster_{std::move(cluster)} {}

    std::string answer(const std::string& line) {
        std::istringstream words{line};
        std::string command;
        std::string name;
        words >> command;
        if (command == "release") return guard_.release() ? "released 1" : "released 0";
        if (command == "held") return (guard_.is_held() ? "held 1 " : "held 0 ") + std::to_string(guard_.token());
        if (command == "await_loss") return await_loss();
        words >> name;
        long count = 0;
        words >> count;
        if (command == "acquire" || command == "try") return acquire(name, std::chrono::milliseconds{count});
        if (command == "tokens") return tokens(name, count);
        std::string file;
        words >> file;
        return this->count(name, count, file);
    }

  private:
    std::string acquire(const std::string& name, std::chrono::milliseconds timeout) {
        try {
            guard_ = nlock::etcd_lock{name, cluster_}.acquire(timeout);
            return "acquired " + std::to_string(guard_.token());
        } catch (const nlock::lock_timeout& e) {
            return std::string{"timeout "} + e.what();
        } catch (const std::exception& e) {
            return std::string{"error "} + e.what();
        }
    }

    std::string tokens(const std::string& name, long count) {
        std::string all = "tokens";
        nlock::etcd_lock lock{name, cluster_};
        for (; count > 0; --count) all += ' ' + std::to_string(lock.acquire().token());
        return all;
    }

    std::string count(const std::string& name, long times, const std::string& file) {
        nlock::etcd_lock lock{name, cluster_};
        for (long i = 0; i < times; ++i) {
            const auto guard = lock.acquire();
            long number = 0;
            std::ifstream{file} >> number;
            std::ofstream{file} << number + 1;
        }
        return "counted " + std::to_string(times);
    }

    std::string await_loss() {
        std::mutex mutex;
        std::condition_variable changed;
        bool is_lost = false;
        guard_.on_lost([&] {
            const std::scoped_lock lock{mutex};
            is_lost = true;
            changed.notify_all();
        });
        std::unique_lock lock{mutex};
        changed.wait(lock, [&] { return is_lost; });
        return "lost";
    }

    nlock::etcd_cluster cluster_;
    nlock::etcd_guard guard_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 64;
    nlock::etcd_options options;
    options.prefix = argv[2];
    options.ttl = std::chrono::seconds{std::stol(argv[3])};
    worker self{nlock::etcd_cluster{split(argv[1]), options}};
    for (std::string line; std::getline(std::cin, line);) std::cout << self.answer(line) << std::endl;
}

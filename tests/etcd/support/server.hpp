// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Real servers: one that run.sh has started for all tests, or one of a test's own.
#pragma once

#include "support/catch.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/etcd_lock.hpp>

#include "support/process.hpp"
#include "support/temp_dir.hpp"

namespace nlock_test {

inline bool has_program(const std::string& name) {
    return std::system(("command -v " + name + " >/dev/null 2>&1").c_str()) == 0;  // NOLINT: fixed words
}

/// A port that was free a moment ago.
inline int free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    const bool is_bound = ::bind(socket, any, size) == 0 && ::getsockname(socket, any, &size) == 0;
    ::close(socket);
    if (!is_bound) throw std::runtime_error{"no free port"};
    return ntohs(address.sin_port);
}

/// Does what one attempt does, so that whoever returns from here finds a server that works.
inline void wait_until_usable(const nlock::etcd_cluster& cluster) {
    const auto end = std::chrono::steady_clock::now() + patience;
    nlock::etcd_lock lock{"is_usable", cluster};
    for (;;) {
        try {
            if (lock.try_acquire()) return;
        } catch (const nlock::lock_error& e) {
            if (std::chrono::steady_clock::now() > end) throw std::runtime_error{e.what()};
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
}

/// An etcd of one member, gone with its data at the end, also if this process is killed.
class etcd_server {
  public:
    explicit etcd_server(std::vector<std::string> more = {}, const std::string& scheme = "http")
        : client_port_{free_port()}, peer_port_{free_port()}, scheme_{scheme}, more_{std::move(more)} {
        start();
    }

    [[nodiscard]] std::string url() const { return scheme_ + "://127.0.0.1:" + std::to_string(client_port_); }

    void start() {
        const std::string peer = "http://127.0.0.1:" + std::to_string(peer_port_);
        std::vector<std::string> command{"setpriv",
                                         "--pdeathsig",
                                         "KILL",
                                         "--",
                                         "etcd",
                                         "--name",
                                         "m0",
                                         "--data-dir",
                                         (dir_.path() / "data").string(),
                                         "--listen-client-urls",
                                         url(),
                                         "--advertise-client-urls",
                                         url(),
                                         "--listen-peer-urls",
                                         peer,
                                         "--initial-advertise-peer-urls",
                                         peer,
                                         "--initial-cluster",
                                         "m0=" + peer,
                                         "--logger",
                                         "zap",
                                         "--log-outputs",
                                         (dir_.path() / "log").string()};
        command.insert(command.end(), more_.begin(), more_.end());
        process_.emplace(command);
    }
    void kill() {
        process_->crash();
        process_.reset();
    }
    void stop() { process_->kill(SIGSTOP); }
    void go_on() { process_->kill(SIGCONT); }

    [[nodiscard]] const std::filesystem::path& dir() const { return dir_.path(); }

  private:
    temp_dir dir_;
    int client_port_;
    int peer_port_;
    std::string scheme_;
    std::vector<std::string> more_;
    std::optional<process> process_;
};

/// Where the tests find an etcd; empty if there is none, and none can be started.
inline std::string common_server() {
    if (const char* given = std::getenv("NAMED_LOCK_ETCD_URL")) return given;
    static std::optional<etcd_server> own;  // for the one test case of this process
    if (!own && has_program("etcd")) own.emplace();
    return own ? own->url() : "";
}

inline std::string unique_prefix() {
    return "test" + std::to_string(std::random_device{}()) + std::to_string(std::random_device{}()) + "/";
}

/// Quick enough to be waited for.
inline nlock::etcd_options short_lease(std::string prefix = unique_prefix()) {
    nlock::etcd_options options;
    options.prefix = std::move(prefix);
    options.ttl = std::chrono::seconds{5};
    return options;
}

#define ETCD_OR_SKIP(url)                                                                                              \
    const std::string url = ::nlock_test::common_server();                                                             \
    if ((url).empty()) SKIP_TEST("there is no etcd (Debian: etcd-server)");                                            \
    ::nlock_test::wait_until_usable(nlock::etcd_cluster{{url}, ::nlock_test::short_lease()})

/// Another process: it takes commands, see worker.cpp.
class etcd_worker {
  public:
    etcd_worker(const std::string& urls, const std::string& prefix, int ttl = 5)
        : process_{{NAMED_LOCK_ETCD_WORKER, urls, prefix, std::to_string(ttl)}} {}

    void ask(const std::string& command) { process_.write_line(command); }
    std::string answer(std::chrono::milliseconds longest = patience) { return process_.read_line(longest); }
    std::string operator()(const std::string& command) {
        ask(command);
        return answer();
    }
    process& operator*() { return process_; }
    process* operator->() { return &process_; }

  private:
    process process_;
};

/// What a program prints and its exit code.
struct ran {
    int code;
    std::string printed;
};
inline ran run_program(const std::string& shell_command) {
    ran result{-1, {}};
    std::FILE* const pipe = ::popen((shell_command + " 2>&1").c_str(), "r");  // NOLINT
    std::array<char, 4096> part{};
    while (const std::size_t size = std::fread(part.data(), 1, part.size(), pipe))
        result.printed.append(part.data(), size);
    const int status = ::pclose(pipe);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return result;
}

}  // namespace nlock_test

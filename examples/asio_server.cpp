// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A server of one thread, some of whose handlers need a lock that another process holds: they wait, the others do not.
//
// What to look at: `asio_server hold` in one terminal, `asio_server` in a second one in the same directory, which is server
// and client at once. 100 clients ask for /report, whose handler needs the lock, and wait. Meanwhile one client asks for
// /time again and again, and the program prints how long the answers took, beside those of before. Press Enter in the first
// terminal: the 100 are served, one at a time.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/bind_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/streambuf.hpp>
#include <asio/write.hpp>

#include <named_lock/asio.hpp>
#include <named_lock/named_lock.hpp>

#include "options.hpp"

using namespace std::chrono_literals;
using asio::ip::tcp;

namespace {

/// One request of one client: "GET /report HTTP/1.0" and a blank line.
class session : public std::enable_shared_from_this<session> {
  public:
    session(tcp::socket socket, nlock::named_lock lock) : socket_{std::move(socket)}, lock_{std::move(lock)} {}

    void start() {
        asio::async_read_until(socket_, request_, "\r\n\r\n", [self = shared_from_this()](auto error, std::size_t) {
            if (!error) self->handle();
        });
    }

  private:
    void handle() {
        std::string method, path;
        std::istream{&request_} >> method >> path;
        if (path != "/report") return answer("200 OK", "it is now\n");

        // On the socket's executor, so that the server's thread calls it, as it does all the others.
        auto make_report = [self = shared_from_this()](std::exception_ptr why, [[maybe_unused]] nlock::guard guard) {
            if (why != nullptr) return self->answer("503 Service Unavailable", "it is being made\n");
            self->answer("200 OK", "the report\n");  // alone, until the guard goes
        };
        nlock::async_acquire(lock_, 1min, asio::bind_executor(socket_.get_executor(), std::move(make_report)));
    }

    void answer(const std::string& status, const std::string& text) {
        answer_ = "HTTP/1.0 " + status + "\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text;
        asio::async_write(socket_, asio::buffer(answer_), [self = shared_from_this()](auto, std::size_t) {});
    }

    tcp::socket socket_;
    nlock::named_lock lock_;
    asio::streambuf request_;
    std::string answer_;
};

class server {
  public:
    server(asio::io_context& io, nlock::named_lock lock)
        : acceptor_{io, {asio::ip::address_v4::loopback(), 0}}, lock_{std::move(lock)} {
        accept();
    }
    [[nodiscard]] tcp::endpoint address() const { return acceptor_.local_endpoint(); }

  private:
    void accept() {
        acceptor_.async_accept([this](auto error, tcp::socket client) {
            if (error) return;
            std::make_shared<session>(std::move(client), lock_)->start();
            accept();
        });
    }

    tcp::acceptor acceptor_;
    nlock::named_lock lock_;
};

/// A client that waits for its answer in answer().
class client {
  public:
    client(asio::io_context& io, const tcp::endpoint& server, const std::string& path) : socket_{io} {
        socket_.connect(server);
        asio::write(socket_, asio::buffer("GET " + path + " HTTP/1.0\r\n\r\n"));
    }
    std::string answer() {
        std::string text;
        asio::error_code end;
        asio::read(socket_, asio::dynamic_buffer(text), end);
        return text;
    }

  private:
    tcp::socket socket_;
};

/// Asks for /time again and again, and prints how long the answers took.
void measure(asio::io_context& io, const tcp::endpoint& server, const std::string& when) {
    std::array<double, 1000> took{};
    for (double& us : took) {
        const auto begin = std::chrono::steady_clock::now();
        if (client{io, server, "/time"}.answer().find("it is now") == std::string::npos) {
            throw std::runtime_error{"the server does not answer"};
        }
        us = std::chrono::duration<double, std::micro>{std::chrono::steady_clock::now() - begin}.count();
    }
    std::sort(took.begin(), took.end());
    std::cout << when << ": " << took[took.size() / 2] << " us median, " << took[took.size() * 99 / 100]
              << " us for 99 of 100, " << took.back() << " us at most" << std::endl;
}

void serve_and_ask(const nlock::named_lock& lock) {
    constexpr int waiting = 100;
    asio::io_context io;
    const server here{io, lock};
    std::thread thread{[&io] { io.run(); }};

    asio::io_context of_clients;
    measure(of_clients, here.address(), "nobody waits");
    std::vector<client> clients;
    for (int i = 0; i < waiting; ++i) clients.emplace_back(of_clients, here.address(), "/report");
    measure(of_clients, here.address(), "100 wait for the lock");
    std::cout << "The lock is held by " << nlock::to_string(lock.holders()) << ". Let it go." << std::endl;
    int served = 0;
    for (client& c : clients) served += c.answer().find("the report") != std::string::npos ? 1 : 0;
    std::cout << served << " of " << waiting << " had the report" << std::endl;

    io.stop();
    thread.join();
}

}  // namespace

int main(int argc, char** argv) {
    const small_program self{"asio_server",
                             "Serves /time, and /report, which needs a lock, and asks for both. With `hold`: holds it.",
                             " [hold]", 1};
    return run_example(self, argc, argv, [](const auto& words) {
        nlock::named_lock lock{"report"};
        if (words.empty()) {
            serve_and_ask(lock);
        } else if (words[0] == "hold") {
            const auto guard = lock.acquire(10s);
            std::cout << "It is held. Press Enter to let it go." << std::endl;
            std::cin.get();
        } else {
            throw usage_error{"unexpected argument '" + words[0] + "'"};
        }
        return 0;
    });
}

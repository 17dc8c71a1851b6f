// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// HTTP by libcurl alone, against sockets that answer as the tests say, byte by byte if need be.
#include "support/catch.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <named_lock/detail/etcd/curl_transport.hpp>
#include <named_lock/detail/etcd/messages.hpp>
#include <named_lock/etcd_lock.hpp>

#include "support/threads.hpp"

namespace {

using namespace nlock_test;
using namespace nlock::detail::etcd;
using namespace std::chrono_literals;

class socket_handle {
  public:
    explicit socket_handle(int socket) : socket_{socket} {
        if (socket < 0) throw std::runtime_error{"no socket"};
    }
    socket_handle(socket_handle&& other) noexcept : socket_{std::exchange(other.socket_, -1)} {}
    socket_handle& operator=(socket_handle&&) = delete;
    ~socket_handle() { close(); }
    void close() {
        if (socket_ >= 0) ::close(std::exchange(socket_, -1));
    }
    [[nodiscard]] int get() const { return socket_; }

  private:
    int socket_;
};

/// The server's end of a connection.
class peer {
  public:
    explicit peer(socket_handle socket) : socket_{std::move(socket)} {}

    /// Headers and body of the next request; empty: the client has hung up.
    std::string request() {
        std::size_t size = 0;
        for (std::size_t headers = 0; size == 0 || received_.size() < size;) {
            headers = received_.find("\r\n\r\n");
            if (headers != std::string::npos) {
                const auto length = received_.find("Content-Length: ");
                size = headers + 4 + std::stoul(received_.substr(length + 16));
                if (received_.size() >= size) break;
            }
            char part[4096];
            const auto got = ::recv(socket_.get(), part, sizeof part, 0);
            if (got <= 0) return "";
            received_.append(part, static_cast<std::size_t>(got));
        }
        std::string request = received_.substr(0, size);
        received_.erase(0, size);
        return request;
    }

    void send(const std::string& text) const { (void)::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL); }

    void answer(const std::string& body, const std::string& status = "200 OK") const {
        send("HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    }
    void begin_stream() const { send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"); }
    void part(const std::string& bytes) const {
        char size[16];
        std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
        send(size + bytes + "\r\n");
    }
    void end_stream() const { send("0\r\n\r\n"); }
    void hang_up() { socket_.close(); }

  private:
    socket_handle socket_;
    std::string received_;
};

class server {
  public:
    server() : listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address_;
        if (::bind(listener_.get(), address(), size) != 0 || ::listen(listener_.get(), 0) != 0 ||
            ::getsockname(listener_.get(), address(), &size) != 0) {
            throw std::runtime_error{"cannot listen"};
        }
    }

    [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(ntohs(address_.sin_port)); }

    [[nodiscard]] peer accept() const {
        return peer{socket_handle{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)}};
    }
    [[nodiscard]] bool has_another_connection() const {
        pollfd waits{listener_.get(), POLLIN, 0};
        return ::poll(&waits, 1, 0) > 0;
    }

    /// From now on nobody's connection is taken or refused, as at the other end of a cut cable.
    void fall_silent() {
        do {
            waiting_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            (void)::connect(waiting_.back().get(), address(), sizeof address_);
            pollfd connects{waiting_.back().get(), POLLOUT, 0};
            if (::poll(&connects, 1, 100) == 0) return;
        } while (waiting_.size() < 100);
        throw std::runtime_error{"it takes every connection"};
    }

  private:
    sockaddr* address() { return reinterpret_cast<sockaddr*>(&address_); }

    socket_handle listener_;
    sockaddr_in address_{};
    std::list<socket_handle> waiting_;
};

struct client_end {
    curl_transport network{tls_files{}};
    std::unique_ptr<channel> ours = network.open();
    server there;

    http_answer post(const std::string& body = "{}", std::chrono::nanoseconds longest = patience) const {
        return ours->post({there.url() + "/v3/some/path", body, "token"}, time_after(longest));
    }
    [[nodiscard]] http_answer line(std::chrono::nanoseconds longest = patience) const {
        return ours->next_line(time_after(longest));
    }
    [[nodiscard]] peer open_stream() const {
        ours->open_stream({there.url() + "/v3/watch", "{}", ""});
        task accepts{[&] {
            peer with = there.accept();
            with.request();
            with.begin_stream();
            with.part("opened\n");
            return with;
        }};
        CHECK(line().body == "opened");
        return accepts.get();
    }
};

bool contains(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

}  // namespace

TEST_CASE("a post says what etcd wants to hear, and nothing that makes it wait") {
    const client_end both;
    const std::string body(5000, 'x');
    task serves{[&] {
        peer with = both.there.accept();
        std::string request = with.request();
        with.answer("{}");
        return request;
    }};
    const auto got = both.post(body);
    CHECK(got.outcome == transfer::answered);
    CHECK(got.status == 200);
    CHECK(got.body == "{}");
    const std::string request = serves.get();
    CHECK(request.rfind("POST /v3/some/path HTTP/1.1\r\n", 0) == 0);
    CHECK(contains(request, "\r\nContent-Type: application/json\r\n"));
    CHECK(contains(request, "\r\nGrpc-Metadata-hasleader: true\r\n"));
    CHECK(contains(request, "\r\nAuthorization: token\r\n"));
    CHECK_FALSE(contains(request, "Expect"));
    CHECK(contains(request, "\r\n\r\n" + body));
}

TEST_CASE("posts share a connection, and an answer with an error is an answer") {
    const client_end both;
    task serves{[&] {
        peer with = both.there.accept();
        for (const char* status : {"200 OK", "404 Not Found", "503 Service Unavailable"}) {
            with.request();
            with.answer("words", status);
        }
        return both.there.has_another_connection();
    }};
    for (const long status : {200L, 404L, 503L}) {
        const auto got = both.post();
        CHECK(got.outcome == transfer::answered);
        CHECK(got.status == status);
        CHECK(got.body == "words");
    }
    CHECK_FALSE(serves.get());
}

TEST_CASE("an answer in pieces is one answer, and a piece of one is none") {
    const client_end both;
    task serves{[&] {
        {
            peer with = both.there.accept();
            with.request();
            for (const char c : std::string{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd"}) with.send({c});
            with.request();
            with.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
        }
        peer again = both.there.accept();
        again.request();
        again.send("HTTP/1.1 200 OK\r\nContent-Le");
        again.hang_up();
        return both.there.accept().request();  // and hangs up without a word
    }};
    CHECK(both.post().body == "abcd");
    CHECK(both.post().outcome == transfer::no_answer);
    CHECK_FALSE(read_answer(both.post().body));  // libcurl takes it for a whole one without a body
    CHECK(both.post().outcome == transfer::no_answer);
    serves.get();
}

TEST_CASE("a server that is not there is known at once") {
    const client_end both;
    std::string url;
    {
        const server gone;
        url = gone.url();
    }
    const auto got = both.ours->post({url, "{}", ""}, never);
    CHECK(got.outcome == transfer::no_answer);
    CHECK(got.cause == "Connection refused");
}

TEST_CASE("silence is waited for until the time is over, not longer, and not for less") {
    client_end both;
    const auto late_by = [&](std::chrono::milliseconds longest) {
        const auto start = boot_clock::now();
        CHECK(both.post("{}", longest).outcome == transfer::timed_out);
        return boot_clock::now() - start - longest;
    };
    CHECK(late_by(30ms) >= 0ms);  // the kernel takes the connection, nobody answers
    both.there.fall_silent();
    const auto late = late_by(100ms);  // not even the kernel does
    CHECK(late >= 0ms);
    CHECK(late < 1s);
}

TEST_CASE("a cluster at the other end of a cut cable does not hold up those who wait with a time-out") {
    server there;
    there.fall_silent();
    const auto start = boot_clock::now();
    std::string said;
    try {
        (void)nlock::etcd_lock("x", nlock::etcd_cluster{{there.url()}}).acquire(100ms);
    } catch (const nlock::lock_timeout& e) {
        said = e.what();
    }
    const auto took = boot_clock::now() - start;
    CHECK(contains(said, "not acquired within 100 ms; cannot reach etcd at " + there.url()));
    CHECK(took >= 100ms);
    CHECK(took < 1s);
}

TEST_CASE("another thread ends a wait, and all that come after it, until calm") {
    const client_end both;
    for (int i = 0; i < 3; ++i) {
        task waits{[&] { return both.post().outcome; }};
        peer with = both.there.accept();
        with.request();
        CHECK(waits.is_blocked());
        both.ours->interrupt();
        CHECK(waits.get() == transfer::interrupted);
        CHECK(both.post().outcome == transfer::interrupted);
        CHECK(both.ours->sleep(never) == transfer::interrupted);
        both.ours->calm();
        CHECK(both.ours->sleep(time_after(1ms)) == transfer::timed_out);
    }
}

TEST_CASE("the lines of a stream come one by one, in whatever pieces they travel") {
    const client_end both;
    const peer with = both.open_stream();
    CHECK(both.line(5ms).outcome == transfer::timed_out);
    for (const char* piece : {"on", "e\ntw", "o\nthree\nfo", "ur"}) with.part(piece);
    for (const char* wanted : {"one", "two", "three"}) CHECK(both.line().body == wanted);
    CHECK(both.line(5ms).outcome == transfer::timed_out);
    with.end_stream();
    const auto last = both.line();  // without an end
    CHECK(last.outcome == transfer::answered);
    CHECK(last.status == 200);
    CHECK(last.body == "four");
    CHECK(both.line().outcome == transfer::no_answer);
}

TEST_CASE("a stream that is cut off ends") {
    const client_end both;
    peer with = both.open_stream();
    with.part("half a li");
    with.hang_up();
    CHECK(both.line().body == "half a li");
    CHECK(both.line().outcome == transfer::no_answer);
}

TEST_CASE("posts go on beside a stream, by the connection that they had before it") {
    const client_end both;
    task posts{[&] { return both.post("1").body; }};
    peer first = both.there.accept();
    first.request();
    first.answer("a");
    CHECK(posts.get() == "a");
    peer stream = both.open_stream();
    task more{[&] {
        first.request();
        stream.part("meanwhile\n");
        first.answer("b");
        return both.there.has_another_connection();
    }};
    CHECK(both.post("2").body == "b");
    CHECK_FALSE(more.get());
    CHECK(both.line().body == "meanwhile");
    both.ours->close_stream();
    CHECK(stream.request().empty());  // the server is told at once
}

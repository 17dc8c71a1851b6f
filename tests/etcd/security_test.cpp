// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Users, roles, TLS, client certificates: what works, and what refusals look like.
#include "support/catch.hpp"

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/etcd_lock.hpp>

#include "etcd/support/server.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"

namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using nlock::etcd_lock;
using nlock::lock_error;

#define SERVERS_OR_SKIP()                                                                                              \
    for (const char* program : {"etcd", "etcdctl", "openssl"})                                                         \
        if (!has_program(program)) SKIP_TEST(std::string{"there is no "} + program)

void must(const std::string& command) {
    const auto ran = run_program(command);
    INFO(command << "\n" << ran.printed);
    REQUIRE(ran.code == 0);
}

/// With the users root and app, of whom app may use the prefix app/ alone.
void add_users(const std::string& url, const std::string& more = "") {
    const std::string ctl = "ETCDCTL_API=3 etcdctl --endpoints " + url + more + " ";
    for (const char* words : {"user add root:topsecret", "user grant-role root root", "role add locker",
                              "role grant-permission --prefix=true locker readwrite app/", "user add app:secret",
                              "user grant-role app locker", "auth enable"}) {
        must(ctl + words);
    }
}

nlock::etcd_options as_user(const std::string& user, const std::string& password, const std::string& prefix = "app/") {
    auto options = short_lease(prefix);
    options.user = user;
    options.password = password;
    return options;
}

/// A CA, the certificate of a server (for servers and clients, which --client-cert-auth needs), and two of clients.
class certificates {
  public:
    certificates() {
        sh("openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca");
        make("server", "/CN=server", "extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=IP:127.0.0.1");
        make("client", "/O=clients", "extendedKeyUsage=clientAuth");
        make("named_client", "/CN=app", "extendedKeyUsage=clientAuth");
    }
    [[nodiscard]] std::string operator()(const std::string& name) const { return (dir_.path() / name).string(); }
    [[nodiscard]] std::vector<std::string> of_server(bool wants_clients) const {
        std::vector<std::string> words{"--cert-file", (*this)("server.pem"), "--key-file", (*this)("server.key")};
        if (wants_clients) {
            for (const std::string& word :
                 {std::string{"--client-cert-auth"}, std::string{"--trusted-ca-file"}, (*this)("ca.pem")})
                words.push_back(word);
        }
        return words;
    }
    [[nodiscard]] nlock::etcd_options of_client(const std::string& name = "") const {
        auto options = short_lease();
        options.ca_file = (*this)("ca.pem");
        if (!name.empty()) {
            options.certificate_file = (*this)(name + ".pem");
            options.key_file = (*this)(name + ".key");
        }
        return options;
    }

  private:
    void sh(const std::string& command) const { must("cd " + dir_.path().string() + " && " + command); }
    void make(const std::string& name, const std::string& subject, const std::string& extensions) const {
        std::ofstream{dir_.path() / (name + ".ext")} << extensions << '\n';
        sh("openssl req -newkey rsa:2048 -nodes -keyout " + name + ".key -out " + name + ".csr -subj " + subject);
        sh("openssl x509 -req -in " + name + ".csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out " + name +
           ".pem -extfile " + name + ".ext");
    }
    temp_dir dir_;
};

/// What it says, at once: a time-out would say something else.
std::string refusal(const std::string& url, nlock::etcd_options options, std::chrono::seconds longest = patience) {
    options.request_timeout = 10s;  // a server that is busy needs long to find a password wrong
    try {
        (void)etcd_lock("x", nlock::etcd_cluster{{url}, options}).acquire(longest);
        return "it was let in";
    } catch (const nlock::lock_timeout& e) {
        return std::string{"it was waited for: "} + e.what();
    } catch (const lock_error& e) {
        return e.what();
    }
}

}  // namespace

TEST_CASE("a user whose role is limited to the prefix can lock there, and not elsewhere") {
    SERVERS_OR_SKIP();
    etcd_server server;
    wait_until_usable(nlock::etcd_cluster{{server.url()}, short_lease()});
    add_users(server.url());
    const nlock::etcd_cluster cluster{{server.url()}, as_user("app", "secret")};
    etcd_lock lock{"x", cluster};
    auto guard = lock.acquire(20s);
    CHECK(guard.is_held());
    CHECK(lock.holders().size() == 1);
    task waiter{[&] { return lock.acquire(20s).is_held(); }};
    const auto end = std::chrono::steady_clock::now() + patience;
    while (lock.waiters().empty() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(2ms);
    CHECK(waiter.is_blocked());
    CHECK(guard.release());
    CHECK(waiter.get());
    CHECK_THAT(refusal(server.url(), as_user("app", "secret", "other/")),
               StartsWith("cannot use etcd at") && ContainsSubstring("permission denied"));
    CHECK_THAT(refusal(server.url(), as_user("app", "wrong")), ContainsSubstring("authentication failed"));
    CHECK_THAT(refusal(server.url(), as_user("nobody", "secret")), ContainsSubstring("authentication failed"));
    CHECK_THAT(refusal(server.url(), short_lease("app/")), ContainsSubstring("user name is empty"));
    const auto error = thrown_by<lock_error>([&] {
        (void)etcd_lock("x", nlock::etcd_cluster{{server.url()}, as_user("app", "secret", "other/")}).acquire();
    });
    CHECK(error.code() == std::errc::permission_denied);
}

TEST_CASE("a token that the server has forgotten is replaced by a new one") {
    SERVERS_OR_SKIP();
    etcd_server server;
    wait_until_usable(nlock::etcd_cluster{{server.url()}, short_lease()});
    add_users(server.url());
    const nlock::etcd_cluster cluster{{server.url()}, as_user("app", "secret")};
    auto held = etcd_lock{"held", cluster}.acquire(20s);
    server.kill();
    server.start();
    CHECK(etcd_lock{"x", cluster}.acquire(20s));
    std::this_thread::sleep_for(6s);  // longer than the lease: keepalives go on, too
    CHECK(held.is_held());
    CHECK(held.release());
}

TEST_CASE("a user is no obstacle where there are no users") {
    SERVERS_OR_SKIP();
    ETCD_OR_SKIP(url);
    CHECK(etcd_lock{"x", nlock::etcd_cluster{{url}, as_user("app", "secret", unique_prefix())}}.acquire(20s));
}

TEST_CASE("TLS: the server's certificate counts") {
    SERVERS_OR_SKIP();
    const certificates made;
    etcd_server server{made.of_server(false), "https"};
    const nlock::etcd_cluster cluster{{server.url()}, made.of_client()};
    wait_until_usable(cluster);
    auto guard = etcd_lock{"x", cluster}.acquire(20s);
    CHECK(guard.is_held());
    CHECK_FALSE(etcd_lock{"x", cluster}.try_acquire(50ms));
    CHECK(guard.release());
    CHECK_THAT(refusal(server.url(), short_lease()),
               StartsWith("cannot reach etcd at") && ContainsSubstring("certificate"));  // of an unknown CA
    auto no_such_file = short_lease();
    no_such_file.ca_file = made("none.pem");
    CHECK_THAT(refusal(server.url(), no_such_file),
               StartsWith("cannot reach etcd at") && ContainsSubstring("none.pem"));
    // A server hangs up on those who speak the other of the two, which is no different from one that goes down.
    const std::string plain = "http" + server.url().substr(5);
    CHECK_THAT(refusal(plain, short_lease(), 1s), ContainsSubstring("cannot reach etcd at " + plain));
}

TEST_CASE("TLS with client certificates: without one nobody gets in") {
    SERVERS_OR_SKIP();
    const certificates made;
    etcd_server server{made.of_server(true), "https"};
    for (const char* name : {"client", "named_client"}) {
        CAPTURE(name);
        const nlock::etcd_cluster cluster{{server.url()}, made.of_client(name)};
        wait_until_usable(cluster);
        auto guard = etcd_lock{"x", cluster}.acquire(20s);
        CHECK(guard.is_held());
        CHECK(guard.release());
    }
    CHECK_THAT(refusal(server.url(), made.of_client()),
               StartsWith("cannot reach etcd at") && ContainsSubstring("certificate"));
}

TEST_CASE("TLS with client certificates and users: a certificate with a CN is refused, in the server's words") {
    SERVERS_OR_SKIP();
    const certificates made;
    etcd_server server{made.of_server(true), "https"};
    wait_until_usable(nlock::etcd_cluster{{server.url()}, made.of_client("client")});
    add_users(server.url(),
              " --cacert " + made("ca.pem") + " --cert " + made("client.pem") + " --key " + made("client.key"));
    auto options = made.of_client("client");
    options.prefix = "app/";
    options.user = "app";
    options.password = "secret";
    CHECK(etcd_lock{"x", nlock::etcd_cluster{{server.url()}, options}}.acquire(20s));
    options.certificate_file = made("named_client.pem");
    options.key_file = made("named_client.key");
    CHECK_THAT(refusal(server.url(), options), StartsWith("cannot use etcd at") && ContainsSubstring("CommonName"));
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Requests to a cluster: which of its members is asked, which errors are waited for, who asks.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/detail/etcd/clock.hpp>
#include <named_lock/detail/etcd/messages.hpp>
#include <named_lock/detail/etcd/transport.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/etcd_options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail::etcd {

/// What is to be done about an answer.
enum class verdict { take, ask_another, log_in, give_up };

inline bool says(std::string_view text, std::string_view what) { return text.find(what) != std::string_view::npos; }

/// A server that uses other words than these for an error is asked again, or another one is: what is waited for by
/// mistake still ends with the time-out.
inline verdict judge(const answer& a) {
    switch (a.code) {
    case ok:
    case not_found:
    case exists:
        return verdict::take;
    case unauthenticated:
        return verdict::log_in;
    case invalid:  // "user name is empty": who is asking? "revision of auth store is old": users have changed
        return says(a.message, "user name is empty") || says(a.message, "auth store is old") ? verdict::log_in
                                                                                             : verdict::give_up;
    case denied:
        return verdict::give_up;
    case exhausted:
        return says(a.message, "space exceeded") ? verdict::give_up : verdict::ask_another;
    default:
        return verdict::ask_another;
    }
}

/// What ends a request that no member answers.
struct limits {
    time_point until = never;
    std::size_t attempts = 0;  ///< 0: without limit
    /// Called each time that the cluster is found out of reach, after a time in which it was not.
    const std::function<void(const std::string&)>* on_trouble = nullptr;
};

struct reply {
    transfer outcome = transfer::no_answer;  ///< answered, timed_out, interrupted; no_answer: after all attempts
    answer said = {};
    std::string body = {};  ///< of which `said` is the first line
    time_point asked = {};  ///< when the request went out that was answered
    bool is_first = true;   ///< false: an earlier attempt was not answered, and may have been carried out or not
    std::string trouble = {};
};

class client {
  public:
    client(std::vector<std::string> endpoints, etcd_options options, std::shared_ptr<transport> network)
        : endpoints_{std::move(endpoints)},
          options_{std::move(options)},
          network_{std::move(network)},
          current_{std::random_device{}() % endpoints_.size()} {}

    [[nodiscard]] const etcd_options& options() const noexcept { return options_; }
    [[nodiscard]] std::size_t size() const noexcept { return endpoints_.size(); }
    [[nodiscard]] std::unique_ptr<channel> open_channel() { return network_->open(); }

    /// Asks one member after the other until one answers. Throws lock_error for what waiting does not better: refused
    /// users, missing permissions, TLS.
    reply call(channel& with, const char* path, const std::string& body, const limits& given) {
        reply so_far;
        pause waiting;
        bool has_logged_in = false;
        for (std::size_t attempt = 1;; ++attempt) {
            const std::size_t endpoint = current();
            const http_request request{url(endpoint, path), body, token()};
            so_far.asked = boot_clock::now();
            http_answer got = with.post(request, (std::min)(given.until, time_after(options_.request_timeout)));
            so_far.outcome = got.outcome;
            if (got.outcome == transfer::interrupted) return so_far;
            auto read = read_or_refuse(got, endpoint);
            const verdict next = read ? judge(*read) : verdict::ask_another;
            if (next == verdict::take) {
                so_far.said = *std::move(read);
                so_far.body = std::move(got.body);
                return so_far;
            }
            if (next == verdict::give_up) refuse(*read, endpoint);
            if (next == verdict::log_in && !std::exchange(has_logged_in, true)) {
                log_in(with, *read, request.token, given);
                continue;
            }
            so_far.is_first = false;
            so_far.trouble = trouble(got, read, endpoint);
            leave(endpoint);
            if (const auto end = pause_or_end(with, given, attempt, waiting, so_far.trouble)) {
                so_far.outcome = *end;
                return so_far;
            }
        }
    }

    /// Begins a stream at the current member, which is returned.
    std::size_t open_stream(channel& with, const char* path, const std::string& body) {
        const std::size_t endpoint = current();
        with.open_stream({url(endpoint, path), body, token()});
        return endpoint;
    }

    [[nodiscard]] std::size_t current() const noexcept { return current_.load(std::memory_order_relaxed); }

    /// To the next member, unless another thread has gone there already.
    void leave(std::size_t endpoint) noexcept { current_.compare_exchange_strong(endpoint, (endpoint + 1) % size()); }

    void forget_token() {
        const std::scoped_lock lock{mutex_};
        token_.clear();
    }

    [[noreturn]] void refuse(const answer& a, std::size_t endpoint) const {
        const auto kind = a.code == exhausted                             ? std::errc::no_space_on_device
                          : a.code == denied || a.code == unauthenticated ? std::errc::permission_denied
                                                                          : std::errc::protocol_error;
        throw lock_error{kind, "use etcd at", endpoints_[endpoint], a.message};
    }

    [[noreturn]] void fail_unreachable(const std::string& trouble) const {
        throw unreachable{trouble, endpoints_[current()]};
    }

  private:
    struct unreachable : lock_error {
        unreachable(const std::string& trouble, const std::string& endpoint)
            : lock_error{std::make_error_code(std::errc::host_unreachable), endpoint, trouble, {}} {}
    };

    /// Between rounds in which no member answered, longer and longer.
    struct pause {
        std::chrono::milliseconds next{20};

        std::chrono::milliseconds take() {
            constexpr std::chrono::milliseconds longest{320};
            return std::exchange(next, (std::min)(next * 2, longest));
        }
    };

    /// Nothing: the next attempt may come.
    std::optional<transfer> pause_or_end(channel& with, const limits& given, std::size_t attempt, pause& waiting,
                                         const std::string& trouble) {
        if (boot_clock::now() >= given.until) return transfer::timed_out;
        if (attempt == given.attempts) return transfer::no_answer;
        if (attempt % size() != 0) return std::nullopt;
        if (attempt == size() && given.on_trouble != nullptr && *given.on_trouble) (*given.on_trouble)(trouble);
        const transfer slept = with.sleep((std::min)(given.until, time_after(waiting.take())));
        if (slept == transfer::interrupted) return slept;
        if (boot_clock::now() >= given.until) return transfer::timed_out;
        return std::nullopt;
    }

    [[nodiscard]] std::string url(std::size_t endpoint, const char* path) const { return endpoints_[endpoint] + path; }

    [[nodiscard]] std::string token() {
        const std::scoped_lock lock{mutex_};
        return token_;
    }

    /// Nothing: no answer of an etcd.
    std::optional<answer> read_or_refuse(const http_answer& got, std::size_t endpoint) const {
        if (got.outcome == transfer::refused) {
            throw lock_error{std::errc::protocol_error, "reach etcd at", endpoints_[endpoint], got.cause};
        }
        if (got.outcome != transfer::answered) return std::nullopt;
        auto read = read_answer(got.body.substr(0, got.body.find('\n')));
        if (read || got.status < 400 || got.status >= 500) return read;
        // Its words are not JSON: "Client sent an HTTP request to an HTTPS server.", "404 page not found".
        const std::string words = got.body.substr(0, got.body.find_last_not_of("\r\n ") + 1);
        throw lock_error{std::errc::protocol_error, "use etcd at", endpoints_[endpoint],
                         "HTTP status " + std::to_string(got.status) + ", " + printable(words.substr(0, 200))};
    }

    [[nodiscard]] std::string trouble(const http_answer& got, const std::optional<answer>& read,
                                      std::size_t endpoint) const {
        const std::string cause = read                                ? read->message
                                  : got.outcome == transfer::answered ? "HTTP status " + std::to_string(got.status)
                                                                      : got.cause;
        return "cannot reach etcd at " + endpoints_[endpoint] + ": " + cause;
    }

    /// Gets a token, unless another thread has got a new one meanwhile.
    void log_in(channel& with, const answer& why, const std::string& old_token, const limits& given) {
        const std::size_t endpoint = current();
        if (options_.user.empty()) refuse(why, endpoint);
        if (token() != old_token) return;
        const http_request request{url(endpoint, path::authenticate),
                                   authenticate_request(options_.user, options_.password), ""};
        const http_answer got = with.post(request, (std::min)(given.until, time_after(options_.request_timeout)));
        const auto read = read_or_refuse(got, endpoint);
        if (!read) return;  // and the next attempt goes elsewhere
        if (read->code == invalid || read->code == denied || read->code == unauthenticated) refuse(*read, endpoint);
        const std::scoped_lock lock{mutex_};
        if (read->code == ok) token_ = text(read->body, "token");
    }

    const std::vector<std::string> endpoints_;
    const etcd_options options_;
    const std::shared_ptr<transport> network_;
    std::atomic<std::size_t> current_;
    std::mutex mutex_;
    std::string token_;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail::etcd

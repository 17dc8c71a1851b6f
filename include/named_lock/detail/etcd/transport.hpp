// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The seam between the protocol and the network. curl_transport.hpp supplies it; the tests supply servers that lose,
// delay and repeat.
#pragma once

#include <memory>
#include <string>

#include <named_lock/detail/etcd/clock.hpp>

namespace nlock::NAMED_LOCK_ABI::detail::etcd {

enum class transfer {
    answered,
    no_answer,    // not reached, or cut off: the server may have done it or not
    refused,      // at once and for good: TLS
    timed_out,    // as no_answer
    interrupted,  // as no_answer
};

struct http_request {
    std::string url;
    std::string body;
    std::string token;  // of a user, or empty
};

struct http_answer {
    transfer outcome = transfer::no_answer;
    long status = 0;
    std::string body = {};   // of a stream: one line
    std::string cause = {};  // of no answer, in words
};

/// Connections to the servers, for one thread at a time. A post, and beside it one stream of lines.
class channel {
  public:
    channel() = default;
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    virtual ~channel() = default;

    virtual http_answer post(const http_request& request, time_point until) = 0;

    /// Begins a request whose answer comes in lines, and goes on coming during a post.
    virtual void open_stream(const http_request& request) = 0;
    /// The next line; no_answer: the stream has ended.
    virtual http_answer next_line(time_point until) = 0;
    virtual void close_stream() noexcept = 0;

    /// timed_out, or interrupted.
    virtual transfer sleep(time_point until) = 0;

    /// Ends what is waited for, and whatever will be, until calm(). From any thread.
    virtual void interrupt() noexcept = 0;
    virtual void calm() noexcept = 0;
};

class transport {
  public:
    transport() = default;
    transport(const transport&) = delete;
    transport& operator=(const transport&) = delete;
    virtual ~transport() = default;

    /// From any thread.
    virtual std::unique_ptr<channel> open() = 0;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail::etcd

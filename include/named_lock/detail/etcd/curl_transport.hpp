// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// HTTP by libcurl. A multi handle for each channel, because its wait can be ended by another thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <curl/curl.h>
#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

#include <named_lock/detail/etcd/clock.hpp>
#include <named_lock/detail/etcd/transport.hpp>

namespace nlock::NAMED_LOCK_ABI::detail::etcd {

struct tls_files {
    std::filesystem::path ca = {};
    std::filesystem::path certificate = {};
    std::filesystem::path key = {};
};

/// A stream takes its connection with it. Were that the one of the posts, the first of these after an event would have
/// to connect anew.
enum class connection { any, fresh };

/// One easy handle, and what it needs to live.
class curl_transfer {
  public:
    explicit curl_transfer(const tls_files& tls, connection which = connection::any) {
        if (easy_ == nullptr) throw std::bad_alloc{};
        set(CURLOPT_NOSIGNAL, 1L);  // no SIGALRM: it belongs to the program
        set(CURLOPT_POST, 1L);
        set(CURLOPT_PROXY, "");  // whatever http_proxy says
        set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
        set(CURLOPT_FRESH_CONNECT, which == connection::fresh ? 1L : 0L);
        set(CURLOPT_ERRORBUFFER, error_.data());
        set(CURLOPT_PRIVATE, this);
        set(CURLOPT_WRITEDATA, this);
        set(CURLOPT_WRITEFUNCTION, &curl_transfer::receive);
        if (!tls.ca.empty()) set(CURLOPT_CAINFO, tls.ca.string().c_str());
        if (!tls.certificate.empty()) set(CURLOPT_SSLCERT, tls.certificate.string().c_str());
        if (!tls.key.empty()) set(CURLOPT_SSLKEY, tls.key.string().c_str());
#if !defined(_WIN32)
        set(CURLOPT_SOCKOPTFUNCTION, &curl_transfer::keep_from_exec);
        set(CURLOPT_CLOSESOCKETFUNCTION, &curl_transfer::hang_up);
#endif
    }
    curl_transfer(const curl_transfer&) = delete;
    curl_transfer& operator=(const curl_transfer&) = delete;

    void begin(CURLM* multi, const http_request& request) {
        body_ = request.body;
        received_.clear();
        error_[0] = '\0';
        if (headers_ == nullptr || token_ != request.token) take_headers(request.token);
        set(CURLOPT_URL, request.url.c_str());
        set(CURLOPT_POSTFIELDS, body_.c_str());
        set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body_.size()));
        is_running_ = curl_multi_add_handle(multi, easy_.get()) == CURLM_OK;
        result_ = is_running_ ? CURLE_OK : CURLE_OUT_OF_MEMORY;
    }

    /// One that has not ended loses its connection.
    void end(CURLM* multi) noexcept {
        if (easy_ != nullptr) curl_multi_remove_handle(multi, easy_.get());
        is_running_ = false;
    }

    void note_end(CURLcode result) noexcept {
        result_ = result;
        is_running_ = false;
    }

    [[nodiscard]] bool is_running() const noexcept { return is_running_; }

    [[nodiscard]] http_answer answer() {
        if (result_ != CURLE_OK) return failure();
        http_answer answer{transfer::answered};
        curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &answer.status);
        answer.body = std::move(received_);
        return answer;
    }

    [[nodiscard]] http_answer failure() const {
        return {is_of_tls() ? transfer::refused : transfer::no_answer, 0, {}, cause()};
    }

    /// The next line of a stream, as far as it has come.
    bool take_line(std::string& line) {
        std::size_t size = received_.find('\n');
        if (size == std::string::npos) {
            if (is_running_ || received_.empty()) return false;
            size = received_.size();
        }
        line = received_.substr(0, size);
        received_.erase(0, size + 1);
        return true;
    }

    [[nodiscard]] long status() const noexcept {
        long status = 0;
        curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
        return status;
    }

  private:
    struct close {
        void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
        void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
    };

    template <class Value>
    void set(CURLoption option, Value value) {
        if (curl_easy_setopt(easy_.get(), option, value) == CURLE_OUT_OF_MEMORY) throw std::bad_alloc{};
    }

    [[nodiscard]] std::string cause() const {
        long error = 0;
        if (result_ == CURLE_COULDNT_CONNECT) curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &error);
        if (error != 0) return std::system_category().message(static_cast<int>(error));
        return error_[0] != '\0' ? error_.data() : curl_easy_strerror(result_);
    }

    void take_headers(const std::string& token) {
        std::unique_ptr<curl_slist, close> list;
        const auto add = [&](const std::string& line) {
            curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
            if (longer == nullptr) throw std::bad_alloc{};
            (void)list.release();
            list.reset(longer);
        };
        add("Content-Type: application/json");
        add("Expect:");                        // or longer requests would wait a second for "100 Continue"
        add("Grpc-Metadata-hasleader: true");  // a member without a leader says so, rather than keep silent
        if (!token.empty()) add("Authorization: " + token);
        set(CURLOPT_HTTPHEADER, list.get());
        headers_ = std::move(list);
        token_ = token;
    }

    /// Whether TLS is the reason, and not a server that went away in the middle of it. What TLS 1.3 has against a
    /// client's certificate comes after the handshake, as a failure to receive.
    [[nodiscard]] bool is_of_tls() const noexcept {
        const std::string_view words = error_.data();
        const auto says = [&](std::string_view what) { return words.find(what) != std::string_view::npos; };
        switch (result_) {
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_SSL_CIPHER:
        case CURLE_UNSUPPORTED_PROTOCOL:
            return true;
        case CURLE_SSL_CONNECT_ERROR:
            return !says("SSL_ERROR_SYSCALL") && !says("reset by peer");
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
            return says("alert");
        default:
            return false;
        }
    }

    static std::size_t receive(char* bytes, std::size_t /*one*/, std::size_t size, void* self) noexcept {
        try {
            static_cast<curl_transfer*>(self)->received_.append(bytes, size);
            return size;
        } catch (...) {
            return 0;  // ends the transfer
        }
    }

#if !defined(_WIN32)
    static int keep_from_exec(void* /*unused*/, curl_socket_t socket, curlsocktype /*purpose*/) noexcept {
        ::fcntl(socket, F_SETFD, FD_CLOEXEC);
        return CURL_SOCKOPT_OK;
    }

    /// A forked child has a copy of the socket: closing ours alone would not tell the server.
    static int hang_up(void* /*unused*/, curl_socket_t socket) noexcept {
        ::shutdown(socket, SHUT_RDWR);
        return ::close(socket);
    }
#endif

    std::string body_;
    std::string received_;
    std::string token_;
    std::array<char, CURL_ERROR_SIZE> error_{};
    std::unique_ptr<curl_slist, close> headers_;
    CURLcode result_ = CURLE_OK;
    bool is_running_ = false;
    std::unique_ptr<CURL, close> easy_{curl_easy_init()};  // goes first, and with it what may still use the others
};

class curl_channel final : public channel {
  public:
    explicit curl_channel(tls_files tls) : tls_{std::move(tls)} {
        if (multi_ == nullptr) throw std::bad_alloc{};
    }
    ~curl_channel() override {
        curl_channel::close_stream();
        caller_.end(multi_.get());
    }

    http_answer post(const http_request& request, time_point until) override {
        if (is_interrupted()) return {transfer::interrupted};
        caller_.begin(multi_.get(), request);
        while (caller_.is_running() && drive(until) == transfer::answered) {
        }
        const bool has_ended = !caller_.is_running();
        http_answer answer = has_ended ? caller_.answer() : http_answer{interruption(), 0, {}, "no answer in time"};
        caller_.end(multi_.get());
        return answer;
    }

    void open_stream(const http_request& request) override {
        close_stream();
        stream_ = std::make_unique<curl_transfer>(tls_, connection::fresh);
        stream_->begin(multi_.get(), request);
    }

    http_answer next_line(time_point until) override {
        for (http_answer line{transfer::answered};;) {
            if (stream_->take_line(line.body)) {
                line.status = stream_->status();
                return line;
            }
            if (!stream_->is_running()) return stream_->failure();
            if (drive(until) != transfer::answered) return {interruption(), 0, {}, "no answer in time"};
        }
    }

    void close_stream() noexcept override {
        if (stream_ == nullptr) return;
        stream_->end(multi_.get());
        stream_ = nullptr;
    }

    transfer sleep(time_point until) override {
        while (drive(until) == transfer::answered) {
        }
        return interruption();
    }

    void interrupt() noexcept override {
        is_interrupted_.store(true);
        curl_multi_wakeup(multi_.get());
    }
    void calm() noexcept override { is_interrupted_.store(false); }

  private:
    struct close {
        void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
    };

    [[nodiscard]] bool is_interrupted() const noexcept { return is_interrupted_.load(); }
    [[nodiscard]] transfer interruption() const noexcept {
        return is_interrupted() ? transfer::interrupted : transfer::timed_out;
    }

    /// Sleeps until a transfer can go on, and lets it; not answered: the time is over, or it was interrupted. In this
    /// order: what has come is looked at before the next sleep.
    transfer drive(time_point until) {
        if (is_interrupted()) return transfer::interrupted;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - boot_clock::now());
        if (left.count() <= 0) return transfer::timed_out;
        constexpr std::chrono::milliseconds longest{std::chrono::hours{1}};
        curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>((std::min)(left, longest).count()), nullptr);
        int running = 0;
        curl_multi_perform(multi_.get(), &running);
        note_ends();
        return transfer::answered;
    }

    void note_ends() noexcept {
        for (int left = 0; const CURLMsg* message = curl_multi_info_read(multi_.get(), &left);) {
            if (message->msg != CURLMSG_DONE) continue;
            char* ended = nullptr;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &ended);
            reinterpret_cast<curl_transfer*>(ended)->note_end(message->data.result);
        }
    }

    tls_files tls_;
    std::unique_ptr<CURLM, close> multi_{curl_multi_init()};
    curl_transfer caller_{tls_};
    std::unique_ptr<curl_transfer> stream_;
    std::atomic<bool> is_interrupted_{false};
};

class curl_transport final : public transport {
  public:
    explicit curl_transport(tls_files tls) : tls_{std::move(tls)} {}

    std::unique_ptr<channel> open() override {
        static const CURLcode is_ready = curl_global_init(CURL_GLOBAL_DEFAULT);  // once; other threads wait for it
        if (is_ready != CURLE_OK) throw std::bad_alloc{};
        return std::make_unique<curl_channel>(tls_);
    }

  private:
    tls_files tls_;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail::etcd

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Named locks between machines, kept by an etcd cluster. Needs libcurl and nlohmann-json: CMake target
// named_lock::etcd.
//
//     #include <named_lock/etcd_lock.hpp>
//     using namespace std::chrono_literals;
//
//     nlock::etcd_cluster cluster{{"http://10.0.0.1:2379", "http://10.0.0.2:2379"}};  // nothing is asked yet
//     nlock::etcd_lock lock{"calculation", cluster, 10s};
//     try {
//         auto guard = lock.acquire();
//         write_row(row, guard.token());       // the resource refuses a token smaller than the largest it has seen
//         if (!guard.is_held()) return;        // asked before an effect that cannot be fenced
//     } catch (const nlock::lock_timeout& e) {
//         std::cerr << e.what() << '\n';       // "... not acquired within 10 s; held by pid 4242 (report) on web-3"
//     }
//
// This is not named_lock on more machines. A file lock cannot be lost while its process lives; this one can: it is a
// lease, which the cluster takes back from a holder that it does not hear of for the length of options.ttl, because the
// network, the cluster, the machine or the process stood still. Such a holder may go on for a moment after the next one
// has begun. Only the resource itself can refuse it, and token() is what it needs for that.
//
// What you may rely on:
//
// - As long as is_held() is true nobody else is granted the lock, if clocks run equally fast to within 5 %. The time is
//   counted from before the lease was asked for, and goes on while the machine sleeps.
// - Tokens grow from each holder to the next, whatever the clocks do.
// - First come, first served, among all clients that queue in the way of etcd's own recipe: etcdctl lock, Go's Mutex.
// - A holder that dies keeps the lock from others for at most about options.ttl + 0.5 s, or longer while the cluster
//   itself looks for a leader.
// - Time-outs are kept though the cluster is down, stopped or cut off.
// - fork(): the child holds nothing, talks to nobody, and may use the same objects afresh.
//
// What you owe: a resource that checks tokens, or an answer to "what if two write at once for a moment".
// More, with every failure and what the program sees of it: docs/etcd.md.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>
#if __cplusplus > 201703L || (defined(_MSVC_LANG) && _MSVC_LANG > 201703L)
#include <version>
#endif
#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

#include <named_lock/detail/abi.hpp>
#include <named_lock/detail/deadline.hpp>
#include <named_lock/detail/etcd/acquisition.hpp>
#include <named_lock/detail/etcd/curl_transport.hpp>
#include <named_lock/detail/etcd/names.hpp>
#include <named_lock/detail/etcd/process.hpp>
#include <named_lock/detail/etcd/session.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/etcd_errors.hpp>
#include <named_lock/etcd_options.hpp>
#include <named_lock/lock_name.hpp>

namespace nlock::NAMED_LOCK_ABI {

/// Where the locks are kept, and how. A cheap handle: copies share their connections and one thread, which ends, after
/// at most a second, with the last copy, lock and guard. Nothing is asked before the first acquisition.
///
/// Errors: std::invalid_argument without an endpoint, for one that is no http:// or https:// URL of a server, a ttl
/// below 5 s, a request_timeout that is not positive, a user without a name but with a password, a certificate without
/// a key.
///
/// Thread safety: every member function but the assignment may be called by any thread at any time.
/// @since 1.0.0
class etcd_cluster {
  public:
    /// `endpoints` are the URLs of its members, any of which may be down.
    explicit etcd_cluster(std::vector<std::string> endpoints, etcd_options options = {});

    /// @cond tests: on a network of their own.
    etcd_cluster(std::vector<std::string> endpoints, etcd_options options,
                 std::shared_ptr<detail::etcd::transport> network);
    /// @endcond

    /// As given to the constructor.
    [[nodiscard]] const etcd_options& options() const noexcept { return *options_; }

  private:
    friend class etcd_lock;

    std::shared_ptr<const etcd_options> options_;
    std::shared_ptr<detail::etcd::per_process<detail::etcd::session>> session_;
};

/// One hold of a lock, given up when the guard goes. It needs no etcd_lock to outlive it and may be moved to another
/// thread. A forked child's copy holds nothing and does nothing.
///
/// Thread safety: is_held(), remaining(), token(), key() and check() may be called by any thread at any time; the others, as
/// those of any single object, not beside another call.
/// @since 1.0.0
class [[nodiscard]] etcd_guard {
  public:
    /// An empty guard.
    etcd_guard() = default;
    /// @{
    /// The other guard is empty afterwards; what this one held is given up before.
    etcd_guard(etcd_guard&& other) noexcept = default;
    etcd_guard& operator=(etcd_guard&& other) noexcept {
        if (this != &other) {
            release();
            session_ = std::move(other.session_);
            lease_ = std::move(other.lease_);
        }
        return *this;
    }
    /// @}
    etcd_guard(const etcd_guard&) = delete;
    etcd_guard& operator=(const etcd_guard&) = delete;
    ~etcd_guard() { release(); }

    /// As is_held().
    explicit operator bool() const noexcept { return is_held(); }

    /// Whether it is still certain that nobody else holds the lock. Computed on the spot, without asking anybody. Once
    /// false it stays false: a lost lock is never acquired again behind your back.
    [[nodiscard]] bool is_held() const noexcept { return is_ours() && !lease_->valid.is_over(); }

    /// Throws lock_lost unless is_held().
    void check() const;

    /// How long is_held() would stay true if the cluster were not heard of any more.
    [[nodiscard]] std::chrono::nanoseconds remaining() const noexcept;

    /// Grows from each holder of this lock to the next. 0 for an empty guard; otherwise it stays what it was, also
    /// after the loss: what is written with it shall be refused.
    [[nodiscard]] std::uint64_t token() const noexcept { return lease_ == nullptr ? 0 : lease_->created.load(); }

    /// Of its entry in the queue, whose create_revision token() is for as long as the cluster gives the lock to nobody
    /// else: what is in the same etcd is written in a transaction that compares the two. Empty for an empty guard.
    [[nodiscard]] std::string key() const { return lease_ == nullptr ? std::string{} : lease_->key; }

    /// Has `callback` called, once, if the lock is lost before it is given up. By a thread that keeps the other locks
    /// meanwhile waiting: it must be short, and must not throw. It does not run any more when release() has returned,
    /// unless it has called that itself. A second one takes the place of the first.
    void on_lost(std::function<void()> callback);

    /// Gives the lock up. False: it was lost before, or the guard was empty. Takes at most a second; if the cluster
    /// cannot be told within that, trying goes on in the background until the lease ends by itself.
    bool release() noexcept;

  private:
    friend class etcd_lock;
    etcd_guard(std::shared_ptr<detail::etcd::session> session, std::shared_ptr<detail::etcd::lease> lease) noexcept
        : session_{std::move(session)}, lease_{std::move(lease)} {}

    [[nodiscard]] bool is_ours() const noexcept { return lease_ != nullptr && !session_->is_of_parent(); }

    std::shared_ptr<detail::etcd::session> session_;
    std::shared_ptr<detail::etcd::lease> lease_;
};

/// The lock `name` of a cluster. Two objects of the same name, prefix and cluster are the same lock, and exclude each
/// other in the same process and thread, too: a hold belongs to its guard. Meets Lockable and TimedLockable.
///
/// Thread safety: every member function may be called by any thread at any time.
///
/// Errors: acquiring throws lock_timeout, lock_cancelled, or lock_error for what waiting does not better: refused
/// users, missing permissions, TLS. A cluster out of reach is waited for, which on_wait is told; the message of the
/// lock_timeout then says why. A single attempt (a time-out of zero) that reaches nobody is a lock_error.
/// @since 1.0.0
class etcd_lock {
  public:
    /// Names have the rules of named_lock: throws invalid_lock_name.
    etcd_lock(std::string_view name, etcd_cluster cluster, std::chrono::nanoseconds timeout = detail::endless)
        : names_{name, cluster.options().prefix}, cluster_{std::move(cluster)}, timeout_{detail::to_timeout(timeout)} {}

    /// @{
    /// A copy is the same object as far as lock() and unlock() go. The last one gives up what lock() still holds.
    etcd_lock(const etcd_lock&) = default;  // and no move: a handle is never empty
    etcd_lock& operator=(const etcd_lock&) = default;
    /// @}
    ~etcd_lock() = default;

    // ---- guards ----

    /// @{
    /// Waits at most `timeout` (any duration; negative: for ever; zero: one attempt; NaN: std::invalid_argument) for
    /// the lock and returns its guard, or throws lock_timeout. Without an argument: the time-out of the constructor.
    [[nodiscard]] etcd_guard acquire() { return wait_for(timeout_); }
    template <class Rep, class Period>
    [[nodiscard]] etcd_guard acquire(std::chrono::duration<Rep, Period> timeout) {
        return wait_for(detail::to_timeout(timeout));
    }
    /// @}

    /// @{
    /// As acquire(), but a time-out is no error: the guard is empty. Without an argument: one attempt, which also fails
    /// in the moment until the cluster has forgotten somebody who gave up waiting.
    [[nodiscard]] etcd_guard try_acquire() { return try_for(one_attempt); }
    template <class Rep, class Period>
    [[nodiscard]] etcd_guard try_acquire(std::chrono::duration<Rep, Period> timeout) {
        return try_for(detail::to_timeout(timeout));
    }
    /// @}

#if defined(__cpp_lib_jthread)
    /// @{
    /// The same, cut short by a stop request: acquire throws lock_cancelled, try_acquire returns an empty guard.
    [[nodiscard]] etcd_guard acquire(std::stop_token stop) { return wait_for(timeout_, stop); }
    template <class Rep, class Period>
    [[nodiscard]] etcd_guard acquire(std::stop_token stop, std::chrono::duration<Rep, Period> timeout) {
        return wait_for(detail::to_timeout(timeout), stop);
    }
    [[nodiscard]] etcd_guard try_acquire(std::stop_token stop) { return try_for(one_attempt, stop); }
    template <class Rep, class Period>
    [[nodiscard]] etcd_guard try_acquire(std::stop_token stop, std::chrono::duration<Rep, Period> timeout) {
        return try_for(detail::to_timeout(timeout), stop);
    }
    /// @}
#endif

    // ---- the face of the standard library ----

    /// @{
    /// As acquire(), with the guard kept in this object until unlock(). Whether that is still held, nobody can tell
    /// from here: prefer guards. The others wait as try_acquire() does, and tell whether they got it.
    void lock() { keep(acquire()); }
    [[nodiscard]] bool try_lock() { return keep(try_acquire()); }
    template <class Rep, class Period>
    [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> timeout) {
        const auto wanted = detail::to_timeout(timeout);
        return keep(try_for((std::max)(wanted, one_attempt)));
    }
    template <class Clock, class Duration>
    [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> time) {
        return keep(try_for(detail::time_until(time)));
    }
    /// @}
    /// Gives up what the earliest lock() of this object, or of a copy, holds or has lost. Throws lock_error,
    /// std::errc::operation_not_permitted, if there was none.
    void unlock();

    // ---- questions ----

    /// As given to the constructor.
    [[nodiscard]] const std::string& name() const noexcept { return names_.name(); }
    /// `<prefix><name>`: the entries of the queue are the keys below it.
    [[nodiscard]] const std::string& key() const noexcept { return names_.key(); }
    /// The default time-out; negative: for ever.
    [[nodiscard]] std::chrono::nanoseconds(timeout)() const noexcept { return timeout_; }
    /// @{
    /// Who holds it now, none or one, and who waits, first in line first. Throws lock_error if no member of the cluster
    /// answers.
    [[nodiscard]] std::vector<etcd_holder> holders() const;
    [[nodiscard]] std::vector<etcd_holder> waiters() const;
    /// @}

  private:
    using acquisition = detail::etcd::acquisition;
    using step = acquisition::step;

    static constexpr std::chrono::nanoseconds one_attempt{0};

    struct holds {
        std::mutex mutex;
        std::deque<etcd_guard> guards;
    };

    [[nodiscard]] std::shared_ptr<detail::etcd::session> session() const { return cluster_.session_->get(); }
    [[nodiscard]] std::vector<etcd_holder> queue() const;

    /// `steps` lets an acquisition run.
    template <class Steps>
    etcd_guard take(std::chrono::nanoseconds timeout, bool throws, Steps steps) {
        const auto with = session();
        acquisition attempt{*with, names_, timeout};
        const step end = steps(attempt);
        if (end == step::acquired) return {with, attempt.take_lease()};
        if (throws && end == step::cancelled) throw lock_cancelled{name(), key()};
        if (throws) throw detail::etcd::wait_timeout{name(), key(), timeout, attempt.holders(), attempt.trouble()};
        return {};
    }

    static step run(acquisition& attempt) { return attempt.run(); }
    etcd_guard wait_for(std::chrono::nanoseconds timeout) { return take(timeout, true, run); }
    etcd_guard try_for(std::chrono::nanoseconds timeout) { return take(timeout, false, run); }

#if defined(__cpp_lib_jthread)
    static auto stoppable(const std::stop_token& stop) {
        return [&stop](acquisition& attempt) {
            const std::stop_callback cancel{stop, [&attempt] { attempt.cancel(); }};
            return attempt.run();
        };
    }
    etcd_guard wait_for(std::chrono::nanoseconds timeout, const std::stop_token& stop) {
        return take(timeout, true, stoppable(stop));
    }
    etcd_guard try_for(std::chrono::nanoseconds timeout, const std::stop_token& stop) {
        return take(timeout, false, stoppable(stop));
    }
#endif

    bool keep(etcd_guard held) {
        if (held.token() == 0) return false;
        const auto kept = holds_->get();
        const std::scoped_lock lock{kept->mutex};
        kept->guards.push_back(std::move(held));
        return true;
    }

    detail::etcd::queue_names names_;
    etcd_cluster cluster_;
    std::chrono::nanoseconds timeout_;
    std::shared_ptr<detail::etcd::per_process<holds>> holds_ =
        std::make_shared<detail::etcd::per_process<holds>>([] { return std::make_shared<holds>(); });
};

// ---- the bodies ----

namespace detail::etcd {

inline bool is_url(std::string_view text) noexcept {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (text.substr(0, scheme.size()) != scheme) continue;
        const std::string_view host = text.substr(scheme.size());
        return !host.empty() && host.find_first_of("/?# \t\r\n") == std::string_view::npos;
    }
    return false;
}

inline std::vector<std::string> checked(std::vector<std::string> endpoints) {
    if (endpoints.empty()) throw std::invalid_argument{"an etcd cluster needs an endpoint"};
    for (std::string& endpoint : endpoints) {
        while (!endpoint.empty() && endpoint.back() == '/') endpoint.pop_back();
        if (!is_url(endpoint)) {
            throw std::invalid_argument{"not the URL of an etcd server: '" + printable(endpoint) +
                                        "'; it should look like http://10.0.0.1:2379"};
        }
    }
    return endpoints;
}

inline etcd_options checked(etcd_options options) {
    constexpr std::chrono::seconds shortest{5};
    constexpr std::chrono::hours longest{24 * 365};
    const auto refuse = [](const char* what) { throw std::invalid_argument{what}; };
    if (options.ttl < shortest) refuse("the ttl of etcd locks must be at least 5 s");
    if (options.ttl > longest) refuse("the ttl of etcd locks must be at most a year");
    if (options.request_timeout <= std::chrono::milliseconds::zero()) refuse("request_timeout must be positive");
    if (options.user.empty() && !options.password.empty()) refuse("a password needs a user");
    if (options.certificate_file.empty() != options.key_file.empty()) refuse("a certificate needs a key, and a key one");
    return options;
}

}  // namespace detail::etcd

inline etcd_cluster::etcd_cluster(std::vector<std::string> endpoints, etcd_options options)
    : etcd_cluster{std::move(endpoints), options,
                   std::make_shared<detail::etcd::curl_transport>(
                       detail::etcd::tls_files{options.ca_file, options.certificate_file, options.key_file})} {}

inline etcd_cluster::etcd_cluster(std::vector<std::string> endpoints, etcd_options options,
                                  std::shared_ptr<detail::etcd::transport> network)
    : options_{std::make_shared<const etcd_options>(detail::etcd::checked(std::move(options)))} {
    using detail::etcd::session;
    session_ = std::make_shared<detail::etcd::per_process<session>>(
        [urls = detail::etcd::checked(std::move(endpoints)), given = options_, network = std::move(network)] {
            return std::make_shared<session>(urls, *given, network);
        });
}

inline void etcd_guard::check() const {
    if (is_held()) return;
    if (lease_ == nullptr) throw lock_lost{"", "the guard is empty"};
    throw lock_lost{lease_->key, is_ours() ? "its lease has ended" : "it belongs to the parent process"};
}

inline std::chrono::nanoseconds etcd_guard::remaining() const noexcept {
    if (!is_held()) return std::chrono::nanoseconds::zero();
    return (std::max)(std::chrono::nanoseconds::zero(), lease_->valid.until() - detail::etcd::boot_clock::now());
}

inline void etcd_guard::on_lost(std::function<void()> callback) {
    if (!is_ours()) return;
    lease_->on_lost.set(std::move(callback));
    if (!is_held()) session_->keeps().tell(lease_);
}

inline bool etcd_guard::release() noexcept {
    const auto with = std::exchange(session_, nullptr);
    const auto gone = std::exchange(lease_, nullptr);
    if (gone == nullptr || with->is_of_parent()) return false;
    return with->release(*gone);
}

inline void etcd_lock::unlock() {
    const auto kept = holds_->get();
    etcd_guard last;  // goes without the mutex
    const std::scoped_lock lock{kept->mutex};
    if (kept->guards.empty()) {
        throw lock_error{std::errc::operation_not_permitted, "unlock", key(), "this object does not hold it"};
    }
    last = std::move(kept->guards.front());
    kept->guards.pop_front();
}

inline std::vector<etcd_holder> etcd_lock::queue() const {
    using namespace detail::etcd;
    const auto with = session();
    const borrowed_channel channel{*with};
    json range = queue_range(names_, "ASCEND", 0);
    const reply got = with->asks().call(*channel, path::range, in_text(range), {never, with->asks().size()});
    if (got.outcome != transfer::answered) with->asks().fail_unreachable(got.trouble);
    return holders_of(entries_of(got.said.body));
}

inline std::vector<etcd_holder> etcd_lock::holders() const {
    auto first = queue();
    if (first.size() > 1) first.resize(1);
    return first;
}

inline std::vector<etcd_holder> etcd_lock::waiters() const {
    auto rest = queue();
    if (!rest.empty()) rest.erase(rest.begin());
    return rest;
}

}  // namespace nlock::NAMED_LOCK_ABI

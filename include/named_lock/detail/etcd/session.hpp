// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What a process keeps for a cluster: the connections that are idle, and the thread that keeps leases alive, tells who
// has lost one, and revokes what acquisitions have left behind.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/detail/etcd/client.hpp>
#include <named_lock/detail/etcd/clock.hpp>
#include <named_lock/detail/etcd/lease.hpp>
#include <named_lock/detail/etcd/messages.hpp>
#include <named_lock/detail/etcd/process.hpp>
#include <named_lock/detail/etcd/transport.hpp>

namespace nlock::NAMED_LOCK_ABI::detail::etcd {

/// Everything the thread works with; it lives as long as the thread does.
class keeper {
  public:
    explicit keeper(client& asks) : client_{asks}, channel_{asks.open_channel()} {}

    void add(const std::shared_ptr<lease>& kept) {
        const std::scoped_lock lock{mutex_};
        kept->next_keepalive = boot_clock::now() + period();
        leases_.emplace(kept->id, kept);
        wake_by((std::min)(kept->next_keepalive, kept->valid.until()));
    }

    void remove(const lease& kept) {
        const std::scoped_lock lock{mutex_};
        leases_.erase(kept.id);
    }

    /// Calls its on_lost soon.
    void tell(const std::shared_ptr<lease>& lost) {
        const std::scoped_lock lock{mutex_};
        untold_.push_back(lost);
        wake_by(boot_clock::now());
    }

    /// Tries to, until the lease ends by itself.
    void revoke(lease_id id, time_point end) {
        const std::scoped_lock lock{mutex_};
        revokes_.push_back({id, end, boot_clock::now()});
        wake_by(boot_clock::now());
    }

    void stop() {
        const std::scoped_lock lock{mutex_};
        is_stopping_ = true;
        channel_->interrupt();
        changed_.notify_one();
    }

    void run() noexcept {
        std::unique_lock lock{mutex_};
        while (!is_stopping_) {
            if (!work(lock)) sleep(lock);
        }
        channel_->calm();
        revoke_the_rest(lock);
    }

    /// One keepalive now, in the calling thread. False: it did not get through.
    bool renew(channel& with, lease& kept, const limits& given) {
        lease* const one = &kept;
        return renew_some(with, &one, 1, given);
    }

  private:
    struct pending_revoke {
        lease_id id;
        time_point end;
        time_point next_try;
    };
    using leases = std::vector<std::shared_ptr<lease>>;

    [[nodiscard]] std::chrono::nanoseconds period() const { return std::chrono::nanoseconds{ttl()} / 3; }
    [[nodiscard]] std::chrono::seconds ttl() const { return client_.options().ttl; }

    void wake_by(time_point when) {
        if (when >= wake_at_) return;
        wake_at_ = when;
        changed_.notify_one();
    }

    void sleep(std::unique_lock<std::mutex>& lock) {
        wake_at_ = next_event();
        while (!is_stopping_) {
            const auto left = wake_at_ - boot_clock::now();
            if (left <= left.zero()) break;
            if (wake_at_ == never) {
                changed_.wait(lock);
            } else {
                changed_.wait_for(lock, left);
            }
        }
        wake_at_ = time_point{};  // awake
    }

    [[nodiscard]] time_point next_event() const {
        time_point next = never;
        for (const auto& [id, kept] : leases_) {
            next = (std::min)({next, kept->next_keepalive, kept->valid.until()});
        }
        for (const pending_revoke& revoke : revokes_) next = (std::min)(next, revoke.next_try);
        return next;
    }

    /// One piece of it, without the mutex. False: there is nothing to do now.
    bool work(std::unique_lock<std::mutex>& lock) {
        if (auto lost = take_lost(); !lost.empty()) {
            lock.unlock();
            for (const auto& told : lost) told->on_lost.fire();
            lost.clear();
            lock.lock();
            return true;
        }
        if (auto due = take_due(); !due.empty()) {
            lock.unlock();
            const bool were_renewed = renew_all(due);
            lock.lock();
            if (!were_renewed) try_soon(due);
            return true;
        }
        return revoke_one(lock);
    }

    leases take_lost() {
        leases lost{std::exchange(untold_, {})};
        for (auto at = leases_.begin(); at != leases_.end();) {
            if (at->second->valid.is_over()) {
                lost.push_back(at->second);
                at = leases_.erase(at);
            } else {
                ++at;
            }
        }
        return lost;
    }

    /// What is due soon goes with what is due now.
    leases take_due() {
        leases due;
        const time_point now = boot_clock::now();
        bool any = false;
        for (const auto& [id, kept] : leases_) any = any || kept->next_keepalive <= now;
        for (const auto& [id, kept] : leases_) {
            if (!any || kept->next_keepalive > now + period() / 4) continue;
            kept->next_keepalive = now + period();
            due.push_back(kept);
        }
        return due;
    }

    /// Those that are still in need of it.
    void try_soon(const leases& due) {
        constexpr std::chrono::milliseconds pause{200};
        const time_point now = boot_clock::now();
        for (const auto& kept : due) {
            if (kept->valid.until() < now + 2 * period()) kept->next_keepalive = now + pause;
        }
    }

    /// False: some were not.
    bool renew_all(const leases& due) noexcept {
        try {
            // With 50 in one request, servers drop answers.
            constexpr std::size_t most = 16;
            for (std::size_t at = 0; at < due.size(); at += most) {
                const auto first = due.begin() + static_cast<std::ptrdiff_t>(at);
                const leases some{first, first + static_cast<std::ptrdiff_t>((std::min)(most, due.size() - at))};
                if (!renew_some(*channel_, some, one_round(some))) return false;
            }
            return check_entries(due);
        } catch (const std::exception&) {
            return false;  // the leases will end, which will be told
        }
    }

    /// One request to each member, while there is somebody to renew for.
    [[nodiscard]] limits one_round(const leases& some) const {
        time_point until = boot_clock::now();
        for (const auto& kept : some) until = (std::max)(until, kept->valid.until());
        return {until, client_.size()};
    }

    bool renew_some(channel& with, const leases& some, const limits& given) {
        std::vector<lease*> each;
        for (const auto& kept : some) each.push_back(kept.get());
        return renew_some(with, each.data(), each.size(), given);
    }

    bool renew_some(channel& with, lease* const* some, std::size_t size, const limits& given) {
        std::vector<lease_id> ids;
        for (std::size_t i = 0; i < size; ++i) ids.push_back(some[i]->id);
        const std::size_t endpoint = client_.current();
        const reply got = client_.call(with, path::keepalive, keepalive_request(ids), given);
        if (got.outcome != transfer::answered) return false;
        std::size_t missing = size;
        for (const answer& line : read_answers(got.body)) {
            if (line.code == unauthenticated) client_.forget_token();
            const auto id = static_cast<lease_id>(number(line.body, "ID"));
            const auto* const found = std::find_if(some, some + size, [&](const lease* l) { return l->id == id; });
            if (line.code != ok || found == some + size) continue;
            note(**found, number(line.body, "TTL"), got.asked);
            --missing;
        }
        if (missing != 0) client_.leave(endpoint);
        return missing == 0;
    }

    void note(lease& kept, std::uint64_t seconds, time_point asked) const {
        if (seconds == 0) {  // no TTL in the answer: there is no such lease
            kept.valid.end();
        } else {
            const std::chrono::seconds granted{static_cast<std::chrono::seconds::rep>(seconds)};
            kept.valid.extend(end_of_lease(asked, (std::min)(granted, ttl())));
        }
    }

    /// Whether the entries are still there: an operator may have deleted one, and servers of 3.4 renew leases that are
    /// none any more.
    bool check_entries(const leases& due) {
        constexpr std::size_t most = 100;  // etcd's limit is 128
        leases queued;
        for (const auto& kept : due) {
            if (kept->created.load() != 0) queued.push_back(kept);
        }
        for (std::size_t at = 0; at < queued.size(); at += most) {
            const auto first = queued.begin() + static_cast<std::ptrdiff_t>(at);
            const leases some{first, first + static_cast<std::ptrdiff_t>((std::min)(most, queued.size() - at))};
            if (!check_some(some)) return false;
        }
        return true;
    }

    bool check_some(const leases& some) {
        std::vector<std::string> keys;
        for (const auto& kept : some) keys.push_back(kept->key);
        const reply got = client_.call(*channel_, path::txn, keys_request(keys), one_round(some));
        if (got.outcome != transfer::answered || got.said.code != ok) return false;
        for (std::size_t i = 0; i < some.size(); ++i) {
            const auto found = entries_of(got.said.body, i);
            if (found.empty() || found[0].created != some[i]->created.load()) some[i]->valid.end();
        }
        return true;
    }

    bool revoke_one(std::unique_lock<std::mutex>& lock) {
        const time_point now = boot_clock::now();
        const auto due = std::find_if(revokes_.begin(), revokes_.end(),
                                      [&](const pending_revoke& revoke) { return revoke.next_try <= now; });
        if (due == revokes_.end()) return false;
        const pending_revoke revoke = *due;
        revokes_.erase(due);
        lock.unlock();
        const bool is_done = try_to_revoke(revoke, revoke.end);
        lock.lock();
        constexpr std::chrono::milliseconds pause{200};
        if (!is_done) revokes_.push_back({revoke.id, revoke.end, boot_clock::now() + pause});
        return true;
    }

    /// True: it is revoked, or there is no hope.
    bool try_to_revoke(const pending_revoke& revoke, time_point until) noexcept {
        try {
            if (boot_clock::now() >= revoke.end) return true;
            const limits given{until, 1};  // keepalives shall not wait for more
            return client_.call(*channel_, path::revoke, revoke_request(revoke.id), given).outcome ==
                   transfer::answered;
        } catch (const std::exception&) {
            return true;
        }
    }

    /// So that a program that ends does not make others wait for its leases to end; but not for long.
    void revoke_the_rest(std::unique_lock<std::mutex>& lock) noexcept {
        const auto rest = std::exchange(revokes_, {});
        lock.unlock();
        const time_point until = time_after(std::chrono::seconds{1});
        for (const pending_revoke& revoke : rest) {
            if (boot_clock::now() < until) (void)try_to_revoke(revoke, until);
        }
        lock.lock();
    }

    client& client_;
    std::unique_ptr<channel> channel_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<lease_id, std::shared_ptr<lease>> leases_;
    leases untold_;
    std::deque<pending_revoke> revokes_;
    time_point wake_at_{};  // when the thread wakes up; the beginning of time while it is awake
    bool is_stopping_ = false;
};

/// A channel of a session while it is in use.
class borrowed_channel {
  public:
    explicit borrowed_channel(class session& from);
    borrowed_channel(const borrowed_channel&) = delete;
    borrowed_channel& operator=(const borrowed_channel&) = delete;
    ~borrowed_channel();

    channel& operator*() const noexcept { return *channel_; }
    channel* operator->() const noexcept { return channel_.get(); }

  private:
    session& from_;
    std::unique_ptr<channel> channel_;
};

/// One for each cluster object and process. Its end stops the thread, after a last try to revoke what is left.
class session {
  public:
    session(std::vector<std::string> endpoints, etcd_options options, std::shared_ptr<transport> network)
        : parts_{std::make_shared<parts>(std::move(endpoints), std::move(options), std::move(network))} {}
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    ~session() {
        if (is_of_parent()) {  // whose thread and connections these are
            new std::shared_ptr<parts>{std::move(parts_)};
            new std::thread{std::move(thread_)};
            return;
        }
        if (!thread_.joinable()) return;
        parts_->keeps.stop();
        if (thread_.get_id() == std::this_thread::get_id()) {  // a callback had the last guard
            thread_.detach();
        } else {
            thread_.join();
        }
    }

    /// Whether this is a forked child, in which nothing here must be touched.
    [[nodiscard]] bool is_of_parent() const noexcept { return generation_ != fork_generation(); }

    [[nodiscard]] client& asks() noexcept { return parts_->asks; }

    /// The keeper, whose thread runs from the first time on.
    keeper& keeps() {
        std::call_once(has_thread_, [this] { thread_ = std::thread{[kept = parts_] { kept->keeps.run(); }}; });
        return parts_->keeps;
    }

    /// A channel that nobody else uses until it is given back.
    std::unique_ptr<channel> take_channel() {
        {
            const std::scoped_lock lock{parts_->mutex};
            if (auto& idle = parts_->idle; !idle.empty()) {
                auto last = std::move(idle.back());
                idle.pop_back();
                return last;
            }
        }
        return asks().open_channel();
    }

    void give_back(std::unique_ptr<channel> idle) noexcept {
        idle->close_stream();
        idle->calm();
        const std::scoped_lock lock{parts_->mutex};
        if (parts_->idle.size() < parts::most_idle) parts_->idle.push_back(std::move(idle));
    }

    /// Gives a lock up. False: it was lost before.
    bool release(lease& held) noexcept {
        keeps().remove(held);
        held.on_lost.cancel();
        const time_point end = held.valid.until();
        const bool was_held = !held.valid.is_over();
        held.valid.end();
        if (!was_held) {  // and somebody may wait behind what is left of it; not for us
            keeps().revoke(held.id, time_after(asks().options().ttl));
            return false;
        }
        const revoked result = revoke(held.id);
        if (result == revoked::not_told) keeps().revoke(held.id, end);
        return result != revoked::was_gone;
    }

  private:
    enum class revoked { now, was_gone, not_told };

    revoked revoke(lease_id id) noexcept {
        try {
            constexpr std::chrono::nanoseconds longest = std::chrono::seconds{1};
            const borrowed_channel with{*this};
            const reply got = asks().call(*with, path::revoke, revoke_request(id), {time_after(longest)});
            if (got.outcome != transfer::answered) return revoked::not_told;
            // An earlier attempt of this very call may have been the one that revoked it.
            return got.said.code == not_found && got.is_first ? revoked::was_gone : revoked::now;
        } catch (const std::exception&) {
            return revoked::not_told;
        }
    }

    struct parts {
        parts(std::vector<std::string> endpoints, etcd_options options, std::shared_ptr<transport> network)
            : asks{std::move(endpoints), std::move(options), std::move(network)} {
            idle.reserve(most_idle);  // so that giving one back cannot fail
        }
        static constexpr std::size_t most_idle = 8;
        client asks;
        keeper keeps{asks};
        std::mutex mutex;
        std::vector<std::unique_ptr<channel>> idle;
    };

    std::shared_ptr<parts> parts_;
    const std::uint64_t generation_ = fork_generation();
    std::once_flag has_thread_;
    std::thread thread_;
};

inline borrowed_channel::borrowed_channel(session& from) : from_{from}, channel_{from.take_channel()} {}
inline borrowed_channel::~borrowed_channel() { from_.give_back(std::move(channel_)); }

}  // namespace nlock::NAMED_LOCK_ABI::detail::etcd

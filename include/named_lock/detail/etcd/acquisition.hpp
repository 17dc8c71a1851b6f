// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// One acquisition: a lease, an entry in the queue, and the wait until the entry is the first one.
//
//   grant    a new lease                                 -> enter
//   enter    puts the entry; first of the queue          -> confirm;   behind another one -> watch
//   look     is the entry still there: no                -> grant;     first -> confirm;  behind another one -> watch
//   watch    waits for the one before it to go           -> look
//   confirm  is the lease good for long enough           -> acquired;  is over -> grant
//
// From everywhere: timed_out, cancelled; a lease that ends -> grant. What is repeated because its answer was lost does
// no harm: each acquisition has a lease and a key of its own, and all is asked for in a way that can be asked for
// twice.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <named_lock/detail/etcd/client.hpp>
#include <named_lock/detail/etcd/clock.hpp>
#include <named_lock/detail/etcd/lease.hpp>
#include <named_lock/detail/etcd/messages.hpp>
#include <named_lock/detail/etcd/process.hpp>
#include <named_lock/detail/etcd/session.hpp>

namespace nlock::NAMED_LOCK_ABI::detail::etcd {

class acquisition {
  public:
    enum class step { grant, enter, look, watch, confirm, acquired, timed_out, cancelled };

    /// Zero: one attempt, which queues nowhere. Negative: for ever.
    acquisition(session& with, const queue_names& names, std::chrono::nanoseconds timeout)
        : session_{with},
          names_{names},
          channel_{with},
          is_immediate_{timeout == timeout.zero()},
          until_{is_immediate_ ? never : time_after(timeout)} {}
    acquisition(const acquisition&) = delete;
    acquisition& operator=(const acquisition&) = delete;
    ~acquisition() { abandon(); }

    /// acquired, timed_out or cancelled. Throws lock_error for what waiting does not better.
    step run() {
        for (step next = step::grant;;) {
            switch (next) {
            case step::grant:
                next = grant();
                break;
            case step::enter:
                next = enter();
                break;
            case step::look:
                next = look();
                break;
            case step::watch:
                next = watch();
                break;
            case step::confirm:
                next = confirm();
                break;
            case step::acquired:
            case step::timed_out:
            case step::cancelled:
                return next;
            }
        }
    }

    /// From any thread, while it lives.
    void cancel() noexcept { channel_->interrupt(); }

    /// Of an acquired lock, once: whoever has it revokes it.
    [[nodiscard]] std::shared_ptr<lease> take_lease() noexcept { return std::move(lease_); }

    /// Those who were seen to hold it, as far as known, and what was wrong with the cluster at last.
    [[nodiscard]] const std::vector<etcd_holder>& holders() const noexcept { return holders_; }
    [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }

  private:
    [[nodiscard]] std::chrono::seconds ttl() const { return session_.asks().options().ttl; }

    /// Asks until `end` or the time-out. Nothing: `ended` is what comes next.
    std::optional<reply> ask(const char* path, const std::string& body, time_point end, step after_end, step& ended) {
        const limits given{(std::min)(until_, end), is_immediate_ ? session_.asks().size() : 0, &on_trouble_};
        reply got = session_.asks().call(*channel_, path, body, given);
        trouble_ = got.trouble;
        switch (got.outcome) {
        case transfer::answered:
            trouble_.clear();
            return got;
        case transfer::interrupted:
            ended = step::cancelled;
            break;
        case transfer::timed_out:
            ended = boot_clock::now() >= until_ ? step::timed_out : after_end;
            break;
        default:
            session_.asks().fail_unreachable(got.trouble);
        }
        return std::nullopt;
    }

    step grant() {
        abandon();
        const time_point asked = boot_clock::now();
        lease_ = std::make_shared<lease>(names_, end_of_lease(asked, ttl()));
        step ended{};
        // A lease that took longer has lost too much of its time.
        const time_point end = is_immediate_ ? never : asked + ttl() / 3;
        const auto got = ask(path::grant, grant_request(lease_->id, ttl()), end, step::grant, ended);
        if (!got) return ended;
        is_granted_ = true;  // also by "lease already exists": then an earlier attempt's answer was lost
        session_.keeps().add(lease_);
        return step::enter;
    }

    /// While the lease is good. When that is over, and has not been extended meanwhile, all begins anew.
    std::optional<reply> ask_with_lease(const char* path, const std::string& body, step again, step& ended) {
        if (lease_->valid.is_over()) {
            ended = step::grant;
            return std::nullopt;
        }
        return ask(path, body, lease_->valid.until(), again, ended);
    }

    step enter() {
        const join how = is_immediate_ ? join::if_empty : join::at_the_end;
        step ended{};
        const auto got =
            ask_with_lease(path::txn, join_request(names_, lease_->id, this_process(), how), step::enter, ended);
        if (!got) return ended;
        if (got->said.code != ok) return step::grant;  // the lease has ended
        if (truth(got->said.body, "succeeded")) return take_place(got->said.body);
        const auto own = entries_of(got->said.body, 0);
        holders_ = holders_of(entries_of(got->said.body, 1));
        if (own.empty()) return step::timed_out;  // is_immediate_, and the queue is not empty
        lease_->created = own[0].created;
        return step::look;
    }

    step take_place(const json& body) {
        seen_ = revision_of(body);
        lease_->created = seen_;
        holders_ = holders_of(entries_of(body, 2));
        return place_in(entries_of(body, 1), step::look);  // no answer as we know them
    }

    /// Our entry, and the one before it.
    step place_in(const std::vector<entry>& last_two, step missing) {
        if (last_two.empty() || last_two[0].key != lease_->key) return missing;
        if (last_two.size() == 1) return step::confirm;
        before_ = last_two[1].key;
        return step::watch;
    }

    step look() {
        step ended{};
        const auto got =
            ask_with_lease(path::txn, check_request(names_, lease_->id, lease_->created), step::look, ended);
        if (!got) return ended;
        if (got->said.code != ok || !truth(got->said.body, "succeeded")) return step::grant;
        seen_ = revision_of(got->said.body);
        const auto before = entries_of(got->said.body, 0);
        if (before.empty()) return step::confirm;
        before_ = before[0].key;
        holders_ = holders_of(entries_of(got->said.body, 1));
        return step::watch;
    }

    /// What one member knows is enough if that is no older than our entry, and than what it shall tell about: those
    /// before us only go, and whether our lease goes is a matter of our clock. It saves the round among the members
    /// that finds out the latest state of all. 0: unknown, so that only that will do. An event may come a moment before
    /// its revision can be read.
    step look_at_one_member(revision at_least) {
        if (at_least == 0) return look();
        step ended{};
        const auto got = ask_with_lease(path::range, place_request(names_, lease_->created), step::look, ended);
        if (!got) return ended;
        seen_ = revision_of(got->said.body);
        if (seen_ < (std::max)(at_least, lease_->created.load())) return look();
        return place_in(entries_of(got->said.body), step::grant);
    }

    /// Watches first and looks then, so that nobody can go unnoticed in between. It need not look if the watch tells
    /// all that has happened since the last look.
    step watch() {
        const std::string watched = before_;
        const std::size_t endpoint = session_.asks().open_stream(*channel_, path::watch, watch_request(watched));
        struct closing {
            channel& stream;
            ~closing() { stream.close_stream(); }
        } const closes{*channel_};

        const http_answer created = next_line(session_.asks().options().request_timeout);
        if (const auto ended = end_of(created)) return *ended;
        if (!is_created(created, endpoint)) return leave(endpoint);
        if (const revision since = revision_of(created); since == 0 || since > seen_) {
            const step next = look_at_one_member(since);
            if (next != step::watch || before_ != watched || session_.asks().current() != endpoint) return next;
        }
        tell_waiting();
        failures_ = 0;
        constexpr std::chrono::seconds longest{5};  // a member that hangs would never tell
        const http_answer event = next_line(longest);
        if (const auto ended = end_of(event)) return *ended;
        if (event.outcome == transfer::no_answer) return leave(endpoint);
        return look_at_one_member(is_event(event) ? revision_of(event) : 0);
    }

    /// The latest one that an answer or a line knows of; 0: it does not say.
    [[nodiscard]] static revision revision_of(const json& body) { return number(member(body, "header"), "revision"); }
    [[nodiscard]] static revision revision_of(const http_answer& line) {
        const auto read = read_answer(line.body);
        return read ? revision_of(read->body) : 0;
    }

    [[nodiscard]] static bool is_event(const http_answer& line) {
        const auto read = line.outcome == transfer::answered ? read_answer(line.body) : std::nullopt;
        return read && read->code == ok && !member(read->body, "events").empty();
    }

    http_answer next_line(std::chrono::nanoseconds longest) {
        return channel_->next_line((std::min)(until_, time_after(longest)));
    }

    [[nodiscard]] std::optional<step> end_of(const http_answer& line) const {
        if (line.outcome == transfer::interrupted) return step::cancelled;
        if (line.outcome == transfer::timed_out && boot_clock::now() >= until_) return step::timed_out;
        return std::nullopt;
    }

    bool is_created(const http_answer& line, std::size_t endpoint) {
        if (line.outcome != transfer::answered) {
            trouble_ = "cannot reach etcd: " + line.cause;
            return false;
        }
        const auto read = read_answer(line.body);
        if (read && read->code == ok && truth(read->body, "created") && !truth(read->body, "canceled")) return true;
        const std::string why = read && read->code == ok ? text(read->body, "cancel_reason") : "";
        if (says(why, "permission denied")) session_.asks().refuse({denied, why, {}}, endpoint);
        return false;
    }

    /// To another member, not all too fast.
    step leave(std::size_t endpoint) {
        session_.asks().leave(endpoint);
        constexpr int most = 5;
        const std::chrono::milliseconds pause{10 << (std::min)(failures_++, most)};
        const transfer slept = channel_->sleep((std::min)(until_, time_after(pause)));
        if (slept == transfer::interrupted) return step::cancelled;
        return boot_clock::now() >= until_ ? step::timed_out : step::look;
    }

    step confirm() {
        if (lease_->valid.is_over()) return step::grant;
        if (lease_->valid.until() - boot_clock::now() > ttl() / 3) return step::acquired;
        const limits given{(std::min)(until_, lease_->valid.until()), 0, nullptr};
        if (!session_.keeps().renew(*channel_, *lease_, given) && boot_clock::now() >= until_) return step::timed_out;
        return lease_->valid.is_over() ? step::grant : step::acquired;
    }

    void tell_waiting() {
        if (has_told_) return;
        has_told_ = true;
        tell(holders_, "");
    }

    void tell(std::vector<etcd_holder> holders, const std::string& trouble) const {
        const auto& on_wait = session_.asks().options().on_wait;
        if (on_wait) on_wait({names_.name(), names_.key(), std::move(holders), trouble});
    }

    /// The server shall forget it; behind the back of whoever waits for us to return. A lease that may have been
    /// granted or not has no entry, keeps nobody waiting, and ends by itself.
    void abandon() noexcept {
        const auto gone = std::exchange(lease_, nullptr);
        if (gone == nullptr || !std::exchange(is_granted_, false)) return;
        gone->valid.end();
        session_.keeps().remove(*gone);
        session_.keeps().revoke(gone->id, time_after(ttl()));
    }

    session& session_;
    const queue_names& names_;
    borrowed_channel channel_;
    const bool is_immediate_;
    const time_point until_;
    const std::function<void(const std::string&)> on_trouble_{[this](const std::string& why) { tell({}, why); }};
    std::shared_ptr<lease> lease_;
    bool is_granted_ = false;
    std::string before_;  // the key of the entry before ours
    revision seen_ = 0;   // at which it was the one before ours
    std::vector<etcd_holder> holders_;
    std::string trouble_;
    bool has_told_ = false;
    int failures_ = 0;  // of watches, one after the other
};

}  // namespace nlock::NAMED_LOCK_ABI::detail::etcd

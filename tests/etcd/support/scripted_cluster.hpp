// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// As much of an etcd as the protocol needs, in this process, behind a network that does with the requests what a test
// tells it to: loses them or their answers, carries them out late, or twice, or not at all.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <named_lock/detail/etcd/messages.hpp>
#include <named_lock/detail/etcd/transport.hpp>

namespace nlock_test {

namespace etcd = nlock::detail::etcd;
using etcd::json;

enum class fate {
    normal,
    request_lost,    // no answer, never carried out
    answer_lost,     // carried out, no answer
    late,            // no answer, and carried out after the next request that is
    very_late,       // as late, but after all that the client does about it: when the test says so
    twice,           // carried out twice, answered once
    answered_twice,  // carried out once; the lines of the answer come twice
    cut_off,         // as request_lost, but known at once
    error,           // not carried out, answered with `code`
    done_and_error,  // carried out, and answered with `code`
    lagging,         // as normal, but what may be answered by one member alone is, as of before everything
};

struct mishap {
    fate what = fate::normal;
    int code = 0;
    long status = 503;
    std::string message = "etcdserver: scripted";
    std::int64_t ends_lease = 0;  // right before
};

class scripted_cluster : public etcd::transport {
  public:
    /// What happens to the next request; asked for each with its path and its number among those of this path.
    using script = std::function<mishap(const std::string& path, int number)>;

    explicit scripted_cluster(script follow = nullptr) : script_{std::move(follow)} {}

    std::unique_ptr<etcd::channel> open() override { return std::make_unique<connection>(*this); }

    // ---- what the test does to the servers ----

    void carry_out_the_rest() {
        const std::scoped_lock lock{mutex_};
        carry_out_late(true);
    }

    void expire(std::int64_t id) {
        const std::scoped_lock lock{mutex_};
        drop_lease(id);
    }
    void expire_all() {
        const std::scoped_lock lock{mutex_};
        while (!leases_.empty()) drop_lease(*leases_.begin());
    }
    void delete_keys() {
        const std::scoped_lock lock{mutex_};
        while (!keys_.empty()) drop_key(keys_.begin()->first);
    }
    [[nodiscard]] std::size_t keys() const {
        const std::scoped_lock lock{mutex_};
        return keys_.size();
    }
    [[nodiscard]] std::size_t leases() const {
        const std::scoped_lock lock{mutex_};
        return leases_.size();
    }
    [[nodiscard]] int requests(const std::string& path) const {
        const std::scoped_lock lock{mutex_};
        const auto found = counts_.find(path);
        return found == counts_.end() ? 0 : found->second;
    }
    [[nodiscard]] std::size_t watchers() const {
        const std::scoped_lock lock{mutex_};
        return watchers_.size();
    }
    /// Until so many watch; false: for too long.
    [[nodiscard]] bool wait_for_watchers(std::size_t wanted, std::chrono::seconds longest = std::chrono::seconds{20}) {
        std::unique_lock lock{mutex_};
        return changed_.wait_for(lock, longest, [&] { return watchers_.size() >= wanted; });
    }
    /// Until there are no keys and no leases any more.
    [[nodiscard]] bool wait_for_nothing(std::chrono::seconds longest = std::chrono::seconds{20}) {
        std::unique_lock lock{mutex_};
        return changed_.wait_for(lock, longest, [&] { return keys_.empty() && leases_.empty(); });
    }
    /// A stranger's entry, by its own lease, and its end.
    void put(const std::string& key, std::int64_t lease, const std::string& value = "") {
        const std::scoped_lock lock{mutex_};
        leases_.insert(lease);
        keys_[key] = {++revision_, lease, value};
        changed_.notify_all();
    }

  private:
    struct record {
        std::uint64_t created;
        std::int64_t lease;
        std::string value;
    };

    struct connection : etcd::channel {
        explicit connection(scripted_cluster& of) : cluster{of} {}
        ~connection() override { connection::close_stream(); }

        etcd::http_answer post(const etcd::http_request& request, etcd::time_point until) override {
            std::unique_lock lock{cluster.mutex_};
            if (interrupted) return {etcd::transfer::interrupted};
            const std::string path = path_of(request.url);
            const mishap given = cluster.next(path);
            std::string body;
            switch (given.what) {
            case fate::normal:
            case fate::answered_twice:
                body = cluster.carry_out(path, request.body);
                break;
            case fate::twice:
                body = cluster.carry_out(path, request.body);
                cluster.carry_out(path, request.body);
                break;
            case fate::answer_lost:
                cluster.carry_out(path, request.body);
                return wait(lock, until);
            case fate::request_lost:
                return wait(lock, until);
            case fate::late:
                cluster.late_.push_back({path, request.body});
                return wait(lock, until);
            case fate::very_late:
                cluster.very_late_.push_back({path, request.body});
                return wait(lock, until);
            case fate::lagging:
                body = says_serializable(request.body) ? R"({"header":{"revision":"1"}})"
                                                       : cluster.carry_out(path, request.body);
                break;
            case fate::cut_off:
                return {etcd::transfer::no_answer, 0, {}, "scripted: connection refused"};
            case fate::done_and_error:
                cluster.carry_out(path, request.body);
                [[fallthrough]];
            case fate::error:
                return {etcd::transfer::answered,
                        given.status,
                        json{{"error", given.message}, {"code", given.code}, {"message", given.message}}.dump(),
                        {}};
            }
            cluster.carry_out_late(false);
            if (given.what == fate::answered_twice) body += "\n" + body;
            const bool is_error = body.find("\"error\"") != std::string::npos;
            return {etcd::transfer::answered, is_error ? 400 : 200, body, {}};
        }

        void open_stream(const etcd::http_request& request) override {
            const std::scoped_lock lock{cluster.mutex_};
            close();
            has_ended = false;
            const mishap given = cluster.next(path_of(request.url));
            switch (given.what) {
            case fate::request_lost:
            case fate::answer_lost:
            case fate::late:
            case fate::very_late:
                return;  // silence
            case fate::cut_off:
                has_ended = true;
                return;
            case fate::error:
            case fate::done_and_error:
                lines.push_back(json{{"error", {{"grpc_code", given.code}, {"message", given.message}}}}.dump());
                has_ended = true;
                return;
            default:
                break;
            }
            const json created = {
                {"result", {{"header", {{"revision", std::to_string(cluster.revision_)}}}, {"created", true}}}};
            lines.push_back(created.dump());
            if (given.what == fate::answered_twice) lines.push_back(created.dump());
            key = etcd::from_base64(etcd::text(json::parse(request.body)["create_request"], "key"));
            cluster.watchers_.insert(this);
            cluster.changed_.notify_all();
        }

        etcd::http_answer next_line(etcd::time_point until) override {
            std::unique_lock lock{cluster.mutex_};
            while (lines.empty() && !has_ended) {
                if (interrupted || etcd::boot_clock::now() >= until) return wait(lock, until);
                sleep_until(lock, until);
            }
            if (interrupted) return {etcd::transfer::interrupted};
            if (lines.empty()) return {etcd::transfer::no_answer, 0, {}, "scripted: the stream has ended"};
            etcd::http_answer line{etcd::transfer::answered, 200, lines.front(), {}};
            lines.pop_front();
            return line;
        }

        void close_stream() noexcept override {
            const std::scoped_lock lock{cluster.mutex_};
            close();
        }

        etcd::transfer sleep(etcd::time_point until) override {
            std::unique_lock lock{cluster.mutex_};
            return wait(lock, until).outcome;
        }

        void interrupt() noexcept override {
            const std::scoped_lock lock{cluster.mutex_};
            interrupted = true;
            cluster.changed_.notify_all();
        }
        void calm() noexcept override {
            const std::scoped_lock lock{cluster.mutex_};
            interrupted = false;
        }

        void close() {
            cluster.watchers_.erase(this);
            lines.clear();
            key.clear();
        }

        etcd::http_answer wait(std::unique_lock<std::mutex>& lock, etcd::time_point until) {
            while (!interrupted && etcd::boot_clock::now() < until) sleep_until(lock, until);
            return {interrupted ? etcd::transfer::interrupted : etcd::transfer::timed_out, 0, {}, "scripted: silence"};
        }
        void sleep_until(std::unique_lock<std::mutex>& lock, etcd::time_point until) {
            const std::chrono::nanoseconds longest = std::chrono::hours{1};
            cluster.changed_.wait_for(lock, (std::min)(longest, until - etcd::boot_clock::now()));
        }

        static bool says_serializable(const std::string& body) { return body.find("serializable") != std::string::npos; }
        static std::string path_of(const std::string& url) { return url.substr(url.find('/', 8)); }

        scripted_cluster& cluster;
        std::deque<std::string> lines;
        std::string key;  // watched
        bool has_ended = false;
        bool interrupted = false;
    };

    mishap next(const std::string& path) {
        const int number = ++counts_[path];
        const mishap given = script_ ? script_(path, number) : mishap{};
        if (given.ends_lease != 0) drop_lease(given.ends_lease);
        return given;
    }

    void carry_out_late(bool all) {
        for (auto* requests : {&late_, &very_late_}) {
            if (requests == &very_late_ && !all) break;
            for (const auto& [path, body] : std::exchange(*requests, {})) carry_out(path, body);
        }
    }

    // ---- the servers ----

    static std::string error(int code, const std::string& message) {
        return json{{"error", message}, {"code", code}, {"message", message}}.dump();
    }

    std::string carry_out(const std::string& path, const std::string& body) {
        std::string answer = "{}";
        if (path == etcd::path::keepalive) {
            answer = keep_alive(body);
        } else if (path == etcd::path::grant) {
            const auto id = static_cast<std::int64_t>(etcd::number(json::parse(body), "ID"));
            if (!leases_.insert(id).second) return error(etcd::exists, "etcdserver: lease already exists");
            answer = json{{"ID", std::to_string(id)}, {"TTL", etcd::text(json::parse(body), "TTL")}}.dump();
        } else if (path == etcd::path::revoke) {
            const auto id = static_cast<std::int64_t>(etcd::number(json::parse(body), "ID"));
            if (leases_.count(id) == 0) return error(etcd::not_found, "etcdserver: requested lease not found");
            drop_lease(id);
        } else if (path == etcd::path::txn) {
            answer = transaction(json::parse(body));
        } else if (path == etcd::path::range) {
            json found = range(json::parse(body));
            found["header"] = {{"revision", std::to_string(revision_)}};
            answer = found.dump();
        }
        changed_.notify_all();
        return answer;
    }

    std::string keep_alive(const std::string& body) {
        std::string answers;
        for (std::size_t at = 0; at < body.size();) {
            const std::size_t size = body.find('}', at) + 1 - at;
            const std::string id = etcd::text(json::parse(body.substr(at, size)), "ID");
            json result = {{"ID", id}};
            if (leases_.count(std::stoll(id)) != 0) result["TTL"] = "15";
            answers += json{{"result", result}}.dump() + '\n';
            at += size;
        }
        return answers;
    }

    std::string transaction(const json& request) {
        bool succeeded = true;
        if (request.contains("compare")) {
            for (const json& compare : request["compare"]) {
                const auto wanted = etcd::number(compare, "create_revision");
                if (compare.contains("range_end")) {
                    succeeded = succeeded && range(compare)["kvs"].empty();
                } else {
                    const auto found = keys_.find(etcd::from_base64(etcd::text(compare, "key")));
                    succeeded = succeeded && (found == keys_.end() ? 0 : found->second.created) == wanted;
                }
            }
        }
        json responses = json::array();
        const json& operations = etcd::member(request, succeeded ? "success" : "failure");
        for (const json& operation : operations) {
            if (operation.contains("request_put")) {
                const json& put = operation["request_put"];
                const auto lease = static_cast<std::int64_t>(etcd::number(put, "lease"));
                if (leases_.count(lease) == 0) return error(etcd::not_found, "etcdserver: requested lease not found");
                keys_[etcd::from_base64(etcd::text(put, "key"))] = {++revision_, lease,
                                                                    etcd::from_base64(etcd::text(put, "value"))};
                responses.push_back({{"response_put", json::object()}});
            } else {
                responses.push_back({{"response_range", range(operation["request_range"])}});
            }
        }
        json answer = {{"header", {{"revision", std::to_string(revision_)}}}, {"responses", responses}};
        if (succeeded) answer["succeeded"] = true;
        return answer.dump();
    }

    json range(const json& request) {
        const std::string first = etcd::from_base64(etcd::text(request, "key"));
        const std::string end = etcd::from_base64(etcd::text(request, "range_end"));
        const auto latest = etcd::number(request, "max_create_revision");
        std::vector<std::pair<std::string, record>> found;
        for (const auto& [key, value] : keys_) {
            const bool is_in = end.empty() ? key == first : key >= first && key < end;
            if (is_in && (latest == 0 || value.created <= latest)) found.emplace_back(key, value);
        }
        const bool descends = etcd::text(request, "sort_order") == "DESCEND";
        std::sort(found.begin(), found.end(), [&](const auto& a, const auto& b) {
            return descends ? a.second.created > b.second.created : a.second.created < b.second.created;
        });
        const auto limit = etcd::number(request, "limit");
        if (limit != 0 && found.size() > limit) found.resize(limit);
        json kvs = json::array();
        for (const auto& [key, value] : found) {
            kvs.push_back({{"key", etcd::to_base64(key)},
                           {"create_revision", std::to_string(value.created)},
                           {"value", etcd::truth(request, "keys_only") ? "" : etcd::to_base64(value.value)}});
        }
        return {{"kvs", kvs}};
    }

    void drop_lease(std::int64_t id) {
        leases_.erase(id);
        std::vector<std::string> attached;
        for (const auto& [key, value] : keys_) {
            if (value.lease == id) attached.push_back(key);
        }
        for (std::string& key : attached) drop_key(std::move(key));
        changed_.notify_all();
    }

    void drop_key(std::string key) {  // a copy: it may be the one that is erased
        keys_.erase(key);
        ++revision_;
        const json happened = {{"header", {{"revision", std::to_string(revision_)}}},
                               {"events", json::array({json::object({{"type", "DELETE"}})})}};
        const std::string event = json{{"result", happened}}.dump();
        for (connection* watcher : watchers_) {
            if (watcher->key == key) watcher->lines.push_back(event);
        }
        changed_.notify_all();
    }

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    const script script_;
    std::map<std::string, int> counts_;
    std::uint64_t revision_ = 1;
    std::set<std::int64_t> leases_;
    std::map<std::string, record> keys_;
    std::set<connection*> watchers_;
    std::vector<std::pair<std::string, std::string>> late_;
    std::vector<std::pair<std::string, std::string>> very_late_;
};

}  // namespace nlock_test

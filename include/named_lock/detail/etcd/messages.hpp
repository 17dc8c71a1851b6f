// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Requests and answers of etcd's JSON gateway, as servers from 3.4 on speak it: numbers come as strings, and what is
// zero, false or empty is left out.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <named_lock/detail/etcd/names.hpp>
#include <named_lock/detail/etcd/transport.hpp>
#include <named_lock/etcd_options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail::etcd {

using json = nlohmann::json;
using revision = std::uint64_t;

// ---- reading ----

/// The member of that name; null where there is none.
inline const json& member(const json& object, const char* name) {
    static const json& null = *new json;  // never destroyed: a thread may run until the very end of the program
    if (!object.is_object()) return null;
    const auto found = object.find(name);
    return found == object.end() ? null : *found;
}

inline std::uint64_t number(const json& object, const char* name) {
    const json& value = member(object, name);
    if (value.is_number()) return value.get<std::uint64_t>();
    return value.is_string() ? std::strtoull(value.get_ref<const std::string&>().c_str(), nullptr, 10) : 0;
}

inline std::string text(const json& object, const char* name) {
    const json& value = member(object, name);
    return value.is_string() ? value.get<std::string>() : std::string{};
}

inline bool truth(const json& object, const char* name) {
    const json& value = member(object, name);
    return value.is_boolean() && value.get<bool>();
}

/// The codes of gRPC that mean something to us.
enum code : int { ok = 0, invalid = 3, not_found = 5, denied = 7, exhausted = 8, exists = 9, unauthenticated = 16 };

struct answer {
    int code = ok;
    std::string message = {};  // of an error
    json body = {};
};

/// An object of an answer: {"error":"..","code":5}, in 3.5 with a "message" besides; of a stream {"result":{..}} or
/// {"error":{"grpc_code":14,"message":".."}}, after 3.4 {"error":{"code":14,..}}. Nothing: it is no such object.
inline std::optional<answer> read_answer(std::string_view body) {
    json object = json::parse(body, nullptr, false);
    if (!object.is_object()) return std::nullopt;
    const json& error = member(object, "error");
    const json& holder = error.is_object() ? error : object;
    if (error.is_null() && member(object, "code").is_null()) {
        const auto result = object.find("result");
        return answer{ok, {}, result == object.end() ? std::move(object) : std::move(*result)};
    }
    const char* const code_name = member(holder, "grpc_code").is_null() ? "code" : "grpc_code";
    const std::string said = text(holder, "message");
    return answer{static_cast<int>(number(holder, code_name)), said.empty() ? text(holder, "error") : said, {}};
}

/// As read_answer, for each line.
inline std::vector<answer> read_answers(std::string_view body) {
    std::vector<answer> answers;
    while (!body.empty()) {
        const std::size_t size = (std::min)(body.find('\n'), body.size());
        if (auto read = read_answer(body.substr(0, size))) answers.push_back(*std::move(read));
        body.remove_prefix((std::min)(size + 1, body.size()));
    }
    return answers;
}

struct entry {
    std::string key;
    std::string value;
    revision created = 0;
};

/// The entries that the range at `index` of a transaction's answer found, or a plain range if it is one.
inline std::vector<entry> entries_of(const json& body, std::optional<std::size_t> index = std::nullopt) {
    const json& responses = member(body, "responses");
    if (index && (!responses.is_array() || responses.size() <= *index)) return {};
    const json& kvs = member(index ? member(responses[*index], "response_range") : body, "kvs");
    std::vector<entry> entries;
    for (const json& kv : kvs) {
        entries.push_back(
            {from_base64(text(kv, "key")), from_base64(text(kv, "value")), number(kv, "create_revision")});
    }
    return entries;
}

/// Of an entry by this library "4242 report web-3"; others have none.
inline etcd_holder holder_of(const entry& found) {
    etcd_holder holder;
    holder.token = found.created;
    const std::string& value = found.value;
    const std::size_t first = value.find(' ');
    const std::size_t last = value.rfind(' ');
    const bool is_ours = first != std::string::npos && last > first && value.find_first_not_of("0123456789") == first &&
                         first != 0 && first < 10;
    if (!is_ours) return holder;
    holder.pid = std::strtoll(value.c_str(), nullptr, 10);
    holder.process = value.substr(first + 1, last - first - 1);
    holder.host = value.substr(last + 1);
    return holder;
}

inline std::vector<etcd_holder> holders_of(const std::vector<entry>& entries) {
    std::vector<etcd_holder> holders;
    holders.reserve(entries.size());
    for (const entry& found : entries) holders.push_back(holder_of(found));
    return holders;
}

// ---- writing ----

namespace path {
inline constexpr const char* grant = "/v3/lease/grant";
inline constexpr const char* revoke = "/v3/lease/revoke";
inline constexpr const char* keepalive = "/v3/lease/keepalive";
inline constexpr const char* txn = "/v3/kv/txn";
inline constexpr const char* range = "/v3/kv/range";
inline constexpr const char* watch = "/v3/watch";
inline constexpr const char* authenticate = "/v3/auth/authenticate";
}  // namespace path

inline std::string in_text(const json& request) { return request.dump(-1, ' ', false, json::error_handler_t::replace); }

inline std::string grant_request(lease_id id, std::chrono::seconds ttl) {
    return in_text({{"ID", std::to_string(id)}, {"TTL", std::to_string(ttl.count())}});
}

inline std::string revoke_request(lease_id id) { return in_text({{"ID", std::to_string(id)}}); }

inline std::string keepalive_request(const std::vector<lease_id>& ids) {
    std::string request;
    for (const lease_id id : ids) request += revoke_request(id);
    return request;
}

inline std::string authenticate_request(const std::string& user, const std::string& password) {
    return in_text({{"name", user}, {"password", password}});
}

inline json key_range(const std::string& key) { return {{"key", to_base64(key)}}; }

/// Of the queue, in the order of creation.
inline json queue_range(const queue_names& names, const char* order, int limit) {
    return {{"key", to_base64(names.begin())},
            {"range_end", to_base64(names.end())},
            {"sort_target", "CREATE"},
            {"sort_order", order},
            {"limit", std::to_string(limit)}};
}

inline json range_op(json range) { return json::object({{"request_range", std::move(range)}}); }

inline json is_created_at(json what, revision at) {
    what["target"] = "CREATE";
    what["result"] = "EQUAL";
    what["create_revision"] = std::to_string(at);
    return what;
}

enum class join { at_the_end, if_empty };

/// Puts the entry, unless it is there already. Answers with it and the one before it, or else (not succeeded) with the
/// entry itself, if it is there; and in both cases then with the first of the queue. if_empty: puts it only into an
/// empty queue.
inline std::string join_request(const queue_names& names, lease_id id, const std::string& value, join how) {
    const std::string key = names.entry(id);
    json what = key_range(key);
    if (how == join::if_empty) {
        what = {{"key", to_base64(names.begin())}, {"range_end", to_base64(names.end())}};
    }
    const json put = {{"key", to_base64(key)}, {"value", to_base64(value)}, {"lease", std::to_string(id)}};
    json last_two = queue_range(names, "DESCEND", 2);
    last_two["keys_only"] = true;
    return in_text({{"compare", json::array({is_created_at(std::move(what), 0)})},
                    {"success", json::array({json::object({{"request_put", put}}), range_op(std::move(last_two)),
                                             range_op(queue_range(names, "ASCEND", 1))})},
                    {"failure", json::array({range_op(key_range(key)), range_op(queue_range(names, "ASCEND", 1))})}});
}

/// Whether the entry is still there, and then the one before it, if any, and the first of the queue.
inline std::string check_request(const queue_names& names, lease_id id, revision created) {
    json before = queue_range(names, "DESCEND", 1);
    before["keys_only"] = true;
    before["max_create_revision"] = std::to_string(created - 1);
    return in_text({{"compare", json::array({is_created_at(key_range(names.entry(id)), created)})},
                    {"success",
                     json::array({range_op(std::move(before)), range_op(queue_range(names, "ASCEND", 1))})}});
}

/// The entry and the one before it, as far as one member has come, without asking the others.
inline std::string place_request(const queue_names& names, revision created) {
    json last_two = queue_range(names, "DESCEND", 2);
    last_two["keys_only"] = true;
    last_two["max_create_revision"] = std::to_string(created);
    last_two["serializable"] = true;
    return in_text(last_two);
}

/// Each of the keys, in one transaction.
inline std::string keys_request(const std::vector<std::string>& keys) {
    json ranges = json::array();
    for (const std::string& key : keys) {
        json range = key_range(key);
        range["keys_only"] = true;
        ranges.push_back(range_op(std::move(range)));
    }
    return in_text({{"success", std::move(ranges)}});
}

/// From now on, and not from a revision on: what is past is served by a loop that runs ten times a second.
inline std::string watch_request(const std::string& key) {
    return in_text({{"create_request", {{"key", to_base64(key)}, {"filters", json::array({"NOPUT"})}}}});
}

}  // namespace nlock::NAMED_LOCK_ABI::detail::etcd

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What is said to etcd and what it answers. The answers have the shapes that were measured with 3.4.23 or that the documents
// of other versions show.
#include "support/catch.hpp"

#include <string>

#include <named_lock/detail/etcd/client.hpp>
#include <named_lock/detail/etcd/messages.hpp>
#include <named_lock/detail/etcd/names.hpp>

using namespace nlock::detail::etcd;

TEST_CASE("base64 is that of RFC 4648, and comes back") {
    CHECK(to_base64("") == "");
    CHECK(to_base64("f") == "Zg==");
    CHECK(to_base64("fo") == "Zm8=");
    CHECK(to_base64("foo") == "Zm9v");
    CHECK(to_base64("foobar") == "Zm9vYmFy");
    std::string all;
    for (int byte = 0; byte < 256; ++byte) {
        all += static_cast<char>(byte);
        CHECK(from_base64(to_base64(all)) == all);
    }
    CHECK(to_base64("\xFB\xFF").find_first_of("+/") != std::string::npos);
}

TEST_CASE("a name is escaped so that its queue holds no other lock's entries") {
    CHECK(escape("calculation") == "calculation");
    CHECK(escape("q/x") == "q%2Fx");
    CHECK(escape("100%") == "100%25");
    CHECK(escape("q%2Fx") == "q%252Fx");
    CHECK(escape(std::string("a\0\x1F\x7F", 4)) == "a%00%1F%7F");
    CHECK(escape("caf\xC3\xA9 noir") == "caf\xC3\xA9 noir");
}

TEST_CASE("the keys of a queue are those of etcdctl lock") {
    const queue_names names{"jobs", "nlock/"};
    CHECK(names.name() == "jobs");
    CHECK(names.key() == "nlock/jobs");
    CHECK(names.begin() == "nlock/jobs/");
    CHECK(names.end() == "nlock/jobs0");
    CHECK(names.entry(7777) == "nlock/jobs/1e61");
    CHECK(names.entry(9223372036854775807) == "nlock/jobs/7fffffffffffffff");
    CHECK(names.entry(1) == "nlock/jobs/1");
    CHECK(queue_names{"jobs", ""}.entry(16) == "jobs/10");
    CHECK_THROWS_AS((queue_names{"", "nlock/"}), nlock::invalid_lock_name);
    CHECK_THROWS_AS((queue_names{"a/b", "nlock/"}), nlock::invalid_lock_name);
}

TEST_CASE("numbers are read from strings and from numbers, and what is left out is zero") {
    const json object = json::parse(R"({"a":"9223372036854775807","b":12,"c":true,"d":"","e":null})");
    CHECK(number(object, "a") == 9223372036854775807ull);
    CHECK(number(object, "b") == 12);
    for (const char* name : {"c", "d", "e", "none"}) CHECK(number(object, name) == 0);
    CHECK(number(json::array(), "a") == 0);
    CHECK(text(object, "b").empty());
    CHECK_FALSE(truth(object, "a"));
    CHECK(truth(object, "c"));
}

TEST_CASE("errors are read in each of their shapes") {
    struct sample {
        const char* body;
        int code;
        const char* message;
    };
    const sample samples[] = {
        // 3.4.23, of a request and of a stream
        {R"({"error":"etcdserver: requested lease not found","message":"etcdserver: requested lease not found","code":5})",
         5, "etcdserver: requested lease not found"},
        {R"({"error":"etcdserver: lease already exists","message":"etcdserver: lease already exists","code":9})", 9,
         "etcdserver: lease already exists"},
        {R"({"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"Service Unavailable"}})",
         14, "etcdserver: no leader"},
        {R"({"error":"etcdserver: invalid auth token","code":16})", 16, "etcdserver: invalid auth token"},
        // made up after grpc-gateway 2, which 3.6 has
        {R"({"error":{"code":14,"message":"etcdserver: no leader","details":[]}})", 14, "etcdserver: no leader"},
        {R"({"code":5,"message":"etcdserver: requested lease not found","details":[]})", 5,
         "etcdserver: requested lease not found"},
    };
    for (const sample& given : samples) {
        CAPTURE(given.body);
        const auto read = read_answer(given.body);
        REQUIRE(read);
        CHECK(read->code == given.code);
        CHECK(read->message == given.message);
    }
}

TEST_CASE("what is no answer is told from an empty one") {
    CHECK_FALSE(read_answer(""));
    CHECK_FALSE(read_answer("404 page not found\n"));
    CHECK_FALSE(read_answer(R"({"result":)"));
    CHECK_FALSE(read_answer("[]"));
    const auto empty = read_answer("{}");
    REQUIRE(empty);
    CHECK(empty->code == ok);
}

TEST_CASE("answers to keepalives come in lines, and one without a TTL has no lease") {
    const auto lines = read_answers(R"({"result":{"header":{"cluster_id":"1","revision":"2"},"ID":"7777","TTL":"15"}})"
                                    "\n"
                                    R"({"result":{"header":{"cluster_id":"1","revision":"2"},"ID":"8888"}})"
                                    "\n");
    REQUIRE(lines.size() == 2);
    CHECK(number(lines[0].body, "ID") == 7777);
    CHECK(number(lines[0].body, "TTL") == 15);
    CHECK(number(lines[1].body, "ID") == 8888);
    CHECK(number(lines[1].body, "TTL") == 0);
    CHECK(read_answers("").empty());
    CHECK(read_answers("\n\n{\"result\":{").empty());
}

TEST_CASE("the entries that a transaction found are read") {
    const json body = json::parse(
        R"({"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","revision":"5","raft_term":"2"},)"
        R"("succeeded":true,"responses":[{"response_put":{"header":{"revision":"5"}}},{"response_range":{"header":)"
        R"({"revision":"5"},"kvs":[{"key":"bmxvY2sveC8y","create_revision":"5","mod_revision":"5","version":"1","lease":"2"},)"
        R"({"key":"bmxvY2sveC8x","create_revision":"4","mod_revision":"4","version":"1","value":"NDI0MiByZXBvcnQgd2ViLTM=",)"
        R"("lease":"1"}],"count":"2"}}]})");
    const auto found = entries_of(body, 1);
    REQUIRE(found.size() == 2);
    CHECK(found[0].key == "nlock/x/2");
    CHECK(found[0].created == 5);
    CHECK(found[1].key == "nlock/x/1");
    CHECK(found[1].value == "4242 report web-3");
    CHECK(entries_of(body, 0).empty());
    CHECK(entries_of(body, 2).empty());
    CHECK(entries_of(json::object(), 0).empty());
}

TEST_CASE("a holder is read from the value of its entry, and others stay without a name") {
    const auto ours = holder_of({"k", "4242 report web-3", 9});
    CHECK(ours.pid == 4242);
    CHECK(ours.process == "report");
    CHECK(ours.host == "web-3");
    CHECK(ours.token == 9);
    const auto spaced = holder_of({"k", "17 my job (2) web-3", 9});
    CHECK(spaced.process == "my job (2)");
    CHECK(spaced.host == "web-3");
    CHECK(holder_of({"k", "17  ", 9}).pid == 17);  // no name, no host
    for (const char* value : {"", "4242", "report web-3", "-1 report web-3", "4242 report", "99999999999 a b"}) {
        CAPTURE(value);
        const auto stranger = holder_of({"k", value, 9});
        CHECK(stranger.pid == 0);
        CHECK(stranger.process.empty());
        CHECK(stranger.token == 9);
    }
}

TEST_CASE("requests have the shape that etcd wants") {
    const queue_names names{"x", "nlock/"};
    const json join = json::parse(join_request(names, 255, "v", join::at_the_end));
    CHECK(join["compare"] ==
          json::parse(R"([{"key":"bmxvY2sveC9mZg==","target":"CREATE","result":"EQUAL","create_revision":"0"}])"));
    CHECK(join["success"][0] ==
          json::parse(R"({"request_put":{"key":"bmxvY2sveC9mZg==","value":"dg==","lease":"255"}})"));
    CHECK(join["success"][1]["request_range"]["limit"] == "2");
    CHECK(join["success"][2]["request_range"]["sort_order"] == "ASCEND");
    CHECK(join["failure"].size() == 2);
    const json try_join = json::parse(join_request(names, 255, "v", join::if_empty));
    CHECK(try_join["compare"][0]["key"] == "bmxvY2sveC8=");
    CHECK(try_join["compare"][0]["range_end"] == "bmxvY2sveDA=");
    const json look = json::parse(check_request(names, 255, 9));
    CHECK(look["compare"][0]["create_revision"] == "9");
    CHECK(look["success"][0]["request_range"]["max_create_revision"] == "8");
    CHECK(json::parse(place_request(names, 9)) ==
          json::parse(R"({"key":"bmxvY2sveC8=","range_end":"bmxvY2sveDA=","sort_target":"CREATE","sort_order":"DESCEND",)"
                      R"("limit":"2","keys_only":true,"max_create_revision":"9","serializable":true})"));
    CHECK(keepalive_request({1, 2}) == R"({"ID":"1"}{"ID":"2"})");
    CHECK(grant_request(7, std::chrono::seconds{15}) == R"({"ID":"7","TTL":"15"})");
}

TEST_CASE("each error has its consequence") {
    const auto of = [](int code, const char* message) { return judge({code, message, {}}); };
    CHECK(of(ok, "") == verdict::take);
    CHECK(of(5, "etcdserver: requested lease not found") == verdict::take);
    CHECK(of(9, "etcdserver: lease already exists") == verdict::take);
    CHECK(of(16, "etcdserver: invalid auth token") == verdict::log_in);
    CHECK(of(3, "etcdserver: user name is empty") == verdict::log_in);
    CHECK(of(3, "etcdserver: revision of auth store is old") == verdict::log_in);
    CHECK(of(3, "etcdserver: key is not provided") == verdict::give_up);
    CHECK(of(7, "etcdserver: permission denied") == verdict::give_up);
    CHECK(of(8, "etcdserver: mvcc: database space exceeded") == verdict::give_up);
    CHECK(of(8, "etcdserver: too many requests") == verdict::ask_another);
    for (const int code : {1, 2, 4, 10, 11, 12, 13, 14, 15, 99}) CHECK(of(code, "") == verdict::ask_another);
}

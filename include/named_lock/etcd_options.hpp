// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What a user of etcd_lock may choose, and what it is told about the others.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <named_lock/detail/abi.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI {

/// A client that holds an etcd_lock or waits for it. A hint for people, not for decisions.
/// @since 1.0.0
struct etcd_holder {
    std::int64_t pid = 0;      ///< 0: a client that does not say who it is, such as etcdctl
    std::string process = {};  ///< short name, may be empty
    std::string host = {};     ///< where it runs, may be empty
    std::uint64_t token = 0;   ///< what token() of its guard is, or will be
};

/// What on_wait is told. Valid during the call only.
/// @since 1.0.0
struct etcd_wait {
    const std::string& name;           ///< of the lock
    const std::string& key;            ///< etcd_lock::key()
    std::vector<etcd_holder> holders;  ///< empty when the cluster cannot be asked
    std::string trouble;  ///< why not: "cannot reach etcd at http://10.0.0.1:2379: Connection refused"; else empty
};

/// How a cluster is spoken to.
/// @since 1.0.0
struct etcd_options {
    /// In front of the names of locks. The key of a queue entry is `<prefix><name>/<lease>`. May be empty.
    std::string prefix = "nlock/";
    /// How long a holder that is not heard of keeps the lock from others. At least 5 s: a cluster whose leader has died
    /// takes 1 to 2 s to find another one.
    std::chrono::seconds ttl{15};
    std::string user = {};                        ///< empty: none
    std::string password = {};                    ///< of the user
    std::filesystem::path ca_file = {};           ///< whom to trust, PEM; otherwise what the system trusts
    std::filesystem::path certificate_file = {};  ///< of this client, PEM; on clusters with users one without a CN
    std::filesystem::path key_file = {};          ///< of that certificate, PEM
    /// After which a server that does not answer is left for the next one. Positive.
    std::chrono::milliseconds request_timeout{1000};
    /// Called by an acquisition that has to wait, in its thread: once when it waits for a holder, and once for each
    /// time that the cluster is found out of reach. What it throws leaves acquire.
    std::function<void(const etcd_wait&)> on_wait = {};
};

}  // namespace nlock::NAMED_LOCK_ABI

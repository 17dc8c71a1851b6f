// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <named_lock/etcd_lock.hpp>

#include "etcd/support/scripted_cluster.hpp"

namespace nlock_test {

/// Options that let the tests of lost answers be quick.
inline nlock::etcd_options impatient() {
    nlock::etcd_options options;
    options.ttl = std::chrono::seconds{5};
    options.request_timeout = std::chrono::milliseconds{30};
    return options;
}

inline nlock::etcd_cluster cluster_on(const std::shared_ptr<scripted_cluster>& network,
                                      nlock::etcd_options options = impatient()) {
    return nlock::etcd_cluster{{"http://a:1", "http://b:1", "http://c:1"}, std::move(options), network};
}

}  // namespace nlock_test

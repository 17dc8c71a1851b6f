// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <named_lock/etcd_lock.hpp>

/// No server is asked: this is about what the package brings.
int main() {
    const nlock::etcd_lock lock{"calculation", nlock::etcd_cluster{{"http://10.0.0.1:2379"}}};
    return lock.key() == "nlock/calculation" ? 0 : 1;
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
module;

#include <named_lock/acquire_all.hpp>
#include <named_lock/named_lock.hpp>
#include <named_lock/probe.hpp>
#include <named_lock/version.hpp>

export module named_lock;

export namespace nlock {
using nlock::acquire_all;
using nlock::forever;
using nlock::guard;
using nlock::invalid_lock_name;
using nlock::lock_cancelled;
using nlock::lock_error;
using nlock::lock_holder;
using nlock::lock_method;
using nlock::lock_options;
using nlock::lock_support;
using nlock::lock_timeout;
using nlock::lock_wait;
using nlock::lock_waiter;
using nlock::named_lock;
using nlock::probe;
}  // namespace nlock

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
module;

#include <named_lock/acquire_all.hpp>
#include <named_lock/cancellation.hpp>
#include <named_lock/directories.hpp>
#include <named_lock/named_lock.hpp>
#include <named_lock/pending_acquire.hpp>
#include <named_lock/probe.hpp>
#include <named_lock/version.hpp>

export module named_lock;

export namespace nlock {
using nlock::acquire_all;
using nlock::acquire_all_shared;
using nlock::cancellation;
using nlock::forever;
using nlock::guard;
using nlock::invalid_lock_name;
using nlock::list_locks;
using nlock::lock_cancelled;
using nlock::lock_error;
using nlock::lock_holder;
using nlock::lock_method;
using nlock::lock_options;
using nlock::lock_status;
using nlock::lock_support;
using nlock::lock_timeout;
using nlock::lock_wait;
using nlock::lock_waiter;
using nlock::machine_locks_dir;
using nlock::named_lock;
using nlock::pending_acquire;
using nlock::probe;
using nlock::purge_locks;
using nlock::to_string;
using nlock::user_locks_dir;
using nlock::operator<<;
}  // namespace nlock

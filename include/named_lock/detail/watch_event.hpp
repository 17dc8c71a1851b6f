// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <memory>

#include <named_lock/detail/abi.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// What ended the wait on a release_watch. All of them are hints: the next attempt decides.
enum class watch_event {
    none,    ///< the pause is over
    hint,    ///< the file was closed by somebody: the lock may be free
    called,  ///< this waiter was meant: it is the next in line, or its process has news for it
    moved,   ///< the file was moved, deleted or changed: it may no longer be the one that the path names
    lost,    ///< the program has closed what the watch sleeps on: another one is needed
    others,  ///< so much for other waiters of the process that this one had better not listen for a while
};

class release_watch;

/// A watch that goes back to the registry, which keeps it for the next waiter.
struct give_back_watch {
    void operator()(release_watch* watch) const noexcept;  // in lock_registry.hpp
};
using kept_watch = std::unique_ptr<release_watch, give_back_watch>;

}  // namespace nlock::NAMED_LOCK_ABI::detail

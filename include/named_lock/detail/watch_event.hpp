// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

namespace nlock::detail {

/// What ended the wait on a release_watch.
enum class watch_event {
    none,   ///< the pause is over
    hint,   ///< the file was closed by somebody, or the wait was interrupted
    moved,  ///< the file was moved, deleted or changed: it may no longer be the one that the path names
};

}  // namespace nlock::detail

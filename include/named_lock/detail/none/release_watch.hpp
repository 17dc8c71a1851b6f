// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The release_watch of a system that reports nothing: waiters poll.
#pragma once

#include <chrono>

#include <named_lock/detail/line_place.hpp>
#include <named_lock/detail/none/cancellation_event.hpp>
#include <named_lock/detail/watch_event.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

class release_watch {
  public:
    static kept_watch open() { return nullptr; }
    [[nodiscard]] static bell_address address() noexcept { return no_address; }
    template <class File, class Path>
    bool watch(const File&, const Path&) {
        return false;
    }
    void unwatch() noexcept {}
    [[nodiscard]] bool is_watching() const noexcept { return false; }
    watch_event wait(std::chrono::nanoseconds, const cancellation_event* = nullptr) { return watch_event::none; }
    template <class File>
    void keep_above(File&) noexcept {}
    void interrupt() noexcept {}
    void use_turn() noexcept {}
    [[nodiscard]] bool is_usable() const noexcept { return false; }
    static void start_afresh_in_child() noexcept {}

    release_watch* next_idle = nullptr;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

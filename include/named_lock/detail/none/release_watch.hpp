// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The release_watch of a system that reports nothing: waiters poll.
#pragma once

#include <chrono>
#include <filesystem>

#include <named_lock/detail/watch_event.hpp>

namespace nlock::detail {

class release_watch {
  public:
    static kept_watch open() { return nullptr; }
    bool watch(const std::filesystem::path&) { return false; }
    void unwatch() noexcept {}
    watch_event wait(std::chrono::nanoseconds) { return watch_event::none; }
    watch_event rest(std::chrono::nanoseconds) { return watch_event::none; }
    template <class File>
    void keep_below(File&) noexcept {}
    void interrupt() noexcept {}
    [[nodiscard]] bool is_usable() const noexcept { return false; }

    release_watch* next_idle = nullptr;
};

}  // namespace nlock::detail

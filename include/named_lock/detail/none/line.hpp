// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// No line: who waits for a file is not known to other processes, and a release is heard by all who watch.
#pragma once

#include <chrono>

#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/line_place.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

template <class File>
bool has_line(const File&, lock_method) noexcept {
    return false;
}
template <class File>
bool stand_in_line(File&, const line_place&) noexcept {
    return false;
}
template <class File>
bool leave_line(const File&, const line_place&) noexcept {
    return true;
}
template <class File>
line_view look_at_line(const File&) noexcept {
    return {};
}
template <class File>
bool writer_came_before(const File&, std::chrono::microseconds) noexcept {
    return false;
}
template <class File>
bool call_first(const File&, lock_kind) noexcept {
    return true;
}

class line_memory {
  public:
    static constexpr std::chrono::microseconds slow{0};

    struct answer {
        bool is_told;
        std::chrono::microseconds since;
    };
    template <class File>
    answer call(const line_view&, const File&, std::chrono::microseconds now) noexcept {
        return {false, now};
    }
    [[nodiscard]] bool is_out_of_reach(std::chrono::microseconds) const noexcept { return false; }
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

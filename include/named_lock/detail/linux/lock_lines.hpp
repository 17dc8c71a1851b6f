// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The locks that /proc/locks lists, and the "lock:" lines of /proc/PID/fdinfo.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <named_lock/detail/linux/proc.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

struct lock_line {
    std::string_view type{};   ///< FLOCK, POSIX, OFDLCK (F_OFD_SETLK), and others
    bool shared = false;       ///< READ
    std::int64_t pid = 0;      ///< -1: of no process, as OFDLCK; 0: of a process that has no pid here (any more)
    std::string_view file{};   ///< "08:02:131", the device's numbers and the inode's
    std::uint64_t start = 0;   ///< the range that it locks
    std::uint64_t length = 0;  ///< 0: to the end of any file
};

/// Lines look like "1: FLOCK  ADVISORY  WRITE 4242 08:02:131 0 EOF", in fdinfo with "lock:" and a tab before. The ones
/// with "->" are blocked.
inline std::optional<lock_line> parse_lock(std::string_view text) noexcept {
    lock_line lock;
    const std::string_view number = take_word(text);
    if (number.empty() || number.back() != ':') return std::nullopt;
    lock.type = take_word(text);
    if (lock.type == "->") return std::nullopt;
    take_word(text);  // ADVISORY
    lock.shared = take_word(text) == "READ";
    const auto pid = number_in<std::int64_t>(take_word(text));
    lock.file = take_word(text);
    const auto start = number_in<std::int64_t>(take_word(text));  // an off_t
    const std::string_view end = take_word(text);
    const auto last = end == "EOF" ? start : number_in<std::int64_t>(end);
    if (!pid || !start || !last || *start < 0 || *last < *start) return std::nullopt;
    lock.pid = *pid;
    lock.start = static_cast<std::uint64_t>(*start);
    lock.length = end == "EOF" ? 0 : static_cast<std::uint64_t>(*last - *start) + 1;
    return lock;
}

/// Calls `visit` with each lock in the text of /proc/locks or of an fdinfo. The order means nothing.
template <class Visit>
void for_each_lock_line(std::string_view text, Visit&& visit) {
    while (!text.empty()) {
        if (const auto lock = parse_lock(take_until(text, '\n'))) visit(*lock);
    }
}

/// With each lock of `file`.
template <class Visit>
void for_each_lock_line(std::string_view text, std::string_view file, Visit&& visit) {
    for_each_lock_line(text, [&](const lock_line& lock) {
        if (lock.file == file) visit(lock);
    });
}

/// Where marks begin: beyond the end of any file, they say who waits, and keep nobody out.
inline constexpr std::uint64_t first_mark = std::uint64_t{1} << 62;

inline bool is_mark(const lock_line& lock) noexcept { return lock.type == "OFDLCK" && lock.start >= first_mark; }

inline bool is_hold(const lock_line& lock, lock_method method) noexcept {
    if (method == lock_method::flock) return lock.type == "FLOCK";
    return (lock.type == "POSIX" || lock.type == "OFDLCK") && lock.start < first_mark;
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The line in which processes wait for a lock file: first come, first served.
//
// A waiter marks the file with a shared OFD lock on a range far beyond any file's end. flock(2) does not see such locks,
// they may overlap, and they end with their process. The start of the range says whose bell to ring and for which kind of
// lock it waits, the length says since when. Linux appends each owner's locks to the file's list (fs/locks.c), so asking for a
// conflict with all of the ranges (F_OFD_GETLK) finds the mark that was set first.
//
//     waiter:   mark, try, sleep              releaser:   unlock, look, ring
//
// One of the two always sees the other. All of it is a hint: marks may be refused, hidden behind somebody's lock of the
// whole file, or false; bytes may be lost. Then a waiter is late by its next poll, and no more.
#pragma once

#include <fcntl.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>

#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/line_place.hpp>
#include <named_lock/detail/linux/bell.hpp>
#include <named_lock/detail/posix/file.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// The process that waits there, as a hint for people.
inline std::int64_t pid_of(const line_place& place) noexcept {
    return static_cast<std::int64_t>(place.address & ((1u << pid_bits) - 1));
}

/// A part of the file, end excluded.
struct line_range {
    std::int64_t begin;
    std::int64_t end;
};

inline constexpr std::int64_t writers_begin = std::int64_t{1} << 62;
inline constexpr std::int64_t readers_begin = writers_begin | std::int64_t{1} << 61;
inline constexpr line_range whole_line{writers_begin, INT64_MAX};
inline constexpr line_range writers_of_line{writers_begin, readers_begin};

inline line_range range_of(const line_place& place) noexcept {
    const std::int64_t begin = (place.kind == lock_kind::shared ? readers_begin : writers_begin) +
                               static_cast<std::int64_t>(place.address);
    return {begin, begin + place.since.count() + 1};
}

inline line_place place_in(const line_range& range) noexcept {
    const bool shared = range.begin >= readers_begin;
    return {static_cast<bell_address>(range.begin - (shared ? readers_begin : writers_begin)),
            std::chrono::microseconds{range.end - range.begin - 1}, shared ? lock_kind::shared : lock_kind::exclusive};
}

/// Whether a program that has this file open can stand in line: not on network file systems, where a flock is a byte-range
/// lock itself and would conflict with the marks, nor on those of which that is not known.
inline bool has_line(const file_handle& file, lock_method method) noexcept {
    constexpr std::array<std::uint32_t, 18> local{
        0xEF53,      // ext2, ext3, ext4
        0x58465342,  // xfs
        0x9123683E,  // btrfs
        0x01021994,  // tmpfs
        0x858458F6,  // ramfs
        0x794C7630,  // overlayfs
        0xF2F52010,  // f2fs
        0x2FC12FC1,  // zfs
        0xCA451A4E,  // bcachefs
        0x3153464A,  // jfs
        0x52654973,  // reiserfs
        0x3434,      // nilfs
        0x4D44,      // vfat
        0x2011BAB0,  // exfat
        0x7366746E,  // ntfs3
        0x24051905,  // ubifs
        0x72B6,      // jffs2
        0x73717368,  // squashfs
    };
    if (!has_ofd_locks || sizeof(off_t) < sizeof(std::int64_t) || method != lock_method::flock) return false;
    struct statfs status {};
    if (::fstatfs(file.get(), &status) != 0) return false;
    const auto type = static_cast<std::uint32_t>(status.f_type);
    return std::find(local.begin(), local.end(), type) != local.end();
}

inline bool stand_in_line(file_handle& file, const line_place& place) noexcept {
    const line_range range = range_of(place);
    return set_ofd_lock(file.get(), F_RDLCK, range.begin, range.end - range.begin) == 0;
}

inline bool leave_line(const file_handle& file, const line_place& place) noexcept {
    const line_range range = range_of(place);
    return set_ofd_lock(file.get(), F_UNLCK, range.begin, range.end - range.begin) == 0;
}

/// Of the others, the one whose mark was set first.
inline line_view look_at_line(const file_handle& file, const line_range& part = whole_line) noexcept {
    struct flock found = lock_range(F_WRLCK, part.begin, part.end - part.begin);
    if (::fcntl(file.get(), ofd_getlk, &found) != 0) return {line_view::hidden, {}};
    if (found.l_type == F_UNLCK) return {};
    const std::int64_t begin = found.l_start;
    if (found.l_type != F_RDLCK || begin < writers_begin || found.l_len == 0) return {line_view::hidden, {}};
    return {line_view::waiter, place_in({begin, begin + found.l_len})};
}

/// Whether a writer stands in line that came before `since`.
inline bool writer_came_before(const file_handle& file, std::chrono::microseconds since) noexcept {
    const line_view first = look_at_line(file, writers_of_line);
    return first.shows_waiter() && first.place.since < since;
}

/// Rings the bell of the first in line, if there is one, and if it is a reader or may be a writer. False: out of reach,
/// so that whoever watches the file was let hear that it is closed.
inline bool call_first(const file_handle& file, lock_kind at_most) noexcept {
    const line_view first = look_at_line(file);
    if (!first.shows_waiter() || (at_most == lock_kind::shared && first.place.kind == lock_kind::exclusive)) return true;
    if (process_voice.value.call(first.place.address)) return true;
    std::array<char, 32> name;
    std::snprintf(name.data(), name.size(), "/proc/self/fd/%d", file.get());
    (void)descriptor::from([&] { return ::open(name.data(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); });
    return false;
}

/// Whom a process has called to one file, so that it notices who does not come.
class line_memory {
  public:
    /// How long who is called may take to come.
    static constexpr std::chrono::microseconds slow{5000};

    struct answer {
        bool is_told;                     // false: whoever watches the file must hear that it is closed
        std::chrono::microseconds since;  // when the one came who will be next; now: unknown
    };

    /// Tells the first in line, as it was seen after the unlock, that the lock is free.
    ///
    /// A first in line that was called some time ago and has not come is stopped, or swapped out. Then the next one is
    /// called as well, so that the others do not wait for it.
    answer call(line_view next, const file_handle& file, std::chrono::microseconds now) noexcept {
        answer result{next.shows_waiter(), now};
        std::array<line_range, most_slow> passed;
        for (std::size_t i = 0; next.shows_waiter(); next = look_past(file, passed, ++i)) {
            called& known = remember(next.place, now);
            const bool is_slow = now - known.first > slow;
            known.latest = now;
            result.is_told = process_voice.value.call(next.place.address) && result.is_told;
            if (!is_slow) result.since = next.place.since;
            if (!is_slow || i == most_slow) break;
            insert(range_of(next.place), passed, i);
        }
        if (!result.is_told) out_of_reach_until_ = now + distrust;
        return result;
    }

    /// Whether it could not call everybody lately: then they cannot call this process either, as in two network namespaces,
    /// though others of them can.
    [[nodiscard]] bool is_out_of_reach(std::chrono::microseconds now) const noexcept { return now < out_of_reach_until_; }

  private:
    static constexpr std::chrono::seconds distrust{1};


    /// How many stopped processes at the head of the line cost the others nothing.
    static constexpr std::size_t most_slow = 3;

    struct called {
        line_place place{};
        std::chrono::microseconds first{};
        std::chrono::microseconds latest{};
    };

    called& remember(const line_place& place, std::chrono::microseconds now) noexcept {
        called* oldest = &called_[0];
        for (called& c : called_) {
            if (c.place == place) return c;
            if (c.latest < oldest->latest) oldest = &c;
        }
        return *oldest = {place, now, {}};
    }

    /// By their beginnings.
    static void insert(const line_range& range, std::array<line_range, most_slow>& ranges, std::size_t count) noexcept {
        std::size_t at = count;
        for (; at > 0 && ranges[at - 1].begin > range.begin; --at) ranges[at] = ranges[at - 1];
        ranges[at] = range;
    }

    /// The first but for those who were passed: looked for before, between and after their marks. (Another mark that lies
    /// within one of them is not seen, which for random addresses does not happen.)
    static line_view look_past(const file_handle& file, const std::array<line_range, most_slow>& passed,
                               std::size_t count) noexcept {
        line_view first;
        std::int64_t begin = whole_line.begin;
        for (std::size_t i = 0; i <= count; ++i) {
            const std::int64_t end = i < count ? passed[i].begin : whole_line.end;
            const line_view found = begin < end ? look_at_line(file, {begin, end}) : line_view{};
            const bool is_earlier = !first.shows_waiter() || found.place.came_before(first.place);
            if (found.shows_waiter() && is_earlier) first = found;
            if (i < count) begin = passed[i].end;
        }
        return first;
    }

    std::array<called, most_slow + 1> called_{};
    std::chrono::microseconds out_of_reach_until_{0};
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

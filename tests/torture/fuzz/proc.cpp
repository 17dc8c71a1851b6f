// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The readers of /proc/locks, /proc/PID/fdinfo and /proc/self/mountinfo take any bytes; and what a kernel would write,
// with numbers of the fuzzer's choice, is understood.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <named_lock/detail/linux/lock_lines.hpp>
#include <named_lock/detail/linux/proc.hpp>
#include <named_lock/detail/linux/volume.hpp>

#include "input.hpp"

namespace {

using nlock::lock_method;
namespace detail = nlock::detail;

void check_any_bytes(std::string_view file, std::string_view text) {
    std::size_t locks = 0;
    std::size_t visited = 0;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t before = rest.size();
        const auto lock = detail::parse_lock(detail::take_until(rest, '\n'));
        MUST(rest.size() < before);  // it comes to an end
        if (!lock) continue;
        MUST(lock->length <= std::numeric_limits<std::uint64_t>::max() - lock->start);
        MUST(!detail::is_mark(*lock) || !detail::is_hold(*lock, lock_method::fcntl));
        if (lock->file == file) ++locks;
    }
    detail::for_each_lock_line(text, file, [&](const detail::lock_line& lock) {
        MUST(lock.file == file);
        ++visited;
    });
    MUST(visited == locks);
    for (const auto method : {lock_method::flock, lock_method::fcntl}) {
        const auto volume = detail::volume_in(text, file, method);
        MUST(text.find(volume.file_system) != std::string_view::npos);
        MUST(volume.is_remote || !volume.locks_stay_here);
    }
    for (const std::string_view key : {"mnt_id:", "ino:"}) {
        const std::string_view value = detail::field_in(text, key);
        MUST(value.empty() || text.find(value) != std::string_view::npos);
        (void)detail::volume_in(text, value, lock_method::flock);
        (void)detail::device_in(text, value);
    }
}

void check_number(std::string_view text) {
    std::int64_t expected = text.empty() || text.size() > 10 ? -1 : 0;
    for (const char c : text) expected = expected < 0 || c < '0' || c > '9' ? -1 : expected * 10 + (c - '0');
    if (text.size() <= 10 && text.substr(0, 1) != "-")
        MUST(detail::number_in<std::int64_t>(text).value_or(-1) == expected);
    if (detail::number_in<std::uint64_t>(text)) MUST(text.find_first_not_of("0123456789") == std::string_view::npos);
}

/// A line as fs/locks.c writes it.
void check_kernel_line(input& in) {
    const std::int64_t pid = in.take<std::int32_t>() & 0x7FFFFFFF;
    const auto inode = in.take<std::uint64_t>();
    const bool is_flock = in.take<std::uint8_t>() % 2 == 0;
    const bool is_waiter = in.take<std::uint8_t>() % 2 == 0;
    const std::uint64_t start = is_flock ? 0 : in.take<std::uint64_t>() >> 1;  // an off_t
    const std::string file = "08:02:" + std::to_string(inode);
    const std::string line = std::string{"1: "} + (is_waiter ? "-> " : "") + (is_flock ? "FLOCK  " : "POSIX  ") +
                             "ADVISORY  WRITE " + std::to_string(pid) + ' ' + file + ' ' + std::to_string(start) +
                             " EOF";
    const auto lock = detail::parse_lock(line);
    MUST(lock.has_value() == !is_waiter);
    if (lock) {
        MUST(lock->pid == pid && lock->file == file && lock->start == start && lock->length == 0 && !lock->shared);
        MUST(detail::is_hold(*lock, lock_method::flock) == is_flock);
        MUST(detail::is_hold(*lock, lock_method::fcntl) == (!is_flock && start < detail::first_mark));
    }
    const std::string fdinfo = "pos:\t0\nflags:\t02\nmnt_id:\t" + std::to_string(pid) + "\nlock:\t" + line + '\n';
    for (const std::string& which : {file, file + '1'}) {
        bool seen = false;
        detail::for_each_lock_line(fdinfo, which, [&](const detail::lock_line&) { seen = true; });
        MUST(seen == (!is_waiter && which == file));
    }
    MUST(detail::field_in(fdinfo, "mnt_id:") == std::to_string(pid));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    input in{data, size};
    switch (in.take<std::uint8_t>() % 4) {
    case 0:
        check_kernel_line(in);
        break;
    case 1:
        check_number(in.rest());
        break;
    default: {
        const std::string_view file = in.take_text(in.take<std::uint8_t>() % 32);
        check_any_bytes(file, in.rest());
    }
    }
    return 0;
}

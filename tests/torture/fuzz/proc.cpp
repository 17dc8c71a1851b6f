// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The readers of /proc/locks, /proc/PID/fdinfo and /proc/self/mountinfo take any bytes; and what a kernel would write,
// with numbers of the fuzzer's choice, is understood.
#include <cstdint>
#include <string>
#include <string_view>

#include <named_lock/detail/linux/holders.hpp>
#include <named_lock/detail/linux/volume.hpp>

#include "input.hpp"

namespace {

using nlock::lock_method;
namespace detail = nlock::detail;

constexpr std::int64_t highest_pid = 9'999'999'999;

void check_any_bytes(std::string_view file, std::string_view text) {
    for (const auto method : {lock_method::flock, lock_method::fcntl}) {
        bool any = false;
        for (std::string_view rest = text; !rest.empty();) {
            const std::size_t before = rest.size();
            std::string_view line = detail::take_until(rest, '\n');
            MUST(rest.size() < before);  // it comes to an end
            const std::int64_t pid = detail::pid_of_lock(line, file, method);
            MUST(pid >= -1 && pid <= highest_pid);
            if (detail::take_until(line, '\t') == "lock:") any |= detail::pid_of_lock(line, file, method) != 0;
        }
        MUST(detail::has_lock_of(std::string{text}, std::string{file}, method) == any);
        const auto volume = detail::volume_in(text, file, method);
        MUST(text.find(volume.file_system) != std::string_view::npos);
        MUST(volume.is_remote || !volume.locks_stay_here);
    }
    const std::string_view id = detail::mount_id_in(text);
    MUST(id.empty() || text.find(id) != std::string_view::npos);
    (void)detail::volume_in(text, id, lock_method::flock);
}

void check_pid(std::string_view text) {
    std::int64_t expected = text.empty() || text.size() > 10 ? -1 : 0;
    for (const char c : text) expected = expected < 0 || c < '0' || c > '9' ? -1 : expected * 10 + (c - '0');
    MUST(detail::parse_pid(text) == expected);
}

/// A line as fs/locks.c writes it, before and after the one of another file.
void check_kernel_line(input& in) {
    const std::int64_t pid = in.take<std::int32_t>() & 0x7FFFFFFF;
    const auto inode = in.take<std::uint64_t>();
    const bool is_flock = in.take<std::uint8_t>() % 2 == 0;
    const bool is_waiter = in.take<std::uint8_t>() % 2 == 0;
    const std::string file = "08:02:" + std::to_string(inode);
    const std::string line = std::string{"1: "} + (is_waiter ? "-> " : "") + (is_flock ? "FLOCK  " : "POSIX  ") +
                             "ADVISORY  WRITE " + std::to_string(pid) + ' ' + file + " 0 EOF";
    const std::int64_t seen = is_waiter ? 0 : pid;
    MUST(detail::pid_of_lock(line, file, lock_method::flock) == (is_flock ? seen : 0));
    MUST(detail::pid_of_lock(line, file, lock_method::fcntl) == (is_flock ? 0 : seen));
    MUST(detail::pid_of_lock(line, file + "1", lock_method::flock) == 0);
    const std::string fdinfo = "pos:\t0\nflags:\t02\nmnt_id:\t" + std::to_string(pid) + "\nlock:\t" + line + '\n';
    MUST(detail::has_lock_of(fdinfo, file, lock_method::flock) == (is_flock && seen != 0));
    MUST(detail::mount_id_in(fdinfo) == std::to_string(pid));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    input in{data, size};
    switch (in.take<std::uint8_t>() % 4) {
    case 0:
        check_kernel_line(in);
        break;
    case 1:
        check_pid(in.rest());
        break;
    default: {
        const std::string_view file = in.take_text(in.take<std::uint8_t>() % 32);
        check_any_bytes(file, in.rest());
    }
    }
    return 0;
}

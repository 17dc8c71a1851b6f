// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Reading /proc (man 5 proc), within bounds: of time, of descriptors that a fork could lose, and of macros, which
// <sys/sysmacros.h> has for `major` and `minor`.
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <named_lock/detail/posix/descriptor.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// The text before the next `separator`, which is taken off `rest` with it.
inline std::string_view take_until(std::string_view& rest, char separator) noexcept {
    const std::string_view taken = rest.substr(0, rest.find(separator));
    rest.remove_prefix((std::min)(rest.size(), taken.size() + 1));
    return taken;
}

inline std::string_view take_word(std::string_view& rest) noexcept {
    rest.remove_prefix((std::min)(rest.size(), rest.find_first_not_of(" \t")));
    return take_until(rest, ' ');
}

/// All of `text` as a decimal number.
template <class Number>
std::optional<Number> number_in(std::string_view text) noexcept {
    Number number{};
    const char* const end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, number);
    if (result.ec != std::errc{} || result.ptr != end) return std::nullopt;
    return number;
}

/// "29" for "mnt_id:" in fdinfo's "pos:\t0\nmnt_id:\t29\n", or empty.
inline std::string_view field_in(std::string_view fdinfo, std::string_view key) noexcept {
    while (!fdinfo.empty()) {
        std::string_view line = take_until(fdinfo, '\n');
        if (take_until(line, '\t') == key) return line;
    }
    return {};
}

/// How long one look into /proc may take. That is this thread's processor time: on a busy machine a look would
/// otherwise be over before it has begun. What a kernel sleeps for is limited, too.
class look_time {
  public:
    explicit look_time(std::chrono::nanoseconds longest) noexcept
        : worked_{processor_time() + longest}, late_{clock::now() + longest * times_in_all} {}

    [[nodiscard]] bool is_over() const noexcept { return processor_time() >= worked_ || clock::now() >= late_; }

  private:
    using clock = std::chrono::steady_clock;
    static constexpr int times_in_all = 10;

    static std::chrono::nanoseconds processor_time() noexcept {
        timespec time{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
    }

    std::chrono::nanoseconds worked_;
    clock::time_point late_;
};

/// What a file says, as far as the time allows. Nothing: it cannot be opened.
inline std::optional<std::string> read_proc(const std::string& path, const look_time& time) {
    const descriptor file = descriptor::from([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
    if (!file) return std::nullopt;
    const cancellation_shield shield;
    std::string text;
    std::array<char, 4096> part;
    ssize_t size = 0;
    while ((size = ::read(file.get(), part.data(), part.size())) > 0) {
        text.append(part.data(), static_cast<std::size_t>(size));
        if (time.is_over()) break;
    }
    return text;
}

/// The numbers among the names in a directory: processes, descriptors. Not opendir(3), whose descriptor a forked child
/// would keep, nor std::filesystem's iterator, whose increment is noexcept in libstdc++ although it allocates.
class proc_directory {
  public:
    explicit proc_directory(const std::string& path)
        : file_{descriptor::from([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); })} {}

    explicit operator bool() const noexcept { return static_cast<bool>(file_); }

    /// The next one, or nothing after the last.
    std::optional<std::int64_t> next() noexcept {
        while (at_ < size_ || refill()) {
            const char* const entry = entries_.data() + at_;
            std::uint16_t length = 0;
            std::memcpy(&length, entry + length_at, sizeof length);
            at_ += length;
            if (const auto number = number_in<std::int64_t>(entry + name_at)) return number;
        }
        return std::nullopt;
    }

  private:
    static constexpr std::size_t length_at = 16;  // of linux_dirent64 (man 2 getdents)
    static constexpr std::size_t name_at = 19;

    bool refill() noexcept {
        const long size = ::syscall(SYS_getdents64, file_.get(), entries_.data(), entries_.size());
        at_ = 0;
        size_ = size > 0 ? static_cast<std::size_t>(size) : 0;
        return size_ > 0;
    }

    descriptor file_;
    std::array<char, 2048> entries_{};
    std::size_t at_ = 0;
    std::size_t size_ = 0;
};

/// Whether /proc tells of the processes that this one sees, and not of another pid namespace, where the same numbers
/// mean other processes.
inline bool is_own_proc() {
    std::array<char, 16> self;
    const ssize_t size = ::readlink("/proc/self", self.data(), self.size());
    return size > 0 && number_in<std::int64_t>({self.data(), static_cast<std::size_t>(size)}) == ::getpid();
}

/// Whether this process is in the first pid namespace, whose inode has a number of its own (PROC_PID_INIT_INO).
inline bool is_in_first_pid_namespace() {
    constexpr std::string_view first = "pid:[4026531836]";
    std::array<char, 32> name;
    const ssize_t size = ::readlink("/proc/self/ns/pid", name.data(), name.size());
    return size > 0 && std::string_view{name.data(), static_cast<std::size_t>(size)} == first;
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

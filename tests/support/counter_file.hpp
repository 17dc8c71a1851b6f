// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

namespace nlock_test {

/// A number in a file, twice: in two steps made one larger. Without a lock around each use, numbers get lost and the
/// two halves are seen to differ. interop/peer.py does the same.
class counter_file {
  public:
    explicit counter_file(const std::filesystem::path& path)
        : fd_{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)} {
        if (fd_ < 0) throw std::system_error{errno, std::generic_category(), "open " + path.string()};
    }
    counter_file(const counter_file&) = delete;
    counter_file& operator=(const counter_file&) = delete;
    ~counter_file() { ::close(fd_); }

    /// False: somebody else was in it, too.
    bool add_one() {
        const long first = read(0);
        const long second = read(1);
        write(0, first + 1);
        std::this_thread::yield();  // lets others in, if they may
        write(1, second + 1);
        return first == second;
    }

    /// Whether its halves are equal.
    [[nodiscard]] bool is_whole() const {
        const long first = read(0);
        std::this_thread::yield();
        return first == read(1);
    }

    /// The number, or -1: the halves differ.
    [[nodiscard]] long value() const { return is_whole() ? read(0) : -1; }

  private:
    static constexpr std::size_t width = 8;

    [[nodiscard]] long read(int half) const {
        std::array<char, width + 1> text{};
        if (::pread(fd_, text.data(), width, half * off_t{width}) < 0) fail("read");
        return std::strtol(text.data(), nullptr, 10);
    }

    void write(int half, long value) const {
        std::string text = std::to_string(value);
        text.insert(0, width - text.size(), '0');
        if (::pwrite(fd_, text.data(), width, half * off_t{width}) != ssize_t{width}) fail("write");
    }

    [[noreturn]] static void fail(const char* what) {
        throw std::system_error{errno, std::generic_category(), std::string{what} + " the counter"};
    }

    int fd_;
};

}  // namespace nlock_test

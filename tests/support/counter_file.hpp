// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

#if defined(_WIN32)
#include "support/unbuffered_file_windows.hpp"
#else
#include "support/unbuffered_file_posix.hpp"
#endif

namespace nlock_test {

/// A number in a file, twice: in two steps made one larger. Without a lock around each use, numbers get lost and the
/// two halves are seen to differ. interop/peer.py does the same.
class counter_file {
  public:
    explicit counter_file(const std::filesystem::path& path) : file_{path} {
        if (!file_.is_open()) throw std::system_error{errno, std::generic_category(), "open " + path.string()};
    }

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

    [[nodiscard]] long read(std::size_t half) const {
        std::array<char, width + 1> text{};
        if (file_.read(text.data(), width, half * width) < 0) fail("read");
        return std::strtol(text.data(), nullptr, 10);
    }

    void write(std::size_t half, long value) const {
        std::string text = std::to_string(value);
        text.insert(0, width - text.size(), '0');
        if (file_.write(text.data(), width, half * width) != static_cast<long>(width)) fail("write");
    }

    [[noreturn]] static void fail(const char* what) {
        throw std::system_error{errno, std::generic_category(), std::string{what} + " the counter"};
    }

    unbuffered_file file_;
};

}  // namespace nlock_test

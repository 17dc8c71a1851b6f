// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>

namespace nlock_test {

/// A file, created if need be, that is read and written at positions. Functions answer as the system does, with errno.
class unbuffered_file {
  public:
    explicit unbuffered_file(const std::filesystem::path& path)
        : fd_{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)} {}
    unbuffered_file(const unbuffered_file&) = delete;
    unbuffered_file& operator=(const unbuffered_file&) = delete;
    ~unbuffered_file() {
        if (is_open()) ::close(fd_);
    }

    [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }

    long read(char* text, std::size_t size, std::size_t at) const {
        return static_cast<long>(::pread(fd_, text, size, static_cast<off_t>(at)));
    }
    long write(const char* text, std::size_t size, std::size_t at) const {
        return static_cast<long>(::pwrite(fd_, text, size, static_cast<off_t>(at)));
    }

  private:
    int fd_;
};

}  // namespace nlock_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <sys/stat.h>

#include <cstddef>
#include <filesystem>

namespace nlock_test {

/// A file, created if need be, that is read and written at positions. Functions answer as the C library does, with
/// errno. One thread at a time.
class unbuffered_file {
  public:
    explicit unbuffered_file(const std::filesystem::path& path) {
        _wsopen_s(&fd_, path.c_str(), _O_RDWR | _O_CREAT | _O_BINARY | _O_NOINHERIT, _SH_DENYNO, _S_IREAD | _S_IWRITE);
    }
    unbuffered_file(const unbuffered_file&) = delete;
    unbuffered_file& operator=(const unbuffered_file&) = delete;
    ~unbuffered_file() {
        if (is_open()) _close(fd_);
    }

    [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }

    long read(char* text, std::size_t size, std::size_t at) const {
        return go_to(at) ? _read(fd_, text, static_cast<unsigned>(size)) : -1;
    }
    long write(const char* text, std::size_t size, std::size_t at) const {
        return go_to(at) ? _write(fd_, text, static_cast<unsigned>(size)) : -1;
    }

  private:
    [[nodiscard]] bool go_to(std::size_t at) const { return _lseek(fd_, static_cast<long>(at), SEEK_SET) >= 0; }

    int fd_ = -1;
};

}  // namespace nlock_test

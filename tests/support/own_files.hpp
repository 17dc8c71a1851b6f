// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A program that closes all descriptors that it does not know, and then has files of its own under their numbers.
// Whether anybody touches those can be seen.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace nlock_test {

/// A file that is locked, one that is not, or a socket from which a few bytes can be read.
class own_file {
  public:
    enum kind { locked, unlocked, socket };

    own_file(kind what, const std::string& directory) : kind_{what} {
        if (what == socket) {
            std::array<int, 2> ends{};
            check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
            number_ = ends[0];
            peer_ = ::fcntl(ends[1], F_DUPFD_CLOEXEC, first_aside);
            ::close(ends[1]);
            write_to(peer_);
        } else {
            path_ = directory + "/own-XXXXXX";
            number_ = ::mkostemp(path_.data(), O_CLOEXEC);
            check(number_ >= 0);
            write_to(number_);
            ::lseek(number_, 0, SEEK_SET);
            if (what == locked) check(::flock(number_, LOCK_EX | LOCK_NB) == 0);
        }
        check(::fstat(number_, &status_) == 0);
    }

    [[nodiscard]] int number() const noexcept { return number_; }

    void move_to(int number) {
        check(::dup3(number_, number, O_CLOEXEC) == number);
        ::close(number_);
        number_ = number;
    }

    void close() const noexcept {
        ::close(number_);
        if (peer_ >= 0) ::close(peer_);
    }

    /// "" if it is as it was made.
    [[nodiscard]] std::string change() const {
        const std::string name = std::to_string(number_) + " was ";
        struct stat now {};
        if (::fstat(number_, &now) != 0) return name + "closed ";
        if (now.st_dev != status_.st_dev || now.st_ino != status_.st_ino) return name + "replaced ";
        std::array<char, 8> bytes{};
        if (kind_ == socket) {
            const auto unread = ::recv(number_, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
            if (std::string_view{bytes.data(), unread < 0 ? 0 : static_cast<std::size_t>(unread)} != content)
                return name + "read ";
            return ::recv(peer_, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT) < 0 ? "" : name + "written to ";
        }
        if (::lseek(number_, 0, SEEK_CUR) != 0) return name + "read ";
        if (now.st_size != static_cast<off_t>(content.size())) return name + "written to ";
        if (is_locked() != (kind_ == locked)) return name + (kind_ == locked ? "unlocked " : "locked ");
        return "";
    }

  private:
    static constexpr std::string_view content = "own";
    static constexpr int first_aside = 100;

    static void check(bool success) {
        if (!success) throw std::system_error{errno, std::generic_category(), "make a file"};
    }

    static void write_to(int file) {
        check(::write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
    }

    [[nodiscard]] bool is_locked() const {
        const int other = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
        check(other >= 0);
        const bool result = ::flock(other, LOCK_EX | LOCK_NB) != 0;
        ::close(other);
        return result;
    }

    kind kind_;
    std::string path_;
    int number_ = -1;
    int peer_ = -1;
    struct stat status_ {};
};

/// The descriptors of this process but the standard streams.
inline std::vector<int> open_descriptors() {
    std::vector<int> numbers;
    DIR* const directory = ::opendir("/proc/self/fd");
    while (const dirent* entry = ::readdir(directory)) {
        const int number = std::atoi(entry->d_name);  // NOLINT(cert-err34-c): "." and ".." are 0
        if (number > STDERR_FILENO && number != ::dirfd(directory)) numbers.push_back(number);
    }
    ::closedir(directory);
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

/// Puts files of each kind, from the `turn`-th on, in the place of all that is open.
class own_files {
  public:
    own_files() = default;
    own_files(const own_files&) = delete;
    own_files& operator=(const own_files&) = delete;
    ~own_files() {
        for (const own_file& file : files_) file.close();
    }

    void close_all_and_open(const std::string& directory, int turn) {
        const std::vector<int> numbers = open_descriptors();
        if (numbers.empty()) return;
        for (const int number : numbers) ::close(number);
        do add(directory, turn);
        while (files_.back().number() < numbers.back());
    }

    void replace(const std::vector<int>& numbers, const std::string& directory, int turn) {
        for (const int number : numbers) {
            add(directory, turn);
            files_.back().move_to(number);
        }
    }

    [[nodiscard]] std::size_t count() const noexcept { return files_.size(); }

    [[nodiscard]] std::string changes() const {
        std::string all;
        for (const own_file& file : files_) all += file.change();
        return all;
    }

  private:
    void add(const std::string& directory, int turn) {
        constexpr std::size_t kinds = 3;
        const auto kind = (files_.size() + static_cast<std::size_t>(turn)) % kinds;
        files_.emplace_back(static_cast<own_file::kind>(kind), directory);
    }

    std::vector<own_file> files_;
};

}  // namespace nlock_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Other processes that use the library, and stand in line with the one that is tried.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>

#include <named_lock/named_lock.hpp>

#include "common.hpp"

namespace torture {

/// How many stand in line for an open lock file. (Each owner's marks are apart: their beginnings are random.)
inline int count_in_line(int fd, off_t begin = off_t{1} << 62, off_t end = INT64_MAX) {
    if (begin >= end) return 0;
    struct flock found {};
    found.l_type = F_WRLCK;
    found.l_whence = SEEK_SET;
    found.l_start = begin;
    found.l_len = end - begin;
    if (::fcntl(fd, F_OFD_GETLK, &found) != 0) give_up("look at the line");
    if (found.l_type == F_UNLCK) return 0;
    return 1 + count_in_line(fd, begin, found.l_start) + count_in_line(fd, found.l_start + found.l_len, end);
}

/// False: there were not so many within that time.
inline bool wait_for_line(const fs::path& path, int count,
                          std::chrono::nanoseconds patience = std::chrono::seconds{5}) {
    const foreign_file file{path};
    for (const auto end = now_ns() + patience.count(); now_ns() < end;) {
        if (count_in_line(file.get()) >= count) return true;
        std::this_thread::sleep_for(std::chrono::microseconds{200});
    }
    return false;
}

/// Acquires, says when it was granted, keeps the lock until it is told or for a time, and releases it.
class peer {
  public:
    struct plan {
        bool shared = false;
        std::chrono::nanoseconds hold = nlock::forever;  // until it is told
        bool begins_at_once = true;
    };

    peer(const nlock::lock_options& options, const plan& wanted) {
        int to[2];
        int from[2];
        if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) give_up("pipe2");
        std::fflush(stdout);
        const pid_t parent = ::getpid();
        pid_ = ::fork();
        if (pid_ == -1) give_up("fork");
        if (pid_ == 0) {
            die_with_parent(parent);
            ::close(to[1]);
            ::close(from[0]);
            run(options, wanted, to[0], from[1]);
        }
        ::close(to[0]);
        ::close(from[1]);
        to_ = to[1];
        from_ = from[0];
    }
    peer(const peer&) = delete;
    peer& operator=(const peer&) = delete;
    ~peer() {
        end();
        ::close(to_);
        ::close(from_);
    }

    pid_t pid() const { return pid_; }

    void begin() const {
        if (::write(to_, "!", 1) != 1) give_up("write to a peer");
    }
    /// When it was granted the lock, which may still have to come; 0: it was not.
    std::int64_t granted() {
        if (granted_ == 0) granted_ = read_time();
        return granted_;
    }
    /// It lets go. When it had.
    std::int64_t release() {
        if (granted() == 0 || ::write(to_, "!", 1) != 1) return 0;
        return read_time();
    }
    /// The process ends, whatever it does.
    void end() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

  private:
    [[noreturn]] static void run(const nlock::lock_options& options, const plan& wanted, int in, int out) {
        const auto tell = [out] {
            const std::int64_t now = now_ns();
            if (::write(out, &now, sizeof now) != sizeof now) end_process(1);
        };
        nlock::named_lock lock{"x", options};
        constexpr std::chrono::seconds patience{20};
        char byte;
        if (!wanted.begins_at_once && ::read(in, &byte, 1) != 1) end_process(1);
        try {
            auto guard = wanted.shared ? lock.acquire_shared(patience) : lock.acquire(patience);
            tell();
            if (wanted.hold >= std::chrono::nanoseconds::zero()) {
                std::this_thread::sleep_for(wanted.hold);
            } else if (::read(in, &byte, 1) != 1) {
                end_process(1);
            }
            guard.release();
            tell();
        } catch (const std::exception& e) {
            std::printf("VIOLATION: another process: %s\n", e.what());
            end_process(1);
        }
        (void)!::read(in, &byte, 1);  // until the parent is done with it
        end_process(0);
    }

    std::int64_t read_time() const {
        std::int64_t time = 0;
        pollfd source{from_, POLLIN, 0};
        constexpr int patience_ms = 6'000;
        if (::poll(&source, 1, patience_ms) != 1 || ::read(from_, &time, sizeof time) != sizeof time) return 0;
        return time;
    }

    pid_t pid_ = -1;
    int to_ = -1;
    int from_ = -1;
    std::int64_t granted_ = 0;
};

}  // namespace torture

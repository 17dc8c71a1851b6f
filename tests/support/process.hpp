// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Another program, talked to line by line. Whoever waits for its next line is ordered after what it has done before:
// no test has to sleep.
#pragma once

#if defined(_WIN32)
#include "support/process_windows.hpp"
#else

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/threads.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration): some systems do not declare it

namespace nlock_test {

/// A program that runs, with pipes to its standard input and from its standard output. What goes wrong is thrown, which
/// fails the test. The destructor kills it, so that a failed test leaves no process behind.
class process {
  public:
    explicit process(std::vector<std::string> command) : name_{command.at(0)} {
        std::signal(SIGPIPE, SIG_IGN);  // a program that ended early fails write_line, and not the test program
        pipe input;
        pipe output;
        file_actions actions;
        actions.dup2(input.read_end, STDIN_FILENO);
        actions.dup2(output.write_end, STDOUT_FILENO);
        attributes default_sigpipe;
        std::vector<char*> argv;
        for (std::string& word : command) argv.push_back(word.data());
        argv.push_back(nullptr);
        const int error = ::posix_spawnp(&pid_, argv[0], &actions.value, &default_sigpipe.value, argv.data(), environ);
        if (error != 0) throw std::system_error{error, std::generic_category(), "start " + name_};
        to_ = std::exchange(input.write_end, -1);
        from_ = std::exchange(output.read_end, -1);
    }
    process(process&& other) noexcept
        : name_{std::move(other.name_)},
          pid_{std::exchange(other.pid_, -1)},
          status_{other.status_},
          to_{std::exchange(other.to_, -1)},
          from_{std::exchange(other.from_, -1)},
          unread_{std::move(other.unread_)} {}
    process& operator=(process&&) = delete;
    ~process() {
        if (pid_ > 0 && !status_) {
            ::kill(pid_, SIGKILL);
            reap(0);
        }
        close_input();
        if (from_ >= 0) ::close(from_);
    }

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

    void write_line(std::string line) {
        line += '\n';
        for (std::size_t done = 0; done < line.size();) {
            const auto size = ::write(to_, line.data() + done, line.size() - done);
            if (size < 0 && errno != EINTR) fail("does not read its input any more");
            if (size > 0) done += static_cast<std::size_t>(size);
        }
    }

    /// The end of its input, at which workers and peers end.
    void close_input() noexcept {
        if (to_ >= 0) ::close(std::exchange(to_, -1));
    }

    /// Its next line, waited for.
    std::string read_line(std::chrono::milliseconds longest = patience) {
        auto line = next_line(longest);
        if (!line) fail("has written no line for too long");
        return *std::move(line);
    }

    /// Whether it writes nothing for a while: it is still blocked.
    [[nodiscard]] bool is_silent(std::chrono::milliseconds longest = a_while) {
        const auto line = next_line(longest);
        if (line) unread_.insert(0, *line + '\n');
        return !line;
    }

    void kill(int signal) {
        if (::kill(pid_, signal) != 0) throw std::system_error{errno, std::generic_category(), "kill"};
    }

    /// Waits for its end. Its exit code, or the negative number of the signal that killed it.
    int wait(std::chrono::milliseconds longest = patience) {
        // Looks again and again, because a pid cannot be waited for with a limit, and the end of the output is no sign:
        // a forked child may still have it. What is written until then is kept for read_line.
        constexpr std::chrono::milliseconds pause{2};
        const auto end = std::chrono::steady_clock::now() + longest;
        for (source now = source::open; !reap(WNOHANG);) {
            if (std::chrono::steady_clock::now() > end) fail("has not ended for too long");
            if (now != source::at_end) now = read_more(std::chrono::steady_clock::now() + pause);
            if (now == source::at_end) std::this_thread::sleep_for(pause);
        }
        return WIFSIGNALED(*status_) ? -WTERMSIG(*status_) : WEXITSTATUS(*status_);
    }

    /// Kills it, as a crash would, and waits for its end.
    void crash() {
        kill(SIGKILL);
        if (wait() != -SIGKILL) fail("had ended before it was killed");
    }

  private:
    struct pipe {
        pipe() {
            std::array<int, 2> ends{};
#if defined(__APPLE__)
            if (::pipe(ends.data()) != 0) throw std::system_error{errno, std::generic_category(), "pipe"};
            for (const int end : ends) ::fcntl(end, F_SETFD, FD_CLOEXEC);
#else
            if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error{errno, std::generic_category(), "pipe"};
#endif
            read_end = ends[0];
            write_end = ends[1];
        }
        pipe(const pipe&) = delete;
        pipe& operator=(const pipe&) = delete;
        ~pipe() {
            if (read_end >= 0) ::close(read_end);
            if (write_end >= 0) ::close(write_end);
        }
        int read_end = -1;
        int write_end = -1;
    };

    struct file_actions {
        file_actions() { ::posix_spawn_file_actions_init(&value); }
        file_actions(const file_actions&) = delete;
        file_actions& operator=(const file_actions&) = delete;
        ~file_actions() { ::posix_spawn_file_actions_destroy(&value); }
        void dup2(int from, int to) { ::posix_spawn_file_actions_adddup2(&value, from, to); }
        posix_spawn_file_actions_t value;
    };

    struct attributes {
        attributes() {
            sigset_t signals;
            sigemptyset(&signals);
            sigaddset(&signals, SIGPIPE);
            ::posix_spawnattr_init(&value);
            ::posix_spawnattr_setsigdefault(&value, &signals);
            ::posix_spawnattr_setflags(&value, POSIX_SPAWN_SETSIGDEF);
        }
        attributes(const attributes&) = delete;
        attributes& operator=(const attributes&) = delete;
        ~attributes() { ::posix_spawnattr_destroy(&value); }
        posix_spawnattr_t value;
    };

    enum class source { open, at_end, silent };

    [[noreturn]] void fail(const std::string& what) const {
        throw std::runtime_error{name_ + " (pid " + std::to_string(pid_) + ") " + what};
    }

    /// Nothing: none has come within `longest`. Throws at the end of the output.
    std::optional<std::string> next_line(std::chrono::milliseconds longest) {
        const auto end = std::chrono::steady_clock::now() + longest;
        for (;;) {
            if (const auto size = unread_.find('\n'); size != std::string::npos) {
                std::string line = unread_.substr(0, size);
                unread_.erase(0, size + 1);
                return line;
            }
            const source now = read_more(end);
            if (now == source::silent) return std::nullopt;
            if (now == source::at_end) fail("has ended its output");
        }
    }

    source read_more(std::chrono::steady_clock::time_point end) {
        for (;;) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
            pollfd output{from_, POLLIN, 0};
            const int ready = ::poll(&output, 1, left.count() > 0 ? static_cast<int>(left.count()) : 0);
            if (ready == 0) return source::silent;
            if (ready < 0) continue;  // EINTR
            std::array<char, 4096> part{};
            const auto size = ::read(from_, part.data(), part.size());
            if (size < 0) continue;
            if (size == 0) return source::at_end;
            unread_.append(part.data(), static_cast<std::size_t>(size));
            return source::open;
        }
    }

    /// Whether it has ended.
    bool reap(int options) noexcept {
        if (status_) return true;
        int status = 0;
        pid_t ended = 0;
        do {
            ended = ::waitpid(pid_, &status, options);
        } while (ended < 0 && errno == EINTR);
        if (ended != 0) status_ = status;
        return status_.has_value();
    }

    std::string name_;
    pid_t pid_ = -1;
    std::optional<int> status_;
    int to_ = -1;
    int from_ = -1;
    std::string unread_;
};

}  // namespace nlock_test

#endif

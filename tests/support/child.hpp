// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <system_error>

#include "support/threads.hpp"

namespace nlock_test {

/// A forked child of the test program itself. It does `work`, says what was wrong with that, and ends without going
/// back to Catch2. The same object is on both sides: say() and wait_for_parent() are for the child.
class child {
  public:
    explicit child(const std::function<std::string(child&)>& work) : pid_{fork_with_pipes()} {
        if (pid_ != 0) return;
        std::signal(SIGALRM, SIG_DFL);
        ::alarm(static_cast<unsigned>(patience.count()));  // one that hangs dies of it, and is no orphan for long
        try {
            say(work(*this));
        } catch (const std::exception& e) {
            say(std::string{"exception: "} + e.what());
        } catch (...) {
            say("an exception");
        }
        ::_exit(0);
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child() {
        if (pid_ > 0) ::kill(pid_, SIGKILL);
        (void)wait();
        ::close(input_);
        ::close(output_);
    }

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

    /// The next line that the child says, without its end; all of them are "" after its death.
    std::string read_line() const {
        std::string line;
        for (char c = 0; ::read(input_, &c, 1) == 1 && c != '\n';) line += c;
        return line;
    }

    /// What was wrong with the work that it has to finish now: "" for nothing.
    std::string verdict() {
        std::string said = read_line();
        int status = wait();  // not const: macOS takes its address
        return WIFSIGNALED(status) ? said + "killed by signal " + std::to_string(WTERMSIG(status)) : said;
    }

    void let_go_on() const { send("\n"); }

    // The child's side.

    void say(const std::string& line) const { send(line + '\n'); }
    void wait_for_parent() const {
        char c = 0;
        if (::read(input_, &c, 1) != 1) ::_exit(1);
    }

  private:
    pid_t fork_with_pipes() {
        std::array<int, 2> down{};
        std::array<int, 2> up{};
        if (::pipe(down.data()) != 0 || ::pipe(up.data()) != 0) fail("pipe");
        for (const int end : {down[0], down[1], up[0], up[1]}) ::fcntl(end, F_SETFD, FD_CLOEXEC);
        std::fflush(nullptr);  // or the child may write it again
        const pid_t pid = ::fork();
        if (pid < 0) fail("fork");
        input_ = pid == 0 ? down[0] : up[0];
        output_ = pid == 0 ? up[1] : down[1];
        ::close(pid == 0 ? down[1] : up[1]);
        ::close(pid == 0 ? up[0] : down[0]);
        return pid;
    }

    void send(const std::string& text) const {
        if (::write(output_, text.data(), text.size()) < 0 && pid_ == 0) ::_exit(1);
    }

    int wait() {
        if (pid_ > 0) {
            while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
            }
            pid_ = -1;
        }
        return status_;
    }

    [[noreturn]] static void fail(const char* what) { throw std::system_error{errno, std::generic_category(), what}; }

    int input_ = -1;
    int output_ = -1;
    int status_ = 0;
    pid_t pid_;
};

/// What was wrong in a child that does `work`.
inline std::string in_child(const std::function<std::string()>& work) {
    return child{[&](child&) { return work(); }}.verdict();
}

}  // namespace nlock_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <iostream>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "exclusive_system.hpp"

namespace {

/// Opens standard descriptors that are closed: else the lock file could become one, and get what is printed.
void fill_standard_descriptors() {
    int opened = 0;
    do {
        opened = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (opened >= 0 && opened <= STDERR_FILENO);
    if (opened > STDERR_FILENO) close(opened);
}

volatile std::sig_atomic_t command_pid = 0;

/// Ctrl-C reaches the command as well as us; a signal that somebody sent to us alone does not.
void pass_on(int signal, siginfo_t* info, void* /*context*/) {
    const int saved_errno = errno;
    if (info->si_code == SI_USER || info->si_code == SI_QUEUE) kill(static_cast<pid_t>(command_pid), signal);
    errno = saved_errno;
}

void handle_unless_ignored(int signal) {
    struct sigaction action {};
    sigaction(signal, nullptr, &action);
    if (action.sa_handler == SIG_IGN) return;  // nohup and its like are meant for the command too
    action = {};
    action.sa_sigaction = pass_on;
    action.sa_flags = SA_SIGINFO;
    sigaction(signal, &action, nullptr);
}

[[noreturn]] void become(const std::vector<std::string>& command) {
    std::vector<char*> words{const_cast<char*>("sh")};
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execvp(words[1], &words[1]);
    // A script without a first line, which POSIX lets execvp give to the shell, but musl does not.
    if (errno == ENOEXEC) execv("/bin/sh", words.data());
    const int error = errno;
    std::cerr << "exclusive: cannot run '" << command[0] << "': " << std::strerror(error) << std::endl;
    _exit(error == ENOENT ? exit_not_found : exit_cannot_run);
}

}  // namespace

std::vector<std::string> start(int argc, char** argv) {
    fill_standard_descriptors();
    return {argv + (argc > 0 ? 1 : 0), argv + argc};
}

std::filesystem::path to_path(const std::string& utf8) { return utf8; }

void take_the_name_of(const std::vector<std::string>& command) {
#ifdef __linux__
    prctl(PR_SET_NAME, std::filesystem::path{command[0]}.filename().c_str());
#else
    (void)command;
#endif
}

// Signals are held back while there is no child yet, and when its pid may be another process's.
int run(const std::vector<std::string>& command) {
    constexpr std::array passed_on{SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    sigset_t held_back;
    sigset_t before;
    sigemptyset(&held_back);
    for (const int signal : passed_on) sigaddset(&held_back, signal);
    sigprocmask(SIG_BLOCK, &held_back, &before);
    std::signal(SIGCHLD, SIG_DFL);  // whoever ignored it would take the exit status from us

    const pid_t pid = fork();
    if (pid == -1) throw std::system_error{errno, std::generic_category(), "cannot start the command"};
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, &before, nullptr);
        become(command);
    }
    command_pid = pid;
    for (const int signal : passed_on) handle_unless_ignored(signal);
    sigprocmask(SIG_SETMASK, &before, nullptr);

    siginfo_t ended{};
    while (waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT) == -1 && errno == EINTR) {
    }
    sigprocmask(SIG_BLOCK, &held_back, nullptr);
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? exit_signal + WTERMSIG(status) : WEXITSTATUS(status);
}

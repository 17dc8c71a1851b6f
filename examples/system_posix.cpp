// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <iostream>
#include <mutex>
#include <spawn.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "system.hpp"

extern char** environ;

namespace {

[[noreturn]] void fail(int error, const std::string& what) {
    throw std::system_error{error, std::generic_category(), what};
}

/// As exec and posix_spawn want it; good while the command is.
std::vector<char*> argv_of(const std::vector<std::string>& command) {
    std::vector<char*> argv;
    for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    return argv;
}

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
    std::vector<char*> argv = argv_of(command);
    execvp(argv[0], argv.data());
    // A script without a first line, which POSIX lets execvp give to the shell, but musl does not.
    if (errno == ENOEXEC) {
        argv.insert(argv.begin(), const_cast<char*>("sh"));
        execv("/bin/sh", argv.data());
    }
    const int error = errno;
    std::cerr << "named-lock: cannot run '" << command[0] << "': " << std::strerror(error) << std::endl;
    _exit(error == ENOENT ? exit_not_found : exit_cannot_run);
}

}  // namespace

std::vector<std::string> start(int argc, char** argv) {
    fill_standard_descriptors();
    return {argv, argv + argc};
}

std::filesystem::path to_path(const std::string& utf8) { return utf8; }
std::string to_utf8(const std::filesystem::path& path) { return path.native(); }

bool is_watched() { return isatty(STDERR_FILENO) == 1; }

std::filesystem::path make_temp_dir(const std::string& prefix) {
    std::string name = std::filesystem::temp_directory_path() / (prefix + ".XXXXXX");
    if (mkdtemp(name.data()) == nullptr) fail(errno, name);
    return name;
}

std::optional<std::filesystem::path> path_in_environment(const char* variable) {
    const char* const value = std::getenv(variable);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
}

std::int64_t own_pid() { return getpid(); }

borrowed_name::borrowed_name(const std::vector<std::string>& command) {
#ifdef __linux__
    constexpr std::size_t longest = 16;
    own_.resize(longest);
    prctl(PR_GET_NAME, own_.data());
    prctl(PR_SET_NAME, std::filesystem::path{command[0]}.filename().c_str());
#else
    (void)command;
#endif
}

borrowed_name::~borrowed_name() {
#ifdef __linux__
    prctl(PR_SET_NAME, own_.c_str());
#endif
}

namespace {

/// A command that runs: the signals that somebody sends to us go on to it. They are held back while there is no child
/// yet, and when its pid may be another process's.
class running_command {
  public:
    explicit running_command(const std::vector<std::string>& command) {
        constexpr std::array passed_on{SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
        sigset_t before;
        sigemptyset(&held_back_);
        for (const int signal : passed_on) sigaddset(&held_back_, signal);
        pthread_sigmask(SIG_BLOCK, &held_back_, &before);
        std::signal(SIGCHLD, SIG_DFL);  // whoever ignored it would take the exit status from us

        pid_ = fork();
        if (pid_ == -1) fail(errno, "cannot start the command");
        if (pid_ == 0) {
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
            become(command);
        }
        command_pid = pid_;
        for (const int signal : passed_on) handle_unless_ignored(signal);
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    void signal(int number) const { ::kill(pid_, number); }

    /// Until it has ended; its pid stays its own until status().
    void wait_for_end() const {
        siginfo_t ended{};
        while (waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOWAIT) == -1 && errno == EINTR) {
        }
    }

    [[nodiscard]] int status() const {
        pthread_sigmask(SIG_BLOCK, &held_back_, nullptr);
        int status = 0;
        waitpid(pid_, &status, 0);
        return WIFSIGNALED(status) ? exit_signal + WTERMSIG(status) : WEXITSTATUS(status);
    }

  private:
    pid_t pid_ = -1;
    sigset_t held_back_{};
};

}  // namespace

int run(const std::vector<std::string>& command) {
    const running_command child{command};
    child.wait_for_end();
    return child.status();
}

void set_environment(const std::string& name, const std::string& value) {
    if (setenv(name.c_str(), value.c_str(), 1) != 0) fail(errno, "setenv");
}

struct killable_command::parts {
    running_command child;
    std::chrono::duration<double> grace;
    std::mutex mutex;
    std::condition_variable changed;
    bool shall_end = false;
    bool has_ended = false;
    std::thread killer;
};

killable_command::killable_command(const std::vector<std::string>& command, std::chrono::duration<double> grace)
    : parts_{new parts{running_command{command}, grace, {}, {}, false, false, {}}} {
    parts_->killer = std::thread{[&p = *parts_] {
        std::unique_lock lock{p.mutex};
        p.changed.wait(lock, [&] { return p.shall_end || p.has_ended; });
        if (p.has_ended) return;
        p.child.signal(SIGTERM);
        p.child.signal(SIGCONT);  // one that is stopped would not see it
        if (!p.changed.wait_for(lock, p.grace, [&] { return p.has_ended; })) p.child.signal(SIGKILL);
    }};
}

killable_command::~killable_command() {
    {
        const std::scoped_lock lock{parts_->mutex};
        parts_->has_ended = true;
        parts_->changed.notify_all();
    }
    parts_->killer.join();
}

int killable_command::wait() {
    parts_->child.wait_for_end();
    {
        const std::scoped_lock lock{parts_->mutex};
        parts_->has_ended = true;  // from here on nobody sends it a signal
        parts_->changed.notify_all();
    }
    return parts_->child.status();
}

void killable_command::end_soon() {
    const std::scoped_lock lock{parts_->mutex};
    parts_->shall_end = true;
    parts_->changed.notify_all();
}

bool killable_command::was_told_to_end() const {
    const std::scoped_lock lock{parts_->mutex};
    return parts_->shall_end;
}

void share_input(const void* bytes, std::size_t size) {
    const std::unique_ptr<std::FILE, decltype(&std::fclose)> file{std::tmpfile(), &std::fclose};
    if (!file || std::fwrite(bytes, 1, size, file.get()) != size || std::fflush(file.get()) != 0)
        fail(errno, "tmpfile");
    std::rewind(file.get());
    if (dup2(fileno(file.get()), STDIN_FILENO) == -1) fail(errno, "dup2");
}

bool read_shared(void* bytes, std::size_t size) {
    return read(STDIN_FILENO, bytes, size) == static_cast<ssize_t>(size);
}

struct child_program::parts {
    std::FILE* printed;
    pid_t pid;
};

child_program::child_program(const std::vector<std::string>& command) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) fail(errno, "pipe");
    for (const int end : ends) fcntl(end, F_SETFD, FD_CLOEXEC);

    pid_t pid = 0;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    const int error = posix_spawnp(&pid, command[0].c_str(), &actions, nullptr, argv_of(command).data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
        fail(error, command[0]);
    }
    parts_ = std::make_unique<parts>(parts{fdopen(ends[0], "r"), pid});
}

child_program::~child_program() {
    kill();
    waitpid(parts_->pid, nullptr, 0);
    std::fclose(parts_->printed);
}

int child_program::next_printed() { return std::fgetc(parts_->printed); }

void child_program::kill() { ::kill(parts_->pid, SIGKILL); }

void child_program::go_on() { ::kill(parts_->pid, SIGCONT); }

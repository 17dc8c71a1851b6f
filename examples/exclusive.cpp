// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// flock(1) with names: runs a command while it holds a lock.
//
//     exclusive [--locks-dir D] [--timeout S] [--shared] NAME -- COMMAND...
//     exclusive [--locks-dir D] --holders NAME
//     exclusive --probe DIR
//
// What to look at: run `exclusive backup -- sleep 20` in one terminal and `exclusive backup -- echo done` in a second
// one in the same directory. The second says whom it waits for, and goes on in the moment in which the first ends. Try
// --timeout 2, --holders, or two commands with --shared; Python's filelock and flock(1) on locks/backup.lock join in.
//
// The lock is held by this program and not by the command, whose children may outlive it without keeping the lock. The
// other side of that: `kill -9` of this program gives the lock up and leaves the command running.
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <getopt.h>
#include <iostream>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <named_lock/named_lock.hpp>
#include <named_lock/probe.hpp>

namespace {

// The first three are those of sysexits.h, the others those of the shell.
constexpr int exit_usage = 64;
constexpr int exit_lock_unusable = 71;
constexpr int exit_timeout = 75;
constexpr int exit_cannot_run = 126;
constexpr int exit_not_found = 127;
constexpr int exit_signal = 128;  // plus the number of the signal

constexpr const char* usage = R"(usage: exclusive [--locks-dir D] [--timeout S] [--shared] NAME -- COMMAND...
       exclusive [--locks-dir D] --holders NAME
       exclusive --probe DIR
       exclusive --help
)";
constexpr const char* help = R"(
Runs COMMAND while it holds the lock NAME, so that no two such commands run at once.

  --locks-dir D   the directory of the lock files; by default "locks" in the current directory
  --timeout S     wait at most S seconds, which may be 0 or a fraction; by default for ever
  --shared        hold the lock together with others that hold it --shared
  --holders       run nothing, but print who holds the lock, a line "PID PROCESS" for each
  --probe DIR     run nothing, but try whether locks in DIR keep anybody out, and print what was found
  --help          print this

The exit status is that of COMMAND, 128 + N if signal N ended it, 75 if the time was over before the lock was free,
64 after wrong arguments, 71 if the lock file cannot be used, 126 if COMMAND cannot be run and 127 if there is none.
With --holders it is 0 if somebody holds the lock, and 1 if nobody does. With --probe it is 0 if locks in DIR keep
others out, and 1 if they do not, or not those on other machines.
)";

// ---- the arguments ----

struct usage_error : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

struct arguments {
    std::filesystem::path locks_dir = nlock::lock_options{}.locks_dir;
    std::chrono::duration<double> timeout = nlock::forever;
    bool shared = false;
    bool holders = false;
    bool probe = false;
    std::filesystem::path probed_dir;
    bool help = false;
    std::string name;
    char** command = nullptr;  // ends with a null pointer, as argv does
};

std::chrono::duration<double> to_seconds(const std::string& text) {
    char* end = nullptr;
    const double seconds = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0' || !std::isfinite(seconds) || seconds < 0) {
        throw usage_error{"--timeout takes a number of seconds, not '" + text + "'"};
    }
    return std::chrono::duration<double>{seconds};
}

arguments parse(int argc, char** argv) {
    constexpr option known[] = {{"locks-dir", required_argument, nullptr, 'd'},
                                {"timeout", required_argument, nullptr, 't'},
                                {"shared", no_argument, nullptr, 's'},
                                {"holders", no_argument, nullptr, 'o'},
                                {"probe", required_argument, nullptr, 'p'},
                                {"help", no_argument, nullptr, 'h'},
                                {nullptr, 0, nullptr, 0}};
    arguments parsed;
    for (int found = 0; (found = getopt_long(argc, argv, "+h", known, nullptr)) != -1;) {
        if (found == 'd') parsed.locks_dir = optarg;
        if (found == 't') parsed.timeout = to_seconds(optarg);
        if (found == 's') parsed.shared = true;
        if (found == 'o') parsed.holders = true;
        if (found == 'p') {
            parsed.probe = true;
            parsed.probed_dir = optarg;
        }
        if (found == 'h') parsed.help = true;
        if (found == '?') throw usage_error{""};  // getopt_long has said what is wrong
    }
    if (parsed.help) return parsed;
    if (parsed.probe) {
        if (optind != argc) throw usage_error{"--probe takes one DIR, no NAME and no command"};
        return parsed;
    }
    if (optind == argc) throw usage_error{"the NAME of the lock is missing"};
    parsed.name = argv[optind++];
    if (parsed.holders) {
        if (optind != argc) throw usage_error{"--holders takes one NAME and no command"};
        return parsed;
    }
    if (optind == argc || std::strcmp(argv[optind], "--") != 0) throw usage_error{"after NAME there must be a --"};
    if (++optind == argc) throw usage_error{"the COMMAND is missing"};
    parsed.command = argv + optind;
    return parsed;
}

// ---- waiting ----

/// Opens standard descriptors that are closed: else the lock file could become one, and get what is printed.
void fill_standard_descriptors() {
    int opened = 0;
    do {
        opened = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (opened >= 0 && opened <= STDERR_FILENO);
    if (opened > STDERR_FILENO) close(opened);
}

void say_who_holds_it(const std::string& name, const nlock::lock_wait& wait) {
    std::cerr << "waiting for '" << name << "'";
    const char* separator = ", held by pid ";
    for (const nlock::lock_holder& holder : wait.holders) {
        std::cerr << separator << holder.pid;
        if (!holder.process.empty()) std::cerr << " (" << holder.process << ')';
        separator = ", ";
    }
    std::cerr << std::endl;
}

/// Whoever waits for us wants to read "held by pid 4242 (backup)", not "(exclusive)".
void take_the_name_of(const std::filesystem::path& command) {
#ifdef __linux__
    prctl(PR_SET_NAME, command.filename().c_str());
#else
    (void)command;
#endif
}

// ---- the command ----

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

[[noreturn]] void become(char** command) {
    execvp(command[0], command);
    if (errno ==
        ENOEXEC) {  // a script without a first line, which POSIX lets execvp give to the shell, but musl does not
        std::vector<char*> script{const_cast<char*>("sh")};
        for (char** word = command; *word != nullptr; ++word) script.push_back(*word);
        script.push_back(nullptr);
        execv("/bin/sh", script.data());
    }
    const int error = errno;
    std::cerr << "exclusive: cannot run '" << command[0] << "': " << std::strerror(error) << std::endl;
    _exit(error == ENOENT ? exit_not_found : exit_cannot_run);
}

/// Runs the command as a child and returns the exit status that stands for its end. Signals are held back while there
/// is no child yet, and when its pid may be another process's.
int run(char** command) {
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

// ---- the three uses ----

int print_probe(const std::filesystem::path& dir) {
    const nlock::lock_support found = nlock::probe(dir);
    const auto yes_or_no = [](bool yes) { return yes ? "yes\n" : "NO\n"; };
    std::cout << "file system: " << (found.file_system.empty() ? "unknown" : found.file_system)
              << (found.is_remote ? ", served by another machine or program\n" : ", of this machine\n")
              << "an exclusive lock keeps everybody else out: " << yes_or_no(found.exclusive_locks_exclude)
              << "a shared lock keeps exclusive ones out: " << yes_or_no(found.shared_locks_exclude);
    if (found.is_remote) {
        std::cout << "programs on other machines are kept out: "
                  << (found.locks_stay_here ? "NO, the mount keeps the locks on this one\n"
                                            : "if the server locks; try it with a second machine\n");
    }
    return found.exclusive_locks_exclude && found.shared_locks_exclude && !found.locks_stay_here ? 0 : 1;
}

int print_holders(const nlock::named_lock& lock) {
    const auto holders = lock.holders();
    for (const nlock::lock_holder& holder : holders) std::cout << holder.pid << ' ' << holder.process << '\n';
    return holders.empty() ? 1 : 0;
}

int run_exclusively(nlock::named_lock lock, const arguments& wanted) {
    const auto guard = wanted.shared ? lock.acquire_shared(wanted.timeout) : lock.acquire(wanted.timeout);
    take_the_name_of(wanted.command[0]);
    return run(wanted.command);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        fill_standard_descriptors();
        const arguments wanted = parse(argc, argv);
        if (wanted.help) {
            std::cout << usage << help;
            return 0;
        }
        if (wanted.probe) return print_probe(wanted.probed_dir);
        nlock::lock_options options;
        options.locks_dir = wanted.locks_dir;
        options.on_wait = [&](const nlock::lock_wait& wait) { say_who_holds_it(wanted.name, wait); };
        const nlock::named_lock lock{wanted.name, options};
        return wanted.holders ? print_holders(lock) : run_exclusively(lock, wanted);
    } catch (const std::invalid_argument& e) {  // usage_error, nlock::invalid_lock_name
        if (*e.what() != '\0') std::cerr << "exclusive: " << e.what() << '\n';
        std::cerr << usage;
        return exit_usage;
    } catch (const nlock::lock_timeout& e) {
        std::cerr << "exclusive: " << e.what() << '\n';
        return exit_timeout;
    } catch (const std::exception& e) {
        std::cerr << "exclusive: " << e.what() << '\n';
        return exit_lock_unusable;
    }
}

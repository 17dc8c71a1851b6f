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
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include <named_lock/named_lock.hpp>
#include <named_lock/probe.hpp>

#include "options.hpp"
#include "system.hpp"

#ifdef NAMED_LOCK_HAS_ETCD
#include <named_lock/etcd_lock.hpp>
#endif

namespace {

constexpr const char* usage = R"(usage: exclusive [--locks-dir D] [--timeout S] [--shared] NAME -- COMMAND...
       exclusive --etcd URLS [--timeout S] [--ttl S] [--grace S] NAME -- COMMAND...
       exclusive [--locks-dir D] --holders NAME
       exclusive --probe DIR
       exclusive --help
)";
constexpr const char* help = R"(
Runs COMMAND while it holds the lock NAME, so that no two such commands run at once.

  --locks-dir D   the directory of the lock files; by default "locks" in the current directory
  --timeout S     wait at most S seconds, which may be 0 or a fraction; by default for ever
  --shared        hold the lock together with others that hold it --shared
  --etcd URLS     hold the lock in an etcd cluster instead, "http://10.0.0.1:2379,http://10.0.0.2:2379"; if it is lost
                  there, COMMAND gets SIGTERM, and after the grace SIGKILL
  --ttl S         how long an etcd cluster waits for a holder that it does not hear of; by default 15
  --grace S       how long COMMAND may take to end after the loss; by default 5. From the loss on somebody else may run
  --holders       run nothing, but print who holds the lock, a line "PID PROCESS" for each, or that none can be seen
  --probe DIR     run nothing, but try whether locks in DIR keep anybody out, and print what was found
  --help          print this

The exit status is that of COMMAND, 128 + N if signal N ended it, 76 if the lock was lost meanwhile, 75 if the time was
over before the lock was free, 64 after wrong arguments, 71 if the lock file cannot be used, 126 if COMMAND cannot be run and 127 if there is none.
With --holders it is 0 if somebody holds the lock, and 1 if nobody does. With --probe it is 0 if locks in DIR keep
others out, and 1 if they do not, or not those on other machines.
)";

// ---- the arguments ----

struct arguments {
    std::filesystem::path locks_dir = nlock::lock_options{}.locks_dir;
    std::chrono::duration<double> timeout = nlock::forever;
    bool shared = false;
    bool holders = false;
    bool probe = false;
    std::filesystem::path probed_dir;
    bool help = false;
    std::vector<std::string> etcd;
    std::chrono::duration<double> ttl{15};
    std::chrono::duration<double> grace{5};
    std::string name;
    std::vector<std::string> command;
};

std::chrono::duration<double> to_seconds(const std::string& option, const std::string& text) {
    char* end = nullptr;
    const double seconds = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0' || !std::isfinite(seconds) || seconds < 0) {
        throw usage_error{option + " takes a number of seconds, not '" + text + "'"};
    }
    return std::chrono::duration<double>{seconds};
}

arguments parse(const std::vector<std::string>& words) {
    arguments parsed;
    options given{words};
    while (given.next()) {
        const std::string& option = given.name();
        if (option == "--locks-dir") {
            parsed.locks_dir = to_path(given.value());
        } else if (option == "--timeout") {
            parsed.timeout = to_seconds(option, given.value());
        } else if (option == "--etcd") {
            parsed.etcd = split_at_commas(given.value());
        } else if (option == "--ttl") {
            parsed.ttl = to_seconds(option, given.value());
        } else if (option == "--grace") {
            parsed.grace = to_seconds(option, given.value());
        } else if (option == "--shared") {
            given.set(parsed.shared);
        } else if (option == "--holders") {
            given.set(parsed.holders);
        } else if (option == "--probe") {
            parsed.probe = true;
            parsed.probed_dir = to_path(given.value());
        } else if (option == "--help" || option == "-h") {
            given.set(parsed.help);
        } else {
            given.fail();
        }
    }
    if (parsed.help) return parsed;
    const std::vector<std::string> others = given.others();
    auto word = others.begin();
    if (parsed.probe) {
        if (word != others.end()) throw usage_error{"--probe takes one DIR, no NAME and no command"};
        return parsed;
    }
    if (word == others.end()) throw usage_error{"the NAME of the lock is missing"};
    parsed.name = *word++;
    if (!parsed.etcd.empty() && (parsed.holders || parsed.shared)) {
        throw usage_error{"--etcd goes neither with --holders nor with --shared"};
    }
    if (parsed.holders) {
        if (word != others.end()) throw usage_error{"--holders takes one NAME and no command"};
        return parsed;
    }
    if (word == others.end() || *word != "--") throw usage_error{"after NAME there must be a --"};
    if (++word == others.end()) throw usage_error{"the COMMAND is missing"};
    parsed.command.assign(word, others.end());
    return parsed;
}

// ---- waiting ----

void say_who_holds_it(const std::string& name, const nlock::lock_wait& wait) {
    std::cerr << "waiting for '" << name << "'";
    if (!wait.holders.empty()) std::cerr << ", held by " << wait.holders;
    std::cerr << std::endl;
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

int print_holders(nlock::named_lock lock) {
    const auto holders = lock.holders();
    for (const nlock::lock_holder& holder : holders) std::cout << holder.pid << ' ' << holder.process << '\n';
    if (!holders.empty()) return 0;
    if (!std::filesystem::exists(lock.path()) || lock.try_acquire()) return 1;
    std::cout << "a process that cannot be seen from here\n";
    return 0;
}

int run_exclusively(nlock::named_lock lock, const arguments& wanted) {
    const auto guard = wanted.shared ? lock.acquire_shared(wanted.timeout) : lock.acquire(wanted.timeout);
    take_the_name_of(wanted.command);
    return run(wanted.command);
}

#ifdef NAMED_LOCK_HAS_ETCD
/// The command may go on for a moment after the lock was lost: whatever it writes to must check tokens, which it finds
/// in its environment, or bear that.
int run_while_held(const arguments& wanted) {
    nlock::etcd_options options;
    options.ttl = std::chrono::ceil<std::chrono::seconds>(wanted.ttl);
    options.on_wait = [](const nlock::etcd_wait& wait) {
        std::cerr << "waiting for '" << wait.name << "'";
        for (const nlock::etcd_holder& holder : wait.holders) std::cerr << ", held by " << to_string(holder);
        if (!wait.trouble.empty()) std::cerr << ": " << wait.trouble;
        std::cerr << std::endl;
    };
    nlock::etcd_lock lock{wanted.name, nlock::etcd_cluster{wanted.etcd, options}};
    take_the_name_of(wanted.command);  // before the queue entry shows it
    auto guard = lock.acquire(wanted.timeout);
    set_environment("NAMED_LOCK_TOKEN", std::to_string(guard.token()));
    killable_command command{wanted.command, wanted.grace};
    guard.on_lost([&] { command.end_soon(); });
    const int status = command.wait();
    if (guard.release() && !command.was_told_to_end()) return status;
    std::cerr << "exclusive: the lock '" << wanted.name << "' was lost while the command ran" << std::endl;
    return exit_lost;
}
#else
int run_while_held(const arguments&) { throw usage_error{"this program was built without etcd"}; }
#endif

}  // namespace

int main(int argc, char** argv) {
    return status_of("exclusive", usage, [&] {
        const arguments wanted = parse(start(argc, argv));
        if (wanted.help) {
            std::cout << usage << help;
            return 0;
        }
        if (wanted.probe) return print_probe(wanted.probed_dir);
        if (!wanted.etcd.empty()) return run_while_held(wanted);
        nlock::lock_options options;
        options.locks_dir = wanted.locks_dir;
        options.on_wait = [&](const nlock::lock_wait& wait) { say_who_holds_it(wanted.name, wait); };
        const nlock::named_lock lock{wanted.name, options};
        return wanted.holders ? print_holders(lock) : run_exclusively(lock, wanted);
    });
}

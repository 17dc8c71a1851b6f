// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The other process of the tests: a program, and not only a forked child, that does what it is told line by line. See
// support/worker_protocol.hpp for what it understands.
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/inotify.h>
#include <sys/prctl.h>
#endif

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/counter_file.hpp"
#include "support/safety_net.hpp"
#include "support/worker_protocol.hpp"

namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlock::named_lock;

// ---- the conversation ----

/// Nothing that is blocked, in a lock or elsewhere, outlives the test that has started it.
void end_with_input() {
    std::thread{[] {
        pollfd input{STDIN_FILENO, 0, 0};  // only for its end: the lines are for main()
        while (::poll(&input, 1, -1) <= 0) {
        }
        std::_Exit(exit_orphaned);
    }}.detach();
}

/// Byte by byte: what follows the line may be for a forked child or for the program that this one becomes.
std::optional<std::string> read_line() {
    std::string line;
    for (char c = 0; ::read(STDIN_FILENO, &c, 1) == 1; line += c) {
        if (c == '\n') return line;
    }
    return std::nullopt;
}

/// In one piece and at once, so that no forked child has a part of it in a buffer.
void say(std::string line) {
    line += '\n';
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::_Exit(exit_orphaned);
}

void check(bool success, const char* what) {
    if (!success) throw std::system_error{errno, std::generic_category(), what};
}

/// What follows the verb in a command.
class arguments {
  public:
    explicit arguments(const std::string& text) : text_{text} {}

    std::string word() {
        std::string result;
        text_ >> result;
        return result;
    }
    long number(int base = 10) {
        const std::string digits = word();
        long result = 0;
        const auto end = digits.data() + digits.size();
        if (std::from_chars(digits.data(), end, result, base).ptr != end || digits.empty()) {
            throw std::invalid_argument{"'" + digits + "' is not a number"};
        }
        return result;
    }
    std::string rest() {
        std::string result;
        std::getline(text_ >> std::ws, result);
        return result;
    }
    std::vector<std::string> words() { return {std::istream_iterator<std::string>{text_}, {}}; }

  private:
    std::istringstream text_;
};

// ---- what it has ----

nlock::lock_options options;
std::vector<nlock::guard> holds;
std::map<std::string, named_lock> known_locks;  // one object for a name, until the options change

named_lock& lock_of(const std::string& name) {
    const auto found = known_locks.find(name);
    return found != known_locks.end() ? found->second
                                      : known_locks.emplace(name, named_lock{name, options}).first->second;
}

void change_options(const std::function<void()>& change) {
    known_locks.clear();
    change();
}

// ---- its commands ----

using take = nlock::guard (named_lock::*)(std::chrono::milliseconds);
using try_once = nlock::guard (named_lock::*)();

std::string hold(nlock::guard guard) {
    if (!guard) return "busy";
    holds.push_back(std::move(guard));
    return "ok";
}

std::string acquire(arguments args, take member) {
    const std::chrono::milliseconds timeout{args.number()};
    return hold((lock_of(args.rest()).*member)(timeout));
}

std::string try_it(arguments args, try_once member) { return hold((lock_of(args.rest()).*member)()); }

std::string release(std::chrono::microseconds work) {
    for (const auto end = std::chrono::steady_clock::now() + work; std::chrono::steady_clock::now() < end;) {
    }
    if (holds.empty()) throw std::logic_error{"it has no hold"};
    holds.pop_back();
    return "ok";
}

std::string repeat(arguments args, bool shared) {
    const long times = args.number();
    counter_file file{args.word()};
    nlock::lock_options quiet = options;
    quiet.on_wait = nullptr;
    named_lock lock{args.rest(), quiet};
    for (long i = 0; i < times; ++i) {
        const auto guard = shared ? lock.acquire_shared() : lock.acquire();
        if (!(shared ? file.is_whole() : file.add_one())) return "violated";
    }
    return "ok";
}

std::string count_holds() {
    long count = 0;
    for (const nlock::guard& guard : holds) count += guard ? 1 : 0;
    return "ok\t" + std::to_string(count);
}

std::string become(const std::string& uid_in_words) {
    const auto uid = static_cast<uid_t>(std::stoul(uid_in_words));
    check(::setgroups(0, nullptr) == 0, "setgroups");
    check(::setgid(uid) == 0, "setgid");
    check(::setuid(uid) == 0, "setuid");
#if defined(__linux__)
    // What setuid takes away, and tests and sanitizers need: a look into its own /proc/self.
    check(::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0, "prctl");
#endif
    return "ok";
}

std::string limit_descriptors(long count) {
    rlimit limit{};
    check(::getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = static_cast<rlim_t>(count);
    check(::setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    return "ok";
}

std::string take_inotify() {
    long count = 0;
#if defined(__linux__)
    while (::inotify_init1(IN_CLOEXEC) >= 0) ++count;
    check(errno == EMFILE, "inotify_init1");
    // The limit of the user it was, and not that of open files: there is room for one more.
    const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    check(file >= 0, "open");
    ::close(file);
#endif
    return "ok\t" + std::to_string(count);
}

/// The child speaks on; its parent is deaf until the child has ended.
std::string fork_speaking() {
    const pid_t child = ::fork();
    check(child >= 0, "fork");
    if (child == 0) {
        end_with_input();
        return "ok\t" + std::to_string(::getpid());
    }
    int status = 0;
    check(::waitpid(child, &status, 0) == child, "waitpid");
    return "child\t" + std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

std::string fork_silent() {
    const pid_t child = ::fork();
    check(child >= 0, "fork");
    if (child != 0) return "ok\t" + std::to_string(child);
    end_with_input();
    for (;;) ::pause();
}

std::string files() {
    std::string answer = "ok";
#if defined(__linux__)
    for (const auto& entry : fs::directory_iterator{"/proc/self/fd"}) {
        std::error_code ignored;
        const fs::path target = fs::read_symlink(entry.path(), ignored);
        if (!target.empty()) answer += "\t" + target.string();
    }
#endif
    return answer;
}

[[noreturn]] void become(std::vector<std::string> words) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execvp(argv[0], argv.data());
    throw std::system_error{errno, std::generic_category(), "exec"};
}

const std::map<std::string, std::function<std::string(arguments)>> commands{
    {"acquire", [](arguments a) { return acquire(std::move(a), &named_lock::acquire); }},
    {"acquire_shared", [](arguments a) { return acquire(std::move(a), &named_lock::acquire_shared); }},
    {"try", [](arguments a) { return try_it(std::move(a), &named_lock::try_acquire); }},
    {"try_shared", [](arguments a) { return try_it(std::move(a), &named_lock::try_acquire_shared); }},
    {"release", [](const arguments&) { return release(0us); }},
    {"release_after", [](arguments a) { return release(std::chrono::microseconds{a.number()}); }},
    {"count", [](arguments a) { return repeat(std::move(a), false); }},
    {"compare", [](arguments a) { return repeat(std::move(a), true); }},

    {"dir", [](arguments a) { return change_options([&] { options.locks_dir = a.rest(); }), "ok"; }},
    {"poll", [](arguments a) { return change_options([&] { options.poll_interval = 1ms * a.number(); }), "ok"; }},
    {"method",
     [](arguments a) {
         using nlock::lock_method;
         return change_options([&] { options.method = a.word() == "fcntl" ? lock_method::fcntl : lock_method::flock; }),
                "ok";
     }},
    {"reentrant", [](arguments a) { return change_options([&] { options.reentrant = a.number() != 0; }), "ok"; }},

    {"holds", [](const arguments&) { return count_holds(); }},
    {"forget",
     [](const arguments&) {
         for (auto& [name, lock] : known_locks) lock.release(true);
         return "ok";
     }},
    {"as_user", [](arguments a) { return become(a.word()); }},
    {"umask", [](arguments a) { return ::umask(static_cast<mode_t>(a.number(8))), "ok"; }},
    {"chdir", [](arguments a) { return fs::current_path(a.rest()), "ok"; }},
    {"limit_descriptors", [](arguments a) { return limit_descriptors(a.number()); }},
    {"take_inotify", [](const arguments&) { return take_inotify(); }},
    {"cut_net", [](arguments a) { return net_cut_from = std::chrono::microseconds{a.number()}, "ok"; }},
    {"net_cuts", [](const arguments&) { return "ok\t" + std::to_string(net_cuts); }},
    {"fork", [](const arguments&) { return fork_speaking(); }},
    {"fork_silent", [](const arguments&) { return fork_silent(); }},
    {"files", [](const arguments&) { return files(); }},
    {"exec", [](arguments a) -> std::string { become(a.words()); }},
};

std::string obey(const std::string& line) {
    arguments args{line};
    const auto command = commands.find(args.word());
    if (command == commands.end()) {
        std::cerr << "worker: unknown command: " << line << std::endl;
        std::_Exit(exit_unknown_command);
    }
    try {
        return command->second(std::move(args));
    } catch (const nlock::lock_timeout& e) {
        return std::string{"timeout\t"} + e.what();
    } catch (const nlock::lock_error& e) {
        return "error\t" + std::to_string(e.code().value()) + "\t" + e.path().string() + "\t" + e.what();
    }
}

}  // namespace

int main() try {
    end_with_input();
    options.on_wait = [](const nlock::lock_wait&) { say("waiting"); };
    while (const auto line = read_line()) {
        if (*line == "exit") return exit_ok;
        say(obey(*line));
    }
    return exit_orphaned;
} catch (const std::exception& e) {
    std::cerr << "worker: " << e.what() << std::endl;
    return exit_failed;
}

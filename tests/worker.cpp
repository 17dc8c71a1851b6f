// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The other process of the tests: a program, and not only a forked child, that does what it is told line by line. See
// support/worker_protocol.hpp for what it understands.
#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>
#include <named_lock/pending_acquire.hpp>

#include "support/counter_file.hpp"
#include "support/event_loop.hpp"
#include "support/replaced_calls.hpp"
#include "support/safety_net.hpp"
#include "support/worker_command.hpp"
#include "support/worker_protocol.hpp"
#if defined(_WIN32)
#include "support/worker_windows.hpp"
#else
#include "support/worker_posix.hpp"
#endif

namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlock::named_lock;

// ---- what it has ----

nlock::lock_options options;
std::vector<nlock::guard> holds;
std::list<nlock::pending_acquire> pendings;
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

std::string begin(arguments args) {
    const std::chrono::milliseconds timeout{args.number()};
    pendings.push_back(lock_of(args.rest()).begin_acquire(timeout));
    return "ok";
}

std::string complete_oldest() {
    if (pendings.empty()) throw std::logic_error{"it has begun nothing"};
    auto pending = std::move(pendings.front());
    pendings.pop_front();
    return hold(complete(pending));
}

std::string release(std::chrono::microseconds work) {
    for (const auto end = std::chrono::steady_clock::now() + work; std::chrono::steady_clock::now() < end;) {
    }
    if (holds.empty()) throw std::logic_error{"it has no hold"};
    holds.pop_back();
    return "ok";
}

std::string repeat(arguments args, bool shared) {
    const auto times = args.number();
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

const worker_commands commands{
    {"acquire", [](arguments a) { return acquire(std::move(a), &named_lock::acquire); }},
    {"acquire_shared", [](arguments a) { return acquire(std::move(a), &named_lock::acquire_shared); }},
    {"try", [](arguments a) { return try_it(std::move(a), &named_lock::try_acquire); }},
    {"try_shared", [](arguments a) { return try_it(std::move(a), &named_lock::try_acquire_shared); }},
    {"begin", [](arguments a) { return begin(std::move(a)); }},
    {"complete", [](const arguments&) { return complete_oldest(); }},
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
    {"courtesy", [](arguments a) { return change_options([&] { options.courtesy = 1ms * a.number(); }), "ok"; }},
    {"keep_open", [](arguments a) { return change_options([&] { options.keep_open = a.number() != 0; }), "ok"; }},
    {"remove", [](arguments a) { return change_options([&] { options.remove_on_release = a.number() != 0; }), "ok"; }},
    {"permissions",
     [](arguments a) {
         return change_options([&] { options.permissions = fs::perms{static_cast<unsigned>(a.number(8))}; }), "ok";
     }},
    {"reentrant", [](arguments a) { return change_options([&] { options.reentrant = a.number() != 0; }), "ok"; }},

    {"holds", [](const arguments&) { return count_holds(); }},
    {"forget",
     [](const arguments&) {
         for (auto& [name, lock] : known_locks) lock.release(true);
         return "ok";
     }},
    {"chdir", [](arguments a) { return fs::current_path(a.rest()), "ok"; }},
    {"cut_net", [](arguments a) { return net_cut_from = std::chrono::microseconds{a.number()}, "ok"; }},
    {"net_cuts", [](const arguments&) { return "ok\t" + std::to_string(net_cuts); }},
};

std::string obey(const std::string& line) {
    arguments args{line};
    const std::string verb = args.word();
    const worker_commands& known = commands.count(verb) != 0 ? commands : system_commands;
    const auto command = known.find(verb);
    if (command == known.end()) {
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

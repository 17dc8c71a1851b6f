// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Runs commands one at a time, and tells who holds a lock: flock(1) with names. See named-lock.1.scd.
//
// The lock is held by this program and not by the command, whose children may outlive it without keeping the lock. The
// other side of that: `kill -9` of this program gives the lock up and leaves the command running.
#include <iostream>
#include <string>

#include "../options.hpp"
#include "../system.hpp"
#include "command_line.hpp"
#include "places.hpp"
#include "run.hpp"
#include "show.hpp"

namespace {

int work(const command_line& wanted) {
    switch (wanted.what) {
        case command_line::task::print: std::cout << wanted.text; return 0;
        case command_line::task::run: return run_with_locks(wanted.run, wanted.where);
        case command_line::task::list: return list_locks(wanted);
        case command_line::task::who: return tell_who(wanted);
        case command_line::task::purge: return purge(wanted);
        case command_line::task::probe: return probe(wanted.probed_dir);
        case command_line::task::dir: std::cout << to_utf8(locks_dir_of({{}, true})) << '\n'; return 0;
    }
    return exit_usage;
}

}  // namespace

int main(int argc, char** argv) {
    return status_of("named-lock", usage_of(argc > 1 ? argv[1] : ""), [&] {
        const int status = work(parse(start(argc, argv)));
        if (!std::cout.flush()) throw std::runtime_error{"cannot write to standard output"};
        return status;
    });
}

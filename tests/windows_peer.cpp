// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A program that locks a file as Python's filelock does on Windows: byte 0 with the C library's _locking(), over and over
// until it is free, with the file opened anew and emptied for each attempt, and deleted after each release. It speaks
// as support/worker_protocol.hpp says.
#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <sys/locking.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <thread>

#include "support/counter_file.hpp"
#include "support/worker_command.hpp"
#include "support/worker_protocol.hpp"
#include "support/worker_windows.hpp"

namespace {

using namespace nlock_test;
namespace fs = std::filesystem;

class python_lock {
  public:
    void name(const fs::path& path) { path_ = path; }

    bool try_acquire() {
        int file = -1;
        _wsopen_s(&file, path_.c_str(), _O_RDWR | _O_CREAT | _O_TRUNC | _O_BINARY, _SH_DENYNO, _S_IREAD | _S_IWRITE);
        if (file < 0) return false;
        if (_locking(file, _LK_NBLCK, 1) != 0) {
            _close(file);
            return false;
        }
        file_ = file;
        return true;
    }

    void acquire(std::chrono::milliseconds poll) {
        while (!try_acquire()) std::this_thread::sleep_for(poll);
    }

    void release() {
        _lseek(file_, 0, SEEK_SET);
        _locking(file_, _LK_UNLCK, 1);
        _close(file_);
        _wunlink(path_.c_str());  // which fails while somebody has it open
    }

  private:
    fs::path path_;
    int file_ = -1;
};

fs::path locks_dir;
python_lock lock;
constexpr std::chrono::milliseconds poll{1};

void name(const std::string& lock_name) { lock.name(locks_dir / (lock_name + ".lock")); }

std::string acquire(arguments args) {
    (void)args.number();
    name(args.rest());
    if (lock.try_acquire()) return "ok";
    say("waiting");
    lock.acquire(poll);
    return "ok";
}

std::string try_once(arguments args) {
    name(args.rest());
    return lock.try_acquire() ? "ok" : "busy";
}

std::string count(arguments args) {
    const auto times = args.number();
    counter_file file{args.word()};
    name(args.rest());
    for (long i = 0; i < times; ++i) {
        lock.acquire(poll);
        const bool is_alone = file.add_one();
        lock.release();
        if (!is_alone) return "violated";
    }
    return "ok";
}

const worker_commands commands{
    {"dir", [](arguments a) { return locks_dir = a.rest(), "ok"; }},
    {"acquire", [](arguments a) { return acquire(std::move(a)); }},
    {"try", [](arguments a) { return try_once(std::move(a)); }},
    {"release", [](const arguments&) { return lock.release(), "ok"; }},
    {"count", [](arguments a) { return count(std::move(a)); }},
};

}  // namespace

int main() {
    end_with_input();
    while (const auto line = read_line()) {
        arguments args{*line};
        const auto command = commands.find(args.word());
        if (command == commands.end()) return exit_unknown_command;
        say(command->second(std::move(args)));
    }
    return exit_orphaned;
}

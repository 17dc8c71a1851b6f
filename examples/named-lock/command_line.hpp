// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The command line of named-lock.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <named_lock/options.hpp>

/// The directory of the locks, as far as the command line tells.
struct place {
    std::optional<std::filesystem::path> dir;
    bool shall_create = false;
};

struct run_options {
    std::chrono::duration<double> timeout = nlock::forever;
    bool shared = false;
    int conflict_status = 75;
    bool quiet = false;
    bool verbose = false;
    std::vector<std::string> etcd;
    std::chrono::duration<double> ttl{15};
    std::chrono::duration<double> grace{5};
    std::vector<std::string> names;
    std::vector<std::string> command;
};

struct command_line {
    enum class task { print, run, list, who, purge, probe, dir };

    task what = task::print;
    std::string text;  // of --help and --version
    place where;
    run_options run;
    bool as_json = false;                        // list
    std::string name;                            // who
    std::chrono::duration<double> unused_for{};  // purge
    bool dry_run = false;
    std::filesystem::path probed_dir;
};

/// The words begin with the program. Throws usage_error.
command_line parse(const std::vector<std::string>& words);

/// How to call a subcommand, or all of them if there is none of that name.
std::string usage_of(const std::string& subcommand);

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <named_lock/lock_name.hpp>

#include "../options.hpp"
#include "../system.hpp"
#include "command_line.hpp"
#include "processes.hpp"

namespace {

/// Of /proc/PID; empty where there is no such thing.
std::string read(std::int64_t pid, const char* entry) {
    std::ifstream file{"/proc/" + std::to_string(pid) + entry};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::int64_t parent_of(std::int64_t pid) {
    const std::string stat = read(pid, "/stat");  // "4242 (any (name)) S 17 ..."
    std::istringstream rest{stat.substr(stat.rfind(')') + 1)};
    char state = 0;
    std::int64_t parent = 0;
    rest >> state >> parent;
    return parent;
}

}  // namespace

std::string command_of(const nlock::lock_holder& process) {
    if (process.process != "named-lock") return {};
    std::istringstream rest{read(process.pid, "/cmdline")};
    std::vector<std::string> words;
    for (std::string word; std::getline(rest, word, '\0');) words.push_back(word);
    if (words.empty()) return {};
    try {
        const command_line parsed = parse(words);
        if (parsed.what != command_line::task::run) return {};
        return nlock::detail::printable(to_utf8(to_path(parsed.run.command[0]).filename()));
    } catch (const usage_error&) {  // another program of this name
        return {};
    }
}

void name_after_command(nlock::lock_holder& process) {
    std::string command = command_of(process);
    if (!command.empty()) process.process = std::move(command);
}

std::vector<nlock::lock_holder> named_after_commands(std::vector<nlock::lock_holder> processes) {
    for (nlock::lock_holder& process : processes) name_after_command(process);
    return processes;
}

std::vector<std::int64_t> ancestry_of(std::int64_t pid) {
    constexpr std::size_t most = 1000;  // pids are used again: this could be a circle
    std::vector<std::int64_t> pids;
    for (; pid > 0 && pids.size() < most; pid = parent_of(pid)) pids.push_back(pid);
    return pids;
}

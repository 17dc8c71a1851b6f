// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <iostream>
#include <string>
#include <vector>

#include <named_lock/directories.hpp>
#include <named_lock/probe.hpp>
#include <nlohmann/json.hpp>

#include "../system.hpp"
#include "deadlocks.hpp"
#include "places.hpp"
#include "processes.hpp"
#include "show.hpp"

namespace {

constexpr const char* unseen = "a process that cannot be seen from here";

nlock::lock_holder process_of(const nlock::lock_waiter& waiter) {
    nlock::lock_holder process{waiter.pid, waiter.process};
    name_after_command(process);
    return process;
}

/// "4242 (report)"
std::string text_of(const nlock::lock_holder& process) {
    return std::to_string(process.pid) + (process.process.empty() ? "" : " (" + process.process + ")");
}

std::string text_of(const std::vector<nlock::lock_holder>& holders) {
    std::string text;
    for (const nlock::lock_holder& holder : holders) text.append(text.empty() ? "" : ", ").append(text_of(holder));
    return text.empty() ? unseen : text;
}

std::string text_of(const nlock::lock_waiter& waiter) {
    return text_of(process_of(waiter)) + " waits" + (waiter.shared ? " to share it, " : ", ") + in_words(waiter.waited);
}

const char* state_of(const nlock::lock_status& lock) { return !lock.held ? "free" : lock.shared ? "shared" : "held"; }

void print(const std::vector<nlock::lock_status>& locks, const std::vector<deadlock>& deadlocks) {
    for (const nlock::lock_status& lock : locks) {
        std::cout << lock.name << ": " << state_of(lock);
        if (lock.held) std::cout << " by " << text_of(lock.holders);
        std::cout << '\n';
        for (const nlock::lock_waiter& waiter : lock.waiters) std::cout << "    " << text_of(waiter) << '\n';
    }
    for (const deadlock& circle : deadlocks) std::cout << to_string(circle) << '\n';
}

using nlohmann::ordered_json;

ordered_json json_of(const nlock::lock_holder& process) {
    return {{"pid", process.pid}, {"process", process.process}};
}

void print_json(const std::filesystem::path& dir, const std::vector<nlock::lock_status>& locks,
                const std::vector<deadlock>& deadlocks) {
    ordered_json all{{"directory", to_utf8(dir)}, {"locks", ordered_json::array()}, {"deadlocks", ordered_json::array()}};
    for (const nlock::lock_status& lock : locks) {
        ordered_json one{{"name", lock.name}, {"state", state_of(lock)}, {"holders", ordered_json::array()},
                         {"waiters", ordered_json::array()}};
        for (const nlock::lock_holder& holder : lock.holders) one["holders"].push_back(json_of(holder));
        for (const nlock::lock_waiter& waiter : lock.waiters) {
            ordered_json waits = json_of(process_of(waiter));
            waits["seconds"] = std::chrono::duration<double>{waiter.waited}.count();
            waits["shared"] = waiter.shared;
            one["waiters"].push_back(waits);
        }
        all["locks"].push_back(one);
    }
    for (const deadlock& circle : deadlocks) {
        ordered_json parts = ordered_json::array();
        for (const deadlock_part& part : circle) {
            ordered_json one = json_of(part.process);
            one["holds"] = part.holds;
            one["waits_for"] = part.waits_for;
            parts.push_back(one);
        }
        all["deadlocks"].push_back(parts);
    }
    std::cout << all.dump(2, ' ', false, ordered_json::error_handler_t::replace) << '\n';  // of the directory's name
}

}  // namespace

int list_locks(const command_line& wanted) {
    const std::filesystem::path dir = locks_dir_of(wanted.where);
    std::vector<nlock::lock_status> locks = nlock::list_locks(dir);
    const std::vector<deadlock> deadlocks = find_deadlocks(locks);
    for (nlock::lock_status& lock : locks) lock.holders = named_after_commands(std::move(lock.holders));
    if (wanted.as_json) {
        print_json(dir, locks, deadlocks);
    } else {
        print(locks, deadlocks);
    }
    return 0;
}

int tell_who(const command_line& wanted) {
    nlock::named_lock lock = lock_of(wanted.name, wanted.where);
    const auto holders = named_after_commands(lock.holders());
    for (const nlock::lock_holder& holder : holders) std::cout << text_of(holder) << " holds it\n";
    // Only then, as the attempt may be in the way of somebody else's.
    const bool is_held = !holders.empty() || (std::filesystem::exists(lock.path()) && !lock.try_acquire());
    if (is_held && holders.empty()) std::cout << unseen << " holds it\n";
    for (const nlock::lock_waiter& waiter : lock.waiters()) std::cout << text_of(waiter) << '\n';
    return is_held ? 0 : 1;
}

int purge(const command_line& wanted) {
    const std::filesystem::path dir = locks_dir_of(wanted.where);
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(wanted.unused_for);
    if (!wanted.dry_run) {
        const std::size_t removed = nlock::purge_locks(dir, age);
        std::cout << removed << (removed == 1 ? " lock file" : " lock files") << " removed\n";
        return 0;
    }
    for (const nlock::lock_status& lock : nlock::list_locks(dir)) {
        std::error_code gone;
        const auto made = std::filesystem::last_write_time(nlock::named_lock{lock.name, dir}.path(), gone);
        const bool is_old = !gone && std::filesystem::file_time_type::clock::now() - made >= age;
        if (is_old && !lock.held && lock.waiters.empty()) std::cout << lock.name << '\n';
    }
    return 0;
}

int probe(const std::filesystem::path& dir) {
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

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <cstdint>
#include <map>
#include <set>

#include "deadlocks.hpp"
#include "processes.hpp"

namespace {

using pid = std::int64_t;

class waits_graph {
  public:
    explicit waits_graph(const std::vector<nlock::lock_status>& locks) {
        for (const nlock::lock_status& lock : locks) {
            for (const nlock::lock_holder& holder : lock.holders) processes_.emplace(holder.pid, holder);
        }
        for (const nlock::lock_status& lock : locks) {
            for (const nlock::lock_waiter& waiter : lock.waiters) {
                if (!lock.shared || !waiter.shared) add(waiter, lock);
            }
        }
    }

    std::vector<deadlock> circles() const {
        std::vector<deadlock> found;
        std::set<pid> told;
        for (const auto& waiting : waits_) {
            if (told.count(waiting.first) != 0) continue;
            const deadlock circle = circle_from(waiting.first);
            for (const deadlock_part& part : circle) told.insert(part.process.pid);
            if (!circle.empty()) found.push_back(circle);
        }
        return found;
    }

  private:
    struct wait {
        pid for_whom;
        std::string lock;
    };

    /// The waiter itself, and whoever runs it as a command: that one gives up nothing before.
    void add(const nlock::lock_waiter& waiter, const nlock::lock_status& lock) {
        for (const pid who : ancestry_of(waiter.pid)) {
            const auto known = processes_.find(who);
            if (who != waiter.pid && (known == processes_.end() || command_of(known->second).empty())) continue;
            for (const nlock::lock_holder& holder : lock.holders) {
                const bool is_another_thread = who == waiter.pid && holder.pid == who;
                if (!is_another_thread) waits_[who].push_back({holder.pid, lock.name});
            }
        }
    }

    deadlock circle_from(pid start) const {
        struct step {
            pid from;
            const std::string* lock;
        };
        std::map<pid, step> came;  // to whom, from whom
        std::vector<pid> left{start};
        while (!left.empty()) {
            const pid at = left.back();
            left.pop_back();
            const auto waits = waits_.find(at);
            if (waits == waits_.end()) continue;
            for (const wait& one : waits->second) {
                if (came.emplace(one.for_whom, step{at, &one.lock}).second) left.push_back(one.for_whom);
            }
        }
        deadlock circle;
        if (came.count(start) == 0) return circle;
        std::string waits_for = *came.at(start).lock;
        pid at = start;
        do {  // backwards
            at = came.at(at).from;
            const std::string& holds = *came.at(at).lock;
            circle.insert(circle.begin(), {processes_.at(at), holds, waits_for});
            waits_for = holds;
        } while (at != start);
        return circle;
    }

    std::map<pid, nlock::lock_holder> processes_;  // that hold a lock
    std::map<pid, std::vector<wait>> waits_;
};

}  // namespace

std::vector<deadlock> find_deadlocks(const std::vector<nlock::lock_status>& locks) {
    std::vector<deadlock> circles = waits_graph{locks}.circles();
    for (deadlock& circle : circles) {
        for (deadlock_part& part : circle) name_after_command(part.process);
    }
    return circles;
}

std::string to_string(const deadlock& circle) {
    std::string text;
    for (const deadlock_part& part : circle) {
        text.append(text.empty() ? "deadlock: " : "; ").append(std::to_string(part.process.pid));
        if (!part.process.process.empty()) text.append(" (").append(part.process.process).append(")");
        text.append(" holds ").append(part.holds).append(", waits for ").append(part.waits_for);
    }
    return text;
}

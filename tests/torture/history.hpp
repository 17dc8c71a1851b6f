// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What the processes of a storm saw, in memory that outlives a killed one, and the checker that judges it.
//
// Each acquisition is a record. `entered` is read from the clock after the grant and `left` before the release, so two
// records that overlap are two holds that did. A killed holder's hold counts until just before the kill.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include "common.hpp"
#include "machine.hpp"

namespace torture {

inline constexpr int most_processes = 64;
inline constexpr int most_threads = 4;
inline constexpr int most_names = 8;

enum class kind : std::uint8_t { exclusive, shared };
enum class ending : std::uint8_t { none, granted, timed_out, refused, cancelled, error };

struct record {
    std::atomic<std::int64_t> asked{0};
    std::atomic<std::int64_t> entered{0};
    std::atomic<std::int64_t> left{0};
    std::atomic<std::int64_t> failed{0};
    std::int64_t timeout = 0;               // negative: for ever
    std::atomic<std::int64_t> intended{0};  // the value that the counter was to get
    std::atomic<bool> written{false};       // and that it got it
    std::atomic<ending> how{ending::none};
    int incarnation = 0;
    std::uint8_t name = 0;
    kind wanted = kind::exclusive;
};

/// The records of one thread of one place; the incarnations of a process that is killed follow each other there.
struct thread_log {
    static constexpr std::size_t capacity = 1 << 15;
    std::atomic<std::size_t> count{0};
    record records[capacity];

    /// Null: it is full.
    record* add() {
        const std::size_t at = count.load();
        if (at == capacity) return nullptr;
        count.store(at + 1);
        return &records[at];
    }
};

/// Moments at which somebody had a lock exclusively for whose hold there is no record, or none yet; of zeros at first.
struct moments {
    static constexpr std::size_t most = 1 << 18;
    struct moment {
        std::atomic<std::int64_t> time;
        std::atomic<int> name;
    };
    std::atomic<std::size_t> count;
    moment all[most];

    void add(int name) {
        const std::size_t at = count.fetch_add(1);
        if (at >= most) return;
        all[at].name = name;
        all[at].time = now_ns();
    }
    /// The first one of that name after `from`, or the end of all time.
    std::int64_t next(int name, std::int64_t from) const {
        std::int64_t found = INT64_MAX;
        for (std::size_t i = 0; i < std::min(count.load(), most); ++i) {
            const std::int64_t time = all[i].time;
            if (all[i].name == name && time > from) found = std::min(found, time);
        }
        return found;
    }
};

struct killed {
    std::int64_t before = 0;  // kill() was called
    std::int64_t after = 0;   // waitpid() returned
    int slot = 0;
    int incarnation = 0;
};

/// Shared by all processes of a storm.
struct stage {
    std::atomic<bool> over{false};
    std::atomic<int> doomed[most_processes] = {};   // the last incarnation that was sent SIGKILL
    std::atomic<int> running[most_processes] = {};  // the incarnation, negative while there is none

    std::atomic<long> conflicts{0};  // the witness was somebody else's
    std::atomic<long> witnessed{0};
    std::atomic<long> takeovers{0};  // of a witness that a killed process left
    std::atomic<long> errors{0};
    std::atomic<long> leaks{0};
    std::atomic<long> full_logs{0};
    std::atomic<long> closings{0};  // of idle descriptors, by the program
    std::atomic<long> hostile_acts{0};
    std::atomic<long> listed{0};
    std::atomic<long> purged{0};

    delays late;    // of the metronome
    moments taken;  // by groups that wait for their other locks, and by whoever takes files away

    thread_log logs[most_processes][most_threads];
};

struct figures {
    std::vector<double> values;
    void add(std::int64_t ns) { values.push_back(static_cast<double>(ns) / 1e6); }
    std::string words() {
        if (values.empty()) return "none";
        std::sort(values.begin(), values.end());
        const auto at = [&](double share) {
            return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
        };
        std::array<char, 120> text;
        std::snprintf(text.data(), text.size(), "median %.2f ms, p99 %.2f ms, max %.2f ms, %zu times", at(0.5),
                      at(0.99), values.back(), values.size());
        return text.data();
    }
};

class checker {
  public:
    checker(const stage& s, std::vector<killed> kills, std::vector<interval> stops, report& results)
        : stage_{s}, kills_{std::move(kills)}, stops_{std::move(stops)}, results_{results} {}

    /// `is_exclusion_promised`: false when somebody replaces files without holding the lock.
    void run(int names, bool is_exclusion_promised, const std::vector<std::int64_t>& counters,
             const std::string& part) {
        collect();
        for (int name = 0; name < names; ++name) {
            const long overlaps = count_overlaps(name, part, is_exclusion_promised);
            if (is_exclusion_promised) check_counter(name, counters.at(static_cast<std::size_t>(name)), part);
            overlaps_ += overlaps;
        }
        check_deadlines(part);
        if (is_exclusion_promised) check_kills(part);
        results_.tried(part + ": acquisitions in the history", static_cast<long>(entries_.size()));
        results_.tried(part + ": of them granted", granted_);
        results_.note(part + ": late after the deadline: " + late_.words());
        if (is_exclusion_promised)
            results_.note(part + ": next grant after the kill of a holder: " + regrants_.words());
    }

    long overlaps() const { return overlaps_; }

  private:
    struct entry {
        const record* of;
        int slot;
        std::int64_t entered, left;
    };

    /// When that incarnation was killed, or never.
    std::int64_t end_of(int slot, int incarnation) const {
        for (const killed& k : kills_) {
            if (k.slot == slot && k.incarnation == incarnation) return k.before;
        }
        return INT64_MAX;
    }

    std::int64_t reaped(int slot, int incarnation) const {
        for (const killed& k : kills_) {
            if (k.slot == slot && k.incarnation == incarnation) return k.after;
        }
        return 0;
    }

    static std::string milliseconds(std::int64_t ns) { return std::to_string(ns / 1'000'000) + " ms"; }

    void collect() {
        for (int slot = 0; slot < most_processes; ++slot) {
            for (const thread_log& log : stage_.logs[slot]) {
                for (std::size_t i = 0; i < log.count; ++i) {
                    const record& r = log.records[i];
                    std::int64_t left = r.left;
                    if (r.entered != 0 && left == 0) left = end_of(slot, r.incarnation);
                    if (r.entered != 0) ++granted_;
                    entries_.push_back({&r, slot, r.entered, left});
                }
            }
        }
    }

    long count_overlaps(int name, const std::string& part, bool is_exclusion_promised) {
        std::vector<entry> holds;
        for (const entry& e : entries_) {
            if (e.of->name == name && e.entered != 0 && e.left >= e.entered) holds.push_back(e);
        }
        std::sort(holds.begin(), holds.end(), [](const entry& a, const entry& b) { return a.entered < b.entered; });
        long overlaps = 0;
        const entry* exclusive = nullptr;  // the hold of each kind that ends last
        const entry* shared = nullptr;
        for (const entry& e : holds) {
            const bool is_shared = e.of->wanted == kind::shared;
            for (const entry* other : {exclusive, is_shared ? nullptr : shared}) {
                if (other == nullptr || other->left <= e.entered) continue;
                ++overlaps;
                if (is_exclusion_promised) {
                    results_.violation(part + ": two holds of name " + std::to_string(name) +
                                       " overlap (in processes " + std::to_string(other->slot) + " and " +
                                       std::to_string(e.slot) + ")");
                }
            }
            const entry*& last = is_shared ? shared : exclusive;
            if (last == nullptr || last->left < e.left) last = &e;
        }
        return overlaps;
    }

    /// Every value of the counter was written by one hold; but a killed process may not have said so any more.
    void check_counter(int name, std::int64_t last, const std::string& part) {
        std::vector<int> written(static_cast<std::size_t>(last) + 1, 0);
        std::vector<int> maybe(static_cast<std::size_t>(last) + 1, 0);
        for (const entry& e : entries_) {
            const std::int64_t value = e.of->intended;
            if (e.of->name != name || value == 0) continue;
            if (value > last) {
                if (e.of->written) results_.violation(part + ": the counter lost the value " + std::to_string(value));
                continue;
            }
            ++(e.of->written ? written : maybe)[static_cast<std::size_t>(value)];
        }
        for (std::size_t value = 1; value < written.size(); ++value) {
            const bool adds_up = written[value] == 1 || (written[value] == 0 && maybe[value] >= 1);
            if (adds_up) continue;
            results_.violation(part + ": the counter of name " + std::to_string(name) + " got the value " +
                               std::to_string(value) + " " + std::to_string(written[value]) + " times");
        }
    }

    /// How much of the time from `from` to `to` the machine, or a SIGSTOP, kept a process from its work.
    std::int64_t excuse(std::int64_t from, std::int64_t to) const {
        std::int64_t sum = stage_.late.within(from, to);
        for (const interval& stop : stops_) sum += stop.overlap(from, to);
        return sum;
    }

    void check_deadlines(const std::string& part) {
        for (const entry& e : entries_) {
            const record& r = *e.of;
            if (r.timeout < 0) continue;
            const std::int64_t end = r.entered != 0 ? r.entered.load() : r.failed.load();
            if (end == 0) continue;  // killed meanwhile
            const std::int64_t deadline = r.asked + r.timeout;
            if (r.how == ending::timed_out) {
                late_.add(end - deadline);
                results_.expect(end >= deadline,
                                part + ": gave up " + std::to_string(deadline - end) + " ns too early");
            }
            // Who gives up wakes, tries once more, and looks for the holders: each of it may be late like the metronome.
            constexpr int steps = 1;
            const std::int64_t late = end <= deadline ? 0 : end - deadline - steps * excuse(deadline, end);
            constexpr const char* endings[]{"none", "granted", "timed out", "refused", "cancelled", "error"};
            results_.expect(late < slack, part + ": came back " + milliseconds(late) + " after the deadline, besides " +
                                              "what the machine was late itself (in process " + std::to_string(e.slot) +
                                              ", name " + std::to_string(r.name) + ", " +
                                              endings[static_cast<int>(r.how.load())] + ")");
        }
    }

    /// After the kill of an exclusive holder, with somebody waiting who has time.
    void check_kills(const std::string& part) {
        for (const entry& e : entries_) {
            if (e.entered == 0 || e.of->left != 0 || e.of->wanted != kind::exclusive || e.left == INT64_MAX) continue;
            const std::int64_t kill = e.left;
            // A busy machine may take its time over the end of a process, which lets go of the lock.
            const std::int64_t dead = reaped(e.slot, e.of->incarnation);
            std::int64_t next = stage_.taken.next(e.of->name, kill);
            bool is_waited_for = false;
            for (const entry& other : entries_) {
                if (other.of->name != e.of->name) continue;
                if (other.entered > kill) next = std::min(next, other.entered);
                const bool is_patient =
                    other.of->timeout < 0 || other.of->asked + other.of->timeout > kill + 2 * in_time;
                const bool outlived = end_of(other.slot, other.of->incarnation) > kill + 2 * in_time;
                const std::int64_t end = other.entered != 0 ? other.entered : other.of->failed.load();
                if (other.of->asked < kill && end > kill && is_patient && outlived &&
                    other.of->how != ending::cancelled) {
                    is_waited_for = true;
                }
            }
            if (!is_waited_for) continue;
            results_.tried(part + ": holders killed while others waited");
            if (!results_.expect(next != INT64_MAX, part + ": nobody was granted the lock of a killed holder"))
                continue;
            regrants_.add(next - kill);
            const std::int64_t machine = excuse(dead, next);
            results_.expect(next - dead - machine <= in_time,
                            part + ": the next grant came " + milliseconds(next - dead) +
                                " after the end of the kill, which took " + milliseconds(dead - kill) +
                                "; the machine was late by " + milliseconds(machine));
        }
    }

    static constexpr std::int64_t slack = 250'000'000;
    static constexpr std::int64_t in_time = 50'000'000;

    const stage& stage_;
    const std::vector<killed> kills_;
    const std::vector<interval> stops_;
    report& results_;
    std::vector<entry> entries_;
    figures late_;
    figures regrants_;
    long granted_ = 0;
    long overlaps_ = 0;
};

}  // namespace torture

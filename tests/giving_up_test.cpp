// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// unlock, unlock_shared, release and guards: which hold each of them gives up.
#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/platform.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"
#include "support/thrown.hpp"

namespace giving_up_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using nlock::guard;
using nlock::named_lock;

/// The code of the lock_error that `action` throws.
template <class Action>
std::error_code refusal_of(Action&& action) {
    return thrown_by<nlock::lock_error>(std::forward<Action>(action)).code();
}

// ---- a model of the rules, against which all short sequences of operations are checked ----

/// The holds of one thread as the contract says they come and go. Knows nothing of files and threads.
class model {
  public:
    static constexpr int no_guard = -1;

    /// Whether taking a hold is promised to succeed; empty where the contract is silent.
    std::optional<bool> take(hold_kind kind, int guard) {
        if (holds_.empty()) is_exclusive_ = kind == hold_kind::exclusive;
        if (kind == hold_kind::exclusive && !holds_.empty() && !has(hold_kind::exclusive)) {
            // Only the shared re-entry is left of an exclusive hold: is it "held shared" then?
            if (is_exclusive_) return std::nullopt;
            return false;
        }
        holds_.push_back({kind, guard});
        return true;
    }
    std::optional<bool> take(hold_kind kind) { return take(kind, no_guard); }
    std::optional<bool> take_with_guard(hold_kind kind) {
        const auto taken = take(kind, end_of_guards_);
        if (taken == true) ++end_of_guards_;
        return taken;
    }

    std::optional<bool> unlock(hold_kind kind) {
        auto found = std::find_if(holds_.rbegin(), holds_.rend(),
                                  [=](const hold& h) { return h.kind == kind && h.guard == no_guard; });
        if (found == holds_.rend()) {
            found = std::find_if(holds_.rbegin(), holds_.rend(), [=](const hold& h) { return h.kind == kind; });
        }
        if (found == holds_.rend()) return false;
        holds_.erase(std::next(found).base());
        return true;
    }

    std::optional<bool> release() {
        if (!holds_.empty()) holds_.pop_back();
        return true;
    }
    std::optional<bool> release_all() {
        holds_.clear();
        return true;
    }

    std::optional<bool> drop_first_guard() {
        return first_guard_ == end_of_guards_ ? std::nullopt : drop(first_guard_++);
    }
    std::optional<bool> drop_last_guard() {
        return first_guard_ == end_of_guards_ ? std::nullopt : drop(--end_of_guards_);
    }

    [[nodiscard]] std::size_t count() const { return holds_.size(); }
    [[nodiscard]] bool guard_holds(int guard) const {
        return std::any_of(holds_.begin(), holds_.end(), [=](const hold& h) { return h.guard == guard; });
    }
    /// Whether others can hold it shared; empty where the contract is silent.
    [[nodiscard]] std::optional<bool> can_be_shared() const {
        if (holds_.empty() || !is_exclusive_) return true;
        if (has(hold_kind::exclusive)) return false;
        return std::nullopt;
    }

  private:
    struct hold {
        hold_kind kind;
        int guard;
    };

    [[nodiscard]] bool has(hold_kind kind) const {
        return std::any_of(holds_.begin(), holds_.end(), [=](const hold& h) { return h.kind == kind; });
    }
    std::optional<bool> drop(int guard) {
        holds_.erase(std::remove_if(holds_.begin(), holds_.end(), [=](const hold& h) { return h.guard == guard; }),
                     holds_.end());
        return true;
    }

    std::vector<hold> holds_;
    int first_guard_ = 0;
    int end_of_guards_ = 0;
    bool is_exclusive_ = false;
};

/// A real lock and the guards of it.
struct subject {
    named_lock lock;
    std::vector<guard> guards;
    std::size_t first_guard = 0;

    [[nodiscard]] bool agrees_with(const model& expected) const {
        if (lock.lock_count() != expected.count() || lock.is_locked() != (expected.count() != 0)) return false;
        for (std::size_t i = 0; i < guards.size(); ++i) {
            if (static_cast<bool>(guards[i]) != expected.guard_holds(static_cast<int>(i))) return false;
        }
        const bool can_be_exclusive = foreign_hold::is_possible(lock.path(), hold_kind::exclusive);
        const bool can_be_shared = foreign_hold::is_possible(lock.path(), hold_kind::shared);
        return can_be_exclusive == (expected.count() == 0) &&
               can_be_shared == expected.can_be_shared().value_or(can_be_shared);
    }
};

struct operation {
    const char* name;
    std::optional<bool> (*on_model)(model&);  // succeeds, is refused, or (empty) nothing is promised
    void (*on_subject)(subject&);
};

const std::vector<operation> operations{
    {"acquire", [](model& m) { return m.take_with_guard(hold_kind::exclusive); },
     [](subject& s) { s.guards.push_back(s.lock.acquire(0s)); }},
    {"acquire_shared", [](model& m) { return m.take_with_guard(hold_kind::shared); },
     [](subject& s) { s.guards.push_back(s.lock.acquire_shared(0s)); }},
    {"lock", [](model& m) { return m.take(hold_kind::exclusive); }, [](subject& s) { s.lock.lock(); }},
    {"lock_shared", [](model& m) { return m.take(hold_kind::shared); }, [](subject& s) { s.lock.lock_shared(); }},
    {"unlock", [](model& m) { return m.unlock(hold_kind::exclusive); }, [](subject& s) { s.lock.unlock(); }},
    {"unlock_shared", [](model& m) { return m.unlock(hold_kind::shared); }, [](subject& s) { s.lock.unlock_shared(); }},
    {"release", [](model& m) { return m.release(); }, [](subject& s) { s.lock.release(); }},
    {"release(true)", [](model& m) { return m.release_all(); }, [](subject& s) { s.lock.release(true); }},
    {"drop the first guard", [](model& m) { return m.drop_first_guard(); },
     [](subject& s) { s.guards.at(s.first_guard++) = guard{}; }},
    {"drop the last guard", [](model& m) { return m.drop_last_guard(); }, [](subject& s) { s.guards.pop_back(); }}};

bool succeeds(const operation& o, subject& s) {
    try {
        o.on_subject(s);
        return true;
    } catch (const nlock::lock_error&) {
        return false;
    }
}

/// Empty, or the operations after which lock and model differ.
std::string first_difference(const temp_dir& dir, const std::vector<const operation*>& sequence) {
    model expected;
    subject actual{named_lock{"x", dir.path()}, {}};
    std::string done;
    for (const operation* o : sequence) {
        const auto should_succeed = o->on_model(expected);
        if (!should_succeed) break;
        done.append(done.empty() ? "" : ", ").append(o->name);
        if (succeeds(*o, actual) != *should_succeed || !actual.agrees_with(expected)) return done;
    }
    actual.lock.release(true);
    return "";
}

}  // namespace

TEST_CASE("all short sequences of acquiring and giving up follow the rules") {
    temp_dir dir;
    constexpr std::size_t length = on_windows ? 3 : 4;  // ten times as many sequences for each more
    std::size_t sequences = 1;
    for (std::size_t i = 0; i < length; ++i) sequences *= operations.size();
    for (std::size_t number = 0; number < sequences; ++number) {
        std::vector<const operation*> sequence;
        for (std::size_t i = 0, rest = number; i < length; ++i, rest /= operations.size()) {
            sequence.push_back(&operations[rest % operations.size()]);
        }
        REQUIRE(first_difference(dir, sequence) == "");
    }
}

TEST_CASE("unlock gives up one exclusive hold at a time") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    lock.lock();
    lock.lock();
    lock.unlock();
    CHECK(lock.lock_count() == 1);
    CHECK(seen_by_others(lock) == seen::exclusive);
    lock.unlock();
    CHECK(lock.lock_count() == 0);
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("what lock() acquired is held until unlock(), whatever objects come and go") {
    temp_dir dir;
    const bool reentrant = GENERATE(true, false);
    CAPTURE(reentrant);
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.reentrant = reentrant;
    const auto file = named_lock{"x", options}.path();
    const auto use_others = [&] {
        for (const char* name : {"y", "z"}) named_lock{name, dir.path()}.lock();
    };
    named_lock{"x", options}.lock();
    use_others();
    CHECK_FALSE(foreign_hold::is_possible(file, hold_kind::shared));
    CHECK(named_lock{"x", options}.is_locked());
    named_lock{"x", options}.unlock();
    CHECK(foreign_hold::is_possible(file, hold_kind::exclusive));
    named_lock{"x", options}.lock_shared();
    use_others();
    CHECK_FALSE(foreign_hold::is_possible(file, hold_kind::exclusive));
    named_lock{"x", options}.release();
    CHECK(foreign_hold::is_possible(file, hold_kind::exclusive));
    for (const char* name : {"y", "z"}) named_lock{name, dir.path()}.release(true);
}

TEST_CASE("unlock_shared gives up one shared hold at a time") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    lock.lock_shared();
    lock.lock_shared();
    lock.unlock_shared();
    CHECK(lock.lock_count() == 1);
    CHECK(seen_by_others(lock) == seen::shared);
    lock.unlock_shared();
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("unlock and unlock_shared of a thread that holds nothing are refused") {
    const bool reentrant = GENERATE(true, false);
    CAPTURE(reentrant);
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.reentrant = reentrant;
    named_lock lock{"x", options};
    const auto exclusive = thrown_by<nlock::lock_error>([&] { lock.unlock(); });
    CHECK(exclusive.code() == std::errc::operation_not_permitted);
    CHECK(exclusive.path() == lock.path());
    CHECK_THAT(exclusive.what(), ContainsSubstring(lock.path().string()) && ContainsSubstring("unlock"));
    const auto shared = thrown_by<nlock::lock_error>([&] { lock.unlock_shared(); });
    CHECK(shared.code() == std::errc::operation_not_permitted);
    CHECK(shared.path() == lock.path());
    CHECK_THAT(shared.what(), ContainsSubstring(lock.path().string()) && ContainsSubstring("unlock_shared"));
    CHECK(lock.try_acquire());
}

TEST_CASE("unlock is refused once there is nothing left to give up") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    lock.lock();
    lock.unlock();
    CHECK(refusal_of([&] { lock.unlock(); }) == std::errc::operation_not_permitted);
    lock.lock_shared();
    lock.unlock_shared();
    CHECK(refusal_of([&] { lock.unlock_shared(); }) == std::errc::operation_not_permitted);
}

TEST_CASE("unlock does not give up a shared hold, nor unlock_shared an exclusive one") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    lock.lock_shared();
    CHECK(refusal_of([&] { lock.unlock(); }) == std::errc::operation_not_permitted);
    CHECK(seen_by_others(lock) == seen::shared);
    lock.unlock_shared();
    lock.lock();
    CHECK(refusal_of([&] { lock.unlock_shared(); }) == std::errc::operation_not_permitted);
    CHECK(seen_by_others(lock) == seen::exclusive);
    lock.unlock();
}

TEST_CASE("no thread gives up the hold of another") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    lock.lock();
    const auto code_of = [](auto&& action) {
        try {
            action();
        } catch (const nlock::lock_error& e) {
            return e.code();
        }
        return std::error_code{};
    };
    CHECK(in_another_thread([&] { return code_of([&] { lock.unlock(); }); }) == std::errc::operation_not_permitted);
    CHECK(in_another_thread([&] { return code_of([&] { lock.unlock_shared(); }); }) ==
          std::errc::operation_not_permitted);
    in_another_thread([&] { lock.release(); });
    in_another_thread([&] { lock.release(true); });
    CHECK(lock.lock_count() == 1);
    CHECK(seen_by_others(lock) == seen::exclusive);
    lock.unlock();
}

TEST_CASE("unlock gives up a hold that no guard has, if there is one") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    lock.lock();
    const auto guard = lock.acquire();
    lock.unlock();
    CHECK(guard);
    CHECK(lock.lock_count() == 1);
    lock.unlock();
    CHECK_FALSE(guard);
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a guard whose hold was given up does nothing afterwards") {
    using action = void (*)(named_lock&);
    const action give_up = GENERATE(
        as<action>{}, [](named_lock& l) { l.unlock(); }, [](named_lock& l) { l.release(); },
        [](named_lock& l) { l.release(true); });
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto stale = lock.acquire();
    give_up(lock);
    CHECK_FALSE(stale);
    {
        const auto others_hold = in_another_thread([&] { return lock.acquire(); });
        stale.release();
        CHECK(others_hold);
        CHECK(seen_by_others(lock) == seen::exclusive);
    }
    auto doomed = lock.acquire();
    give_up(lock);
    const auto own_hold = lock.acquire();
    doomed = guard{};
    CHECK(own_hold);
    CHECK(lock.lock_count() == 1);
}

TEST_CASE("release gives up the latest hold of either kind") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    lock.lock();
    lock.lock_shared();
    lock.release();
    CHECK(refusal_of([&] { lock.unlock_shared(); }) == std::errc::operation_not_permitted);
    CHECK(lock.lock_count() == 1);
    const auto guard = lock.acquire();
    lock.release();
    CHECK_FALSE(guard);
    CHECK(seen_by_others(lock) == seen::exclusive);
    lock.release();
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("release without a hold has no effect") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    CHECK_NOTHROW(lock.release());
    CHECK_NOTHROW(lock.release(true));
    CHECK(lock.try_acquire());
    CHECK_NOTHROW(lock.release());
    CHECK_NOTHROW(lock.release(true));
    CHECK(lock.lock_count() == 0);
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a release by force gives up all holds of the calling thread, whoever has them") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    named_lock same{"x", dir.path()};
    const auto first = lock.acquire();
    lock.lock();
    same.lock_shared();
    const auto second = same.acquire_shared();
    CHECK(lock.lock_count() == 4);
    lock.release(true);
    CHECK(lock.lock_count() == 0);
    CHECK_FALSE(first);
    CHECK_FALSE(second);
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("a release by force leaves other threads and other names alone") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    named_lock other_name{"y", dir.path()};
    const auto mine = lock.acquire_shared();
    const auto of_other_name = other_name.acquire();
    const auto of_other_thread = in_another_thread([&] { return lock.acquire_shared(); });
    lock.release(true);
    CHECK_FALSE(mine);
    CHECK(of_other_thread);
    CHECK(of_other_name);
    CHECK(seen_by_others(lock) == seen::shared);
    CHECK(seen_by_others(other_name) == seen::exclusive);
}

TEST_CASE("guards may be dropped in any order, and the last one frees the lock") {
    const bool shared = GENERATE(true, false);
    CAPTURE(shared);
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    std::array<std::size_t, 3> order{0, 1, 2};
    do {
        CAPTURE(order);
        std::array<guard, 3> guards;
        for (auto& g : guards) g = shared ? lock.acquire_shared() : lock.acquire();
        guards[order[0]].release();
        guards[order[1]].release();
        CHECK(guards[order[2]]);
        CHECK(lock.lock_count() == 1);
        CHECK(seen_by_others(lock) == (shared ? seen::shared : seen::exclusive));
        guards[order[2]].release();
        CHECK(seen_by_others(lock) == seen::free);
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("a lock stays exclusive when its shared re-entry outlives the exclusive hold") {
    temp_dir dir;
    named_lock lock{"x", dir.path()};
    auto exclusive = lock.acquire();
    const auto shared = lock.acquire_shared();
    exclusive.release();
    CHECK(shared);
    CHECK(refusal_of([&] { lock.unlock(); }) == std::errc::operation_not_permitted);
    CHECK_FALSE(foreign_hold::is_possible(lock.path(), hold_kind::exclusive));
    lock.unlock_shared();
    CHECK(seen_by_others(lock) == seen::free);
}

TEST_CASE("giving up, in whatever way, wakes the thread that waits") {
    using action = void (*)(named_lock&, guard&);
    const action give_up = GENERATE(
        as<action>{}, [](named_lock& l, guard&) { l.unlock(); }, [](named_lock& l, guard&) { l.release(); },
        [](named_lock& l, guard&) { l.release(true); }, [](named_lock&, guard& g) { g.release(); },
        [](named_lock&, guard& g) { g = guard{}; });
    temp_dir dir;
    nlock::lock_options options;
    options.locks_dir = dir.path();
    options.poll_interval = 1h;
    event waits;
    options.on_wait = [&](const nlock::lock_wait&) { waits.happen(); };
    named_lock lock{"x", options};
    auto held = lock.acquire();
    task waiter{[&] { return static_cast<bool>(lock.acquire()); }};
    REQUIRE(waits.wait());
    CHECK(waiter.is_blocked());
    give_up(lock, held);
    CHECK(waiter.get());
}

}  // namespace giving_up_test

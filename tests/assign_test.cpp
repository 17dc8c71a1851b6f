// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// An object that is assigned to while an acquisition waits through it: the acquisition goes on with the lock, and the
// options, that the object had when it was called.
#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"

namespace assign_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
using nlock::named_lock;

nlock::lock_options options_in(const temp_dir& dir, std::function<void()> on_wait) {
    nlock::lock_options options;
    options.locks_dir = dir.path();
    // Too large for the object itself, so that a call of what has ended is seen.
    const std::string large(200, 'x');
    options.on_wait = [on_wait = std::move(on_wait), large](const nlock::lock_wait&) {
        on_wait();
        if (large.find('y') != std::string::npos) throw std::logic_error{"on_wait has ended"};
    };
    return options;
}

struct way {
    const char* name;
    nlock::guard (*acquire)(named_lock&);
    void (*give_up)(named_lock&);  // or null: the guard does
};

/// All members that wait.
const std::vector<way>& ways() {
    using guard = nlock::guard;
    static const std::vector<way> all {
        {"acquire", [](named_lock& l) { return l.acquire(); }, nullptr},
            {"acquire_shared", [](named_lock& l) { return l.acquire_shared(1h); }, nullptr},
            {"try_acquire", [](named_lock& l) { return l.try_acquire(1h); }, nullptr},
            {"try_acquire_shared", [](named_lock& l) { return l.try_acquire_shared(1h); }, nullptr},
#if defined(__cpp_lib_jthread)
            {"acquire(stop)", [](named_lock& l) { return l.acquire(std::stop_source{}.get_token()); }, nullptr},
            {"try_acquire(stop)", [](named_lock& l) { return l.try_acquire(std::stop_source{}.get_token(), 1h); },
             nullptr},
#endif
            {"lock", [](named_lock& l) { return l.lock(), guard{}; }, [](named_lock& l) { l.unlock(); }},
            {"lock_shared", [](named_lock& l) { return l.lock_shared(), guard{}; },
             [](named_lock& l) { l.unlock_shared(); }},
            {"try_lock_for", [](named_lock& l) { return (void)l.try_lock_for(1h), guard{}; },
             [](named_lock& l) { l.unlock(); }},
            {"try_lock_until",
             [](named_lock& l) { return (void)l.try_lock_until(std::chrono::system_clock::now() + 1h), guard{}; },
             [](named_lock& l) { l.unlock(); }},
    };
    return all;
}

}  // namespace

TEST_CASE("on_wait may assign to the object through which its acquisition waits") {
    for (const way& w : ways()) {
        CAPTURE(w.name);
        temp_dir dir;
        foreign_hold foreign{named_lock{"a", dir.path()}};
        named_lock* object = nullptr;
        named_lock lock{"a", options_in(dir, [&] {
                            *object = named_lock{"b", dir.path()};
                            foreign.release();
                        })};
        object = &lock;
        named_lock a{"a", dir.path()};
        {
            const auto guard = w.acquire(lock);
            CHECK(lock.name() == "b");
            CHECK_FALSE(lock.is_locked());
            CHECK(a.lock_count() == 1);
            CHECK(static_cast<bool>(guard) == (w.give_up == nullptr));
            if (w.give_up != nullptr) w.give_up(a);
        }
        CHECK(a.lock_count() == 0);
        CHECK(seen_by_others(a) == seen::free);
    }
}

TEST_CASE("an object may be assigned to while another thread waits through it") {
    for (const way& w : ways()) {
        CAPTURE(w.name);
        temp_dir dir;
        foreign_hold foreign{named_lock{"a", dir.path()}};
        event waits;
        named_lock lock{"a", options_in(dir, [&] { waits.happen(); })};
        task waiter{[&] {
            const auto guard = w.acquire(lock);
            named_lock a{"a", dir.path()};
            const std::size_t count = a.lock_count();
            if (w.give_up != nullptr) w.give_up(a);
            return count;
        }};
        REQUIRE(waits.wait());
        lock = named_lock{"b", dir.path()};
        (void)named_lock{"c", dir.path()};  // of "a" no other object is left
        CHECK(waiter.is_blocked(5ms));
        foreign.release();
        CHECK(waiter.get() == 1);
        CHECK(seen_by_others(named_lock{"a", dir.path()}) == seen::free);
    }
}

TEST_CASE("a time-out names the lock that was waited for, although its object is another one's by then") {
    temp_dir dir;
    const foreign_hold foreign{named_lock{"a", dir.path()}};
    named_lock* object = nullptr;
    named_lock lock{"a", options_in(dir, [&] { *object = named_lock{"b", dir.path()}; })};
    object = &lock;
    try {
        (void)lock.acquire(5ms);
        FAIL("it was acquired");
    } catch (const nlock::lock_timeout& e) {
        CHECK(e.path() == named_lock{"a", dir.path()}.path());
    }
}

#if defined(__cpp_lib_jthread)
TEST_CASE("a stop request ends a wait, although its object is another one's by then") {
    temp_dir dir;
    const foreign_hold foreign{named_lock{"a", dir.path()}};
    event waits;
    std::stop_source stop;
    named_lock lock{"a", options_in(dir, [&] { waits.happen(); })};
    task waiter{[&] { return static_cast<bool>(lock.try_acquire(stop.get_token(), 1h)); }};
    REQUIRE(waits.wait());
    lock = named_lock{"b", dir.path()};
    (void)named_lock{"c", dir.path()};
    CHECK(waiter.is_blocked(5ms));
    stop.request_stop();
    CHECK_FALSE(waiter.get());
}
#endif

}  // namespace assign_test

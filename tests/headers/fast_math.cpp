// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A time-out that is no number is refused also where the compiler takes it for granted that there is none, and one that is
// infinite is for ever.
#include <chrono>
#include <iostream>
#include <limits>
#include <stdexcept>

#include <named_lock/acquire_all.hpp>
#include <named_lock/named_lock.hpp>

namespace {

int failures = 0;

void expect(bool truth, const char* what) {
    if (truth) return;
    std::cerr << "not so: " << what << '\n';
    ++failures;
}

template <class Action>
bool is_refused(Action&& action) {
    try {
        action();
    } catch (const std::invalid_argument&) {
        return true;
    }
    return false;
}

template <class Number>
void check(const char* locks_dir) {
    using seconds = std::chrono::duration<Number>;
    using std::chrono::nanoseconds;
    volatile Number nan = std::numeric_limits<Number>::quiet_NaN();
    volatile Number infinity = std::numeric_limits<Number>::infinity();
    nlock::named_lock lock{"x", locks_dir};
    for (const seconds no_number : {seconds{nan}, -seconds{nan}}) {
        expect(is_refused([&] { (void)lock.acquire(no_number); }), "acquire refuses it");
        expect(is_refused([&] { (void)lock.try_acquire_shared(no_number); }), "try_acquire_shared refuses it");
        expect(is_refused([&] { (void)lock.try_lock_for(no_number); }), "try_lock_for refuses it");
        const std::chrono::time_point<std::chrono::steady_clock, seconds> no_time{no_number};
        expect(is_refused([&] { (void)lock.try_lock_until(no_time); }), "try_lock_until refuses it");
        expect(is_refused([&] { (void)nlock::acquire_all({lock}, no_number); }), "acquire_all refuses it");
    }
    expect(nlock::detail::to_timeout(seconds{infinity}) == nlock::forever, "infinity is for ever");
    expect(nlock::detail::to_timeout(-seconds{infinity}) == nlock::forever, "minus infinity is for ever");
    expect(nlock::detail::to_standard_timeout(-seconds{infinity}) == nanoseconds::zero(), "but not to the standard");
    expect(nlock::detail::to_timeout(seconds{1.5F}) == nanoseconds{1'500'000'000}, "a number is itself");
}

}  // namespace

int main(int, char** argv) {
    check<float>(argv[1]);
    check<double>(argv[1]);
    check<long double>(argv[1]);
    return failures == 0 ? 0 : 1;
}

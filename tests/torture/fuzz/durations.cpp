// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// deadline.hpp and backoff.hpp with any number: nothing overflows (UBSan ends the program), what is negative or too
// long means for ever, what is not zero does not become zero, and the rest is right to the nanosecond, or to the last
// bit.
#include <chrono>
#include <cmath>
#include <cstdint>
#include <ratio>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <named_lock/detail/backoff.hpp>
#include <named_lock/detail/deadline.hpp>
#include <named_lock/detail/message.hpp>

#include "input.hpp"

namespace {

using std::chrono::duration;
using std::chrono::nanoseconds;

constexpr auto longest = static_cast<long double>((nanoseconds::max)().count());

template <class Rep, class Period>
void check_timeout(Rep count) {
    nanoseconds got{};
    try {
        got = nlock::detail::to_timeout(duration<Rep, Period>{count});
    } catch (const std::invalid_argument&) {
        MUST(count != count);
        return;
    }
    MUST(count == count);
    if (count < Rep{0}) {
        MUST(got == nlock::forever);
        return;
    }
    if (count == Rep{0}) {
        MUST(got == nanoseconds::zero());
        return;
    }
    MUST(got > nanoseconds::zero() || got == nlock::forever);
    const long double wanted = static_cast<long double>(count) * (static_cast<long double>(Period::num) * 1e9L) /
                               static_cast<long double>(Period::den);
    const long double slack = 1 + wanted * 1e-15L;
    if (got == nlock::forever) {
        MUST(wanted > longest - slack);
    } else {
        MUST(std::fabs(static_cast<long double>(got.count()) - wanted) <= slack);
    }
}

/// Any value, but of long double only what arithmetic gives: not every pattern of its bits is a number. And not so near
/// to zero that a smaller unit makes it zero.
template <class Rep>
Rep take_number(input& in) {
    if constexpr (std::is_same_v<Rep, long double>) {
        const auto digits = static_cast<long double>(in.take<std::int64_t>());
        return std::ldexp(digits, in.take<std::int16_t>() % 16000);
    } else {
        return in.take<Rep>();
    }
}

template <class Rep>
void check_units(input& in) {
    const Rep count = take_number<Rep>(in);
    check_timeout<Rep, std::atto>(count);
    check_timeout<Rep, std::nano>(count);
    check_timeout<Rep, std::ratio<1, 3>>(count);
    check_timeout<Rep, std::milli>(count);
    check_timeout<Rep, std::ratio<1>>(count);
    check_timeout<Rep, std::ratio<3600>>(count);
    check_timeout<Rep, std::giga>(count);
}

template <class Clock, class Duration>
void check_time_point(std::chrono::time_point<Clock, Duration> time) {
    const nanoseconds left = nlock::detail::time_until(time);
    MUST(left >= nanoseconds::zero() || left == nlock::forever);
}

void check_deadline(nanoseconds start, nanoseconds timeout, nanoseconds pause) {
    using nlock::detail::deadline;
    if (start < nanoseconds::zero()) start = -(start + nanoseconds{1});  // the steady clock counts from the start
    const deadline::clock::time_point from{start};
    const deadline end{from, timeout};
    const bool too_far = timeout >= (nanoseconds::max)() - start;
    MUST(end.is_never() == (timeout < nanoseconds::zero() || too_far));
    MUST(end.is_never() || end.time() == from + timeout);
    MUST(end.is_never() ? end.remaining() == nlock::forever : end.remaining() >= nanoseconds::zero());
    MUST(!end.has_passed() || end.time() <= deadline::clock::now());
    if (pause >= nanoseconds::zero()) {
        const nanoseconds limited = end.limit(pause);
        MUST(limited >= nanoseconds::zero() && limited <= pause);
    }
    const deadline from_now{timeout};
    MUST(timeout >= nanoseconds::zero() || from_now.is_never());
}

void check_words(nanoseconds time) {
    if (time < nanoseconds::zero()) return;
    const std::string words = nlock::detail::in_words(time);
    std::size_t end = 0;
    const long double number = std::stold(words, &end);
    const std::string unit = words.substr(end);
    MUST(unit == " s" || unit == " ms");
    MUST(std::fabs(number * (unit == " s" ? 1e9L : 1e6L) - static_cast<long double>(time.count())) < 1);
}

void check_backoff(input& in) {
    const auto poll_interval = std::chrono::milliseconds{in.take<std::int64_t>()};
    nlock::detail::backoff backoff{poll_interval};
    constexpr auto hour = std::chrono::hours{1};
    const auto check = [&](nanoseconds pause) { MUST(pause > nanoseconds::zero() && pause <= hour); };
    while (!in.rest().empty()) {
        const auto what = in.take<std::uint8_t>();
        if (what % 4 == 0) backoff.heard_event();
        const nanoseconds waited{in.take<std::int64_t>()};
        check(backoff.next(waited, what % 8 < 4, std::chrono::nanoseconds{0}));
        check(backoff.next_behind());
    }
    check(nlock::detail::backoff::grace());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    input in{data, size};
    switch (in.take<std::uint8_t>() % 10) {
    case 0:
        check_units<std::int8_t>(in);
        break;
    case 1:
        check_units<std::int64_t>(in);
        break;
    case 2:
        check_units<std::uint64_t>(in);
        break;
    case 3:
        check_units<float>(in);
        break;
    case 4:
        check_units<double>(in);
        break;
    case 5:
        check_units<long double>(in);
        break;
    case 6: {
        const auto start = nanoseconds{in.take<std::int64_t>()};
        const auto timeout = nanoseconds{in.take<std::int64_t>()};
        check_deadline(start, timeout, nanoseconds{in.take<std::int64_t>()});
        break;
    }
    case 7: {
        const auto count = in.take<std::int64_t>();
        check_time_point(std::chrono::time_point<std::chrono::system_clock, std::chrono::hours>{
            std::chrono::hours{static_cast<std::chrono::hours::rep>(count)}});
        check_time_point(std::chrono::time_point<std::chrono::steady_clock, nanoseconds>{nanoseconds{count}});
        break;
    }
    case 8:
        check_words(nanoseconds{in.take<std::int64_t>()});
        break;
    default:
        check_backoff(in);
        break;
    }
    return 0;
}

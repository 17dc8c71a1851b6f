// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Time-outs of any duration type.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <limits>

#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// By its bits, because -ffast-math takes it for granted that every number equals itself.
inline bool is_nan(double number) noexcept {
    static_assert(std::numeric_limits<double>::is_iec559 && sizeof(double) == sizeof(std::uint64_t));
    std::uint64_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    constexpr std::uint64_t infinity = 0x7FF0'0000'0000'0000;
    return bits << 1 > infinity << 1;  // whatever the sign
}

template <class Rep, class Period>
bool is_number(std::chrono::duration<Rep, Period> time) {
    const auto count = static_cast<long double>(time.count());
    return !is_nan(static_cast<double>(count));
}

/// std::invalid_argument
[[noreturn]] void throw_no_number();

/// Throws std::invalid_argument for NaN.
template <class Rep, class Period>
long double count_of(std::chrono::duration<Rep, Period> time) {
    if (!is_number(time)) throw_no_number();
    return static_cast<long double>(time.count());
}

/// Any duration as nanoseconds: the nearest number, because 0.1 s as a double is a little more; but what is not zero
/// stays so. Negative or beyond the range: endless. Throws as count_of does.
template <class Rep, class Period>
std::chrono::nanoseconds to_timeout(std::chrono::duration<Rep, Period> time) {
    using std::chrono::nanoseconds;
    // Through long double, because std::chrono's conversion overflows for hours::max() and does not compile for
    // duration<double, std::tera>.
    const long double given = count_of(time);
    if (given < 0) return endless;
    const long double count = given * (static_cast<long double>(Period::num) * 1e9L / Period::den);
    if (count >= static_cast<long double>((nanoseconds::max)().count())) return endless;
    const auto nearest = static_cast<nanoseconds::rep>(count + 0.5L);  // std::round would cost every user <cmath>
    return nanoseconds{given > 0 ? (std::max)(nearest, nanoseconds::rep{1}) : 0};
}

inline std::chrono::nanoseconds to_timeout(std::chrono::nanoseconds time) noexcept {
    return time < std::chrono::nanoseconds::zero() ? endless : time;
}

/// In the standard library's face what is negative is zero, as for std::timed_mutex.
template <class Rep, class Period>
std::chrono::nanoseconds to_standard_timeout(std::chrono::duration<Rep, Period> time) {
    return count_of(time) < 0 ? std::chrono::nanoseconds::zero() : to_timeout(time);
}

/// How long it is until `time` of any clock, not negative. Throws as to_timeout does.
template <class Clock, class Duration>
std::chrono::nanoseconds time_until(std::chrono::time_point<Clock, Duration> time) {
    // Each by itself as long double: a difference, or a comparison, in the finer of the two units can overflow.
    using seconds = std::chrono::duration<long double>;
    const seconds left = seconds{time.time_since_epoch()} - seconds{Clock::now().time_since_epoch()};
    return to_standard_timeout(left);
}

}  // namespace nlock::NAMED_LOCK_ABI::detail

#if !defined(NAMED_LOCK_COMPILED)
#include <named_lock/detail/timeout_impl.hpp>
#endif

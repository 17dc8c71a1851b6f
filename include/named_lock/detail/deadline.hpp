// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Time-outs of any duration type, and the moment at which one is over.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>

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

/// Throws std::invalid_argument for NaN.
template <class Rep, class Period>
long double count_of(std::chrono::duration<Rep, Period> time) {
    const auto count = static_cast<long double>(time.count());
    if (is_nan(static_cast<double>(count))) throw std::invalid_argument{"a lock time-out must be a number"};
    return count;
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

/// A point on the steady clock, or never. Also never: one that the clock cannot express.
class deadline {
  public:
    using clock = std::chrono::steady_clock;

    deadline() = default;  // never
    explicit deadline(std::chrono::nanoseconds timeout) : deadline{clock::now(), timeout} {}
    deadline(clock::time_point start, std::chrono::nanoseconds timeout) {
        if (timeout >= std::chrono::nanoseconds::zero() && timeout < (clock::time_point::max)() - start) {
            end_ = start + timeout;
        }
    }

    [[nodiscard]] bool is_never() const noexcept { return end_ == (clock::time_point::max)(); }
    [[nodiscard]] bool has_passed() const noexcept { return !is_never() && clock::now() >= end_; }
    [[nodiscard]] clock::time_point time() const noexcept { return end_; }

    /// What is left until then: not negative, or endless.
    [[nodiscard]] std::chrono::nanoseconds remaining() const noexcept {
        return is_never() ? endless
                          : (std::max)(std::chrono::nanoseconds{end_ - clock::now()}, std::chrono::nanoseconds::zero());
    }

    /// `pause`, cut short so that it does not go past the deadline.
    [[nodiscard]] std::chrono::nanoseconds limit(std::chrono::nanoseconds pause) const noexcept {
        return is_never() ? pause : (std::min)(pause, remaining());
    }

  private:
    clock::time_point end_ = (clock::time_point::max)();
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

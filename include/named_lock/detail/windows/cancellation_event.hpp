// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <system_error>

#include <named_lock/detail/windows/api.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// What a waiter that can be cancelled sleeps on as well.
class cancellation_event {
  public:
    /// Throws std::system_error.
    cancellation_event()
        : event_{windows::CreateEventExW(nullptr, nullptr, windows::manual_reset,
                                         windows::synchronize | windows::modify_state)} {
        if (!event_) {
            const int error = static_cast<int>(windows::GetLastError());
            throw std::system_error{error, std::system_category(), "cannot make a cancellation"};
        }
    }
    cancellation_event(const cancellation_event&) = delete;
    cancellation_event& operator=(const cancellation_event&) = delete;

    void set() noexcept { windows::SetEvent(event_.get()); }
    void reset() noexcept { windows::ResetEvent(event_.get()); }
    [[nodiscard]] static bool is_usable() noexcept { return true; }
    [[nodiscard]] void* get() const noexcept { return event_.get(); }

    /// Until it is set or `longest` is over, or less.
    void wait(std::chrono::nanoseconds longest) const noexcept {
        constexpr std::int64_t most = 1'000'000;
        const auto pause = std::chrono::ceil<std::chrono::duration<std::int64_t, std::milli>>(longest).count();
        windows::WaitForSingleObject(event_.get(), static_cast<windows::dword>((std::min)(pause, most)));
    }

  private:
    windows::handle event_;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <atomic>
#include <system_error>

#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/wake_listener.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// An event. A release sets another one, of the file, which a thread of the system's pool waits for: Windows cannot make one
/// handle of two. That one resets itself as it wakes somebody, so it is set again for the watch to see.
class news_handle : public wake_listener {
  public:
    using native_type = void*;

    news_handle()
        : wake_listener{set_handle},
          event_{windows::CreateEventExW(nullptr, nullptr, windows::manual_reset,
                                         windows::synchronize | windows::modify_state)} {
        if (!event_) {
            const int error = static_cast<int>(windows::GetLastError());
            throw std::system_error{error, std::system_category(), "cannot begin to acquire a lock"};
        }
    }
    ~news_handle() { unlisten(); }

    [[nodiscard]] native_type get() const noexcept { return event_.get(); }

    void set() noexcept { windows::SetEvent(event_.get()); }
    void clear() noexcept { windows::ResetEvent(event_.get()); }

    void listen(const release_watch& watch) noexcept {
        releases_ = watch.releases();
        if (releases_ == nullptr) return;
        constexpr auto how = windows::in_wait_thread | windows::only_once;
        if (windows::RegisterWaitForSingleObject(&wait_, releases_, on_release, this, windows::no_limit, how) == 0) {
            releases_ = nullptr;
        }
    }
    void unlisten() noexcept {
        if (releases_ == nullptr) return;
        windows::UnregisterWaitEx(wait_, windows::invalid_handle);  // returns when on_release has
        if (has_heard_.exchange(false)) windows::SetEvent(releases_);
        releases_ = nullptr;
    }

  private:
    static void set_handle(wake_listener& self) noexcept { static_cast<news_handle&>(self).set(); }

    static void __stdcall on_release(void* self, unsigned char /*timed_out*/) {
        static_cast<news_handle*>(self)->has_heard_.store(true);
        static_cast<news_handle*>(self)->set();
    }

    windows::handle event_;
    void* releases_ = nullptr;
    void* wait_ = nullptr;
    std::atomic<bool> has_heard_{false};
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/wake_listener.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// A pipe with a byte in it, or none. Releases by others are not reported here, so wake_at() comes often.
class news_handle : public wake_listener {
  public:
    using native_type = int;

    news_handle()
        : wake_listener{set_handle} {
        int ends[2] = {-1, -1};
        out_ = descriptor::from_once([&] { return ::pipe(ends) == 0 ? ends[0] : -1; });
        in_ = descriptor::from_once([&] { return ends[1]; });
        if (!out_ || !in_) throw std::system_error{errno, std::generic_category(), "cannot begin to acquire a lock"};
        for (const descriptor* d : {&out_, &in_}) {
            ::fcntl(d->get(), F_SETFD, FD_CLOEXEC);
            ::fcntl(d->get(), F_SETFL, O_NONBLOCK);
        }
    }

    [[nodiscard]] native_type get() const noexcept { return out_.get(); }

    void set() noexcept {
        const cancellation_shield shield;
        if (in_) [[maybe_unused]] const auto size = ::write(in_.get(), "", 1);
    }
    void clear() noexcept {
        const cancellation_shield shield;
        char taken[64];
        while (out_ && ::read(out_.get(), taken, sizeof taken) == static_cast<ssize_t>(sizeof taken)) {
        }
    }
    void listen(const release_watch&) noexcept {}
    void unlisten() noexcept {}

  private:
    static void set_handle(wake_listener& self) noexcept { static_cast<news_handle&>(self).set(); }

    descriptor out_{};
    descriptor in_{};
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

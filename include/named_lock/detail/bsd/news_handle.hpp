// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <sys/event.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include <named_lock/detail/bsd/queue.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/wake_listener.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// A kqueue: the watches, which are kqueues, too, come and go behind a number that stays.
class news_handle : public wake_listener {
  public:
    using native_type = int;

    news_handle()
        : wake_listener{set_handle},
          queue_{open_queue()} {
        if (!queue_ || !apply(EVFILT_USER, 0, EV_ADD, 0)) {
            throw std::system_error{errno, std::generic_category(), "cannot begin to acquire a lock"};
        }
    }

    [[nodiscard]] native_type get() const noexcept { return queue_.get(); }

    void set() noexcept { apply(EVFILT_USER, 0, 0, NOTE_TRIGGER); }
    void clear() noexcept {
        apply(EVFILT_USER, 0, EV_DELETE, 0);
        apply(EVFILT_USER, 0, EV_ADD, 0);
    }

    void listen(const release_watch& watch) noexcept {
        watched_ = watch.fd();
        apply(EVFILT_READ, watched_, EV_ADD, 0);
    }
    void unlisten() noexcept {
        if (watched_ >= 0) apply(EVFILT_READ, watched_, EV_DELETE, 0);
        watched_ = -1;
    }

  private:
    static void set_handle(wake_listener& self) noexcept { static_cast<news_handle&>(self).set(); }

    bool apply(std::int16_t filter, int fd, std::uint16_t action, std::uint32_t notes) const noexcept {
        return queue_ && change_queue(queue_, filter, fd, action, notes);
    }

    descriptor queue_;
    int watched_ = -1;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

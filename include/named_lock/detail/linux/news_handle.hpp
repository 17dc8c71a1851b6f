// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <utility>

#include <named_lock/detail/lock_registry.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/wake_listener.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// What the news_handles of a process share.
class shared_by_handles {
  public:
    /// Always readable: what handles show while they are set. One is shared by many, but not by all, as Linux limits the ways
    /// from event loops to one file (fs/eventpoll.c, path_limits): 500 through handles that a loop watches, 100 if another
    /// loop watches that one.
    struct file {
        descriptor open{};
        int users = 0;
    };

    /// One user more; null, with errno: there are too many, or no descriptor is left.
    file* take_file() {
        const std::scoped_lock lock{lock_registry::instance().mutex()};
        if (generation_ != fork_generation()) forget_parent();
        for (file& f : files_) {
            if (f.users == most_users) continue;
            if (!f.open.is_ours()) f.open = descriptor::from([] { return ::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK); });
            if (!f.open) return nullptr;
            ++f.users;
            return &f;
        }
        errno = EMFILE;
        return nullptr;
    }
    static void give_back(file& f) noexcept {
        const std::scoped_lock lock{lock_registry::instance().mutex()};
        if (--f.users == 0) f.open.close();
    }

    /// Whether one more may watch the events of files: there is one way to them for each, too.
    bool take_seat() noexcept {
        if (seats_.fetch_add(1) < most_seats) return true;
        give_seat_back();
        return false;
    }
    void give_seat_back() noexcept { seats_.fetch_sub(1); }

  private:
    void forget_parent() noexcept {
        for (file& f : files_) f = file{};
        seats_.store(0);
        generation_ = fork_generation();
    }

    static constexpr int most_users = 96;
    static constexpr int most_seats = 16;

    std::uint32_t generation_ = 0;
    std::array<file, 1024> files_{};
    std::atomic<int> seats_{0};
};

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wexit-time-destructors"  // which does nothing
#pragma clang diagnostic ignored "-Wglobal-constructors"
#endif
NAMED_LOCK_ONE_PER_PROCESS inline never_destroyed<shared_by_handles> process_shared_by_handles;
#if defined(__clang__)
#pragma clang diagnostic pop
#endif

/// An epoll instance: bells come and go behind a number that stays, and one of 10,000 that wait for one lock costs one
/// descriptor. The events of files are those of all waiters of the process (file_events): a few watch them, and who looks
/// first takes them for all and rings the bells of those whom they concern.
class news_handle : public wake_listener {
  public:
    using native_type = int;

    news_handle()
        : wake_listener{set_handle},
          epoll_{descriptor::from([] { return ::epoll_create1(EPOLL_CLOEXEC); })},
          readable_{epoll_ ? shared().take_file() : nullptr} {
        // Now and not when it is set, because to add it may fail, and to modify it does not.
        if (readable_ == nullptr || !control(EPOLL_CTL_ADD, readable_fd_ = readable_->open.get(), 0)) {
            const int error = errno;
            if (readable_ != nullptr) shared_by_handles::give_back(*readable_);
            throw std::system_error{error, std::generic_category(), "cannot begin to acquire a lock"};
        }
    }
    ~news_handle() {
        if (!epoll_) return;  // the parent's
        unlisten();
        epoll_.close();  // before somebody else becomes a user
        shared_by_handles::give_back(*readable_);
    }

    [[nodiscard]] native_type get() const noexcept { return epoll_.get(); }

    void set() noexcept { control(EPOLL_CTL_MOD, readable_fd_, EPOLLIN); }
    void clear() noexcept { control(EPOLL_CTL_MOD, readable_fd_, 0); }

    void listen(const release_watch& watch) noexcept {
        if (control(EPOLL_CTL_ADD, watch.bell_fd(), EPOLLIN)) bell_ = watch.bell_fd();
        if (watch.events_fd() < 0 || !shared().take_seat()) return;
        if (control(EPOLL_CTL_ADD, watch.events_fd(), EPOLLIN)) {
            events_ = watch.events_fd();
        } else {
            shared().give_seat_back();
        }
    }
    void unlisten() noexcept {
        if (bell_ >= 0) control(EPOLL_CTL_DEL, std::exchange(bell_, -1), 0);
        if (events_ < 0) return;
        control(EPOLL_CTL_DEL, std::exchange(events_, -1), 0);
        shared().give_seat_back();
    }

  private:
    static void set_handle(wake_listener& self) noexcept { static_cast<news_handle&>(self).set(); }
    static shared_by_handles& shared() noexcept { return process_shared_by_handles.value; }

    bool control(int action, int fd, std::uint32_t events) const noexcept {
        if (!epoll_.is_ours()) return false;
        epoll_event event{};
        event.events = events;
        return ::epoll_ctl(epoll_.get(), action, fd, &event) == 0;
    }

    descriptor epoll_;
    shared_by_handles::file* const readable_;
    int readable_fd_ = -1;
    int bell_ = -1;
    int events_ = -1;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>

#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/wake_listener.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// Files that are always readable: what news_handles show while they are set. One is shared by many, but not by all, as
/// Linux lets no more than 500 epoll instances that are watched themselves watch one file (fs/eventpoll.c, path_limits).
/// No mutex, which a fork could leave locked.
class readable_files {
  public:
    struct file {
        std::atomic<descriptor*> open{nullptr};
        std::atomic<int> users{0};
    };

    /// One user more; null: there are too many, or no descriptor is left.
    file* take() {
        for (file& f : files_) {
            if (f.users.fetch_add(1) < most_users && fd_of(f) >= 0) return &f;
            f.users.fetch_sub(1);
        }
        return nullptr;
    }
    static void give_back(file& f) noexcept { f.users.fetch_sub(1); }

    /// -1: no descriptor is left. It is made when it is needed, and again in a forked child or where the program has closed
    /// it; the one before stays in memory, as somebody may still look at it.
    static int fd_of(file& f) {
        descriptor* known = f.open.load();
        while (known == nullptr || !known->is_ours()) {
            auto made = std::make_unique<descriptor>(
                descriptor::from([] { return ::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK); }));
            if (!*made) return -1;
            if (f.open.compare_exchange_strong(known, made.get())) known = made.release();
        }
        return known->get();
    }

  private:
    static constexpr int most_users = 400;
    std::array<file, 256> files_{};
};

NAMED_LOCK_ONE_PER_PROCESS inline readable_files process_readable_files;

/// How many news_handles watch the events of files, of those that 500 may.
NAMED_LOCK_ONE_PER_PROCESS inline std::atomic<int> process_event_watchers{0};

/// An epoll instance: bells come and go behind a number that stays, and one of 10,000 that wait for one lock costs one
/// descriptor. The events of files are those of all waiters of the process (file_events): a few watch them, and who looks
/// first takes them for all and rings the bells of those whom they concern.
class news_handle : public wake_listener {
  public:
    using native_type = int;

    news_handle()
        : wake_listener{set_handle},
          epoll_{descriptor::from([] { return ::epoll_create1(EPOLL_CLOEXEC); })},
          readable_{epoll_ ? process_readable_files.take() : nullptr} {
        // Now and not when it is set, because to add it may fail, and to modify it does not.
        if (readable_ == nullptr || !control(EPOLL_CTL_ADD, readable_fd_ = readable_files::fd_of(*readable_), 0)) {
            const int error = errno;
            if (readable_ != nullptr) readable_files::give_back(*readable_);
            throw std::system_error{error, std::generic_category(), "cannot begin to acquire a lock"};
        }
    }
    ~news_handle() {
        unlisten();
        epoll_.close();  // before somebody else becomes a user
        readable_files::give_back(*readable_);
    }

    [[nodiscard]] native_type get() const noexcept { return epoll_.get(); }

    void set() noexcept { control(EPOLL_CTL_MOD, readable_fd_, EPOLLIN); }
    void clear() noexcept { control(EPOLL_CTL_MOD, readable_fd_, 0); }

    void listen(const release_watch& watch) noexcept {
        bell_ = watch.bell_fd();
        control(EPOLL_CTL_ADD, bell_, EPOLLIN);
        if (watch.events_fd() < 0) return;
        if (process_event_watchers.fetch_add(1) < most_event_watchers) {
            events_ = watch.events_fd();
            control(EPOLL_CTL_ADD, events_, EPOLLIN);
        } else {
            process_event_watchers.fetch_sub(1);
        }
    }
    void unlisten() noexcept {
        if (bell_ >= 0) control(EPOLL_CTL_DEL, std::exchange(bell_, -1), 0);
        if (events_ < 0) return;
        control(EPOLL_CTL_DEL, std::exchange(events_, -1), 0);
        process_event_watchers.fetch_sub(1);
    }

  private:
    static void set_handle(wake_listener& self) noexcept { static_cast<news_handle&>(self).set(); }

    bool control(int action, int fd, std::uint32_t events) const noexcept {
        if (!epoll_.is_ours()) return false;
        epoll_event event{};
        event.events = events;
        return ::epoll_ctl(epoll_.get(), action, fd, &event) == 0;
    }

    static constexpr int most_event_watchers = 16;

    descriptor epoll_;
    readable_files::file* const readable_;
    int readable_fd_ = -1;
    int bell_ = -1;
    int events_ = -1;
};

}  // namespace nlock::NAMED_LOCK_ABI::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The release_watch of Linux. inotify reports no unlock but every close, and each release of this library closes the
// file; so do the ends of other programs' holds, of killed processes too. Remote changes are never reported
// (man 7 inotify), so the waiter polls as well.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <utility>

#include <named_lock/detail/posix/descriptor.hpp>
#include <named_lock/detail/watch_event.hpp>

namespace nlock::detail {

class release_watch {
  public:
    /// Null when the user has no inotify instance left (fs.inotify.max_user_instances, usually 128) or the process no
    /// descriptor.
    static kept_watch open() {
        auto events = descriptor::from([] { return ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK); });
        auto interrupts = descriptor::from([] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); });
        if (!events || !interrupts) return nullptr;
        return kept_watch{new release_watch{std::move(events), std::move(interrupts)}};
    }

    bool watch(const std::filesystem::path& path) noexcept {
        unwatch();
        take_events();  // of the file before
        constexpr std::uint32_t reasons = IN_CLOSE | moved_mask;
        watch_ = ::inotify_add_watch(events_.get(), path.c_str(), reasons | IN_DONT_FOLLOW);
        return watch_ >= 0;
    }

    void unwatch() noexcept {
        if (watch_ >= 0) ::inotify_rm_watch(events_.get(), std::exchange(watch_, -1));
    }

    /// Leaves the events to rest(), which follows if the next attempt is in vain: reading them takes time.
    watch_event wait(std::chrono::nanoseconds longest) noexcept {
        std::array<pollfd, 2> sources{{{interrupts_.get(), POLLIN, 0}, {events_.get(), POLLIN, 0}}};
        if (!poll(sources.data(), sources.size(), longest)) return watch_event::none;
        if (sources[0].revents != 0) take_interrupt();
        return watch_event::hint;
    }

    watch_event rest(std::chrono::nanoseconds time) noexcept {
        pollfd source{interrupts_.get(), POLLIN, 0};
        if (poll(&source, 1, time)) take_interrupt();
        return take_events() ? watch_event::moved : watch_event::none;
    }

    void keep_below(descriptor& file) noexcept {
        if (file.get() > events_.get()) return;
        file.renumber(events_.get() + 1);  // leaves its number to this one
        events_.renumber(STDERR_FILENO + 1);
    }

    void interrupt() noexcept {
        const std::uint64_t once = 1;
        [[maybe_unused]] const auto size = ::write(interrupts_.get(), &once, sizeof once);
    }

    [[nodiscard]] bool is_usable() const noexcept { return static_cast<bool>(events_); }

    release_watch* next_idle = nullptr;

  private:
    static constexpr std::uint32_t moved_mask = IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF;

    release_watch(descriptor events, descriptor interrupts) noexcept
        : events_{std::move(events)}, interrupts_{std::move(interrupts)} {}

    /// False: nothing has come within `longest`.
    static bool poll(pollfd* sources, nfds_t count, std::chrono::nanoseconds longest) noexcept {
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(longest);
        timespec timeout{};
        timeout.tv_sec = static_cast<time_t>(seconds.count());
        timeout.tv_nsec = static_cast<long>((longest - seconds).count());
        const int ready = ::ppoll(sources, count, &timeout, nullptr);
        if (ready >= 0 || errno == EINTR) return ready != 0;
        // Without memory, or with RLIMIT_NOFILE below two: a pause, so that the waiter polls and does not spin.
        constexpr long moment = 1'000'000;
        if (timeout.tv_sec != 0 || timeout.tv_nsec > moment) timeout = {0, moment};
        ::nanosleep(&timeout, nullptr);
        return false;
    }

    void take_interrupt() noexcept {
        std::uint64_t count;
        [[maybe_unused]] const auto size = ::read(interrupts_.get(), &count, sizeof count);
    }

    /// Takes the events that have come; true when one says that the file may have moved or that events were lost.
    bool take_events() noexcept {
        std::array<char, 4096> buffer;
        const auto size = ::read(events_.get(), buffer.data(), buffer.size());
        bool moved = size < 0 && errno != EAGAIN;  // what cannot be read may be that
        inotify_event event;
        for (std::size_t at = 0; size > 0 && at + sizeof event <= static_cast<std::size_t>(size);
             at += sizeof event + event.len) {
            std::memcpy(&event, buffer.data() + at, sizeof event);
            if ((event.mask & (moved_mask | IN_UNMOUNT | IN_Q_OVERFLOW)) != 0) moved = true;
        }
        return moved;
    }

    descriptor events_;
    descriptor interrupts_;
    int watch_ = -1;
};

}  // namespace nlock::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// How one waiter is woken and nobody else: it sleeps on a datagram socket whose name, in the abstract namespace, is made
// of a number, its address. Who knows the number sends a byte. Any local user can, so a byte means only: try again.
//
// Such names belong to a network namespace: from another one the waiter is out of reach, which the sender is told.
#pragma once

#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <new>
#include <utility>

#include <named_lock/detail/line_place.hpp>
#include <named_lock/detail/posix/descriptor.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

/// The low bits of an address are its process, as a hint for people; Linux has no larger pids.
inline constexpr int pid_bits = 22;
inline constexpr int address_bits = 60;
static_assert(address_bits > pid_bits);

inline bell_address random_address() noexcept {
    static std::atomic<std::uint64_t> count{0};
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const std::uint64_t x = static_cast<std::uint64_t>(now.tv_nsec) ^ (static_cast<std::uint64_t>(now.tv_sec) << 30) ^
                            (static_cast<std::uint64_t>(::getpid()) << 42);
    const std::uint64_t random = scattered(x + ++count * 0x9E3779B97F4A7C15) >> (64 - (address_bits - pid_bits));
    return (random << pid_bits) | (static_cast<std::uint64_t>(::getpid()) & ((1u << pid_bits) - 1));
}

/// "\0named_lock-0123456789abcdef"
class socket_name {
  public:
    explicit socket_name(bell_address address) noexcept {
        name_.sun_family = AF_UNIX;
        const int length = std::snprintf(name_.sun_path + 1, sizeof name_.sun_path - 1, "named_lock-%016llx",
                                         static_cast<unsigned long long>(address));
        size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<std::size_t>(length));
    }
    [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&name_); }
    [[nodiscard]] socklen_t size() const noexcept { return size_; }

  private:
    sockaddr_un name_{};
    socklen_t size_{};
};

inline descriptor open_datagram_socket() noexcept {
    return descriptor::from([] { return ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); });
}

/// What a waiter sleeps on. Where sockets are refused it is an eventfd, which only its own process can ring.
class bell {
  public:
    bell() noexcept {
        constexpr int enough = 10;  // a name that is taken: another
        for (int i = 0; i < enough && address_ == no_address; ++i) {
            fd_ = open_datagram_socket();
            if (!fd_) break;
            const bell_address address = random_address();
            const socket_name name{address};
            if (::bind(fd_.get(), name.get(), name.size()) == 0) address_ = address;
        }
        if (address_ == no_address) fd_ = descriptor::from([] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); });
    }

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] bell_address address() const noexcept { return address_; }
    [[nodiscard]] bool is_ours() const noexcept { return fd_.is_ours(); }

    /// By another thread of this process.
    void ring() const noexcept {
        if (!is_ours()) return;
        const cancellation_shield shield;
        const std::uint64_t once = 1;
        if (address_ == no_address) {
            [[maybe_unused]] const auto size = ::write(fd_.get(), &once, sizeof once);
        } else {
            const socket_name name{address_};
            ::sendto(fd_.get(), &once, 1, MSG_DONTWAIT | MSG_NOSIGNAL, name.get(), name.size());
        }
    }

    /// Takes what has come; what a flood of strangers leaves will ring once more.
    void silence() const noexcept {
        const cancellation_shield shield;
        std::uint64_t taken;
        if (address_ == no_address) {
            [[maybe_unused]] const auto size = ::read(fd_.get(), &taken, sizeof taken);
            return;
        }
        constexpr int enough = 16;
        for (int i = 0; i < enough && ::recv(fd_.get(), &taken, sizeof taken, MSG_DONTWAIT) >= 0; ++i) {
        }
    }

  private:
    descriptor fd_{};
    bell_address address_ = no_address;
};

/// The socket from which a process rings the bells of others.
class voice {
  public:
    /// False: out of reach. True also where so many bytes have come already that there is no room for one more.
    bool call(bell_address address) noexcept {
        const std::scoped_lock lock{mutex_};
        if (!socket_.is_ours()) socket_ = open_datagram_socket();
        if (send(address)) return true;
        if (errno == EAGAIN && unread() >= most_unread) {  // our own allowance, used up by what stopped processes leave
            socket_ = open_datagram_socket();
            if (send(address)) return true;
        }
        return errno == EAGAIN;  // that queue is full
    }

    /// In a forked child: whose threads are gone.
    void start_afresh() noexcept {
        new (&mutex_) std::mutex;
        socket_.close();
    }

  private:
    /// Of memory in the kernel, of which a socket has some 200,000 bytes (net.core.wmem_default).
    static constexpr int most_unread = 50'000;

    [[nodiscard]] int unread() const noexcept {
        int bytes = 0;
        return ::ioctl(socket_.get(), SIOCOUTQ, &bytes) == 0 ? bytes : most_unread;
    }

    bool send(bell_address address) const noexcept {
        const cancellation_shield shield;
        const socket_name name{address};
        const char anything = 0;
        return ::sendto(socket_.get(), &anything, 1, MSG_DONTWAIT | MSG_NOSIGNAL, name.get(), name.size()) == 1;
    }

    std::mutex mutex_{};
    descriptor socket_{};
};

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wexit-time-destructors"  // which does nothing
#pragma clang diagnostic ignored "-Wglobal-constructors"
#endif
NAMED_LOCK_ONE_PER_PROCESS inline never_destroyed<voice> process_voice;
#if defined(__clang__)
#pragma clang diagnostic pop
#endif

}  // namespace nlock::NAMED_LOCK_ABI::detail

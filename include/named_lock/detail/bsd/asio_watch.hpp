// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// See asio_acquire.hpp, which alone includes this.

namespace nlock::NAMED_LOCK_ABI::NAMED_LOCK_ASIO_FACE::detail {

/// Looks for news of a pending_acquire again and again. Asio cannot watch its kqueue: it wants each descriptor to be
/// non-blocking (FIONBIO), which for a kqueue is an error, ENOTTY.
template <class Executor>
class asio_watch {
  public:
    asio_watch(const Executor& executor, int /*handle*/) : again_{executor} {}

    template <class Handler>
    void async_wait(Handler handler) {
        again_.expires_after(std::chrono::milliseconds{2});
        again_.async_wait(std::move(handler));
    }
    void cancel() { again_.cancel(); }

  private:
    using clock = std::chrono::steady_clock;
    net::basic_waitable_timer<clock, net::wait_traits<clock>, Executor> again_;
};

}  // namespace nlock::NAMED_LOCK_ABI::NAMED_LOCK_ASIO_FACE::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// See asio_acquire.hpp, which alone includes this.

namespace nlock::NAMED_LOCK_ABI::NAMED_LOCK_ASIO_FACE::detail {

/// Tells of news of a pending_acquire. Asio registers a descriptor with EPOLLET, but anew for each wait (it modifies it, in
/// reactor::start_op), so a wait for one that is readable ends at once.
template <class Executor>
class asio_watch {
  public:
    asio_watch(const Executor& executor, int handle) : descriptor_{executor, handle} {}
    asio_watch(const asio_watch&) = delete;
    asio_watch& operator=(const asio_watch&) = delete;
    ~asio_watch() { descriptor_.release(); }  // or it would be closed

    template <class Handler>
    void async_wait(Handler handler) {
        descriptor_.async_wait(net::posix::descriptor_base::wait_read, std::move(handler));
    }
    void cancel() { descriptor_.cancel(); }

  private:
    net::posix::basic_stream_descriptor<Executor> descriptor_;
};

}  // namespace nlock::NAMED_LOCK_ABI::NAMED_LOCK_ASIO_FACE::detail

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// See asio_acquire.hpp, which alone includes this.

namespace nlock::NAMED_LOCK_ABI::NAMED_LOCK_ASIO_FACE::detail {

/// Tells of news of a pending_acquire, by another handle to its event: Asio closes what it is given.
template <class Executor>
class asio_watch {
  public:
    asio_watch(const Executor& executor, void* handle) : event_{executor, another(handle)} {}

    template <class Handler>
    void async_wait(Handler handler) {
        event_.async_wait(std::move(handler));
    }
    void cancel() { event_.cancel(); }

  private:
    static HANDLE another(HANDLE handle) {
        HANDLE result = nullptr;
        const HANDLE process = ::GetCurrentProcess();
        if (::DuplicateHandle(process, handle, process, &result, 0, FALSE, DUPLICATE_SAME_ACCESS) == 0) {
            throw std::system_error{static_cast<int>(::GetLastError()), std::system_category(),
                                    "cannot wait for a lock"};
        }
        return result;
    }

    net::windows::basic_object_handle<Executor> event_;
};

}  // namespace nlock::NAMED_LOCK_ABI::NAMED_LOCK_ASIO_FACE::detail

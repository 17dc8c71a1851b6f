// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Acquiring with Asio (https://think-async.com), 1.18 or later. For Boost's: boost_asio.hpp.
//
//     asio::awaitable<void> handle(nlock::named_lock lock) {
//         nlock::guard guard = co_await nlock::async_acquire(lock, 10s, asio::use_awaitable);   // other handlers go on
//         ...
//     }
#pragma once

#include <chrono>
#include <utility>

#include <asio/associated_allocator.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/error.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>
#include <asio/system_executor.hpp>
#include <asio/wait_traits.hpp>
#include <asio/windows/object_handle.hpp>
#if __has_include(<asio/associated_cancellation_slot.hpp>)
#include <asio/associated_cancellation_slot.hpp>
#include <asio/cancellation_type.hpp>
#endif

#include <named_lock/detail/abi.hpp>
#include <named_lock/detail/forward.hpp>
#include <named_lock/named_lock.hpp>

#define NAMED_LOCK_ASIO ::asio
#define NAMED_LOCK_ASIO_FACE with_asio
#if __has_include(<asio/associated_cancellation_slot.hpp>)
#define NAMED_LOCK_ASIO_HAS_SLOTS 1
#else
#define NAMED_LOCK_ASIO_HAS_SLOTS 0
#endif
#include <named_lock/detail/asio_acquire.hpp>
#undef NAMED_LOCK_ASIO
#undef NAMED_LOCK_ASIO_FACE
#undef NAMED_LOCK_ASIO_HAS_SLOTS

namespace nlock::NAMED_LOCK_ABI {

/// Whoever includes both asio.hpp and boost_asio.hpp tells which one is meant: nlock::with_asio::async_acquire().
/// @since 1.0.0
namespace with_asio {

/// @{
/// Acquires it, exclusively or shared, and waits at most `timeout` (any duration; negative: for ever; zero: one
/// attempt) as an asynchronous operation of Asio: no thread is blocked meanwhile. `token` is any completion token, for
/// the signature `void(std::exception_ptr, nlock::guard)`: the guard; or an empty one, and what named_lock::acquire()
/// throws, lock_timeout included. The hold belongs to the guard, as with reentrant = false.
///
/// Its place in line is from this call on; with a token that starts the operation later, from then on. All that it does
/// besides, locking the file and calling the handler, happens on the handler's associated executor; a plain callback
/// has asio::system_executor, that is, a thread of Asio's own.
///
/// The associated allocator is used. Any cancellation type (since 1.19) ends it, with lock_cancelled, unless it
/// has been granted before. If nobody takes the guard, because the io_context is destroyed or the handler drops it, the
/// lock is given up; if the io_context is destroyed while it waits, the line is left.
///
/// Thread safety: it may run on an executor of many threads. As all of Asio's operations, it must not end on one thread
/// while another one emits its cancellation signal: use a strand.
/// @since 1.0.0
template <class Rep, class Period, class CompletionToken>
auto async_acquire(named_lock lock, std::chrono::duration<Rep, Period> timeout, CompletionToken&& token) {
    return detail::acquire(std::move(lock), detail::lock_kind::exclusive, timeout, token);
}
template <class Rep, class Period, class CompletionToken>
auto async_acquire_shared(named_lock lock, std::chrono::duration<Rep, Period> timeout, CompletionToken&& token) {
    return detail::acquire(std::move(lock), detail::lock_kind::shared, timeout, token);
}
/// @}

}  // namespace with_asio

using with_asio::async_acquire;
using with_asio::async_acquire_shared;

}  // namespace nlock::NAMED_LOCK_ABI

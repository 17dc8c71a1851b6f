// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Acquiring with Boost.Asio, 1.74 or later. For the one without Boost: asio.hpp.
//
//     boost::asio::awaitable<void> handle(nlock::named_lock lock) {
//         nlock::guard guard = co_await nlock::async_acquire(lock, 10s, boost::asio::use_awaitable);
//         ...   // other handlers have gone on meanwhile
//     }
#pragma once

#include <chrono>
#include <utility>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/wait_traits.hpp>
#include <boost/asio/windows/object_handle.hpp>
#if __has_include(<boost/asio/associated_cancellation_slot.hpp>)
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/cancellation_type.hpp>
#endif

#include <named_lock/detail/abi.hpp>
#include <named_lock/detail/forward.hpp>
#include <named_lock/named_lock.hpp>

#define NAMED_LOCK_ASIO ::boost::asio
#define NAMED_LOCK_ASIO_FACE with_boost_asio
#if __has_include(<boost/asio/associated_cancellation_slot.hpp>)
#define NAMED_LOCK_ASIO_HAS_SLOTS 1
#else
#define NAMED_LOCK_ASIO_HAS_SLOTS 0
#endif
#include <named_lock/detail/asio_acquire.hpp>
#undef NAMED_LOCK_ASIO
#undef NAMED_LOCK_ASIO_FACE
#undef NAMED_LOCK_ASIO_HAS_SLOTS

namespace nlock::NAMED_LOCK_ABI {

/// As with_asio, in asio.hpp, for Boost.Asio.
/// @since 1.0.0
namespace with_boost_asio {

/// @{
/// As nlock::with_asio::async_acquire() and its kin of asio.hpp, with Boost's Asio in the place of Asio.
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

}  // namespace with_boost_asio

using with_boost_asio::async_acquire;
using with_boost_asio::async_acquire_shared;

}  // namespace nlock::NAMED_LOCK_ABI

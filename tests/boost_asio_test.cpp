// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include "support/catch.hpp"

#if __has_include(<boost/asio/io_context.hpp>)
#include <utility>  // Boost 1.74 forgets it for std::exchange

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#if __has_include(<boost/asio/bind_cancellation_slot.hpp>)
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#define NLOCK_TEST_HAS_SLOTS
#endif
#if defined(BOOST_ASIO_HAS_CO_AWAIT)
#define NLOCK_TEST_HAS_COROUTINES
#if defined(NLOCK_TEST_HAS_SLOTS)
#include <boost/asio/experimental/awaitable_operators.hpp>
#endif
#endif
#if __has_include(<boost/asio/deferred.hpp>)
#include <boost/asio/deferred.hpp>
#define NLOCK_TEST_DEFERRED ::boost::asio::deferred
#endif

#include <named_lock/boost_asio.hpp>

#define NLOCK_TEST_ASIO ::boost::asio
#define NLOCK_TEST_ASIO_NAME "Boost.Asio: "
#include "support/asio_cases.hpp"
#else
TEST_CASE("Boost.Asio: what async_acquire does") { SKIP_TEST("Boost.Asio is not installed (Debian: libboost-dev)"); }
#endif

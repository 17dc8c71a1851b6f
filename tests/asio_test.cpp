// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include "support/catch.hpp"

#if __has_include(<asio/io_context.hpp>)
#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/system_context.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#if __has_include(<asio/bind_cancellation_slot.hpp>)
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#define NLOCK_TEST_HAS_SLOTS
#endif
#if defined(ASIO_HAS_CO_AWAIT)
#define NLOCK_TEST_HAS_COROUTINES
#if defined(NLOCK_TEST_HAS_SLOTS)
#include <asio/experimental/awaitable_operators.hpp>
#endif
#endif
#if __has_include(<asio/deferred.hpp>)
#include <asio/deferred.hpp>
#define NLOCK_TEST_DEFERRED ::asio::deferred
#elif __has_include(<asio/experimental/deferred.hpp>)
#include <asio/experimental/deferred.hpp>
#define NLOCK_TEST_DEFERRED ::asio::experimental::deferred
#endif

#include <named_lock/asio.hpp>

#define NLOCK_TEST_ASIO ::asio
#define NLOCK_TEST_ASIO_NAME "Asio: "
#include "support/asio_cases.hpp"
#else
TEST_CASE("Asio: what async_acquire does") { SKIP_TEST("Asio is not installed (Debian: libasio-dev)"); }
#endif

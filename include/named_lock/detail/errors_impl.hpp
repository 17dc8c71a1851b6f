// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/detail/message.hpp>
#include <named_lock/errors.hpp>

namespace nlock::NAMED_LOCK_ABI {

NAMED_LOCK_INLINE lock_error::lock_error(std::error_code code, std::string_view operation,
                                         const std::filesystem::path& path)
    : lock_error{code, path, detail::failure_message(operation, path, code.message()), {}} {}

NAMED_LOCK_INLINE lock_error::lock_error(std::errc code, std::string_view operation, const std::filesystem::path& path,
                                         std::string_view cause)
    : lock_error{std::make_error_code(code), path, detail::failure_message(operation, path, cause), {}} {}

NAMED_LOCK_INLINE lock_error::lock_error(std::error_code code, const std::filesystem::path& path, std::string message,
                                         std::vector<lock_holder> holders)
    : std::system_error{code}, details_{new details{path, std::move(message), std::move(holders)}} {}

NAMED_LOCK_INLINE const char* lock_error::what() const noexcept { return details_->message.c_str(); }

NAMED_LOCK_INLINE lock_timeout::lock_timeout(std::string_view name, const std::filesystem::path& path,
                                             std::chrono::nanoseconds timeout, std::vector<lock_holder> holders,
                                             detail::held_by known, std::size_t others_wait,
                                             std::string_view circle)
    : lock_error{std::make_error_code(std::errc::timed_out), path,
                 detail::timeout_message(name, path, timeout, holders, known, others_wait, circle), holders},
      timeout_{timeout},
      others_wait_{others_wait} {}

NAMED_LOCK_INLINE lock_cancelled::lock_cancelled(std::string_view name, const std::filesystem::path& path)
    : lock_error{std::make_error_code(std::errc::operation_canceled),
                 path,
                 detail::not_acquired(name, path) + ": cancelled by a stop request",
                 {}} {}

}  // namespace nlock::NAMED_LOCK_ABI

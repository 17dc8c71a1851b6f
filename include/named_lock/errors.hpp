// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The exceptions. All of them can be copied without throwing.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <named_lock/detail/abi.hpp>
#include <named_lock/detail/forward.hpp>
#include <named_lock/options.hpp>

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wweak-vtables"  // a library of headers alone has no other place for them
#endif

namespace nlock::NAMED_LOCK_ABI {

/// A lock could not be acquired or given up for a reason other than "held by somebody else".
/// what() names the operation, the path and the cause: "cannot open /srv/locks/x.lock: Permission denied".
/// @since 1.0.0
class lock_error : public std::system_error {
  public:
    /// @{
    /// For who throws it: `code` and, where the system's own text for it would not help, the cause in words.
    lock_error(std::error_code code, std::string_view operation, const std::filesystem::path& path);
    lock_error(std::errc code, std::string_view operation, const std::filesystem::path& path, std::string_view cause);
    /// @}

    /// What it is about: the lock file, a directory, or the key in etcd.
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return details_->path; }
    /// The message, in UTF-8.
    [[nodiscard]] const char* what() const noexcept override;

  protected:
    /// @cond for the classes below
    lock_error(std::error_code code, const std::filesystem::path& path, std::string message,
               std::vector<lock_holder> holders);

    [[nodiscard]] const std::vector<lock_holder>& seen_holders() const noexcept { return details_->holders; }
    /// @endcond

  private:
    struct details {  // shared, so that copying an exception cannot throw
        std::filesystem::path path;
        std::string message;
        std::vector<lock_holder> holders;
    };
    std::shared_ptr<const details> details_;
};

/// Somebody else held the lock until the time-out. code() == std::errc::timed_out.
/// @since 1.0.0
class lock_timeout : public lock_error {
  public:
    /// For who throws it.
    lock_timeout(std::string_view name, const std::filesystem::path& path, std::chrono::nanoseconds timeout,
                 std::vector<lock_holder> holders, detail::held_by known = detail::held_by::unknown,
                 std::size_t others_wait = 0, std::string_view circle = {});

    /// How long it was waited for; negative: for ever.
    [[nodiscard]] std::chrono::nanoseconds(timeout)() const noexcept { return timeout_; }

    /// Who held it when the time ran out; empty when the system could not tell.
    [[nodiscard]] const std::vector<lock_holder>& holders() const noexcept { return seen_holders(); }

    /// How many others waited for it then, as far as the system tells.
    [[nodiscard]] std::size_t others_wait() const noexcept { return others_wait_; }

  private:
    std::chrono::nanoseconds timeout_;
    std::size_t others_wait_;
};

/// A stop request ended the acquisition. code() == std::errc::operation_canceled.
/// @since 1.0.0
class lock_cancelled : public lock_error {
  public:
    /// For who throws it.
    lock_cancelled(std::string_view name, const std::filesystem::path& path);
};

}  // namespace nlock::NAMED_LOCK_ABI

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

#if !defined(NAMED_LOCK_COMPILED)
#include <named_lock/detail/errors_impl.hpp>
#endif

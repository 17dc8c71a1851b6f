// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What etcd_lock throws besides the exceptions of errors.hpp.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/detail/abi.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/etcd_options.hpp>

namespace nlock::NAMED_LOCK_ABI {

/// "pid 4242 (report) on web-3"; of a client that does not say who it is "a client without a name".
/// @since 1.0.0
inline std::string to_string(const etcd_holder& holder) {
    if (holder.pid == 0) return "a client without a name";
    std::string words = "pid " + std::to_string(holder.pid);
    if (!holder.process.empty()) words.append(" (").append(holder.process).append(")");
    if (!holder.host.empty()) words.append(" on ").append(holder.host);
    return words;
}

/// A lock was lost before it was given up: nobody but the holder has been kept from knowing. path() is the key of its
/// queue entry. code() == std::errc::no_lock_available.
/// @since 1.0.0
class lock_lost : public lock_error {
  public:
    /// For who throws it.
    lock_lost(std::string_view key, std::string_view cause)
        : lock_error{std::errc::no_lock_available, "go on with the lock", key, cause} {}
};

namespace detail::etcd {

/// Says more than a lock_timeout can: on which machine the holder runs, and what was wrong with the cluster.
class wait_timeout : public lock_timeout {
  public:
    wait_timeout(std::string_view name, std::string_view key, std::chrono::nanoseconds after,
                 const std::vector<etcd_holder>& holders, const std::string& trouble)
        : lock_timeout{name, key, after, plain(holders)}, message_{std::make_shared<const std::string>([&] {
              std::string words = lock_timeout{name, key, after, {}}.what();
              for (const etcd_holder& holder : holders) words.append("; held by ").append(to_string(holder));
              if (!trouble.empty()) words.append("; ").append(trouble);
              return words;
          }())} {}

    [[nodiscard]] const char* what() const noexcept override { return message_->c_str(); }

  private:
    static std::vector<lock_holder> plain(const std::vector<etcd_holder>& holders) {
        std::vector<lock_holder> known;
        for (const etcd_holder& holder : holders) {
            if (holder.pid != 0) known.push_back({holder.pid, holder.process});
        }
        return known;
    }

    std::shared_ptr<const std::string> message_;  // shared, so that copying an exception cannot throw
};

}  // namespace detail::etcd
}  // namespace nlock::NAMED_LOCK_ABI

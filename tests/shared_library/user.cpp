// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Compiled once for each library and for the program, of which NAMED_LOCK_USER is the namespace.
#include "user.hpp"

#include <named_lock/named_lock.hpp>

namespace nlock_test::NAMED_LOCK_USER {
namespace {

class user final : public lock_user {
  public:
    explicit user(const std::string& locks_dir) : lock_{"x", locks_dir} {}

    bool try_acquire() override { return lock_.try_lock(); }
    void acquire() override { lock_.lock(); }
    void release() override { lock_.release(); }
    [[nodiscard]] std::size_t lock_count() const override { return lock_.lock_count(); }

  private:
    nlock::named_lock lock_;
};

}  // namespace

lock_user* make_user(const std::string& locks_dir) { return new user{locks_dir}; }

}  // namespace nlock_test::NAMED_LOCK_USER

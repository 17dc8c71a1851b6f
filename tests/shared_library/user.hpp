// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What two shared libraries and a program offer alike: the use of a lock in their own copy of the library's code.
#pragma once

#include <cstddef>
#include <string>

namespace nlock_test {

/// Uses the lock "x" in the directory that it is told, from any thread.
class lock_user {
  public:
    virtual ~lock_user() = default;
    virtual bool try_acquire() = 0;
    virtual void acquire() = 0;
    virtual void release() = 0;  // the thread's latest hold, if it has one
    [[nodiscard]] virtual std::size_t lock_count() const = 0;
};

namespace first {
[[gnu::visibility("default")]] lock_user* make_user(const std::string& locks_dir);
}
namespace second {
[[gnu::visibility("default")]] lock_user* make_user(const std::string& locks_dir);
}
namespace program {
lock_user* make_user(const std::string& locks_dir);
}

}  // namespace nlock_test

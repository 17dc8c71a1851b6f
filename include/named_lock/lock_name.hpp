// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Which names a lock may have. A name becomes a file name as it is, case and all, so the rules are the same on every
// platform: a name that works on one works on all of them.
#pragma once

#include <stdexcept>

#include <named_lock/detail/abi.hpp>

namespace nlock::NAMED_LOCK_ABI {

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wweak-vtables"  // a library of headers alone has no other place for them
#endif

/// A name broke a rule. what() says which one and shows the name.
/// @since 1.0.0
class invalid_lock_name : public std::invalid_argument {
  public:
    using std::invalid_argument::invalid_argument;
};

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

}  // namespace nlock::NAMED_LOCK_ABI

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include "support/catch.hpp"

#include <stdexcept>
#include <utility>

namespace nlock_test {

/// The Exception that `action` throws, to look into. Fails the test if it throws none; others pass through.
template <class Exception, class Action>
Exception thrown_by(Action&& action) {
    try {
        std::forward<Action>(action)();
    } catch (const Exception& e) {
        return e;
    }
    FAIL("the expected exception was not thrown");
    throw std::logic_error{"FAIL has thrown already"};
}

}  // namespace nlock_test

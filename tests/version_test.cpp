// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include "support/catch.hpp"

#include <string>

#include <named_lock/version.hpp>

namespace version_test {

TEST_CASE("the version's text and numbers agree with each other and with the package") {
    const std::string numbers = std::to_string(NAMED_LOCK_VERSION_MAJOR) + "." +
                                std::to_string(NAMED_LOCK_VERSION_MINOR) + "." +
                                std::to_string(NAMED_LOCK_VERSION_PATCH);
    CHECK(numbers == NAMED_LOCK_VERSION);
    CHECK(numbers == NAMED_LOCK_PROJECT_VERSION);
}

}  // namespace version_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// main() of the tests. Exit codes: 0 all passed, 77 none failed but some were skipped, 1 some failed. Catch2's own ones
// do not tell those apart: version 2 knows no skipped test, and answers with the number of failures.
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <iostream>
#include <string>

namespace {
bool was_skipped = false;
}

namespace nlock_test {
void note_skipped(const std::string& test, const std::string& reason);

void note_skipped(const std::string& test, const std::string& reason) {
    was_skipped = true;
    std::cout << "SKIPPED: " << test << ": " << reason << std::endl;
}
}  // namespace nlock_test

int main(int argc, char** argv) {
    Catch::Session session;
#if defined(CATCH_CONFIG_RUNNER)
    // Version 3 does so by itself: a name that matches no test case fails.
    session.configData().warnings = Catch::WarnAbout::NoTests;
#endif
    if (session.run(argc, argv) != 0) return 1;
    return was_skipped ? 77 : 0;
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include "support/catch.hpp"

#include <iomanip>
#include <sstream>
#include <string>
#include <vector>

#include <named_lock/options.hpp>

namespace holder_text_test {

TEST_CASE("a holder, and holders, become text by to_string, by streams and by std::format") {
    const nlock::lock_holder named{4242, "report"};
    const nlock::lock_holder unnamed{17, ""};
    const std::vector<nlock::lock_holder> both{named, unnamed};
    CHECK(to_string(named) == "pid 4242 (report)");
    CHECK(to_string(unnamed) == "pid 17");
    CHECK(to_string(both) == "pid 4242 (report), pid 17");
    CHECK(to_string(std::vector<nlock::lock_holder>{}).empty());
    std::ostringstream out;
    out << std::setw(22) << named << '|' << unnamed << '|' << both << '|';
    CHECK(out.str() == "     pid 4242 (report)|pid 17|pid 4242 (report), pid 17|");
#if defined(__cpp_lib_format)
    CHECK(std::format("{} {:>8}|{}", named, unnamed, both) == "pid 4242 (report)   pid 17|pid 4242 (report), pid 17");
#endif
}

}  // namespace holder_text_test

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Prints its arguments, for named_lock_windows.sh.
#include <iostream>

#include "../system.hpp"

int main(int argc, char** argv) {
    auto words = start(argc, argv);
    words.erase(words.begin());
    for (const std::string& word : words) std::cout << '[' << word << "]\n";
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Prints its arguments, for exclusive_windows.sh.
#include <iostream>

#include "../exclusive_system.hpp"

int main(int argc, char** argv) {
    for (const std::string& word : start(argc, argv)) std::cout << '[' << word << "]\n";
}

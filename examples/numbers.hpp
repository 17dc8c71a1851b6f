// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Files of numbers, which some examples change under a lock.
#pragma once

#include <filesystem>
#include <fstream>
#include <ios>
#include <stdexcept>
#include <vector>

/// Up to the first thing that is no number; empty if there is no such file.
inline std::vector<int> read_numbers(const std::filesystem::path& path) {
    std::ifstream file{path};
    std::vector<int> numbers;
    for (int number = 0; file >> number;) numbers.push_back(number);
    if (file.bad() || (!file.is_open() && exists(path))) throw std::runtime_error{"cannot read " + path.string()};
    return numbers;
}

/// One by one, so that half of them are easy to see for whoever looks meanwhile.
inline void write_numbers(const std::filesystem::path& path, const std::vector<int>& numbers) {
    std::ofstream file{path};
    for (const int number : numbers) file << number << std::endl;
    if (!file) throw std::runtime_error{"cannot write " + path.string()};
}

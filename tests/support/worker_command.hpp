// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What a worker's command is made of.
#pragma once

#include <charconv>
#include <functional>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace nlock_test {

/// What follows the verb in a command.
class arguments {
  public:
    explicit arguments(const std::string& text) : text_{text} {}

    std::string word() {
        std::string result;
        text_ >> result;
        return result;
    }
    long long number(int base = 10) {
        const std::string digits = word();
        long long result = 0;
        const auto end = digits.data() + digits.size();
        if (std::from_chars(digits.data(), end, result, base).ptr != end || digits.empty()) {
            throw std::invalid_argument{"'" + digits + "' is not a number"};
        }
        return result;
    }
    std::string rest() {
        std::string result;
        std::getline(text_ >> std::ws, result);
        return result;
    }
    std::vector<std::string> words() { return {std::istream_iterator<std::string>{text_}, {}}; }

  private:
    std::istringstream text_;
};

/// By verb: what a command does, and answers.
using worker_commands = std::map<std::string, std::function<std::string(arguments)>>;

}  // namespace nlock_test

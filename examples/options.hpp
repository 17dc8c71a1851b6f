// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Reads the command lines of the examples exclusive and invoices.
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

struct usage_error : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

/// The options in front of the other words: --option, --option VALUE or --option=VALUE.
class options {
  public:
    explicit options(std::vector<std::string> words) : words_{std::move(words)} {}

    /// To the next option; false if there is none. "--" ends the options.
    bool next() {
        if (at_ == words_.size() || words_[at_].rfind('-', 0) != 0) return false;
        const std::string word = words_[at_++];
        if (word == "--") return false;
        const auto equals = word.find('=');
        name_ = word.substr(0, equals);
        value_.reset();
        if (equals != std::string::npos) value_ = word.substr(equals + 1);
        return true;
    }

    [[nodiscard]] const std::string& name() const { return name_; }

    std::string value() {
        if (value_) return *value_;
        if (at_ == words_.size()) throw usage_error{name_ + " takes a value"};
        return words_[at_++];
    }

    void set(bool& flag) const {
        if (value_) throw usage_error{name_ + " takes no value"};
        flag = true;
    }

    [[noreturn]] void fail() const { throw usage_error{"there is no option " + name_}; }

    [[nodiscard]] std::vector<std::string> others() const {
        return {words_.begin() + static_cast<std::ptrdiff_t>(at_), words_.end()};
    }

  private:
    std::vector<std::string> words_;
    std::size_t at_ = 1;  // after the program
    std::string name_;
    std::optional<std::string> value_;  // after a =
};

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What all examples have in common besides the lock: how they read their command lines, and how they say what went wrong.
#pragma once

#include <cstddef>
#include <exception>
#include <iostream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <named_lock/errors.hpp>

// Those of sysexits.h.
inline constexpr int exit_usage = 64;
inline constexpr int exit_unusable = 71;
inline constexpr int exit_timeout = 75;

struct usage_error : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

/// What `work` returns; or, if it throws, the exit status for that, after one line on standard error.
template <class Work>
int status_of(const std::string& program, const std::string& usage, const Work& work) {
    const auto say = [&](const std::exception& e) { std::cerr << program << ": " << e.what() << '\n'; };
    try {
        return work();
    } catch (const std::invalid_argument& e) {  // usage_error, nlock::invalid_lock_name
        say(e);
        std::cerr << usage;
        return exit_usage;
    } catch (const nlock::lock_timeout& e) {
        say(e);
        return exit_timeout;
    } catch (const std::exception& e) {  // the lock file cannot be used, or another one
        say(e);
        return exit_unusable;
    }
}

/// The options in front of the other words: --option, --option VALUE or --option=VALUE.
class options {
  public:
    explicit options(std::vector<std::string> words) : words_{std::move(words)} {}

    /// To the next option; false if there is none. "--" ends the options.
    bool next() {
        if (at_ >= words_.size() || words_[at_].rfind('-', 0) != 0) return false;
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

    /// The words after the options.
    [[nodiscard]] std::vector<std::string> others() const {
        return {words_.begin() + static_cast<std::ptrdiff_t>(at_), words_.end()};
    }

    /// The same, where there may be so many.
    [[nodiscard]] std::vector<std::string> others(std::size_t most) const {
        auto words = others();
        if (words.size() > most) throw usage_error{"unexpected argument '" + words[most] + "'"};
        return words;
    }

  private:
    std::vector<std::string> words_;
    std::size_t at_ = 1;  // after the program
    std::string name_;
    std::optional<std::string> value_;  // after a =
};

/// The whole number that `text` is; `what` takes it.
inline int to_number(const std::string& what, const std::string& text, int least, int most) {
    const bool is_number =
        !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
    const int number = is_number ? std::stoi(text) : -1;
    if (number >= least && number <= most) return number;
    throw usage_error{what + " takes a number from " + std::to_string(least) + " to " + std::to_string(most) +
                      ", not '" + text + "'"};
}

inline std::vector<std::string> split_at_commas(const std::string& text) {
    std::vector<std::string> parts;
    std::istringstream rest{text};
    for (std::string part; std::getline(rest, part, ',');) parts.push_back(part);
    return parts;
}

struct small_program {
    std::string name;
    std::string what_it_does;  // for --help
    std::string arguments = {};
    std::size_t most_arguments = 0;
};

/// The main() of a program whose only option is --help. Calls work(words) with its arguments.
template <class Work>
int run_example(const small_program& program, int argc, char** argv, const Work& work) {
    const std::string usage = "usage: " + program.name + program.arguments + '\n';
    return status_of(program.name, usage, [&]() -> int {
        options given{{argv, argv + argc}};
        bool help = false;
        while (given.next()) {
            if (given.name() != "--help" && given.name() != "-h") given.fail();
            given.set(help);
        }
        const auto words = given.others(program.most_arguments);
        if (!help) return work(words);
        std::cout << usage << '\n' << program.what_it_does << '\n';
        return 0;
    });
}

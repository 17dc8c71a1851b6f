// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What a worker does by calls of the system itself, on Windows: the conversation.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

#include "support/windows.hpp"
#include "support/worker_command.hpp"
#include "support/worker_protocol.hpp"

namespace nlock_test {

/// Nothing that is blocked, in a lock or elsewhere, outlives the test that has started it. A pipe of this kind cannot
/// be waited for without reading, so its end is looked for again and again.
inline void end_with_input() {
    std::thread{[] {
        while (PeekNamedPipe(GetStdHandle(STD_INPUT_HANDLE), nullptr, 0, nullptr, nullptr, nullptr) != 0) Sleep(50);
        std::_Exit(exit_orphaned);
    }}.detach();
}

inline std::optional<std::string> read_line() {
    std::string line;
    DWORD size = 0;
    for (char c = 0; ReadFile(GetStdHandle(STD_INPUT_HANDLE), &c, 1, &size, nullptr) != 0 && size == 1; line += c) {
        if (c == '\n') return line;
    }
    return std::nullopt;
}

inline void say(std::string line) {
    line += '\n';
    DWORD size = 0;
    if (WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), line.data(), static_cast<DWORD>(line.size()), &size, nullptr) == 0) {
        std::_Exit(exit_orphaned);
    }
}

/// None of those that worker_protocol.hpp lists for a process can be had here, or is needed.
inline const worker_commands system_commands;

}  // namespace nlock_test

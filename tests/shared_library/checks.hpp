// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What is expected of the parts of a process, whether they are of one build or of several. A `User` has acquire(),
// try_acquire(), release() and lock_count().
#pragma once

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "support/threads.hpp"

namespace nlock_test {

inline bool failed = false;

inline void expect(bool fulfilled, const std::string& promise) {
    if (fulfilled) return;
    failed = true;
    std::cout << "broken: " << promise << std::endl;
}

template <class User>
bool try_in_another_thread(User& user) {
    return in_another_thread([&] {
        const bool success = user.try_acquire();
        if (success) user.release();
        return success;
    });
}

template <class User>
void check_waiting(User& one, User& other) {
    one.acquire();
    task waiter{[&] {
        other.acquire();
        const std::size_t count = other.lock_count();
        other.release();
        return count;
    }};
    expect(waiter.is_blocked(), "another thread waits for what the other part holds");
    one.release();
    expect(waiter.get() == 1, "it gets the lock from the other part");
}

inline std::size_t lock_files_open() {
    std::size_t count = 0;
#if defined(__linux__)
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        std::error_code ignored;
        if (std::filesystem::read_symlink(entry.path(), ignored).extension() == ".lock") ++count;
    }
#endif
    return count;
}

template <class Check>
void check_in_child(Check check) {
    std::cout.flush();
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(static_cast<unsigned>(patience.count()));
        failed = false;
        check();
        std::cout.flush();
        ::_exit(failed ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    int status = -1;
    expect(::waitpid(child, &status, 0) == child && status == 0, "all is well in a forked child");
}

}  // namespace nlock_test

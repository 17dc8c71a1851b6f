// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Each pair of the two shared libraries and this program: what one acquires, the other has too.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "checks.hpp"
#include "support/others.hpp"
#include "support/temp_dir.hpp"
#include "user.hpp"

namespace {

using namespace nlock_test;

/// Before all others: each library has seen one thread then, and not the same one.
void check_first_threads(lock_user& one, lock_user& other) {
    in_another_thread([&] {
        expect(one.try_acquire(), "a free lock is acquired by the first thread of a library");
        expect(!try_in_another_thread(other), "the first threads of two libraries are two");
        one.release();
    });
}

void check_reentry(lock_user& one, lock_user& other) {
    expect(one.try_acquire(), "a free lock is acquired");
    expect(other.lock_count() == 1, "the other library knows the hold");
    expect(other.try_acquire(), "the same thread enters again through the other library");
    expect(one.lock_count() == 2, "both count the same holds");
    expect(!try_in_another_thread(other), "other threads do not enter through the other library");
    one.release();
    expect(!try_in_another_thread(one), "the lock is held until its last hold is gone");
    other.release();
    expect(try_in_another_thread(one) && try_in_another_thread(other), "the lock is free when its last hold is gone");
}

void check_fork(lock_user& one, lock_user& other, const std::filesystem::path& file) {
    one.acquire();
    check_in_child([&] {
        expect(lock_files_open() == 0, "a forked child has no lock file open");
        expect(one.lock_count() == 0 && other.lock_count() == 0, "a forked child holds nothing");
        expect(!one.try_acquire() && !other.try_acquire(), "a forked child does not enter what its parent holds");
        one.release();
    });
    expect(!foreign_hold::is_possible(file, hold_kind::shared), "the parent holds the lock after its child's end");
    expect(other.lock_count() == 1, "the parent holds the lock in both libraries after its child's end");
    one.release();
    expect(foreign_hold::is_possible(file, hold_kind::exclusive), "the parent gives up the lock");
}

}  // namespace

int main() {
    const temp_dir dir;
    const std::string locks_dir = dir.path().string();
    const std::array<std::unique_ptr<lock_user>, 3> users{std::unique_ptr<lock_user>{first::make_user(locks_dir)},
                                                          std::unique_ptr<lock_user>{second::make_user(locks_dir)},
                                                          std::unique_ptr<lock_user>{program::make_user(locks_dir)}};
    check_first_threads(*users[0], *users[1]);
    for (const auto& one : users) {
        for (const auto& other : users) {
            check_reentry(*one, *other);
            check_waiting(*one, *other);
            check_fork(*one, *other, dir.path() / "x.lock");
        }
    }
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

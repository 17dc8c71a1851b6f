// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// As with a std::mutex, the last one to unlock() may destroy the lock at once, though another thread is still on its
// way out of its unlock(). Built with AddressSanitizer, which sees whether that thread touches what is gone.
#include <thread>

#include <named_lock/named_lock.hpp>

#include "common.hpp"
#include "users.hpp"

namespace {

struct account {
    explicit account(const torture::fs::path& locks) : lock{"x", locks} {}
    nlock::named_lock lock;
    int users = 2;
};

template <class Unlock>
void leave(account* a, Unlock unlock) {
    a->lock.lock();
    const bool is_last = --a->users == 0;
    unlock(a->lock);
    if (is_last) delete a;
}

template <class Unlock>
void play(const torture::fs::path& locks, Unlock unlock) {
    auto* a = new account{locks};
    std::thread other{[=] { leave(a, unlock); }};
    leave(a, unlock);
    other.join();
}

}  // namespace

int main() {
    torture::report results;
    torture::scratch_dir scratch;
    in_child(results, "a lock destroyed by the last one to unlock it", [&](torture::report& mine) {
        constexpr int times = 3'000;
        for (int i = 0; i < times; ++i) {
            play(scratch.path(), [](nlock::named_lock& lock) { lock.unlock(); });
            play(scratch.path(), [](nlock::named_lock& lock) { lock.release(); });
        }
        mine.tried("lock destroyed by the last one to unlock it", 2L * times);
        mine.print_tried();
    });
    return results.finish();
}

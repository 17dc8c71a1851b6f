// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Whatever a strict compiler minds in the headers would fail the build of a program that minds it, too.
#include <chrono>
#include <utility>

#include <named_lock/acquire_all.hpp>
#include <named_lock/named_lock.hpp>
#include <named_lock/probe.hpp>

int main() {
    using namespace std::chrono_literals;
    nlock::named_lock lock{"strict_user", "locks"};
    nlock::guard guard = lock.acquire(10s);
    guard = lock.try_acquire(std::chrono::duration<double>{0.5});
    guard = lock.acquire_shared(std::chrono::hours{1});
    guard = lock.try_acquire_shared(std::chrono::duration<float>{1});
#if defined(__cpp_lib_jthread)
    const std::stop_source source;
    guard = lock.acquire(source.get_token(), 10s);
#endif
    if (lock.try_lock_for(1ms)) lock.unlock();
    if (lock.try_lock_shared_until(std::chrono::system_clock::now() + 1s)) lock.unlock_shared();
    const auto all = nlock::acquire_all({lock, nlock::named_lock{"other", "locks"}}, 1s);
    return nlock::probe("locks").exclusive_locks_exclude && !all.empty() ? 0 : 1;
}

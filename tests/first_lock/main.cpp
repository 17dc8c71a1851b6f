// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A child that is forked while another thread makes the first lock of the process can make its own at once. The
// registry's allocation is where that thread is stopped: a child that finds the registry half made waits for ever.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <new>
#include <thread>

#include <named_lock/named_lock.hpp>

namespace {

enum class stage { start, first_lock, stopped, forked };
std::atomic<stage> now{stage::start};

}  // namespace

void* operator new(std::size_t size) {
    if (size == sizeof(nlock::detail::lock_registry) && now == stage::first_lock) {
        now = stage::stopped;
        while (now != stage::forked) std::this_thread::yield();
    }
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc{};
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

int main(int argc, char** argv) {
    if (argc != 2) return 64;
    const std::filesystem::path dir = argv[1];
    std::thread other{[&] {
        now = stage::first_lock;
        { const auto guard = nlock::named_lock{"x", dir}.acquire(); }
        auto expected = stage::first_lock;
        now.compare_exchange_strong(expected, stage::stopped);
    }};
    while (now != stage::stopped) std::this_thread::yield();
    const pid_t child = ::fork();
    if (child == 0) {
        constexpr unsigned hopeless = 10;  // seconds
        ::alarm(hopeless);
        ::_exit(nlock::named_lock{"x", dir}.acquire() ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    now = stage::forked;
    other.join();
    std::filesystem::remove_all(dir);
    if (status != 0) std::cerr << "the child made no lock: wait status " << status << '\n';
    return status == 0 ? 0 : 1;
}

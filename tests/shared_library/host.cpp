// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Loads shared libraries that were built with other builds of the library, in the order in which they are named, and has
// them and the program itself use one lock: they exclude each other as processes do.
//
// usage: named_lock_host local|global LIBRARY LIBRARY
#include <dlfcn.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "checks.hpp"
#include "plugin.hpp"
#include "support/others.hpp"
#include "support/temp_dir.hpp"

namespace {

using namespace nlock_test;

void check_alone(const plugin& one) {
    expect(one.try_acquire() && one.try_acquire(), "a thread enters again what it holds");
    expect(one.lock_count() == 2, "both holds count");
    one.release();
    expect(!try_in_another_thread(one), "another thread does not enter");
    one.release();
    expect(try_in_another_thread(one), "the lock is free when its last hold is gone");
}

void check_exclusion(const plugin& one, const plugin& other) {
    one.acquire();
    expect(!try_in_another_thread(other), "no thread enters through another build what one build holds");
    if (std::string{one.abi} != other.abi) {
        expect(other.lock_count() == 0, "a hold of one build is none of another");
        expect(!other.try_acquire(), "the same thread does not enter through another build");
    }
    one.release();
    expect(try_in_another_thread(other), "another build gets what one has given up");
}

/// A part that was unloaded has left its file behind, closed by nobody, but locked by nobody.
void check_fork(const plugin& one, const std::vector<const plugin*>& all, const std::filesystem::path& file,
                std::size_t unloaded = 0) {
    one.acquire();
    check_in_child([&] {
        expect(lock_files_open() <= unloaded, "a forked child has no lock file open");
        for (const plugin* user : all) {
            expect(user->lock_count() == 0, "a forked child holds nothing");
            expect(!user->try_acquire(), "a forked child does not enter what its parent holds");
        }
    });
    expect(!foreign_hold::is_possible(file, hold_kind::shared), "the parent holds the lock after its child's end");
    one.release();
    expect(foreign_hold::is_possible(file, hold_kind::exclusive), "the parent gives up the lock");
}

void close_all_descriptors() {
    for (int fd = STDERR_FILENO + 1; fd < 256; ++fd) ::close(fd);
}

/// What the program closes, and another part then opens, is not taken for the file that was left open.
void check_closed_descriptors(const plugin& one, const plugin& other) {
    close_all_descriptors();
    one.acquire();
    one.release();  // which has left its file open, under the lowest number
    close_all_descriptors();
    other.acquire();  // under the same one
    expect(!one.try_acquire(), "the file of another build is not taken for one's own");
    other.release();
    expect(one.try_acquire(), "it gets what another build has given up");
    one.release();
}

const plugin& start(get_plugin* get, const std::string& locks_dir) {
    const plugin& user = *get();
    std::cout << "built as " << user.abi << std::endl;
    user.use(locks_dir.c_str());
    check_alone(user);  // before the next one is loaded
    return user;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() != 3) return 64;
    const int mode = RTLD_NOW | (arguments[0] == "global" ? RTLD_GLOBAL : RTLD_LOCAL);
    const temp_dir dir;
    const std::string locks_dir = dir.path().string();
    std::vector<void*> libraries;
    std::vector<const plugin*> users;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        void* const library = ::dlopen(arguments[i].c_str(), mode);
        void* const get = library == nullptr ? nullptr : ::dlsym(library, "nlock_test_get_plugin");
        if (get == nullptr) {
            std::cout << ::dlerror() << std::endl;
            return EXIT_FAILURE;
        }
        libraries.push_back(library);
        users.push_back(&start(reinterpret_cast<get_plugin*>(get), locks_dir));
    }
    expect(std::string{users.front()->abi} != users.back()->abi, "two builds have two names");
    users.push_back(&start(nlock_test_get_plugin, locks_dir));
    for (const plugin* one : users) {
        check_fork(*one, users, dir.path() / "x.lock");
        for (const plugin* other : users) {
            if (one == other) continue;
            check_exclusion(*one, *other);
            check_waiting(*one, *other);
        }
    }
    for (const plugin* one : users) {
        for (const plugin* other : users) {
            if (one != other) check_closed_descriptors(*one, *other);
        }
    }

    for (void* library : libraries) ::dlclose(library);
    const plugin& rest = *users.back();
    check_alone(rest);
    check_fork(rest, {&rest}, dir.path() / "x.lock", libraries.size());
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

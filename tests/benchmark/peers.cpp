// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A mixed crowd: our processes, Python's filelock, flock(1) and gofrs/flock always want one lock. What does each get?
//
//   peers [--quick] --python PYTHON --peers DIR [--go-peer PROGRAM]
//   peers section FILE BOARD INDEX                     the command that flock(1) runs, with the lock held
#include <spawn.h>

#include "contest.hpp"

namespace {

using namespace std::chrono_literals;

constexpr auto hold = 1ms;
constexpr int of_each_kind = 4;

/// flock(1) for each section: the wait includes the start of two programs.
bench::work with_flock_1(const std::string& self, const std::filesystem::path& file) {
    return [=](const bench::seat& place) {
        const std::string shared = "/proc/self/fd/" + std::to_string(place.file);
        const std::string index = std::to_string(place.index);
        const char* command[] = {"flock",      file.c_str(),   self.c_str(),  "section",
                                 file.c_str(), shared.c_str(), index.c_str(), nullptr};
        place.begin();
        while (place.goes_on()) {
            place.asks();
            pid_t pid = 0;
            if (::posix_spawnp(&pid, "flock", nullptr, nullptr, const_cast<char**>(command), environ) != 0) ::_exit(1);
            ::waitpid(pid, nullptr, 0);
        }
    };
}

int section(const char* path, int index) {
    const int file = ::open(path, O_RDWR | O_CLOEXEC);
    void* memory = ::mmap(nullptr, sizeof(bench::board), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) return 1;
    const bench::seat place{file, static_cast<bench::board*>(memory), index};
    place.is_granted();
    bench::busy_for(hold);
    place.is_done();
    return 0;
}

struct kind {
    std::string name;
    bench::work body;
};

/// One long run: Python's filelock gets a section a second.
void mixed(const std::vector<kind>& kinds, double seconds) {
    const std::string question = "mixed, always wanted, holds of 1 ms";
    const auto size = kinds.size();
    const auto result = bench::run({static_cast<int>(size) * of_each_kind}, seconds, [&](const bench::seat& place) {
        kinds[static_cast<std::size_t>(place.index) % size].body(place);
    });
    for (std::size_t k = 0; k < size; ++k) {
        double sections = 0;
        for (std::size_t i = k; i < result.sections.size(); i += size) sections += result.sections[i];
        bench::report(question, kinds[k].name, "1/s", {sections / result.seconds});
    }
    bench::report(question, "longest wait of anybody", "ms", {result.longest_wait_ms});
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 5 && std::strcmp(argv[1], "section") == 0) return section(argv[3], std::atoi(argv[4]));
    const bench::arguments given{argc, argv};
    const bench::directory dir;
    const nlock::named_lock lock{"peers", dir.path()};
    { const auto create = nlock::named_lock{lock}.acquire(); }

    const auto& file = lock.path();
    std::vector<kind> kinds{
        {"named_lock", bench::with_named_lock(lock, hold)},
        {"Python filelock", bench::with_program({given.python, given.peers + "/peer.py"}, file, hold)},
        {"flock(1)", with_flock_1(std::filesystem::canonical("/proc/self/exe"), file)},
    };
    if (given.go_peer.empty()) {
        bench::skip("mixed crowd with gofrs/flock", "its program is not built: see the begin of the output");
    } else {
        kinds.push_back({"gofrs/flock", bench::with_program({given.go_peer}, file, hold)});
    }
    mixed(kinds, given.quick ? 0.5 : 60);
}

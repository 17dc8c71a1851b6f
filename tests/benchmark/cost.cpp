// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What a lock costs while nobody else wants it: acquire + release, with the object kept and with a new one each time,
// re-entry, many names, memory. Usage: cost [--quick]
#include <fcntl.h>
#include <malloc.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <named_lock/named_lock.hpp>

#if __has_include(<boost/interprocess/sync/file_lock.hpp>)
#include <boost/interprocess/sync/file_lock.hpp>
#define HAS_BOOST 1
#endif

#ifdef HAS_QT
#include <QLockFile>
#endif

#include "support.hpp"

namespace {

constexpr int open_flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;

struct sequence {
    const char* path;
    bool by_name;

    void operator()() const {
        struct stat of_file {};
        struct stat of_path {};
        const int fd = ::open(path, open_flags);
        if (::flock(fd, LOCK_EX | LOCK_NB) != 0) std::abort();
        ::fstat(fd, &of_file);
        if (by_name) ::lstat(path, &of_path);
        ::flock(fd, LOCK_UN);
        ::close(fd);
    }
};

void uncontended(const std::filesystem::path& dir, int rounds) {
    nlock::named_lock lock{"cost", dir};
    { const auto create = lock.acquire(); }
    const std::string path = lock.path().string();
    const std::string directory = dir.string();
    const int kept = ::open(path.c_str(), open_flags);
    std::timed_mutex mutex;
    std::vector<bench::candidate> candidates{
        {"open+flock+fstat+flock+close", sequence{path.c_str(), false}},
        {"the same + lstat", sequence{path.c_str(), true}},
        {"flock+flock, descriptor kept", [kept] { ::flock(kept, LOCK_EX | LOCK_NB), ::flock(kept, LOCK_UN); }},
        {"named_lock, object reused", [&] { const auto guard = lock.acquire(); }},
        {"named_lock, object reused, time-out", [&] { const auto guard = lock.acquire(std::chrono::seconds{10}); }},
        {"named_lock, new object",
         [&] {
             const auto guard = nlock::named_lock{"new", directory}.acquire();
         }},
        {"std::timed_mutex", [&] { const std::lock_guard guard{mutex}; }},
    };
#ifdef HAS_BOOST
    namespace bip = boost::interprocess;
    bip::file_lock boost_kept{path.c_str()};
    candidates.push_back({"Boost file_lock, object reused", [&] { boost_kept.lock(), boost_kept.unlock(); }});
    candidates.push_back({"Boost file_lock, new object", [&] {
                              bip::file_lock boost{path.c_str()};
                              boost.lock();
                              boost.unlock();
                          }});
#endif
#ifdef HAS_QT
    const QString qt_path = QString::fromStdString((dir / "qt.lock").string());
    candidates.push_back({"Qt QLockFile, new object", [&] {
                              QLockFile qt{qt_path};
                              qt.lock();
                              qt.unlock();
                          }});
#endif
    bench::compare("uncontended", rounds, 200, candidates);
    ::close(kept);

    const auto held = lock.acquire();
    bench::compare("re-entry", rounds, 2000, {{"named_lock", [&] { const auto guard = lock.acquire(); }}});
}

/// The parts of an acquisition, for the chart.
void parts(const std::filesystem::path& dir, int rounds) {
    nlock::named_lock lock{"cost", dir};
    const std::string path = lock.path().string();
    const int fd = ::open(path.c_str(), open_flags);
    struct stat status {};
    bench::compare("parts", rounds, 200,
                   {{"open+close", [&] { ::close(::open(path.c_str(), open_flags)); }},
                    {"flock+unlock", [&] { ::flock(fd, LOCK_EX | LOCK_NB), ::flock(fd, LOCK_UN); }},
                    {"fstat", [&] { ::fstat(fd, &status); }},
                    {"lstat", [&] { ::lstat(path.c_str(), &status); }}});
    ::close(fd);
}

void many_names(const std::filesystem::path& dir, int names, int rounds) {
    std::vector<nlock::named_lock> locks;
    for (int i = 0; i < names; ++i) locks.emplace_back("name " + std::to_string(i), dir / "many");
    for (auto& lock : locks) const auto create = lock.acquire();
    nlock::named_lock one{"name", dir / "one"};
    { const auto create = one.acquire(); }
    // A fixed sample of the names: what is compared is the directory, not how many files fit into the caches.
    std::mt19937 random{1};
    std::vector<std::size_t> sample(1000);
    for (auto& i : sample) i = random() % locks.size();
    std::size_t next = 0;
    bench::compare("many names", rounds, 200,
                   {{"directory with one name", [&] { const auto guard = one.acquire(); }},
                    {"directory with " + std::to_string(names) + " names",
                     [&] { const auto guard = locks[sample[next++ % sample.size()]].acquire(); }},
                    {"the bare calls there", [&] {
                         sequence{locks[sample[next++ % sample.size()]].path().c_str(), true}();
                     }}});
}

void memory(const std::filesystem::path& dir, int objects) {
    const auto used = [] { return static_cast<double>(::mallinfo2().uordblks + ::mallinfo2().hblkhd); };
    { const nlock::named_lock warm_up{"warm-up", dir}; }
    const double before = used();
    {
        std::vector<nlock::named_lock> locks;
        locks.reserve(static_cast<std::size_t>(objects));
        for (int i = 0; i < objects; ++i) locks.emplace_back("name " + std::to_string(i), dir);
        bench::report("memory", "one idle named_lock", "bytes", {(used() - before) / objects});
    }
    bench::report("memory", "left after they are gone, each", "bytes", {(used() - before) / objects});
}

}  // namespace

int main(int argc, char** argv) {
    const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
    const int rounds = quick ? 51 : 501;
    const bench::directory dir;
    std::thread{[] {}}.join();  // a process with threads: glibc and libstdc++ take short cuts in others
    uncontended(dir.path(), rounds);
    parts(dir.path(), rounds);
    memory(dir.path(), 100'000);
    many_names(dir.path(), quick ? 5'000 : 100'000, rounds);
}

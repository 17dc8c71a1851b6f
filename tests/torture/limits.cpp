// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What runs out, for real: descriptors, inotify instances, space, inodes, the right to write. The outcome is a lock or
// the documented error, at once; and when there is enough again, everything works as before.
#include <sys/inotify.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include <named_lock/named_lock.hpp>

#include "common.hpp"
#include "rest.hpp"
#include "users.hpp"

namespace {

using namespace std::chrono_literals;
using namespace torture;

nlock::named_lock lock_in(const fs::path& directory, const std::string& name = "x",
                          std::chrono::milliseconds timeout = 1s) {
    nlock::lock_options options;
    options.locks_dir = directory;
    options.timeout = timeout;
    return nlock::named_lock{name, options};
}

/// The error of an acquisition, 0 when it was granted; a time-out is ETIMEDOUT.
int error_of(const std::function<nlock::guard()>& acquire) {
    try {
        const auto guard = acquire();
        return guard ? 0 : EWOULDBLOCK;
    } catch (const nlock::lock_error& e) {
        return e.code().value();
    }
}

std::string words(int error) { return error == 0 ? "granted" : std::strerror(error); }

/// Another process that holds the lock until told, or for some time.
class other_holder {
  public:
    explicit other_holder(const fs::path& file, std::chrono::milliseconds time) {
        int ready[2];
        if (::pipe2(ready, O_CLOEXEC) != 0) give_up("pipe2");
        const pid_t parent = ::getpid();
        pid_ = ::fork();
        if (pid_ == 0) {
            die_with_parent(parent);
            foreign_file held{file, false, O_RDWR | O_CREAT};
            if (!held.try_lock() || ::write(ready[1], "!", 1) != 1) end_process(1);
            std::this_thread::sleep_for(time);
            held.unlock();
            end_process(0);
        }
        char byte;
        if (::read(ready[0], &byte, 1) != 1) give_up("read");
        ::close(ready[0]);
        ::close(ready[1]);
    }
    ~other_holder() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

  private:
    pid_t pid_ = -1;
};

void set_descriptor_limit(rlim_t count) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = count;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) give_up("setrlimit");
}

/// With 0, 1, 2 ... descriptors left. One is enough, or none if the file is open already.
void run_out_of_descriptors(report& results, const fs::path& top) {
    const fs::path locks = top / "descriptors";
    rlimit usual{};
    ::getrlimit(RLIMIT_NOFILE, &usual);
    const auto before = count_descriptors();
    for (rlim_t left = 0; left < 5; ++left) {
        for (const bool is_held : {false, true}) {
            for (const bool is_kept : {false, true}) {
                fs::create_directories(locks);
                nlock::lock_options options;
                options.locks_dir = locks;
                options.timeout = 1s;
                options.keep_open = is_kept;
                nlock::named_lock lock{"x", options};
                if (is_kept) lock.acquire().release();
                std::optional<other_holder> holder;
                if (is_held) holder.emplace(locks / "x.lock", 30ms);
                const int next = ::dup(0);
                ::close(next);
                set_descriptor_limit(static_cast<rlim_t>(next) + left);
                const int error = error_of([&] { return lock.acquire(); });
                set_descriptor_limit(usual.rlim_cur);
                const std::string what = std::to_string(left) + " descriptors left" +
                                         (is_held ? ", held by another" : "") + (is_kept ? ", the file open" : "");
                results.expect(error == (left == 0 && !is_kept ? EMFILE : 0), what + ": " + words(error));
                holder.reset();
                results.expect(error_of([&] { return lock.acquire(); }) == 0,
                               what + ": afterwards it cannot be acquired");
                results.tried("limits: out of descriptors");
                displace_latest_lock();
            }
        }
    }
    if (const auto excess = excess_at_rest(before, 1); !excess.empty()) results.leak("out of descriptors: " + excess);
}

/// Of many locks that are all in use, the files of the latest stay open.
void keep_files_open(report& results, const fs::path& top) {
    const auto before = count_descriptors();
    {
        constexpr int many = 200;
        constexpr int most = 16;
        std::vector<nlock::named_lock> locks;
        for (int i = 0; i < many; ++i) {
            locks.push_back(lock_in(top / "kept", "name " + std::to_string(i)));
            locks.back().acquire().release();
            const int count = count_descriptors().lock_files;
            results.expect(count == std::min(i + 1, most), "after " + std::to_string(i + 1) + " locks were used, " +
                                                               std::to_string(count) + " files are open");
        }
        results.tried("limits: lock files kept open", many);
    }
    if (const auto excess = excess_at_rest(before, 0); !excess.empty()) results.leak("kept files: " + excess);
}

/// As a user of its own, if possible: the instances of others are not taken away.
void run_out_of_inotify(report& results, const fs::path& top) {
    const fs::path locks = top / "inotify";
    fs::create_directories(locks);
    if (is_root()) {
        if (::chown(locks.c_str(), victim.uid, victim.gid) != 0) give_up("chown");
        become(victim);
    }
    std::vector<int> instances;
    for (int fd; instances.size() < 4096 && (fd = ::inotify_init1(IN_CLOEXEC)) >= 0;) instances.push_back(fd);
    if (errno != EMFILE) return results.skipped("out of inotify instances", "there is no end of them");
    constexpr int times = 20;
    for (int i = 0; i < times; ++i) {
        const other_holder holder{locks / "x.lock", 20ms};
        const auto cpu = cpu_ns();
        const auto start = now_ns();
        const int error = error_of([&] { return lock_in(locks).acquire(2s); });
        const double waited = static_cast<double>(now_ns() - start) / 1e6;
        results.expect(error == 0, "out of inotify instances: " + words(error));
        results.expect(waited < 150, "out of inotify instances: the lock came after " + std::to_string(waited) + " ms");
        results.expect(cpu_ns() - cpu < 20'000'000, "out of inotify instances: the wait burns CPU");
        results.tried("limits: out of inotify instances, lock handed over");
    }
    const other_holder holder{locks / "x.lock", 10s};
    const auto start = now_ns();
    const int error = error_of([&] { return lock_in(locks).acquire(30ms); });
    results.expect(error == ETIMEDOUT && now_ns() - start >= 30'000'000,
                   "out of inotify instances, held: " + words(error));
    results.tried("limits: out of inotify instances, timed out");
    for (const int fd : instances) ::close(fd);
}

/// Fills a file system until nothing can be created.
void fill(const fs::path& directory) {
    for (int i = 0; i < 100'000; ++i) {
        const int fd = ::open((directory / ("filler" + std::to_string(i))).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0) return;
        const std::string block(4096, 'x');
        while (::write(fd, block.data(), block.size()) > 0) {
        }
        ::close(fd);
    }
}

void run_on_small_file_systems(report& results, const fs::path& top) {
    const fs::path place = top / "mounted";
    fs::create_directories(place);
    if (!take_own_mounts()) return results.skipped("full and read-only file systems", "may not mount");
    for (const char* options : {"size=64k,nr_inodes=8,mode=0777", "size=64k,nr_inodes=100000,mode=0777"}) {
        if (::mount("torture", place.c_str(), "tmpfs", 0, options) != 0) {
            return results.skipped("full and read-only file systems", "may not mount tmpfs");
        }
        fs::create_directories(place / "locks");
        foreign_file{place / "locks" / "old.lock", false, O_RDWR | O_CREAT};
        fill(place);
        const bool is_out_of_inodes = std::strstr(options, "nr_inodes=8") != nullptr;
        const std::string what = is_out_of_inodes ? "no inode left" : "no space left";
        const int old = error_of([&] { return lock_in(place / "locks", "old").acquire(); });
        results.expect(old == 0, what + ": a file that exists: " + words(old));
        const int fresh = error_of([&] { return lock_in(place / "locks", "new").acquire(); });
        results.expect(fresh == ENOSPC || (!is_out_of_inodes && fresh == 0), what + ": a new file: " + words(fresh));
        const int directory = error_of([&] { return lock_in(place / "more" / "locks", "new").acquire(); });
        results.expect(directory == ENOSPC || (!is_out_of_inodes && directory == 0),
                       what + ": a new directory: " + words(directory));
        results.tried("limits: " + what, 3);

        if (::mount("torture", place.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, options) != 0) give_up("remount");
        const int readable = error_of([&] { return lock_in(place / "locks", "old").acquire(); });
        results.expect(readable == 0, "read-only: a file that exists: " + words(readable));
        const int created = error_of([&] { return lock_in(place / "locks", "newer").acquire(); });
        results.expect(created == EROFS, "read-only: a new file: " + words(created));
        const int made = error_of([&] { return lock_in(place / "another", "newer").acquire(); });
        results.expect(made == EROFS, "read-only: a new directory: " + words(made));
        results.tried("limits: read-only file system", 3);
        ::umount2(place.c_str(), MNT_DETACH);
    }
}

}  // namespace

int main() {
    report results;
    scratch_dir scratch;
    using part = void (*)(report&, const fs::path&);
    constexpr struct {
        const char* name;
        part run;
    } parts[]{{"out of descriptors", run_out_of_descriptors},
              {"files that stay open", keep_files_open},
              {"out of inotify instances", run_out_of_inotify},
              {"small file systems", run_on_small_file_systems}};
    for (const auto& p : parts) {
        in_child(results, p.name, [&](report& mine) {
            p.run(mine, scratch.path());
            mine.print_tried();
        });
    }
    return results.finish();
}

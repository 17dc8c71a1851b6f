// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The fork and exec storm: threads of a process acquire and release while other threads, which hold locks as well,
// start children in every way there is. Children exit, crash, exec, start children and threads, use their own locks and
// those of the parent, go on with an acquisition from within on_wait, and outlive their parents.
//
// What must hold: a child holds nothing that its parent holds, and cannot give it up; the parent's locks stay locked,
// and go free with the parent while its children live; nothing is inherited through exec; nobody hangs or leaks.
#include <spawn.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <thread>

#include <named_lock/named_lock.hpp>

#include "common.hpp"
#include "machine.hpp"
#include "rest.hpp"

extern char** environ;

namespace {

using namespace std::chrono_literals;
using namespace torture;

constexpr int names = 3;              // that all contend for
constexpr unsigned patience = 20;     // seconds after which a child that has not ended hangs
constexpr int child_found_fault = 3;  // exit status
constexpr int users = 2;
constexpr int forkers = 3;

/// What the processes share.
struct board {
    std::atomic<bool> over;
    std::atomic<int> inside[names];  // who is in the critical section: a process
    std::atomic<long> entered;
    std::atomic<long> started[16];
    std::atomic<long> faults;
};

struct way {
    const char* name;
    void (*run)(class storm&, nlock::named_lock& held, nlock::guard& guard);
};

class storm {
  public:
    storm(board& b, const fs::path& top, std::string self)
        : board_{b}, locks_dir_{top / "locks"}, self_{std::move(self)} {}

    /// Any object of that name, of which the file stays open or not.
    nlock::named_lock shared_name(int name) const {
        thread_local unsigned count = 0;
        nlock::lock_options options;
        options.locks_dir = locks_dir_;
        options.keep_open = ++count % 4 != 0;
        return nlock::named_lock{"name " + std::to_string(name), options};
    }
    nlock::named_lock own_name(const std::string& name) const { return nlock::named_lock{name, locks_dir_}; }
    const std::string& self() const { return self_; }
    const fs::path& locks_dir() const { return locks_dir_; }

    void fault(const std::string& what) {
        ++board_.faults;
        std::printf("VIOLATION: %s\n", what.c_str());
        std::fflush(stdout);
    }
    void expect(bool holds, const std::string& what) {
        if (!holds) fault(what);
    }

    /// A critical section, with nobody else in it.
    void use(int name, std::chrono::nanoseconds timeout) {
        auto lock = shared_name(name);
        const auto guard = lock.try_acquire(timeout);
        if (!guard) return;
        int nobody = 0;
        if (!board_.inside[name].compare_exchange_strong(nobody, ::getpid())) fault("two are inside (after a fork)");
        ++board_.entered;
        board_.inside[name] = 0;
    }

    void use_some(unsigned long random) { use(static_cast<int>(random % names), 1s); }

    void run_user(unsigned long seed) {
        std::mt19937_64 random{seed};
        while (!board_.over) {
            use_some(random());
            if (random() % 8 == 0) std::this_thread::sleep_for(100us);
        }
    }

    void run_forker(int number, unsigned long seed);

    /// Waits for a child, which has a limited time.
    void reap(pid_t child, const char* way_name, int wanted_signal = 0) {
        int status = 0;
        while (::waitpid(child, &status, 0) == -1 && errno == EINTR) {
        }
        const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        if (signal == wanted_signal && (signal != 0 || WEXITSTATUS(status) == 0)) return;
        if (signal == SIGALRM) return fault(std::string{"a child hangs: "} + way_name);
        fault(std::string{"a child ended badly: "} + way_name + ", status " + std::to_string(status));
    }

    /// Forks a child that runs `job` and ends.
    template <class Job>
    pid_t child(Job job) {
        const pid_t pid = ::fork();
        if (pid == -1) give_up("fork");
        if (pid != 0) return pid;
        ::alarm(patience);
        job();
        end_process(0);
    }

    board& shared() { return board_; }

  private:
    board& board_;
    const fs::path locks_dir_;
    const std::string self_;
};

/// In a child: what the parent held when it forked.
void check_inherited(storm& s, nlock::named_lock& held, nlock::guard& guard) {
    s.expect(!guard, "a child's copy of a guard holds");
    s.expect(!held.is_locked() && held.lock_count() == 0, "a child holds what its parent holds");
    try {
        held.unlock();
        s.fault("a child could unlock what its parent holds");
    } catch (const nlock::lock_error& e) {
        s.expect(e.code() == std::errc::operation_not_permitted, "a child's unlock() has another error");
    }
    guard.release();
    held.release(true);
    s.expect(!held.try_acquire(), "a child could acquire what its parent holds");
}

constexpr way ways[]{
    {"child exits at once", [](storm& s, nlock::named_lock&, nlock::guard&) { s.reap(s.child([] {}), "exits"); }},
    {"child crashes", [](storm& s, nlock::named_lock&,
                         nlock::guard&) { s.reap(s.child([] { ::raise(SIGSEGV); }), "crashes", SIGSEGV); }},
    {"child looks at what it inherited",
     [](storm& s, nlock::named_lock& held, nlock::guard& guard) {
         s.reap(s.child([&] { check_inherited(s, held, guard); }), "looks");
     }},
    {"child uses its own locks and those of all",
     [](storm& s, nlock::named_lock&, nlock::guard&) {
         s.reap(s.child([&] {
             auto own = s.own_name("child " + std::to_string(::getpid()));
             const auto guard = own.acquire(0s);
             s.expect(guard && look_at(own.path()) == seen::exclusive, "a child's own lock does not lock");
             for (int name = 0; name < names; ++name) s.use(name, 500ms);
             ::unlink(own.path().c_str());
         }),
                "uses locks");
     }},
    {"child crashes with a lock of its own",
     [](storm& s, nlock::named_lock&, nlock::guard&) {
         auto own = s.own_name("crash " + std::to_string(::getpid()));
         s.reap(s.child([&] {
             const auto guard = own.acquire(5s);
             ::raise(SIGKILL);
         }),
                "crashes with a lock", SIGKILL);
     }},
    {"child starts threads and children, which use locks",
     [](storm& s, nlock::named_lock&, nlock::guard&) {
         s.reap(s.child([&] {
             std::thread user{[&] {
                 for (int i = 0; i < 5; ++i) s.use(i % names, 200ms);
             }};
             s.reap(s.child([&] { s.use(0, 200ms); }), "grandchild");
             user.join();
         }),
                "starts threads and children");
     }},
    {"child execs a program",
     [](storm& s, nlock::named_lock&, nlock::guard&) {
         s.reap(s.child([&] { ::execl(s.self().c_str(), "forks", "--inherited", s.locks_dir().c_str(), nullptr); }),
                "execs");
     }},
    {"posix_spawn",
     [](storm& s, nlock::named_lock&, nlock::guard&) {
         std::string words[]{"forks", "--inherited", s.locks_dir().native()};
         char* argv[]{words[0].data(), words[1].data(), words[2].data(), nullptr};
         pid_t pid = -1;
         if (::posix_spawn(&pid, s.self().c_str(), nullptr, nullptr, argv, environ) != 0) give_up("posix_spawn");
         s.reap(pid, "posix_spawn");
     }},
    {"vfork and exec",
     [](storm& s, nlock::named_lock&, nlock::guard&) {
         const char* self = s.self().c_str();
         const char* directory = s.locks_dir().c_str();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
         const pid_t pid = ::vfork();
#pragma GCC diagnostic pop
         if (pid == 0) {
             ::execl(self, "forks", "--inherited", directory, nullptr);
             ::_exit(1);
         }
         s.reap(pid, "vfork");
     }},
    {"system()",
     [](storm& s, nlock::named_lock&, nlock::guard&) { s.expect(std::system("true") == 0, "system() failed"); }},
    {"fork in on_wait, whose child goes on waiting",
     [](storm& s, nlock::named_lock& held, nlock::guard&) {
         // Another thread waits for what this one holds; its child waits for it as well, in vain.
         pid_t child = -1;
         std::thread{[&] {
             nlock::lock_options options;
             options.locks_dir = s.locks_dir();
             options.on_wait = [&child](const nlock::lock_wait&) {
                 child = ::fork();
                 if (child == 0) ::alarm(patience);
             };
             const auto guard = nlock::named_lock{held.name(), options}.try_acquire(2ms);
             s.expect(!guard, "a lock was granted twice");
             if (child == 0) end_process(0);
         }}.join();
         s.reap(child, "fork in on_wait");
     }},
};

void storm::run_forker(int number, unsigned long seed) {
    std::mt19937_64 random{seed};
    auto held = own_name("held by forker " + std::to_string(number));
    while (!board_.over) {
        auto guard = held.acquire();
        const std::size_t at = random() % std::size(ways);
        ways[at].run(*this, held, guard);
        ++board_.started[at];
        expect(static_cast<bool>(guard) && held.lock_count() == 1, "the parent's guard is gone after a fork");
        expect(look_at(held.path()) == seen::exclusive,
               std::string{"the parent's lock is gone after: "} + ways[at].name);
    }
}

/// A parent that holds a lock is killed or exits while its child lives on: the lock must be free.
void outlive(storm& s, const fs::path& top, report& results, bool is_killed) {
    int alive[2];  // the child lives as long as this pipe is open
    int ready[2];
    if (::pipe2(alive, O_CLOEXEC) != 0 || ::pipe2(ready, O_CLOEXEC) != 0) give_up("pipe2");
    const pid_t director = ::getpid();
    const pid_t parent = ::fork();
    if (parent == 0) {
        die_with_parent(director);
        auto lock = s.own_name("outlived");
        const auto guard = lock.acquire(5s);
        if (::fork() == 0) {
            ::alarm(patience);
            ::close(alive[1]);
            char byte = '!';
            if (::write(ready[1], &byte, 1) != 1) end_process(1);
            (void)!::read(alive[0], &byte, 1);
            end_process(0);
        }
        if (is_killed) ::pause();
        char byte;
        (void)!::read(ready[0], &byte, 1);
        if (::write(ready[1], &byte, 1) != 1) end_process(1);
        end_process(0);
    }
    char byte;
    if (!is_killed) ::waitpid(parent, nullptr, 0);
    (void)!::read(ready[0], &byte, 1);
    if (is_killed) {
        ::kill(parent, SIGKILL);
        ::waitpid(parent, nullptr, 0);
    }
    const seen look = look_at(top / "locks" / "outlived.lock");
    results.expect(look == seen::free,
                   std::string{"a child that outlives its parent keeps its lock: "} + torture::name_of(look));
    results.tried("forks: child outlives its parent, which held a lock");
    for (const int end : {alive[0], alive[1], ready[0], ready[1]}) ::close(end);
}

/// After an exec: nothing of the library may be open. 0: so it is.
int look_at_inherited(const char* locks_dir) {
    const descriptor_count count = count_descriptors();
    std::string lock_files;
    for (const auto& entry : fs::directory_iterator{"/proc/self/fd"}) {
        std::error_code ignored;
        const std::string target = fs::read_symlink(entry.path(), ignored).native();
        if (target.rfind(locks_dir, 0) == 0) lock_files += " " + target;
    }
    if (count.ours() == 0 && lock_files.empty()) return 0;
    std::printf("VIOLATION: inherited through exec: %s%s\n", count.words().c_str(), lock_files.c_str());
    std::fflush(stdout);
    return child_found_fault;
}

/// The process that storms. It has threads only after it was forked from the one that watches it.
int run_storm(board& b, const fs::path& top, const std::string& self, unsigned long seed) {
    storm s{b, top, self};
    const auto before = count_descriptors();
    std::vector<std::thread> threads;
    for (int i = 0; i < users; ++i) {
        threads.emplace_back([&s, i, seed] { s.run_user(seed + static_cast<unsigned long>(i)); });
    }
    for (int i = 0; i < forkers; ++i) {
        threads.emplace_back([&s, i, seed] { s.run_forker(i, seed + 100 + static_cast<unsigned long>(i)); });
    }
    for (auto& thread : threads) thread.join();
    const std::string excess = excess_at_rest(before, users + 2 * forkers);
    if (excess.empty()) return 0;
    std::printf("LEAK: %s\n", excess.c_str());
    std::fflush(stdout);
    return child_found_fault;
}

void end_group(pid_t leader) {
    ::kill(-leader, SIGKILL);
    ::waitpid(leader, nullptr, 0);
}

}  // namespace

/// forks [--seconds S] [--seed S]
int main(int argc, char** argv) {
    if (argc == 3 && std::strcmp(argv[1], "--inherited") == 0) return look_at_inherited(argv[2]);
    double seconds = 10;
    unsigned long seed = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (std::strcmp(argv[i], "--seconds") == 0) seconds = std::atof(argv[i + 1]);
        if (std::strcmp(argv[i], "--seed") == 0) seed = std::strtoul(argv[i + 1], nullptr, 10);
    }
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    report results;
    scratch_dir scratch;
    board& b = share<board>();
    const std::string self = fs::read_symlink("/proc/self/exe").native();

    const pid_t parent = ::getpid();
    std::fflush(stdout);
    const pid_t leader = ::fork();
    if (leader == 0) {
        die_with_parent(parent);
        ::setpgid(0, 0);
        end_process(run_storm(b, scratch.path(), self, seed));
    }
    ::setpgid(leader, leader);
    storm s{b, scratch.path(), self};
    const std::int64_t end = now_ns() + static_cast<std::int64_t>(seconds * 1e9);
    while (now_ns() < end) {
        outlive(s, scratch.path(), results, true);
        outlive(s, scratch.path(), results, false);
        std::this_thread::sleep_for(50ms);
    }
    b.over = true;
    int status = 0;
    bool has_ended = false;
    for (const std::int64_t limit = now_ns() + (patience + 10) * 1'000'000'000LL; !has_ended && now_ns() < limit;) {
        has_ended = ::waitpid(leader, &status, WNOHANG) == leader;
        std::this_thread::sleep_for(5ms);
    }
    if (!has_ended) {
        results.violation("the process that forks hangs");
        end_group(leader);
    } else if (WIFSIGNALED(status)) {
        results.violation(std::string{"the process that forks died of "} + ::strsignal(WTERMSIG(status)));
    } else if (WEXITSTATUS(status) != 0) {
        results.add(0, 1);  // it has said so
    }
    ::kill(-leader, SIGKILL);  // whoever is left
    for (const auto& entry : fs::directory_iterator{scratch.path() / "locks"}) {
        results.expect(look_at(entry.path()) == seen::free,
                       "in the end a lock is still held: " + entry.path().native());
    }
    for (std::size_t i = 0; i < std::size(ways); ++i)
        results.tried(std::string{"forks: "} + ways[i].name, b.started[i]);
    results.tried("forks: critical sections meanwhile", b.entered);
    results.add(b.faults, 0);
    ::munmap(&b, sizeof b);
    return results.finish();
}

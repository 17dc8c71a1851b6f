// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The crash storm: many processes with threads and event loops acquire, enter again, share, time out and cancel at random
// over a few names, while processes are killed, stopped and continued; and, if asked for, while somebody takes the lock files and
// their directory away. Exclusion is judged by the witness and by the history, see witness.hpp and history.hpp.
//
// --removes: half of the locks have lock_options::remove_on_release. All promises hold.
// --purges: somebody lists the locks and purges them again and again. All promises hold.
// --hostile safe: whoever changes a file holds its lock meanwhile (all locks, for the directory). All promises hold.
// --hostile unsafe: it does not. Then the holder of a file that was taken away is alone with it and the next one gets
// the new file: exclusion is not guaranteed, and its overlaps are counted, but are no violations. Guaranteed remain:
// nobody hangs, crashes, leaks, or waits past the deadline.
//
// A kill is followed by no stop within the next 50 ms, in which the next grant has to come. The machine may be busy
// itself: how late, a process tells that only sleeps and makes files (run_metronome).
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <shared_mutex>
#include <stop_token>
#include <thread>

#include <named_lock/directories.hpp>
#include <named_lock/named_lock.hpp>
#include <named_lock/pending_acquire.hpp>

#include "../support/seccomp.hpp"
#include "common.hpp"
#include "history.hpp"
#include "rest.hpp"
#include "witness.hpp"

namespace {

using namespace std::chrono_literals;
using namespace torture;

struct settings {
    double seconds = 10;
    int processes = 32;
    int threads = 2;
    int names = 5;
    bool kills = true;
    bool removes = false;  // half of the locks, their files
    bool purges = false;
    enum { peace, safe, unsafe } hostile = peace;
    unsigned long seed = 1;

    std::string part() const {
        constexpr const char* parts[]{"storm", "hostile, by the protocol", "hostile, against it"};
        return parts[hostile];
    }
};

std::string name_of_lock(int name) { return "name " + std::to_string(name); }

void sleep_ns(std::int64_t ns) {
    const timespec pause{ns / 1'000'000'000, ns % 1'000'000'000};
    ::nanosleep(&pause, nullptr);
}

void tell(const nlock::lock_error& e, stage& s, const settings& wanted) {
    ++s.errors;
    std::printf("%s: %s\n", wanted.hostile == settings::unsafe ? "NOTE" : "VIOLATION", e.what());
    std::fflush(stdout);
}

// ---- one thread of the storm ----

/// What the kernel refuses some processes, so that they stand beside those who have it.
enum class refusal { none, sockets, line, inotify };

refusal refusal_of(int slot) {
    constexpr int kinds = 8;  // half of the processes lack nothing
    switch (slot % kinds) {
    case 1:
        return refusal::sockets;
    case 3:
        return refusal::line;
    case 5:
        return refusal::inotify;
    default:
        return refusal::none;
    }
}

void refuse(refusal what) {
    const bool is_done = what == refusal::none ||
                         (what == refusal::sockets && nlock_test::answer_sockets_with(EPERM)) ||
                         (what == refusal::line && nlock_test::answer_ofd_locks_with(EINVAL)) ||
                         (what == refusal::inotify && nlock_test::answer_inotify_with(EMFILE));
    if (!is_done) give_up("a seccomp filter");
}

/// Closes, when no thread of the process uses the library, what it keeps open, as closefrom(3) would; and opens something
/// else under half of the numbers, which must stay as it is.
class closer {
  public:
    std::shared_mutex& users() { return users_; }

    void close_some(unsigned long random) {
        const std::unique_lock alone{users_, std::try_to_lock};
        if (!alone) return;
        const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        for_each_descriptor([&](int fd, descriptor_kind kind) {
            if (kind == descriptor_kind::other) return;
            if (random % 2 == 0 || ::dup3(nothing, fd, O_CLOEXEC) != fd) {
                ::close(fd);
            } else {
                strangers_.push_back(fd);
            }
            random /= 2;
        });
        ::close(nothing);
        ++times_;
    }
    long times() const { return times_; }
    /// How many of them are gone. Without other threads.
    int close_strangers() {
        int gone = 0;
        for (const int fd : std::exchange(strangers_, {})) {
            struct stat status {};
            if (::fstat(fd, &status) != 0 || !S_ISCHR(status.st_mode) || ::close(fd) != 0) ++gone;
        }
        return gone;
    }

  private:
    std::shared_mutex users_;
    std::vector<int> strangers_;
    long times_ = 0;
};

class actor {
  public:
    actor(stage& s, const settings& wanted, const fs::path& top, int slot, int incarnation, int thread, closer& closes)
        : stage_{s},
          wanted_{wanted},
          closes_{closes},
          log_{s.logs[slot][thread]},
          slot_{slot},
          incarnation_{incarnation},
          random_{wanted.seed * 7919 + static_cast<unsigned long>(slot * 1009 + incarnation * 31 + thread)} {
        options_.locks_dir = top / "locks";
        for (int name = 0; name < wanted.names; ++name) {
            witnesses_.push_back(std::make_unique<witness>(s, top / "witness", name));
        }
    }

    void run() {
        while (!stage_.over) {
            try {
                const std::shared_lock user{closes_.users()};
                act();
            } catch (const nlock::lock_error& e) {
                tell(e, stage_, wanted_);
            }
            if (one_in(16)) closes_.close_some(random_());
            sleep_ns(static_cast<std::int64_t>(below(20'000'000)));
        }
    }

  private:
    using lock = nlock::named_lock;

    unsigned long below(unsigned long limit) { return random_() % limit; }
    bool one_in(unsigned long n) { return below(n) == 0; }

    /// Names 0 ... of flock, the last one of fcntl: on one file everybody must use the same.
    lock make(int name) {
        auto options = options_;
        options.reentrant = !one_in(4);
        options.keep_open = !one_in(4);
        options.remove_on_release = wanted_.removes && one_in(2);
        if (one_in(2)) options.courtesy = one_in(2) ? 0ns : std::chrono::nanoseconds{10ms};
        if (name == wanted_.names - 1) options.method = nlock::lock_method::fcntl;
        if (one_in(8)) options.on_wait = [](const nlock::lock_wait& w) { (void)w.holders.size(); };
        return lock{name_of_lock(name), options};
    }

    /// Without locks of open file descriptions there are none by fcntl.
    int usable_names() const { return wanted_.names - (refusal_of(slot_) == refusal::line ? 1 : 0); }

    void act() {
        const int name = static_cast<int>(below(static_cast<unsigned long>(usable_names())));
        switch (below(12)) {
        case 0:
            return wait_for_ever(name);
        case 1:
            return cancel(name);
        case 2:
            return several();
        case 3:
            return standard_face(name);
        case 4:
            return no_wait(name);
        case 10:
        case 11:
            return loop();
        case 5:
        case 6:
            return share(name);
        default:
            return timed(name);
        }
    }

    record* ask(int name, kind wanted, std::int64_t timeout) {
        record* r = log_.add();
        if (r == nullptr) {
            ++stage_.full_logs;
            stage_.over = true;
            return nullptr;
        }
        r->incarnation = incarnation_;
        r->name = static_cast<std::uint8_t>(name);
        r->wanted = wanted;
        r->timeout = timeout;
        r->asked = now_ns();
        return r;
    }
    static void fail(record* r, ending how) {
        r->how = how;
        r->failed = now_ns();
    }

    std::int64_t some_timeout() {
        return static_cast<std::int64_t>(1'000'000 + below(one_in(4) ? 3'000'000 : 250'000'000));
    }

    void timed(int name) {
        const std::int64_t timeout = some_timeout();
        auto l = make(name);
        record* r = ask(name, kind::exclusive, timeout);
        if (r == nullptr) return;
        nlock::guard guard;
        try {
            guard = l.acquire(std::chrono::nanoseconds{timeout});
        } catch (const nlock::lock_timeout&) {
            return fail(r, ending::timed_out);
        }
        inside(*r);
        if (one_in(6)) again(l);
        outside(*r);
        if (!one_in(10)) return;
        std::jthread{[g = std::move(guard)]() mutable { g.release(); }};  // in another thread
    }

    void wait_for_ever(int name) {
        auto l = make(name);
        record* r = ask(name, kind::exclusive, -1);
        if (r == nullptr) return;
        const auto guard = l.acquire(nlock::forever);
        inside(*r);
        outside(*r);
    }

    void no_wait(int name) {
        auto l = make(name);
        record* r = ask(name, kind::exclusive, 0);
        if (r == nullptr) return;
        const auto guard = l.try_acquire();
        if (!guard) return fail(r, ending::refused);
        inside(*r);
        outside(*r);
    }

    void share(int name) {
        const std::int64_t timeout = some_timeout();
        auto l = make(name);
        record* r = ask(name, kind::shared, timeout);
        if (r == nullptr) return;
        const auto guard = l.try_acquire_shared(std::chrono::nanoseconds{timeout});
        if (!guard) return fail(r, ending::timed_out);
        inside(*r);
        outside(*r);
    }

    void standard_face(int name) {
        const std::int64_t timeout = some_timeout();
        auto l = make(name);
        record* r = ask(name, kind::exclusive, timeout);
        if (r == nullptr) return;
        if (!l.try_lock_for(std::chrono::nanoseconds{timeout})) return fail(r, ending::timed_out);
        inside(*r);
        outside(*r);
        l.unlock();
    }

    void cancel(int name) {
        auto l = make(name);
        record* r = ask(name, kind::exclusive, -1);
        if (r == nullptr) return;
        std::stop_source source;
        cancellation_.reset();
        const bool by_token = one_in(2);
        const auto delay = below(20'000'000);
        std::jthread canceller{[&, delay] {
            sleep_ns(static_cast<std::int64_t>(delay));
            by_token ? static_cast<void>(source.request_stop()) : cancellation_.cancel();
        }};
        try {
            const auto guard = by_token ? l.acquire(source.get_token(), nlock::forever)
                                        : l.acquire(cancellation_, nlock::forever);
            inside(*r);
            outside(*r);
        } catch (const nlock::lock_cancelled&) {
            fail(r, ending::cancelled);
        }
    }

    struct client {
        nlock::pending_acquire pending;
        record* asked;
    };

    /// Some at once, as an event loop does.
    void loop() {
        std::vector<client> clients;
        for (auto count = 1 + below(4); count != 0; --count) {
            const int name = static_cast<int>(below(static_cast<unsigned long>(usable_names())));
            const bool is_shared = one_in(3);
            const std::chrono::nanoseconds timeout{some_timeout()};
            auto l = make(name);
            record* r = ask(name, is_shared ? kind::shared : kind::exclusive, timeout.count());
            if (r == nullptr) return;
            clients.push_back({is_shared ? l.begin_acquire_shared(timeout) : l.begin_acquire(timeout), r});
            if (serve(clients.back())) clients.pop_back();  // it may hold the lock, which the record must say before a stop
        }
        while (!clients.empty()) {
            clients.erase(std::remove_if(clients.begin(), clients.end(), [this](client& c) { return serve(c); }),
                          clients.end());
            wait_for_any(clients);
        }
    }
    /// True: it is done.
    bool serve(client& c) {
        if (one_in(100)) {
            c.pending.cancel();
            fail(c.asked, ending::cancelled);
            return true;
        }
        try {
            const auto guard = c.pending.try_complete();
            if (!guard) return false;
            inside(*c.asked);
            outside(*c.asked);
        } catch (const nlock::lock_timeout&) {
            fail(c.asked, ending::timed_out);
        }
        return true;
    }
    static void wait_for_any(const std::vector<client>& clients) {
        if (clients.empty()) return;
        auto wake_at = (std::chrono::steady_clock::time_point::max)();
        std::vector<pollfd> handles;
        for (const client& c : clients) {
            handles.push_back({c.pending.native_handle(), POLLIN, 0});
            wake_at = std::min(wake_at, c.pending.wake_at());
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(wake_at - std::chrono::steady_clock::now());
        ::poll(handles.data(), handles.size(), static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1000)));
    }

    void several() {
        std::vector<lock> locks;
        std::vector<record*> records;
        const std::int64_t timeout = some_timeout();
        // Of some it has the lock already, of which there is no record before it has them all.
        const auto notes_taken = [&](const nlock::lock_wait&) {
            for (std::size_t i = 0; i < locks.size(); ++i) {
                if (locks[i].lock_count() != 0) stage_.taken.add(records[i]->name);
            }
        };
        for (int name = 0; name < usable_names(); ++name) {
            if (!one_in(2)) continue;
            auto options = options_;
            if (name == wanted_.names - 1) options.method = nlock::lock_method::fcntl;
            options.on_wait = notes_taken;
            locks.emplace_back(name_of_lock(name), options);
            records.push_back(ask(name, kind::exclusive, timeout));
            if (records.back() == nullptr) return;
        }
        try {
            const auto guards = nlock::acquire_all(locks, std::chrono::nanoseconds{timeout});
            for (record* r : records) inside(*r);
            for (record* r : records) outside(*r);
        } catch (const nlock::lock_timeout&) {
            for (record* r : records) fail(r, ending::timed_out);
        }
    }

    /// The thread holds it already; an object that is not reentrant would wait for itself.
    void again(lock& l) {
        if (l.lock_count() == 0) return;
        auto options = options_;
        options.method =
            l.name() == name_of_lock(wanted_.names - 1) ? nlock::lock_method::fcntl : nlock::lock_method::flock;
        lock other{l.name(), options};
        if (other.lock_count() == 0) return;  // the hold has no thread
        const auto second = other.acquire(0s);
        const auto third = other.acquire_shared(0s);
    }

    void inside(record& r) {
        r.entered = now_ns();
        r.how = ending::granted;
        auto& w = *witnesses_[r.name];
        const bool is_alone = r.wanted == kind::shared ? w.is_alone() : w.enter(slot_, incarnation_);
        if (!is_alone) conflict(r);
        if (r.wanted == kind::exclusive && is_alone) w.count(r);
        if (one_in(3)) sleep_ns(static_cast<std::int64_t>(below(one_in(4) ? 8'000'000 : 300'000)));
        if (r.wanted == kind::shared && is_alone && !w.is_alone()) conflict(r);
        has_witness_[r.name] = r.wanted == kind::exclusive && is_alone;
    }
    void outside(record& r) {
        if (has_witness_[r.name]) witnesses_[r.name]->leave();
        r.left = now_ns();
    }
    void conflict(const record& r) {
        ++stage_.conflicts;
        if (wanted_.hostile == settings::unsafe) return;
        std::printf("VIOLATION: process %d is inside '%s' together with another one\n", slot_,
                    name_of_lock(r.name).c_str());
        std::fflush(stdout);
    }

    stage& stage_;
    const settings& wanted_;
    closer& closes_;
    thread_log& log_;
    const int slot_;
    const int incarnation_;
    std::mt19937_64 random_;
    nlock::lock_options options_;
    nlock::cancellation cancellation_;  // whose descriptor the closer closes, too
    std::vector<std::unique_ptr<witness>> witnesses_;
    bool has_witness_[most_names] = {};
};

// ---- one process of the storm ----

[[noreturn]] void run_worker(stage& s, const settings& wanted, const fs::path& top, int slot, int incarnation) {
    refuse(refusal_of(slot));
    const auto before = count_descriptors();
    closer closes;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < wanted.threads; ++thread) {
        threads.emplace_back([&, thread] { actor{s, wanted, top, slot, incarnation, thread, closes}.run(); });
    }
    s.running[slot] = incarnation;
    for (auto& thread : threads) thread.join();
    s.closings += closes.times();
    if (const int gone = closes.close_strangers()) {
        ++s.errors;
        std::printf("VIOLATION: %d files of the program were closed\n", gone);
    }
    // A held lock that was waited for keeps its bell, and acquire_all holds several.
    if (const auto excess = excess_at_rest(before, wanted.threads * (wanted.names + 1)); !excess.empty()) {
        ++s.leaks;
        std::printf("LEAK: %s\n", excess.c_str());
    }
    std::fflush(stdout);
    end_process(0);
}

// ---- who looks at the locks, and removes those that nobody uses ----

[[noreturn]] void run_purger(stage& s, const settings& wanted, const fs::path& locks) {
    std::mt19937_64 random{wanted.seed};
    while (!s.over) {
        try {
            if (random() % 8 == 0) s.listed += static_cast<long>(nlock::list_locks(locks).size());
            s.purged += static_cast<long>(nlock::purge_locks(locks, 0s));
        } catch (const nlock::lock_error& e) {
            tell(e, s, wanted);
        }
        sleep_ns(static_cast<std::int64_t>(random() % 4'000'000));
    }
    end_process(0);
}

// ---- who takes the files away ----

/// The lock of one file by the protocol: locked, and still the path's file. Null: it could not be had soon.
std::unique_ptr<foreign_file> lock_by_the_protocol(stage& s, int name, const fs::path& path, bool ofd) {
    while (!s.over) {
        auto file = std::make_unique<foreign_file>(path, ofd, O_RDWR | O_CREAT);
        while (file->is_open() && !s.over) {
            if (file->try_lock()) {
                if (!file->is_at(path)) break;
                s.taken.add(name);
                return file;
            }
            sleep_ns(200'000);
            if (!file->is_at(path)) break;
        }
        if (!file->is_open()) sleep_ns(1'000'000);
    }
    return nullptr;
}

class enemy {
  public:
    enemy(stage& s, const settings& wanted, const fs::path& top)
        : stage_{s}, wanted_{wanted}, top_{top}, locks_{top / "locks"}, random_{wanted.seed} {}

    [[noreturn]] void run() {
        while (!stage_.over) {
            const int name = static_cast<int>(random_() % static_cast<unsigned long>(wanted_.names));
            if (random_() % 5 == 0) {
                swap_directory();
            } else {
                change_file(name);
            }
            ++stage_.hostile_acts;
            sleep_ns(static_cast<std::int64_t>(random_() % 8'000'000));
        }
        end_process(0);
    }

  private:
    bool is_ofd(int name) const { return name == wanted_.names - 1; }
    fs::path file_of(int name) const { return locks_ / (name_of_lock(name) + ".lock"); }

    void change_file(int name) {
        std::unique_ptr<foreign_file> held;
        const fs::path path = file_of(name);
        if (wanted_.hostile == settings::safe) {
            held = lock_by_the_protocol(stage_, name, path, is_ofd(name));
            if (held == nullptr) return;
        }
        const fs::path other = top_ / ("other_" + std::to_string(number_++ % 16));
        std::error_code ignored;
        switch (random_() % 4) {
        case 0:
            fs::remove(path, ignored);
            break;
        case 1:
            fs::rename(path, other, ignored);
            break;
        case 2:
            fs::remove(other, ignored);
            foreign_file{other, false, O_RDWR | O_CREAT};
            fs::rename(other, path, ignored);
            break;
        default:  // away, and perhaps back
            fs::rename(path, other, ignored);
            sleep_ns(100'000);
            ::link(other.c_str(), path.c_str());
            break;
        }
    }

    void swap_directory() {
        std::vector<std::unique_ptr<foreign_file>> held;
        if (wanted_.hostile == settings::safe) {
            for (int name = 0; name < wanted_.names; ++name) {
                held.push_back(lock_by_the_protocol(stage_, name, file_of(name), is_ofd(name)));
                if (held.back() == nullptr) return;
            }
        }
        const fs::path old = top_ / "old";
        const fs::path fresh = top_ / "fresh";
        std::error_code ignored;
        fs::create_directory(fresh, ignored);
        if (random_() % 2 == 0) {
            for (int name = 0; name < wanted_.names; ++name) {
                foreign_file{fresh / (name_of_lock(name) + ".lock"), false, O_RDWR | O_CREAT};
            }
        }
        fs::rename(locks_, old, ignored);
        if (random_() % 2 == 0) sleep_ns(200'000);  // others may make one meanwhile
        fs::rename(fresh, locks_, ignored);
        fs::remove_all(fresh, ignored);
        fs::remove_all(old, ignored);
    }

    stage& stage_;
    const settings& wanted_;
    const fs::path top_;
    const fs::path locks_;
    std::mt19937_64 random_;
    int number_ = 0;
};

// ---- who directs it ----

class director {
  public:
    director(const settings& wanted, report& results)
        : wanted_{wanted}, results_{results}, stage_{share<stage>()}, random_{wanted.seed} {
        for (const char* name : {"locks", "witness"}) fs::create_directory(scratch_.path() / name);
    }
    director(const director&) = delete;
    director& operator=(const director&) = delete;
    ~director() {
        for (const pid_t pid : pids_) end(pid);
        for (const pid_t pid : {metronome_, enemy_}) end(pid);
        ::munmap(&stage_, sizeof stage_);
    }

    void run() {
        metronome_ = start([&] {
            run_metronome(stage_.over, stage_.late, scratch_.path());
            end_process(0);
        });
        if (wanted_.hostile != settings::peace) {
            enemy_ = start([&] { enemy{stage_, wanted_, scratch_.path()}.run(); });
        }
        pids_.resize(static_cast<std::size_t>(wanted_.processes), -1);
        incarnations_.resize(pids_.size(), 0);
        for (int slot = 0; slot < wanted_.processes; ++slot) start_worker(slot);
        if (wanted_.purges) {
            pids_.push_back(start([&] { run_purger(stage_, wanted_, scratch_.path() / "locks"); }));
        }
        const std::int64_t end = now_ns() + static_cast<std::int64_t>(wanted_.seconds * 1e9);
        while (now_ns() < end && !stage_.over) {
            if (wanted_.kills && random_() % 2 == 0) {
                kill_one();
            } else {
                stop_one();
            }
            sleep_ns(static_cast<std::int64_t>(60'000'000 + random_() % 60'000'000));
            look_for_the_dead();
        }
        finish();
    }

  private:
    template <class Job>
    pid_t start(Job job) {
        std::fflush(stdout);
        const pid_t parent = ::getpid();
        const pid_t pid = ::fork();
        if (pid == -1) give_up("fork");
        if (pid != 0) return pid;
        die_with_parent(parent);
        job();
        end_process(0);
    }

    static void end(pid_t pid) {
        if (pid <= 0) return;
        ::kill(pid, SIGKILL);
        ::kill(pid, SIGCONT);
        ::waitpid(pid, nullptr, 0);
    }

    void start_worker(int slot) {
        const auto at = static_cast<std::size_t>(slot);
        const int incarnation = ++incarnations_[at];
        pids_[at] = start([&] { run_worker(stage_, wanted_, scratch_.path(), slot, incarnation); });
    }

    bool is_holding(int slot) const {
        return std::any_of(std::begin(stage_.logs[slot]), std::end(stage_.logs[slot]), [](const thread_log& log) {
            const std::size_t count = log.count;
            return count != 0 && log.records[count - 1].entered != 0 && log.records[count - 1].left == 0;
        });
    }

    /// Mostly one that holds a lock, if there is one soon.
    int victim() {
        const auto some = static_cast<int>(random_() % static_cast<unsigned long>(wanted_.processes));
        if (random_() % 4 == 0) return some;
        for (int i = 0; i < 200 * wanted_.processes; ++i) {
            const int slot = (some + i) % wanted_.processes;
            if (is_holding(slot)) return slot;
            if (slot == some) sleep_ns(100'000);
        }
        return some;
    }

    void kill_one() {
        const int slot = victim();
        const auto at = static_cast<std::size_t>(slot);
        killed k;
        k.slot = slot;
        k.incarnation = incarnations_[at];
        stage_.doomed[slot] = k.incarnation;
        k.before = now_ns();
        ::kill(pids_[at], SIGKILL);
        int status = 0;
        ::waitpid(pids_[at], &status, 0);
        k.after = now_ns();
        kills_.push_back(k);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
            results_.violation("a process had ended by itself");
        }
        start_worker(slot);
    }

    void stop_one() {
        const int slot = victim();
        const pid_t pid = pids_[static_cast<std::size_t>(slot)];
        interval i;
        i.from = now_ns();
        ::kill(pid, SIGSTOP);
        sleep_ns(static_cast<std::int64_t>(random_() % 60'000'000));
        ::kill(pid, SIGCONT);
        i.to = now_ns();
        stops_.push_back(i);
    }

    void look_for_the_dead() {
        for (pid_t& pid : pids_) {
            int status = 0;
            if (pid <= 0 || ::waitpid(pid, &status, WNOHANG) != pid) continue;
            pid = -1;
            if (stage_.over) continue;
            results_.violation(WIFSIGNALED(status) ? std::string{"a process died of "} + ::strsignal(WTERMSIG(status))
                                                   : "a process ended with " + std::to_string(WEXITSTATUS(status)));
            stage_.over = true;
        }
    }

    void finish() {
        stage_.over = true;
        const std::int64_t patience = now_ns() + 20'000'000'000;
        long hanging = wanted_.processes;
        while (hanging != 0 && now_ns() < patience) {
            hanging = 0;
            for (pid_t& pid : pids_) {
                int status = 0;
                if (pid > 0 && ::waitpid(pid, &status, WNOHANG) == pid) {
                    pid = -1;
                    if (status != 0) results_.violation("a process ended badly");
                }
                if (pid > 0) ++hanging;
            }
            sleep_ns(5'000'000);
        }
        for (long i = 0; i < hanging; ++i) results_.violation("a process hangs");
        for (const pid_t pid : pids_) end(pid);
        pids_.clear();
        judge();
    }

    void judge() {
        std::vector<std::int64_t> counters;
        for (int name = 0; name < wanted_.names; ++name) {
            const fs::path path = scratch_.path() / "locks" / (name_of_lock(name) + ".lock");
            const seen look = look_at(path, name == wanted_.names - 1);
            results_.expect(look == seen::free || look == seen::missing,
                            std::string{"in the end a lock file is "} + torture::name_of(look));
            counters.push_back(witness{stage_, scratch_.path() / "witness", name}.read_counter());
        }
        const std::string part = wanted_.part();
        const bool is_promised = wanted_.hostile != settings::unsafe;
        checker check{stage_, kills_, stops_, results_};
        check.run(wanted_.names, is_promised, counters, part);
        results_.tried(part + ": witnesses taken", stage_.witnessed);
        results_.tried(part + ": idle descriptors closed by the program", stage_.closings);
        results_.tried(part + ": processes killed", static_cast<long>(kills_.size()));
        results_.tried(part + ": processes stopped and continued", static_cast<long>(stops_.size()));
        if (wanted_.hostile != settings::peace)
            results_.tried(part + ": files or directories changed", stage_.hostile_acts);
        if (wanted_.purges) {
            results_.tried(part + ": locks listed", stage_.listed);
            results_.tried(part + ": locks purged", stage_.purged);
        }
        if (!is_promised) {
            results_.note(part + ": exclusion is not guaranteed: " + std::to_string(check.overlaps()) +
                          " holds overlapped, the witness saw " + std::to_string(stage_.conflicts) + ", " +
                          std::to_string(stage_.errors) + " errors");
        } else {
            results_.add(stage_.conflicts + stage_.errors, 0);  // each said so itself
        }
        results_.add(0, stage_.leaks);
        if (stage_.full_logs != 0) results_.violation("the storm ended early, its log was full");
    }

    const settings wanted_;
    report& results_;
    scratch_dir scratch_;
    stage& stage_;
    std::mt19937_64 random_;
    std::vector<pid_t> pids_;  // by slot; then who purges
    std::vector<int> incarnations_;
    std::vector<killed> kills_;
    std::vector<interval> stops_;
    pid_t metronome_ = -1;
    pid_t enemy_ = -1;
};

}  // namespace

/// storm [--seconds S] [--processes N] [--threads N] [--seed S] [--no-kills] [--removes] [--purges]
///       [--hostile safe|unsafe]
int main(int argc, char** argv) {
    settings wanted;
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        const char* value = i + 1 < argc ? argv[i + 1] : "";
        if (option == "--no-kills") {
            wanted.kills = false;
            continue;
        }
        if (option == "--removes") {
            wanted.removes = true;
            continue;
        }
        if (option == "--purges") {
            wanted.purges = true;
            continue;
        }
        if (option == "--seconds") {
            wanted.seconds = std::atof(value);
        } else if (option == "--processes") {
            wanted.processes = std::min(std::atoi(value), most_processes);
        } else if (option == "--threads") {
            wanted.threads = std::min(std::atoi(value), most_threads);
        } else if (option == "--seed") {
            wanted.seed = std::strtoul(value, nullptr, 10);
        } else if (option == "--hostile") {
            wanted.hostile = std::strcmp(value, "safe") == 0 ? settings::safe : settings::unsafe;
        } else {
            std::fprintf(stderr, "storm: bad argument %s\n", argv[i]);
            return 64;
        }
        ++i;
    }
    report results;
    director{wanted, results}.run();
    return results.finish();
}

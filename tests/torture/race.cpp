// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The races between a process P that acquires and a holder Q that takes the lock file away and lets go, made to happen:
// the shim stops P just before a chosen call (between open and flock, say), Q does its change there, P goes on. P must
// never be granted a file that the path no longer names.
//
// Q is a process of its own. It plays by the safe protocol as long as P has not locked anything: it holds the lock
// while it changes the file. At the later points it does not, which P has to bear as well.
//
// And the races with a P that removes the file itself, by remove_on_release or purge_locks(): stopped before each of its
// calls, while Q comes and takes the lock if it can. P must never remove the file that Q has locked.
#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>

#include <named_lock/directories.hpp>
#include <named_lock/named_lock.hpp>

#include "common.hpp"
#include "machine.hpp"
#include "rest.hpp"
#include "shim.hpp"

namespace {

using namespace std::chrono_literals;
using namespace torture;
using shim::call;

/// Where everything happens: the locks directory, and a place to which things are moved away.
struct stage {
    fs::path top;
    fs::path locks = top / "locks";
    fs::path file = locks / "x.lock";
    fs::path away = top / "away";
    fs::path other = top / "other";  // a second locks directory, to be swapped in
};

enum class expected { granted, refused, error };

/// Something that Q does while it holds the lock; what it returns stays locked when Q lets go of the rest.
struct change {
    const char* name;
    expected result;
    std::function<std::unique_ptr<foreign_file>(const stage&, bool ofd)> apply;
};

std::unique_ptr<foreign_file> nothing_held() { return nullptr; }

std::unique_ptr<foreign_file> held_new_file(const fs::path& path, bool ofd) {
    auto file = std::make_unique<foreign_file>(path, ofd, O_RDWR | O_CREAT);
    if (!file->try_lock()) give_up("lock " + path.string());
    return file;
}

void write_file(const fs::path& path) { foreign_file{path, false, O_RDWR | O_CREAT}; }

const std::vector<change>& changes() {
    static const std::vector<change> all{
        {"nothing but the release", expected::granted, [](const stage&, bool) { return nothing_held(); }},
        {"unlinked", expected::granted,
         [](const stage& s, bool) {
             fs::remove(s.file);
             return nothing_held();
         }},
        {"renamed away", expected::granted,
         [](const stage& s, bool) {
             fs::rename(s.file, s.locks / "x.lock.old");
             return nothing_held();
         }},
        {"renamed into another directory", expected::granted,
         [](const stage& s, bool) {
             fs::rename(s.file, s.away / "x.lock");
             return nothing_held();
         }},
        {"renamed away and back", expected::granted,
         [](const stage& s, bool) {
             fs::rename(s.file, s.away / "x.lock");
             fs::rename(s.away / "x.lock", s.file);
             return nothing_held();
         }},
        {"renamed away, a hard link put back", expected::granted,
         [](const stage& s, bool) {
             fs::rename(s.file, s.away / "x.lock");
             fs::create_hard_link(s.away / "x.lock", s.file);
             return nothing_held();
         }},
        {"replaced by a free file", expected::granted,
         [](const stage& s, bool) {
             write_file(s.away / "new");
             fs::rename(s.away / "new", s.file);
             return nothing_held();
         }},
        {"renamed away, a new file is held", expected::refused,
         [](const stage& s, bool ofd) {
             fs::rename(s.file, s.away / "x.lock");
             return held_new_file(s.file, ofd);
         }},
        {"replaced by a held file", expected::refused,
         [](const stage& s, bool ofd) {
             auto file = held_new_file(s.away / "new", ofd);
             fs::rename(s.away / "new", s.file);
             return file;
         }},
        {"directory renamed away", expected::granted,
         [](const stage& s, bool) {
             fs::rename(s.locks, s.away / "locks");
             return nothing_held();
         }},
        {"directory swapped for an empty one", expected::granted,
         [](const stage& s, bool) {
             fs::rename(s.locks, s.away / "locks");
             fs::rename(s.other, s.locks);
             return nothing_held();
         }},
        {"directory swapped for one with a free file", expected::granted,
         [](const stage& s, bool) {
             write_file(s.other / "x.lock");
             fs::rename(s.locks, s.away / "locks");
             fs::rename(s.other, s.locks);
             return nothing_held();
         }},
        {"directory swapped for one with a held file", expected::refused,
         [](const stage& s, bool ofd) {
             auto file = held_new_file(s.other / "x.lock", ofd);
             fs::rename(s.locks, s.away / "locks");
             fs::rename(s.other, s.locks);
             return file;
         }},
        {"renamed away, a symlink to it planted", expected::error,
         [](const stage& s, bool) {
             fs::rename(s.file, s.away / "x.lock");
             fs::create_symlink(s.away / "x.lock", s.file);
             return nothing_held();
         }},
        {"renamed away, a directory planted", expected::error,
         [](const stage& s, bool) {
             fs::rename(s.file, s.away / "x.lock");
             fs::create_directory(s.file);
             return nothing_held();
         }},
        {"renamed away, a FIFO planted", expected::error,
         [](const stage& s, bool) {
             fs::rename(s.file, s.away / "x.lock");
             ::mkfifo(s.file.c_str(), 0666);
             return nothing_held();
         }},
    };
    return all;
}

/// Q. Holds the lock from the start; on each line of input does its change and lets go; ends with its input.
class holder {
  public:
    holder(const stage& s, const change& c, bool ofd) {
        int to[2];
        int from[2];
        if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) give_up("pipe2");
        const pid_t parent = ::getpid();
        pid_ = ::fork();
        if (pid_ == 0) {
            die_with_parent(parent);
            ::close(to[1]);
            ::close(from[0]);
            run(s, c, ofd, to[0], from[1]);
        }
        ::close(to[0]);
        ::close(from[1]);
        to_ = to[1];
        from_ = from[0];
        await();
    }
    ~holder() {
        ::close(to_);
        ::close(from_);
        ::waitpid(pid_, nullptr, 0);
    }

    void apply() {
        if (::write(to_, "!", 1) != 1) give_up("write to Q");
        await();
    }

  private:
    [[noreturn]] static void run(const stage& s, const change& c, bool ofd, int in, int out) {
        foreign_file file{s.file, ofd};
        if (!file.try_lock()) give_up("Q cannot lock");
        std::unique_ptr<foreign_file> kept;
        char byte = '!';
        if (::write(out, &byte, 1) != 1) end_process(2);
        while (::read(in, &byte, 1) == 1) {
            kept = c.apply(s, ofd);
            file.unlock();
            file.close();
            if (::write(out, &byte, 1) != 1) break;
        }
        end_process(0);
    }
    void await() const {
        char byte;
        if (::read(from_, &byte, 1) != 1) give_up("read from Q");
    }
    pid_t pid_ = -1;
    int to_ = -1;
    int from_ = -1;
};

// ---- where P is stopped ----

struct stop_point {
    call before;
    long nth;
    enum { at_once, waiting, only_flock } comes;  // waiting: after P has failed once; only_flock: and is in line
};
constexpr stop_point stop_points[]{
    {call::open, 1, stop_point::at_once},
    {call::flock, 1, stop_point::at_once},
    {call::fstat, 1, stop_point::at_once},
    {call::lstat, 1, stop_point::at_once},
    {call::inotify_add_watch, 1, stop_point::waiting},
    {call::flock, 2, stop_point::waiting},
    {call::mark, 1, stop_point::only_flock},
    {call::look, 1, stop_point::only_flock},
    {call::ppoll, 1, stop_point::waiting},
    {call::ppoll, 2, stop_point::waiting},
};

struct {
    stop_point where;
    std::function<void()> act;
    bool done;
} script;

void on_call(call c, long nth) {
    if (c != script.where.before || nth != script.where.nth || script.done) return;
    script.done = true;
    script.act();
}

// ---- how P acquires ----

struct way {
    const char* name;
    bool shared;
    bool waits;
    std::function<nlock::guard(nlock::named_lock&)> acquire;
};
const std::vector<way>& ways() {
    static const std::vector<way> all{
        {"try_acquire()", false, false, [](nlock::named_lock& l) { return l.try_acquire(); }},
        {"acquire(time-out)", false, true, [](nlock::named_lock& l) { return l.acquire(); }},
        {"try_acquire_shared()", true, false, [](nlock::named_lock& l) { return l.try_acquire_shared(); }},
        {"acquire_shared(time-out)", true, true, [](nlock::named_lock& l) { return l.acquire_shared(); }},
    };
    return all;
}

struct setting {
    change what;
    stop_point where;
    way how;
    bool ofd;
    bool keeps;  // P has used the lock before, and its file is open; and, as the other half of the pairs, not reentrant
};

std::string words_for(const setting& s) {
    return std::string{s.what.name} + ", before " + name_of(s.where.before) + " number " + std::to_string(s.where.nth) +
           ", P in " + s.how.name + (s.ofd ? ", fcntl" : ", flock") + (s.keeps ? ", which has the file open" : "");
}

/// All lock files below `top` that somebody holds. With Q gone, it is P who does.
std::vector<fs::path> held_files(const fs::path& top, bool ofd) {
    std::vector<fs::path> held;
    std::set<std::pair<dev_t, ino_t>> known;
    for (const auto& entry : fs::recursive_directory_iterator{top}) {
        if (!entry.is_regular_file() || entry.is_symlink()) continue;
        struct stat status {};
        ::lstat(entry.path().c_str(), &status);
        const seen look = look_at(entry.path(), ofd);
        if (look == seen::free || look == seen::missing) continue;
        if (known.insert({status.st_dev, status.st_ino}).second) held.push_back(entry.path());
    }
    return held;
}

bool is_same_file(const fs::path& a, const fs::path& b) {
    std::error_code ignored;
    return fs::equivalent(a, b, ignored);
}

std::string words_for_all(const std::vector<fs::path>& files) {
    std::string words;
    for (const fs::path& file : files) words += "\n  " + lines_of_locks(file);
    return words;
}

/// Plays one setting. What it returns is not empty if P did not come to the point: what became of it instead.
std::string play_within(std::chrono::milliseconds timeout, const setting& s, const delays& late, report& results) {
    scratch_dir scratch;
    const stage where{scratch.path()};
    for (const auto& directory : {where.locks, where.away, where.other}) fs::create_directory(directory);
    write_file(where.file);

    nlock::lock_options options;
    options.locks_dir = where.locks;
    options.method = s.ofd ? nlock::lock_method::fcntl : nlock::lock_method::flock;
    options.reentrant = !s.keeps;
    options.keep_open = s.keeps;
    options.timeout = timeout;
    const auto before = count_descriptors();
    std::optional<nlock::named_lock> lock{std::in_place, "x", options};
    if (s.keeps) lock->acquire().release();

    // Once P has locked the file, Q cannot hold it any more: then Q lets go first, and the change is made all the same.
    const bool is_unsafe = s.where.comes == stop_point::at_once && s.where.before == call::lstat;
    auto q = std::make_optional<holder>(where, is_unsafe ? changes().front() : s.what, s.ofd);
    std::unique_ptr<foreign_file> kept;
    if (is_unsafe) q->apply();

    script.where = s.where;
    if (script.where.before == call::flock && s.ofd) script.where.before = call::fcntl;
    script.done = false;
    script.act = [&] { is_unsafe ? static_cast<void>(kept = s.what.apply(where, s.ofd)) : q->apply(); };
    shim::panel().reset();
    shim::panel().hook = on_call;
    shim::panel().scope = shim::control::marked;

    expected outcome = expected::granted;
    std::string error;
    nlock::guard guard;
    const std::int64_t start = now_ns();
    shim::mark(true);
    try {
        guard = s.how.acquire(*lock);
        if (!guard) outcome = expected::refused;
    } catch (const nlock::lock_timeout&) {
        outcome = expected::refused;
    } catch (const nlock::lock_error& e) {
        outcome = expected::error;
        error = e.what();
    }
    shim::mark(false);
    const std::int64_t end = now_ns();
    const double waited = static_cast<double>(end - start - late.within(start, end)) / 1e9;
    shim::panel().reset();
    constexpr const char* outcomes[]{"granted", "refused", "an error"};
    const std::string came_of_it = outcomes[static_cast<int>(outcome)] + (error.empty() ? std::string{} : ": " + error);
    if (!script.done) return came_of_it + " after " + std::to_string(waited) + " s";
    results.tried("races: holder changes the file at a chosen point");

    const std::string words = words_for(s);
    if (outcome != s.what.result) {
        results.violation(words + ": " + came_of_it + ", instead of " + outcomes[static_cast<int>(s.what.result)]);
    }
    const double slack = s.what.result == expected::refused ? std::chrono::duration<double>{timeout}.count() + 1 : 1;
    results.expect(waited < slack,
                   words + ": took " + std::to_string(waited) + " s, besides what the machine was late itself");
    q.reset();
    kept.reset();
    const auto held = held_files(where.top, s.ofd);
    if (guard) {
        const seen look = look_at(where.file, s.ofd);
        results.expect(look == (s.how.shared ? seen::shared : seen::exclusive),
                       words + ": granted, but the path's file is " + name_of(look));
        results.expect(held.size() == 1 && is_same_file(held.front(), where.file),
                       words + ": holds another file as well" + words_for_all(held));
    } else {
        results.expect(held.empty(), words + ": not granted, but a lock was left behind" + words_for_all(held));
    }
    guard.release();
    const auto left = held_files(where.top, s.ofd);
    results.expect(left.empty(), words + ": a lock is left after the release" + words_for_all(left));
    lock.reset();
    if (const auto excess = excess_at_rest(before, 1); !excess.empty()) results.leak(words + ": " + excess);
    return {};
}

/// A short time-out where P has to wait for its end, and a longer one if a busy machine lets P come too late.
void play(const setting& s, const delays& late, report& results) {
    const bool is_refused = s.what.result == expected::refused;
    std::string instead;
    for (std::chrono::milliseconds timeout = is_refused ? 40ms : 2s; timeout < 10s; timeout *= 4) {
        instead = play_within(timeout, s, late, results);
        if (instead.empty()) return;
    }
    results.violation(words_for(s) + ": P never came to that point: " + instead);
}

// ---- P removes the file ----

struct {
    long calls_left;
    std::function<void(call)> act;
} removal;

void on_call_of_removal(call c, long) {
    if (c != call::memory && removal.calls_left-- == 0) removal.act(c);
}

enum class remover { release, purge };

struct removal_setting {
    remover by;
    bool p_ofd;     // P's lock_method, with which it has the lock; a purge has none
    bool q_ofd;     // how Q locks
    bool replaces;  // Q does not ask for the lock, but puts a file in the place of P's that it holds
};

std::string words_for(const removal_setting& s) {
    return std::string{s.by == remover::release ? "remove_on_release" : "purge_locks()"} +
           (s.p_ofd ? ", fcntl" : ", flock") + "; Q " + (s.replaces ? "replaces the file" : "comes") +
           (s.q_ofd ? ", fcntl" : ", flock");
}

/// Stops P before its call number `stop`, from 0. False: it makes fewer.
bool play(const removal_setting& s, long stop, report& results) {
    scratch_dir scratch;
    const stage where{scratch.path()};
    for (const auto& directory : {where.locks, where.away}) fs::create_directory(directory);
    write_file(where.file);
    nlock::lock_options options;
    options.locks_dir = where.locks;
    options.method = s.p_ofd ? nlock::lock_method::fcntl : nlock::lock_method::flock;
    options.remove_on_release = true;
    nlock::guard guard;
    if (s.by == remover::release) guard = nlock::named_lock{"x", options}.acquire();

    std::optional<call> stopped_at;
    std::unique_ptr<foreign_file> q;
    removal.calls_left = stop;
    removal.act = [&](call c) {
        stopped_at = c;
        if (s.replaces) {
            q = held_new_file(where.away / "new", s.q_ofd);
            fs::rename(where.away / "new", where.file);
            return;
        }
        q = std::make_unique<foreign_file>(where.file, s.q_ofd, O_RDWR | O_CREAT);
        if (!q->try_lock() || !q->is_at(where.file)) q.reset();
    };
    shim::panel().reset();
    shim::panel().hook = on_call_of_removal;
    shim::panel().scope = shim::control::marked;
    shim::mark(true);
    if (s.by == remover::release) {
        guard.release();
    } else {
        (void)nlock::purge_locks(where.locks, 0s);
    }
    shim::mark(false);
    shim::panel().reset();
    if (!stopped_at) return false;
    results.tried("races: holder removes the file, another comes at a chosen point");
    const std::string words = words_for(s) + ", before call " + std::to_string(stop) + ", " + name_of(*stopped_at);
    if (q != nullptr) {
        results.expect(q->is_at(where.file), words + ": the file that Q has locked was removed");
    } else {
        results.expect(!fs::exists(where.file), words + ": the file was not removed, although Q was refused");
    }
    return true;
}

void play_removals(report& results) {
    for (const bool q_ofd : {false, true}) {
        const removal_setting purge{remover::purge, false, q_ofd, false};
        for (long stop = 0; play(purge, stop, results); ++stop) {
        }
        const removal_setting release{remover::release, q_ofd, q_ofd, false};
        for (long stop = 0; play(release, stop, results); ++stop) {
        }
        // Later, between the look at the path and the removal, nobody can help it.
        const removal_setting replaced{remover::release, q_ofd, q_ofd, true};
        results.expect(play(replaced, 0, results), "P removes a file without a call");
    }
}

// ---- all of them ----

bool comes_there(const stop_point& where, const way& how, bool ofd, bool keeps) {
    if (where.comes != stop_point::at_once && !how.waits) return false;
    if (where.comes == stop_point::only_flock && ofd) return false;
    const bool opens = !keeps || ofd;  // a file that locks by fcntl is not kept
    return opens || (where.before != call::open && where.before != call::fstat);
}

std::vector<setting> all_settings() {
    std::vector<setting> all;
    for (const change& what : changes()) {
        for (const stop_point& where : stop_points) {
            for (const way& how : ways()) {
                for (const bool ofd : {false, true}) {
                    for (const bool keeps : {false, true}) {
                        if (comes_there(where, how, ofd, keeps)) all.push_back({what, where, how, ofd, keeps});
                    }
                }
            }
        }
    }
    return all;
}

}  // namespace

/// race [removals]: several processes share the settings, because most of the time all wait.
int main(int argc, char** argv) {
    shim::load(argv);
    constexpr std::size_t processes = 6;
    report results;
    scratch_dir scratch;
    struct board {
        std::atomic<bool> over;
        delays late;
        kinds_said said;
    };
    auto& shared = share<board>();
    play_removals(results);
    if (argc > 1) return results.finish();
    const auto all = all_settings();
    std::vector<pid_t> children;
    const pid_t parent = ::getpid();
    const pid_t metronome = ::fork();
    if (metronome == -1) give_up("fork");
    if (metronome == 0) {
        die_with_parent(parent);
        run_metronome(shared.over, shared.late, scratch.path());
        end_process(0);
    }
    for (std::size_t k = 0; k < processes; ++k) {
        children.push_back(::fork());
        if (children.back() == -1) give_up("fork");
        if (children.back() != 0) continue;
        die_with_parent(parent);
        report mine{&shared.said};
        for (std::size_t i = k; i < all.size(); i += processes) play(all[i], shared.late, mine);
        mine.print_tried();
        end_process(mine.finish_quietly());
    }
    for (const pid_t child : children) {
        int status = 0;
        ::waitpid(child, &status, 0);
        if (!WIFEXITED(status) || (WEXITSTATUS(status) & ~3) != 0) results.violation("a process of the race died");
        if (WIFEXITED(status)) results.add(WEXITSTATUS(status) & 1, WEXITSTATUS(status) >> 1 & 1);  // it has said what
    }
    shared.over = true;
    ::waitpid(metronome, nullptr, 0);
    return results.finish();
}

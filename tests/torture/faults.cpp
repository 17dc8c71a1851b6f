// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Fault injection. Each scenario is a small job for the library, played in a fresh process. First it is played without
// faults to count the library's calls; then once for each call and each error that this call may fail with, once with
// that call failing for ever after; then with faults at random. Whatever fails, this must hold:
//
//   the outcome is the one without faults, or lock_error with the injected code, or std::bad_alloc when memory failed;
//   what was granted is locked, on the file of the path, and what was not granted left no lock behind;
//   nobody gives up before the time-out, or hangs; waiting burns no CPU; the process does not die;
//   who stands in line behind is granted the lock, at worst late by a poll;
//   no descriptor is leaked; afterwards the same lock can be acquired as if nothing had happened.
//
// The system calls of the library, as strace shows them for all scenarios (`strace -f torture_faults --play first`):
//   openat flock fcntl(F_OFD_SETLK, F_OFD_GETLK, F_DUPFD_CLOEXEC, F_SETSIG, F_GETSIG) lseek newfstatat(of a path, of
//   a descriptor) fstatfs close mkdir fchmod linkat socket bind sendto recvfrom inotify_init1 inotify_add_watch
//   inotify_rm_watch eventfd2 epoll_create1 epoll_ctl ppoll read write access readlink getcwd getdents64 clock_nanosleep
//   brk mmap munmap (memory)
// The shim lets the C library's functions above them fail: open, realpath, readdir, malloc and so on. These cannot
// fail, or not so that anybody would learn of it: futex clone3 rt_sigprocmask.
//
// usage: faults [--systematic K/N] [--random SECONDS] [--seed S] [--list] [--only PREFIX]
//        faults --play SCENARIO [CALL NTH TIMES ERRNO]    in this process, for a debugger or strace
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>

#include <named_lock/named_lock.hpp>
#include <named_lock/pending_acquire.hpp>

#include "support/event_loop.hpp"
#include "common.hpp"
#include "peers.hpp"
#include "rest.hpp"
#include "shim.hpp"

namespace {

using namespace std::chrono_literals;
using namespace torture;
using shim::call;

enum class result { granted, empty, timed_out, cancelled, error, no_memory, done };

const char* name_of(result r) {
    constexpr const char* names[]{"granted",    "an empty guard", "timed out", "cancelled",
                                  "lock_error", "bad_alloc",      "done"};
    return names[static_cast<int>(r)];
}

/// What came of a job. It keeps what was granted until it is judged.
struct outcome {
    result what = result::done;
    int code = 0;
    std::string message;
    std::vector<nlock::guard> guards;
    seen expected_look = seen::exclusive;  // of the lock file when granted
    double wall_ms = 0;
    double cpu_ms = 0;
    double late_ms = 0;  // who was next in line, after it became its turn
};

struct thrown_by_on_wait {};

struct scene {
    scratch_dir scratch;
    fs::path locks = scratch.path() / "some" / "locks";
    fs::path file = locks / "x.lock";
    std::unique_ptr<foreign_file> foreign;  // holds the lock from the start, if the scenario says so
    std::optional<nlock::guard> kept;       // acquired before the faults begin
    std::optional<peer> holder;             // another process that holds the lock
    std::optional<peer> next;               // and one that stands in line
    std::optional<peer> one_more;
    std::vector<int> strangers;  // of the program, under numbers that were the library's

    nlock::lock_options options() const {
        nlock::lock_options o;
        o.locks_dir = locks;
        o.timeout = 60ms;
        return o;
    }
    nlock::named_lock lock() const { return nlock::named_lock{"x", options()}; }

    void make_file() const {
        fs::create_directories(locks);
        foreign_file{file, false, O_RDWR | O_CREAT};
    }
    void hold(bool shared = false, bool ofd = false) {
        make_file();
        foreign = std::make_unique<foreign_file>(file, ofd);
        if (!foreign->try_lock(shared)) give_up("lock " + file.string());
    }
    void hold_in_another_process(bool shared = false) {
        holder.emplace(options(), peer::plan{shared});
        if (holder->granted() == 0) give_up("a holder");
    }
    void queue_another_process(std::optional<peer>& who, const peer::plan& plan, int place = 1) const {
        who.emplace(options(), plan);
        if (!wait_for_line(file, place)) give_up("a waiter that stands in line");
    }
    /// Waits once, and lets another process wait for what this one holds: then it has all that it keeps for that.
    void use_everything() {
        hold();
        (void)lock().try_acquire(10ms);
        foreign.reset();
        auto guard = lock().acquire();
        std::optional<peer> other;
        queue_another_process(other, {false, 0ns});
        guard.release();
        if (other->granted() == 0) give_up("a waiter");
    }

    /// As a program does with what it does not know.
    void close_idle_descriptors() const {
        for_each_descriptor([](int fd, descriptor_kind kind) {
            if (kind != descriptor_kind::other) ::close(fd);
        });
    }
    /// And opens files of its own in their places: a locked one, pipes with something to read.
    void replace_idle_descriptors() {
        for_each_descriptor([this](int fd, descriptor_kind kind) {
            if (kind == descriptor_kind::other) return;
            int ends[2];
            const bool is_file = kind == descriptor_kind::lock_file;
            if (is_file) {
                ends[0] = ::open(stranger_file().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
                if (::flock(ends[0], LOCK_EX | LOCK_NB) != 0) give_up("lock a stranger");
            } else if (::pipe(ends) != 0 || ::write(ends[1], "!", 1) != 1) {
                give_up("pipe");
            } else {
                ::close(ends[1]);
            }
            if (::dup2(ends[0], fd) != fd) give_up("dup2");
            ::close(ends[0]);
            strangers.push_back(fd);
        });
    }
    fs::path stranger_file() const { return scratch.path() / "stranger"; }
    /// Empty: they are as they were.
    std::string look_at_strangers() const {
        for (const int fd : strangers) {
            struct stat status {};
            if (::fstat(fd, &status) != 0) return "is closed";
            int size = 0;
            if (S_ISFIFO(status.st_mode) && (::ioctl(fd, FIONREAD, &size) != 0 || size != 1)) return "was read";
            if (S_ISREG(status.st_mode) && look_at(stranger_file()) != seen::exclusive) return "was unlocked";
        }
        return {};
    }
};

/// The shim counts this thread as long as one of these is there.
class marked {
  public:
    marked() { shim::mark(true); }
    marked(const marked&) = delete;
    marked& operator=(const marked&) = delete;
    ~marked() { shim::mark(false); }
};

/// Runs `job`, which returns a guard, with the shim counting this thread.
template <class Job>
outcome attempt(Job job) {
    outcome o;
    o.guards.reserve(1);
    const auto start = now_ns();
    const auto cpu_start = cpu_ns();
    try {
        const marked here;
        o.guards.push_back(job());
        o.what = o.guards.back() ? result::granted : result::empty;
    } catch (const nlock::lock_timeout& e) {
        o.what = result::timed_out;
        o.message = e.what();
    } catch (const nlock::lock_cancelled&) {
        o.what = result::cancelled;
    } catch (const std::system_error& e) {  // lock_error; of begin_acquire() itself
        o.what = result::error;
        o.code = e.code().value();
        o.message = e.what();
    } catch (const std::bad_alloc&) {
        o.what = result::no_memory;
    } catch (const thrown_by_on_wait&) {
        o.what = result::done;
    }
    o.wall_ms = static_cast<double>(now_ns() - start) / 1e6;
    o.cpu_ms = static_cast<double>(cpu_ns() - cpu_start) / 1e6;
    return o;
}

/// Does `action` once the library sleeps in ppoll(), or a while later if it sleeps elsewhere.
template <class Action>
std::jthread while_it_waits(Action action) {
    return std::jthread{[action](const std::stop_token& stop) mutable {
        const auto end = now_ns() + 20'000'000;
        while (!stop.stop_requested() && now_ns() < end && shim::panel().count_of(call::ppoll) == 0) {
            std::this_thread::sleep_for(1ms);
        }
        std::this_thread::sleep_for(2ms);
        action();
    }};
}

/// Lets the holder go in the moment in which this thread, which is the first in line, gives its place up without having
/// got the lock: the turn must go to the next one.
class release_at_departure {
  public:
    explicit release_at_departure(scene& s) {
        the_scene = &s;
        released_ = 0;
        shim::panel().hook = [](call c, long nth) {
            constexpr long leaves_line = 2;
            if (c == call::mark && nth == leaves_line) release();
        };
    }
    release_at_departure(const release_at_departure&) = delete;
    release_at_departure& operator=(const release_at_departure&) = delete;
    ~release_at_departure() { shim::panel().hook = nullptr; }

    /// When, at the latest now.
    static std::int64_t release() {
        if (released_ == 0) released_ = the_scene->holder->release();
        return released_;
    }

  private:
    static inline scene* the_scene = nullptr;
    static inline std::int64_t released_ = 0;
};

/// Before anything else happens: in the middle of an attempt it might get the lock first, and keep it.
void stop(const peer& who) {
    ::kill(who.pid(), SIGSTOP);
    ::waitpid(who.pid(), nullptr, WUNTRACED);
}

constexpr double never = 1e9;

/// How long a process in line waited for a grant after `turn`.
double lateness(peer& who, std::int64_t turn) {
    const std::int64_t granted = who.granted();
    if (turn == 0 || granted == 0) return never;
    return static_cast<double>(granted - turn) / 1e6;
}

/// Gives up as the first in line, with another process behind.
template <class Job>
outcome give_up_turn(scene& s, Job job) {
    const release_at_departure departure{s};
    outcome o = attempt(job);
    const std::int64_t turn = release_at_departure::release();
    // It leaves its place as well when it takes the file for one that was replaced; the holder goes then.
    if (o.what != result::granted) o.late_ms = lateness(*s.next, turn);
    return o;
}

struct scenario {
    const char* name;
    std::function<void(scene&)> prepare;
    std::function<outcome(scene&)> act;
    double at_least_ms = 0;      // when it times out
    result also = result::done;  // where the line does not work, or the holder went too early; done: no other
    int waiters = 1;             // threads of this process
};

/// Long enough for a grant that comes by itself, which the last attempt at the end of the time must not hide.
constexpr std::chrono::milliseconds patience{2500};
constexpr double in_time_ms = 1000;

outcome release_to_next(scene& s) {
    std::int64_t start = 0;
    outcome o = attempt([&] {
        start = now_ns();
        s.kept.reset();
        return nlock::guard{};
    });
    o.late_ms = lateness(*s.next, start);
    return o;
}

const std::vector<scenario>& scenarios() {
    static const std::vector<scenario> all{
        {"first", [](scene&) {},
         [](scene& s) { return attempt([&] {
                            return nlock::named_lock{"x", s.options()}.acquire();
                        }); }},
        {"first-permissions", [](scene&) {},
         [](scene& s) {
             return attempt([&] {
                 auto o = s.options();
                 o.permissions = fs::perms{0640};
                 return nlock::named_lock{"x", o}.acquire();
             });
         }},
        {"relative",
         [](scene& s) {
             if (::chdir(s.scratch.path().c_str()) != 0) give_up("chdir");
         },
         [](scene& s) {
             return attempt([&] {
                 auto o = s.options();
                 o.locks_dir = "some/../some/locks";
                 return nlock::named_lock{"x", o}.acquire();
             });
         }},
        {"again", [](scene& s) { s.make_file(); },
         [](scene& s) { return attempt([&] {
                            return nlock::named_lock{"x", s.options()}.acquire();
                        }); }},
        {"try", [](scene& s) { s.make_file(); },
         [](scene& s) { return attempt([&] {
                            return nlock::named_lock{"x", s.options()}.try_acquire();
                        }); }},
        {"shared", [](scene& s) { s.make_file(); },
         [](scene& s) {
             auto o = attempt([&] { return nlock::named_lock{"x", s.options()}.acquire_shared(); });
             o.expected_look = seen::shared;
             return o;
         }},
        {"fcntl", [](scene& s) { s.make_file(); },
         [](scene& s) {
             return attempt([&] {
                 auto o = s.options();
                 o.method = nlock::lock_method::fcntl;
                 return nlock::named_lock{"x", o}.acquire();
             });
         }},
        {"not-reentrant", [](scene& s) { s.make_file(); },
         [](scene& s) {
             return attempt([&] {
                 auto o = s.options();
                 o.reentrant = false;
                 return nlock::named_lock{"x", o}.acquire();
             });
         }},
        {"reenter", [](scene& s) { s.make_file(); },
         [](scene& s) {
             return attempt([&] {
                 nlock::named_lock lock{"x", s.options()};
                 const auto outer = lock.acquire();
                 const std::scoped_lock standard{lock};
                 return lock.acquire();
             });
         }},
        {"standard-face", [](scene& s) { s.make_file(); },
         [](scene& s) {
             return attempt([&] {
                 nlock::named_lock lock{"x", s.options()};
                 if (lock.try_lock_for(100ms)) lock.unlock();
                 if (lock.try_lock_shared()) lock.unlock_shared();
                 return lock.acquire();
             });
         }},
        {"all", [](scene&) {},
         [](scene& s) {
             outcome o;
             o = attempt([&] {
                 auto guards =
                     nlock::acquire_all({nlock::named_lock{"y", s.options()}, nlock::named_lock{"x", s.options()}});
                 return std::move(guards.at(1));
             });
             return o;
         }},
        {"held-try", [](scene& s) { s.hold(); },
         [](scene& s) { return attempt([&] {
                            return nlock::named_lock{"x", s.options()}.try_acquire();
                        }); }},
        {"held-timeout", [](scene& s) { s.hold(); },
         [](scene& s) { return attempt([&] {
                            return nlock::named_lock{"x", s.options()}.acquire(20ms);
                        }); }, 20},
        {"held-timeout-fcntl", [](scene& s) { s.hold(false, true); },
         [](scene& s) {
             return attempt([&] {
                 auto o = s.options();
                 o.method = nlock::lock_method::fcntl;
                 return nlock::named_lock{"x", o}.acquire(20ms);
             });
         },
         20},
        {"on-wait", [](scene& s) { s.hold(); },
         [](scene& s) {
             return attempt([&] {
                 auto o = s.options();
                 o.on_wait = [](const nlock::lock_wait&) {};
                 return nlock::named_lock{"x", o}.try_acquire(20ms);
             });
         },
         20},
        {"handed-over", [](scene& s) { s.hold(); },
         [](scene& s) {
             const auto release = while_it_waits([&s] { s.foreign->close(); });
             return attempt([&] { return nlock::named_lock{"x", s.options()}.acquire(patience); });
         }},
        {"handed-over-shared", [](scene& s) { s.hold(); },
         [](scene& s) {
             const auto release = while_it_waits([&s] { s.foreign->close(); });
             auto o = attempt([&] { return nlock::named_lock{"x", s.options()}.acquire_shared(patience); });
             o.expected_look = seen::shared;
             return o;
         }},
        {"replaced", [](scene& s) { s.hold(); },
         [](scene& s) {
             const auto replace = while_it_waits([&s] {
                 foreign_file{s.locks / "new", false, O_RDWR | O_CREAT};
                 fs::rename(s.locks / "new", s.file);
             });
             return attempt([&] { return nlock::named_lock{"x", s.options()}.acquire(patience); });
         }},
        {"stopped", [](scene& s) { s.hold(); },
         [](scene& s) {
             std::stop_source source;
             const auto stop = while_it_waits([&source] { source.request_stop(); });
             return attempt([&] { return nlock::named_lock{"x", s.options()}.acquire(source.get_token(), patience); });
         }},
        {"cancelled", [](scene& s) { s.hold(); },
         [](scene& s) {
             nlock::cancellation stop;
             const auto cancel = while_it_waits([&stop] { stop.cancel(); });
             return attempt([&] { return nlock::named_lock{"x", s.options()}.acquire(stop, patience); });
         }},
        {"cancelled-in-the-queue", [](scene& s) { s.kept = nlock::named_lock{"x", s.options()}.acquire(); },
         [](scene& s) {
             auto options = s.options();
             options.reentrant = false;
             const std::jthread front{[&] { (void)nlock::named_lock{"x", options}.try_acquire(patience); }};
             std::this_thread::sleep_for(3ms);
             nlock::cancellation stop;
             const auto cancel = while_it_waits([&stop] { stop.cancel(); });
             outcome o = attempt([&] { return nlock::named_lock{"x", options}.acquire(stop, patience); });
             s.kept.reset();
             return o;
         },
         0, result::done, 2},
        {"between-threads",
         [](scene& s) {
             s.kept = nlock::named_lock{"x", s.options()}.acquire();
         },
         [](scene& s) {
             std::optional<outcome> o;
             std::jthread waiter{[&] {
                 o = attempt([&] { return nlock::named_lock{"x", s.options()}.acquire(patience); });
             }};
             std::this_thread::sleep_for(3ms);
             s.kept->release();
             waiter.join();
             return std::move(*o);
         }},
        {"release",
         [](scene& s) {
             s.kept = nlock::named_lock{"x", s.options()}.acquire();
         },
         [](scene& s) {
             return attempt([&] {
                 s.kept.reset();
                 return nlock::guard{};
             });
         }},
        {"release-fcntl",
         [](scene& s) {
             auto o = s.options();
             o.method = nlock::lock_method::fcntl;
             s.kept = nlock::named_lock{"x", o}.acquire();
         },
         [](scene& s) {
             return attempt([&] {
                 s.kept.reset();
                 return nlock::guard{};
             });
         }},
        // ---- the kept file ----

        {"kept", [](scene& s) { (void)s.lock().acquire(); },
         [](scene& s) { return attempt([&] { return s.lock().acquire(); }); }},
        {"kept-moved",
         [](scene& s) {
             (void)s.lock().acquire();
             fs::rename(s.file, s.scratch.path() / "moved.lock");
         },
         [](scene& s) { return attempt([&] { return s.lock().acquire(); }); }},
        {"kept-closed",
         [](scene& s) {
             (void)s.lock().acquire();
             s.close_idle_descriptors();
         },
         [](scene& s) { return attempt([&] { return s.lock().acquire(); }); }},
        {"kept-replaced",
         [](scene& s) {
             (void)s.lock().acquire();
             s.replace_idle_descriptors();
         },
         [](scene& s) { return attempt([&] { return s.lock().acquire(); }); }},
        {"kept-replaced-unbranded",  // the program's file is not to be told from the library's
         [](scene& s) {
             shim::panel().plan(call::brand, 1, shim::for_ever, EPERM);
             shim::panel().scope = shim::control::everybody;
             (void)s.lock().acquire();
             s.replace_idle_descriptors();
         },
         [](scene& s) { return attempt([&] { return s.lock().acquire(); }); }},
        {"all-closed",
         [](scene& s) {
             s.use_everything();
             s.close_idle_descriptors();
             s.hold_in_another_process();
         },
         [](scene& s) {
             const auto release = while_it_waits([&s] { s.holder->release(); });
             return attempt([&] { return s.lock().acquire(patience); });
         }},
        {"all-replaced",
         [](scene& s) {
             s.use_everything();
             s.replace_idle_descriptors();
             s.hold_in_another_process();
         },
         [](scene& s) {
             const auto release = while_it_waits([&s] { s.holder->release(); });
             return attempt([&] { return s.lock().acquire(patience); });
         }},
        {"all-replaced-release",
         [](scene& s) {
             s.use_everything();
             s.replace_idle_descriptors();
             s.kept = s.lock().acquire();
             s.queue_another_process(s.next, {false, 0ns});
         },
         [](scene& s) { return release_to_next(s); }},

        // ---- the line ----

        {"line-release",
         [](scene& s) {
             s.kept = s.lock().acquire();
             s.queue_another_process(s.next, {false, 0ns});
         },
         [](scene& s) { return release_to_next(s); }},
        {"line-release-readers",
         [](scene& s) {
             s.kept = s.lock().acquire();
             s.queue_another_process(s.next, {true, 100ms});
             s.queue_another_process(s.one_more, {true, 100ms}, 2);
         },
         [](scene& s) {
             const std::int64_t start = now_ns();
             outcome o = release_to_next(s);
             o.late_ms = std::max(o.late_ms, lateness(*s.one_more, start));
             return o;
         }},
        {"line-release-first-stopped",
         [](scene& s) {
             s.kept = s.lock().acquire();
             s.queue_another_process(s.one_more, {false, 0ns});
             s.queue_another_process(s.next, {false, 0ns}, 2);
             stop(*s.one_more);
         },
         [](scene& s) { return release_to_next(s); }},
        {"line-first", [](scene& s) { s.hold_in_another_process(); },
         [](scene& s) {
             const auto release = while_it_waits([&s] { s.holder->release(); });
             return attempt([&] { return s.lock().acquire(patience); });
         }},
        {"line-second",
         [](scene& s) {
             s.hold_in_another_process();
             s.queue_another_process(s.next, {false, 1ms});
         },
         [](scene& s) {
             const auto release = while_it_waits([&s] { s.holder->release(); });
             return attempt([&] { return s.lock().acquire(patience); });
         }},
        {"line-first-stopped",
         [](scene& s) {
             s.hold_in_another_process();
             s.queue_another_process(s.next, {});
             stop(*s.next);
         },
         [](scene& s) {
             const auto release = while_it_waits([&s] { s.holder->release(); });
             return attempt([&] { return s.lock().acquire(patience); });
         }},
        {"line-first-killed",
         [](scene& s) {
             s.hold_in_another_process();
             s.queue_another_process(s.next, {});
             stop(*s.next);  // the turn comes to it, and it does not take it
         },
         [](scene& s) {
             const auto release = while_it_waits([&s] {
                 s.holder->release();
                 s.next->end();
             });
             return attempt([&] { return s.lock().acquire(patience); });
         }},
        {"line-times-out",
         [](scene& s) {
             s.hold_in_another_process();
             s.next.emplace(s.options(), peer::plan{false, 0ns, false});
         },
         [](scene& s) {
             const auto behind = while_it_waits([&s] { s.next->begin(); });
             return give_up_turn(s, [&] { return s.lock().acquire(40ms); });
         },
         40, result::granted},
        {"line-cancelled",
         [](scene& s) {
             s.hold_in_another_process();
             s.next.emplace(s.options(), peer::plan{false, 0ns, false});
         },
         [](scene& s) {
             std::stop_source source;
             const auto behind = while_it_waits([&s, &source] {
                 s.next->begin();
                 wait_for_line(s.file, 2, 100ms);  // not so many where this one could not be marked
                 source.request_stop();
             });
             return give_up_turn(s, [&] { return s.lock().acquire(source.get_token(), patience); });
         },
         0, result::granted},
        {"line-throws",
         [](scene& s) {
             s.hold_in_another_process();
             s.queue_another_process(s.next, {false, 0ns});
         },
         [](scene& s) {
             return give_up_turn(s, [&] {
                 auto o = s.options();
                 o.on_wait = [](const nlock::lock_wait&) {
                     shim::mark(false);  // the faults are the library's
                     release_at_departure::release();
                     shim::mark(true);
                     throw thrown_by_on_wait{};
                 };
                 return nlock::named_lock{"x", o}.acquire(patience);
             });
         }},
        {"line-reader",
         [](scene& s) {
             s.hold_in_another_process(true);
             s.queue_another_process(s.next, {});
         },
         [](scene& s) {
             auto o = attempt([&] {
                 auto options = s.options();
                 options.courtesy = 20ms;
                 return nlock::named_lock{"x", options}.acquire_shared(patience);
             });
             o.expected_look = seen::shared;
             return o;
         }},
        {"line-reader-tries",
         [](scene& s) {
             s.hold_in_another_process(true);
             s.queue_another_process(s.next, {});
         },
         [](scene& s) {
             auto o = attempt([&] { return s.lock().try_acquire_shared(); });
             o.expected_look = seen::shared;
             return o;
         },
         0, result::granted},
        {"line-threads",
         [](scene& s) {
             s.hold_in_another_process();
             s.queue_another_process(s.next, {false, 1ms});
         },
         [](scene& s) {
             std::optional<outcome> other;
             std::jthread thread{[&] { other = attempt([&] { return s.lock().acquire(patience); }); }};
             const auto release = while_it_waits([&s] { s.holder->release(); });
             outcome o = attempt([&] {
                 (void)s.lock().acquire(patience);
                 return nlock::guard{};
             });
             thread.join();
             if (other->what == result::granted) return std::move(*other);
             return o;
         },
         0, result::empty, 2},
        // ---- pending ----

        {"pending", [](scene& s) { s.make_file(); },
         [](scene& s) { return attempt([&] {
                            auto pending = s.lock().begin_acquire();
                            return nlock_test::complete(pending);
                        }); }},
        {"pending-times-out", [](scene& s) { s.hold(); },
         [](scene& s) {
             return attempt([&] {
                 auto pending = s.lock().begin_acquire(20ms);
                 return nlock_test::complete(pending);
             });
         },
         20},
        {"pending-handed-over", [](scene& s) { s.hold(); },
         [](scene& s) {
             const auto release = while_it_waits([&s] { s.foreign->close(); });
             return attempt([&] {
                 auto pending = s.lock().begin_acquire(patience);
                 return nlock_test::complete(pending);
             });
         }},
        {"pending-in-line", [](scene& s) { s.hold_in_another_process(); },
         [](scene& s) {
             const auto release = while_it_waits([&s] { s.holder->release(); });
             return attempt([&] {
                 auto pending = s.lock().begin_acquire(patience);
                 auto behind = s.lock().begin_acquire(patience);
                 (void)nlock_test::complete(pending);
                 return nlock_test::complete(behind);
             });
         }},
        {"pending-between-threads",
         [](scene& s) {
             s.kept = nlock::named_lock{"x", s.options()}.acquire();
         },
         [](scene& s) {
             const auto release = while_it_waits([&s] { s.kept->release(); });
             return attempt([&] {
                 auto pending = s.lock().begin_acquire(patience);
                 return nlock_test::complete(pending);
             });
         }},
        {"pending-cancelled",
         [](scene& s) {
             s.hold_in_another_process();
             s.queue_another_process(s.next, {false, 0ns});
         },
         [](scene& s) {
             return give_up_turn(s, [&] {
                 auto pending = s.lock().begin_acquire(patience);
                 (void)pending.try_complete();
                 pending.cancel();
                 return pending.try_complete();
             });
         }},

        {"holders", [](scene& s) { s.hold(); },
         [](scene& s) {
             return attempt([&] {
                 (void)nlock::named_lock{"x", s.options()}.holders();
                 return nlock::guard{};
             });
         }},
    };
    return all;
}

/// What comes of a scenario without faults.
result result_without_faults(const scenario& s) {
    constexpr struct {
        const char* beginning;
        result what;
    } others[]{
        {"held-timeout", result::timed_out},
        {"held-try", result::empty},
        {"on-wait", result::empty},
        {"stopped", result::cancelled},
        {"cancelled", result::cancelled},
        {"release", result::empty},
        {"holders", result::empty},
        {"all-replaced-release", result::empty},
        {"line-release", result::empty},
        {"line-times-out", result::timed_out},
        {"line-cancelled", result::cancelled},
        {"line-throws", result::done},
        {"line-reader-tries", result::empty},
        {"pending-times-out", result::timed_out},
        {"pending-cancelled", result::cancelled}};
    for (const auto& [beginning, what] : others) {
        if (std::strncmp(beginning, s.name, std::strlen(beginning)) == 0) return what;
    }
    return result::granted;
}

// ---- one play ----

struct fault {
    std::optional<call> where;  // none: no fault, or faults at random
    long first = 0;
    long times = 1;
    int error = 0;
    unsigned one_in = 0;
    unsigned long seed = 0;
    bool deaf = false;
    bool mute = false;
    bool short_reads = false;
};

std::string words_for(const scenario& s, const fault& f) {
    std::string words = s.name;
    if (f.where) {
        words += std::string{", "} + shim::name_of(*f.where) + " number " + std::to_string(f.first) +
                 (f.times > 1 ? " and all after it" : "") + " failing with " +
                 (f.error == 0 ? "nothing" : ::strerrorname_np(f.error));
    }
    if (f.one_in != 0)
        words += ", one call in " + std::to_string(f.one_in) + " failing, seed " + std::to_string(f.seed);
    if (f.deaf) words += ", with lost events";
    if (f.mute) words += ", with lost calls to other processes";
    if (f.short_reads) words += ", with short reads";
    return words;
}

struct counted {
    long calls[shim::call_count] = {};
    result what = result::done;
};

bool is_about_waiting(call c) {
    switch (c) {
    case call::inotify_init1:
    case call::inotify_add_watch:
    case call::inotify_rm_watch:
    case call::ppoll:
    case call::eventfd:
    case call::epoll_create1:
    case call::epoll_add:
    case call::fstatfs:
    case call::socket:
    case call::bind:
    case call::sendto:
    case call::recv:
    case call::mark:
    case call::look:
    case call::brand:
    case call::another:
    case call::nanosleep:
    case call::read:
    case call::write:
    case call::close:
        return true;
    default:
        return false;
    }
}

/// Only hints come of these: who holds a lock, and which of two spellings a directory has.
bool is_about_hints(call c) {
    return c == call::access || c == call::openat || c == call::opendir || c == call::readdir || c == call::realpath ||
           c == call::stat;
}

/// Judges the outcome itself; the state of the lock is looked at by play().
void judge(const scenario& s, const fault& f, const outcome& o, const counted& without, const std::string& words,
           report& results) {
    const bool is_same = o.what == without.what || (s.also != result::done && o.what == s.also);
    if (f.one_in == 0) {
        bool is_right = is_same;
        const bool is_memory = f.where == call::memory || f.where == call::atfork;
        if (is_memory) is_right = is_right || o.what == result::no_memory;
        if (f.where && !is_about_waiting(*f.where)) {
            // A file that cannot be opened for writing is opened for reading, and may be refused an exclusive lock.
            const bool is_about_rights = f.error == EBADF || f.error == EPERM || f.error == EROFS;
            is_right =
                is_right || (o.what == result::error && (o.code == f.error || (is_about_rights && o.code == EACCES)));
            // Somebody else seems to hold it, or keeps on replacing it: contention.
            const bool is_contention =
                f.error == EWOULDBLOCK || f.error == EAGAIN || (*f.where == call::fcntl && f.error == EACCES) ||
                (*f.where == call::lstat && (f.error == ENOENT || f.error == ENOTDIR)) || f.error == ESTALE;
            is_right = is_right || (is_contention && (o.what == result::timed_out || o.what == result::empty));
            is_right = is_right || is_about_hints(*f.where);
            // Interrupted by a handler, and called again.
            const bool is_repeated = f.error == EINTR && f.times == 1 &&
                                     (f.where == call::open || f.where == call::flock || f.where == call::fcntl);
            if (is_repeated) is_right = is_same;
        }
        const bool is_about_beginning =
            f.where == call::epoll_create1 || f.where == call::epoll_add || f.where == call::eventfd;
        const bool is_pending = std::strncmp(s.name, "pending", 7) == 0;
        is_right = is_right || (is_pending && is_about_beginning && o.what == result::error && o.code == f.error);
        // poll() says that there is something to read, read() that there is not, for ever: no kernel does that.
        is_right = is_right || ((f.where == call::read || f.where == call::recv) && f.times > 1 &&
                                (f.error == EAGAIN || f.error == EINTR));
        results.expect(is_right, words + ": " + name_of(o.what) + " instead of " + name_of(without.what) +
                                     (o.message.empty() ? "" : " (" + o.message + ")"));
    } else {
        // A fault cannot turn "held by somebody else" into a grant; all the rest is judged by the state of the lock.
        const bool was_refused =
            (without.what == result::empty || without.what == result::timed_out) && s.also != result::granted;
        results.expect(!was_refused || o.what != result::granted, words + ": granted although somebody else holds it");
    }
}

/// Plays the scenario in this process, which is a fresh one.
counted play(const scenario& s, const fault& f, const counted& without, report& results) {
    auto& panel = shim::panel();
    panel.reset();
    const std::string words = words_for(s, f);
    scene here;
    s.prepare(here);
    const auto files_before = count_descriptors();
    const bool is_ofd = std::strstr(s.name, "fcntl") != nullptr;

    panel.reset();
    if (f.where) panel.plan(*f.where, f.first, f.times, f.error);
    panel.one_in = f.one_in;
    panel.random = f.seed;
    panel.deaf = f.deaf;
    panel.mute = f.mute;
    panel.short_reads = f.short_reads;
    panel.scope = shim::control::marked;
    outcome o;
    try {
        o = s.act(here);
    } catch (const std::exception& e) {
        shim::mark(false);
        panel.scope = shim::control::nobody;
        results.violation(words + ": an undocumented exception: " + e.what());
        return {};
    }
    counted result_of_play;
    for (int i = 0; i < shim::call_count; ++i) result_of_play.calls[i] = panel.calls[i];
    result_of_play.what = o.what;
    const bool is_dry = !f.where && f.one_in == 0 && !f.deaf && !f.mute && !f.short_reads;
    if (!is_dry) judge(s, f, o, without, words, results);
    results.expect(!is_dry || o.what == result_without_faults(s), words + ": " + name_of(o.what));

    results.expect(o.what != result::timed_out || o.wall_ms >= s.at_least_ms,
                   words + ": gave up after " + std::to_string(o.wall_ms) + " ms");
    const bool is_timed = o.what == result::timed_out || o.what == result::empty;
    results.expect(is_timed ? o.wall_ms < 2500 + in_time_ms : o.wall_ms < in_time_ms,
                   words + ": took " + std::to_string(o.wall_ms) + " ms, " + name_of(o.what));
    results.expect(o.late_ms < in_time_ms, words + ": the next in line was granted the lock " +
                                               (o.late_ms < never ? std::to_string(o.late_ms) + " ms late" : "never"));
    // A file that can be opened but is never found at its path, or that exists but cannot be found, makes each attempt
    // try a hundred times; only a broken system has one.
    const bool is_absurd = f.times > 1 && (f.where == call::lstat || f.where == call::fstat || f.where == call::linkat);
    const bool is_storm = f.times > 1 && f.error == EINTR;  // of signals: each wakes the waiter
    results.expect(is_absurd || is_storm || o.cpu_ms < 20 || o.cpu_ms < o.wall_ms / 2,
                   words + ": burnt " + std::to_string(o.cpu_ms) + " ms of CPU in " + std::to_string(o.wall_ms));

    const long polls = result_of_play.calls[static_cast<int>(call::ppoll)];
    results.expect(is_storm || polls < 500, words + ": polled " + std::to_string(polls) + " times");

    // The guard is given up while faults go on; the next acquisition comes without any.
    if (o.what == result::granted) {
        const seen look = look_at(here.file, is_ofd);
        results.expect(look == o.expected_look, words + ": granted, but the path's file is " + name_of(look));
    }
    {
        const marked still;
        o.guards.clear();
        here.kept.reset();
    }
    panel.reset();
    for (auto* who : {&here.holder, &here.next, &here.one_more}) {
        if (*who) (*who)->end();
    }
    here.foreign.reset();
    const seen look = look_at(here.file, is_ofd);
    results.expect(look == seen::free || look == seen::missing,
                   words + ": in the end the path's file is " + name_of(look));
    try {
        auto options = here.options();
        if (is_ofd) options.method = nlock::lock_method::fcntl;
        const auto after = nlock::named_lock{"x", options}.acquire(1s);
        results.expect(look_at(here.file, is_ofd) == seen::exclusive,
                       words + ": the acquisition after it does not exclude");
    } catch (const std::exception& e) {
        results.violation(words + ": the acquisition after it: " + e.what());
    }
    if (const auto stranger = here.look_at_strangers(); !stranger.empty()) {
        results.violation(words + ": a file of the program " + stranger);
    }
    const std::string excess = excess_at_rest(files_before, s.waiters);
    if (!excess.empty()) results.leak(words + ": " + excess);
    if (const int count = count_in_child(); excess.empty() && count != 0) {
        results.leak(words + ": a child inherits " + std::to_string(count) + " descriptors");
    }
    return result_of_play;
}

// ---- fresh processes ----

/// A scenario that plays in a child.
class play_apart {
  public:
    play_apart(const scenario& s, const fault& f, const counted& without) : scenario_{s}, fault_{f} {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) give_up("pipe2");
        std::fflush(stdout);
        const pid_t parent = ::getpid();
        child_ = ::fork();
        if (child_ == -1) give_up("fork");
        if (child_ == 0) {
            die_with_parent(parent);
            report mine;
            const counted c = play(s, f, without, mine);
            const int status = mine.finish_quietly();
            if (::write(ends[1], &c, sizeof c) != sizeof c) end_process(3);
            end_process(status);
        }
        ::close(ends[1]);
        end_ = ends[0];
    }
    play_apart(const play_apart&) = delete;
    play_apart& operator=(const play_apart&) = delete;
    ~play_apart() {
        if (child_ == -1) return;
        ::close(end_);
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
        remove_leftovers(child_);
    }

    int end() const { return end_; }

    /// Waits for the child, and takes over what it reports. Empty: it died or hung.
    std::optional<counted> finish(report& results) {
        counted c;
        pollfd source{end_, POLLIN, 0};
        const bool hangs = ::poll(&source, 1, 20'000) == 0;
        if (hangs) ::kill(child_, SIGKILL);
        const bool is_whole = !hangs && ::read(end_, &c, sizeof c) == sizeof c;
        ::close(end_);
        int status = 0;
        ::waitpid(child_, &status, 0);
        if (hangs || WIFSIGNALED(status)) remove_leftovers(child_);
        child_ = -1;
        if (hangs) {
            results.violation(words_for(scenario_, fault_) + ": hangs");
        } else if (WIFSIGNALED(status)) {
            results.violation(words_for(scenario_, fault_) + ": died of " + ::strsignal(WTERMSIG(status)));
        } else if (WEXITSTATUS(status) != 0) {
            results.add(WEXITSTATUS(status) & 1, WEXITSTATUS(status) >> 1 & 1);  // it has said what
        }
        if (!is_whole) return std::nullopt;
        return c;
    }

  private:
    const scenario& scenario_;
    const fault fault_;
    pid_t child_ = -1;
    int end_ = -1;
};

/// Several at once: most of them wait most of the time.
class plays {
  public:
    explicit plays(report& results) : results_{results} {}
    ~plays() { finish_down_to(0); }

    void start(const scenario& s, const fault& f, const counted& without) {
        constexpr std::size_t side_by_side = 12;
        finish_down_to(side_by_side - 1);
        running_.push_back(std::make_unique<play_apart>(s, f, without));
    }

  private:
    /// Finishes those that have ended already, and at least as many as it takes.
    void finish_down_to(std::size_t count) {
        while (running_.size() > count) {
            std::vector<pollfd> ends;
            for (const auto& one : running_) ends.push_back({one->end(), POLLIN, 0});
            const bool is_any = ::poll(ends.data(), ends.size(), 20'000) > 0;
            for (std::size_t i = ends.size(); i-- > 0;) {
                if (is_any && ends[i].revents == 0) continue;
                running_[i]->finish(results_);
                running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
    }

    report& results_;
    std::vector<std::unique_ptr<play_apart>> running_;
};

/// Which calls of one kind fail: all, but of very many only some. /proc alone is a thousand calls.
std::vector<long> numbers_of(call where, long count) {
    const long most = where == call::memory ? 160 : 24;
    std::vector<long> numbers;
    for (long nth = 1; nth <= std::min(count, most); ++nth) numbers.push_back(nth);
    for (long nth = most + 1; nth <= count; nth += std::max(1L, (count - most) / 16)) numbers.push_back(nth);
    return numbers;
}

std::vector<fault> faults_of(const counted& calls) {
    std::vector<fault> all;
    for (int i = 0; i < shim::call_count; ++i) {
        const auto where = static_cast<call>(i);
        for (const long nth : numbers_of(where, calls.calls[i])) {
            for (const int error : shim::errors_of(where)) {
                all.push_back({where, nth, 1, error});
                // Interrupted calls are repeated for as long as it takes.
                const bool is_endless = error == EINTR && (where == call::open || where == call::flock ||
                                                           where == call::fcntl || where == call::nanosleep);
                if (!is_endless) all.push_back({where, nth, shim::for_ever, error});
            }
        }
    }
    fault deaf;
    deaf.deaf = true;
    all.push_back(deaf);
    fault mute;
    mute.mute = true;
    all.push_back(mute);
    mute.deaf = true;
    all.push_back(mute);
    fault slow;
    slow.short_reads = true;
    all.push_back(slow);
    return all;
}

struct arguments {
    long part = 0;
    long parts = 0;  // 0: not systematically
    double random_seconds = 0;
    unsigned long seed = 1;
    const char* only = nullptr;
};

bool is_wanted(const arguments& wanted, const scenario& s) {
    return wanted.only == nullptr || std::strncmp(wanted.only, s.name, std::strlen(wanted.only)) == 0;
}

void run(const arguments& wanted, report& results) {
    std::vector<counted> without(scenarios().size());
    for (std::size_t i = 0; i < scenarios().size(); ++i) {
        const auto c = play_apart{scenarios()[i], {}, {}}.finish(results);
        if (!c) return results.violation(std::string{scenarios()[i].name} + ": dies without any fault");
        without[i] = *c;
    }
    plays running{results};
    long number = 0;
    for (std::size_t i = 0; wanted.parts > 0 && i < scenarios().size(); ++i) {
        if (!is_wanted(wanted, scenarios()[i])) continue;
        for (const fault& f : faults_of(without[i])) {
            if (number++ % wanted.parts != wanted.part) continue;
            running.start(scenarios()[i], f, without[i]);
            results.tried("faults: one call, or it and all after it, failing");
        }
    }
    const auto end = now_ns() + static_cast<std::int64_t>(wanted.random_seconds * 1e9);
    for (unsigned long seed = wanted.seed; now_ns() < end; ++seed) {
        const std::size_t i = seed * 7 % scenarios().size();
        if (!is_wanted(wanted, scenarios()[i])) continue;
        fault f;
        f.one_in = seed % 3 == 0 ? 4 : seed % 3 == 1 ? 12 : 40;
        f.seed = seed * 2654435761UL + 12345;
        running.start(scenarios()[i], f, without[i]);
        results.tried("faults: calls failing at random");
    }
}

/// SCENARIO [CALL NTH TIMES ERRNO], in this process.
int play_one(char** words, int count) {
    const auto named = std::find_if(scenarios().begin(), scenarios().end(),
                                    [&](const scenario& s) { return std::strcmp(s.name, words[0]) == 0; });
    if (named == scenarios().end()) return 64;
    fault f;
    for (int i = 0; count == 5 && i < shim::call_count; ++i) {
        const auto c = static_cast<call>(i);
        if (std::strcmp(words[1], shim::name_of(c)) == 0) f.where = c;
    }
    if (f.where) {
        f.first = std::atol(words[2]);
        f.times = std::atol(words[3]);
        f.error = std::atoi(words[4]);
    }
    report results;
    const auto without = play_apart{*named, {}, {}}.finish(results);
    if (!without) return 2;
    std::printf("%s\n", name_of(play(*named, f, *without, results).what));
    return results.finish();
}

}  // namespace

int main(int argc, char** argv) {
    shim::load(argv);
    arguments wanted;
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        if (option == "--list") {
            for (const scenario& s : scenarios()) std::puts(s.name);
            return 0;
        }
        if (option == "--systematic" && i + 1 < argc) {
            if (std::sscanf(argv[++i], "%ld/%ld", &wanted.part, &wanted.parts) != 2) return 64;
        } else if (option == "--random" && i + 1 < argc) {
            wanted.random_seconds = std::atof(argv[++i]);
        } else if (option == "--seed" && i + 1 < argc) {
            wanted.seed = std::strtoul(argv[++i], nullptr, 10);
        } else if (option == "--only" && i + 1 < argc) {
            wanted.only = argv[++i];
        } else if (option == "--play" && (i + 2 == argc || i + 6 == argc)) {
            return play_one(argv + i + 1, argc - i - 1);
        } else {
            std::fprintf(stderr, "faults: bad argument %s\n", argv[i]);
            return 64;
        }
    }
    report results;
    run(wanted, results);
    return results.finish();
}

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A signal handler that cancels, in the worst moment: before each single call that the interrupted thread makes, to the
// system or for memory, while it acquires, waits, or releases; and then at random. Each operation is played with the
// signal before its first call, its second one, and so on, until it makes no more. However it goes:
//
//   it ends soon after the signal, acquired or cancelled, and nothing else;
//   then nothing is held and nobody stands in line: another process may have the lock at once;
//   what the handler did not ask for is as without it: a release releases, and wakes the next one.
//
// usage: signals [RANDOM]    so many plays of each operation with signals at random, 100 unless said otherwise
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <ctime>
#include <functional>
#include <optional>
#include <random>
#include <semaphore>
#include <thread>

#include <named_lock/acquire_all.hpp>
#include <named_lock/named_lock.hpp>

#include "common.hpp"
#include "peers.hpp"
#include "rest.hpp"
#include "shim.hpp"

namespace {

using namespace std::chrono_literals;
using namespace torture;
using shim::call;

constexpr int our_signal = SIGUSR1;
constexpr std::chrono::seconds patience{10};
constexpr double in_time_ms = 1000;
constexpr unsigned hangs_after_s = 60;

nlock::cancellation* to_cancel = nullptr;
std::atomic<std::int64_t> signalled{0};  // when

// Of the one thread that is interrupted.
long calls = 0;
long interrupted_call = 0;  // 0: none

void on_signal(int) {
    signalled = now_ns();
    to_cancel->cancel();
}

void on_call(call, long) {
    if (++calls == interrupted_call) ::raise(our_signal);
}

enum class result { acquired, cancelled, timed_out, released, error };

const char* name_of(result r) {
    constexpr const char* names[]{"acquired", "cancelled", "timed out", "released", "an error"};
    return names[static_cast<int>(r)];
}

class stage {
  public:
    nlock::lock_options options() const {
        nlock::lock_options o;
        o.locks_dir = scratch_.path() / "locks";
        o.timeout = patience;
        return o;
    }
    nlock::named_lock lock() const { return nlock::named_lock{"x", options()}; }
    fs::path file() const { return scratch_.path() / "locks" / "x.lock"; }

    nlock::cancellation stop{};
    std::optional<nlock::guard> kept{};
    std::optional<peer> holder{};
    std::optional<peer> next{};

    void hold_in_another_process() {
        holder.emplace(options(), peer::plan{});
        if (holder->granted() == 0) give_up("a holder");
    }
    void queue_another() {
        next.emplace(options(), peer::plan{false, 0ns});
        if (!wait_for_line(file(), 1)) give_up("a waiter that stands in line");
    }

    /// Whoever holds the lock lets go in a moment; but if a signal comes before, which must end the wait, then when that
    /// is over.
    std::jthread release_soon() {
        return std::jthread{[this](const std::stop_token& is_over) {
            std::this_thread::sleep_for(3ms);
            while (signalled != 0 && !is_over.stop_requested()) std::this_thread::sleep_for(100us);
            if (holder) holder->release();
            kept.reset();
        }};
    }

  private:
    scratch_dir scratch_{};
};

struct operation {
    const char* name;
    std::function<void(stage&)> prepare;
    std::function<result(stage&)> act;  // what comes of it without a signal
    result usually = result::acquired;
};

result acquire(stage& s, nlock::named_lock lock) {
    return lock.acquire(s.stop) ? result::acquired : result::error;
}

const std::vector<operation>& operations() {
    static const std::vector<operation> all{
        {"the first acquisition of all", [](stage&) {}, [](stage& s) { return acquire(s, s.lock()); }},
        {"an acquisition with the file open", [](stage& s) { (void)s.lock().acquire(); },
         [](stage& s) { return acquire(s, s.lock()); }},
        {"a shared one", [](stage& s) { (void)s.lock().acquire(); },
         [](stage& s) { return s.lock().acquire_shared(s.stop) ? result::acquired : result::error; }},
        {"one by fcntl", [](stage&) {},
         [](stage& s) {
             auto options = s.options();
             options.method = nlock::lock_method::fcntl;
             return acquire(s, nlock::named_lock{"x", options});
         }},
        {"several at once", [](stage&) {},
         [](stage& s) {
             const auto guards = nlock::acquire_all(s.stop, {s.lock(), nlock::named_lock{"y", s.options()}}, patience);
             return guards.size() == 2 ? result::acquired : result::error;
         }},
        {"a wait for another process", [](stage& s) { s.hold_in_another_process(); },
         [](stage& s) {
             const auto releases = s.release_soon();
             return acquire(s, s.lock());
         }},
        {"a wait with on_wait", [](stage& s) { s.hold_in_another_process(); },
         [](stage& s) {
             const auto releases = s.release_soon();
             auto options = s.options();
             options.on_wait = [](const nlock::lock_wait&) {};
             return acquire(s, nlock::named_lock{"x", options});
         }},
        {"a wait behind another process",
         [](stage& s) {
             s.hold_in_another_process();
             s.queue_another();
         },
         [](stage& s) {
             const auto releases = s.release_soon();
             return acquire(s, s.lock());
         }},
        {"a reader's wait", [](stage& s) { s.hold_in_another_process(); },
         [](stage& s) {
             const auto releases = s.release_soon();
             return s.lock().acquire_shared(s.stop) ? result::acquired : result::error;
         }},
        {"a wait for another thread", [](stage& s) { s.kept = s.lock().acquire(); },
         [](stage& s) {
             auto options = s.options();
             options.reentrant = false;
             const auto releases = s.release_soon();
             return acquire(s, nlock::named_lock{"x", options});
         }},
        {"a wait in the queue", [](stage& s) { s.kept = s.lock().acquire(); },
         [](stage& s) {
             auto options = s.options();
             options.reentrant = false;
             std::binary_semaphore front_waits{0};
             const std::jthread front{[&] {
                 auto mine = options;
                 mine.on_wait = [&](const nlock::lock_wait&) { front_waits.release(); };
                 (void)nlock::named_lock{"x", mine}.acquire();
             }};
             front_waits.acquire();
             const auto releases = s.release_soon();
             return acquire(s, nlock::named_lock{"x", options});
         }},
        {"a wait that times out", [](stage& s) { s.kept = s.lock().acquire(); },
         [](stage& s) {
             auto options = s.options();
             options.reentrant = false;
             const auto guard = nlock::named_lock{"x", options}.try_acquire(s.stop, 5ms);
             s.kept.reset();
             return guard ? result::acquired : s.stop.is_cancelled() ? result::cancelled : result::timed_out;
         },
         result::timed_out},
        {"a release",
         [](stage& s) { s.kept = s.lock().acquire(); },
         [](stage& s) {
             s.kept.reset();
             return result::released;
         },
         result::released},
        {"a release to another process",
         [](stage& s) {
             s.kept = s.lock().acquire();
             s.queue_another();
         },
         [](stage& s) {
             s.kept.reset();
             return result::released;
         },
         result::released},
    };
    return all;
}

/// Lets the signal come by `arm`; what it returns is false when no signal has come.
bool play(const operation& o, const std::string& words, const std::function<void()>& arm,
          const std::function<void()>& disarm, report& results) {
    stage s;
    o.prepare(s);
    to_cancel = &s.stop;
    calls = 0;
    signalled = 0;
    ::alarm(hangs_after_s);
    result r = result::error;
    std::string why;
    arm();
    shim::mark(true);
    try {
        r = o.act(s);
    } catch (const nlock::lock_cancelled&) {
        r = result::cancelled;
    } catch (const std::exception& e) {
        why = e.what();
    }
    shim::mark(false);
    disarm();
    const std::int64_t end = now_ns();
    const bool has_come = signalled != 0;
    results.tried("signals: a handler cancels while a thread uses the lock");
    const bool is_right = r == o.usually || r == result::acquired || (r == result::cancelled && has_come);
    results.expect(is_right, words + ": " + name_of(r) + " " + why);
    const double late_ms = has_come ? static_cast<double>(end - signalled) / 1e6 : 0;
    results.expect(late_ms < in_time_ms, words + ": ended " + std::to_string(late_ms) + " ms after the signal");
    results.expect(s.stop.is_cancelled() == has_come, words + ": the request is lost, or nobody's");
    for (auto* who : {&s.next, &s.holder}) {
        if (!*who) continue;
        const std::int64_t granted = (*who)->granted();
        results.expect(granted != 0 && static_cast<double>(granted - end) / 1e6 < in_time_ms,
                       words + ": another process was granted the lock late, or never");
        (*who)->end();
    }
    s.kept.reset();
    if (const seen look = look_at(s.file()); look != seen::free && look != seen::missing) {
        results.violation(words + ": in the end the file is " + name_of(look));
    }
    if (const foreign_file file{s.file()}; file.is_open()) {
        results.expect(count_in_line(file.get()) == 0, words + ": in the end somebody stands in line");
    }
    try {
        results.expect(static_cast<bool>(s.lock().try_acquire()), words + ": the acquisition after it fails");
    } catch (const std::exception& e) {
        results.violation(words + ": the acquisition after it: " + e.what());
    }
    return has_come;
}

/// Before each call, up to the last one; of very many only before some.
void interrupt_each_call(const operation& o, report& results) {
    shim::panel().hook = on_call;
    shim::panel().scope = shim::control::marked;
    constexpr long far_too_many = 100'000;
    constexpr int enough_without = 3;  // their number varies a little, as waits do
    int without = 0;
    for (long nth = 1; without < enough_without && nth < far_too_many; nth += std::max(1L, nth / 100)) {
        const std::string words = std::string{o.name} + ": a signal before call " + std::to_string(nth);
        const bool has_come =
            play(o, words, [nth] { interrupted_call = nth; }, [] { interrupted_call = 0; }, results);
        without = has_come ? 0 : without + 1;
    }
    shim::panel().reset();
}

void interrupt_at_random(const operation& o, int times, report& results) {
    timer_t timer{};
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = our_signal;
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) give_up("timer_create");
    std::minstd_rand random{1};
    for (int i = 0; i < times; ++i) {
        const auto us = static_cast<long>(1 + random() % (i % 2 == 0 ? 5'000 : 200));
        const auto set = [timer](long ns) {
            const itimerspec once{{0, 0}, {0, ns}};
            ::timer_settime(timer, 0, &once, nullptr);
        };
        const std::string words = std::string{o.name} + ": a signal after " + std::to_string(us) + " us";
        play(o, words, [&] { set(us * 1000); }, [&] { set(0); }, results);
    }
    ::timer_delete(timer);
}

}  // namespace

int main(int argc, char** argv) {
    shim::load(argv);
    const int times = argc > 1 ? std::atoi(argv[1]) : 100;
    struct sigaction action {};
    action.sa_handler = on_signal;
    ::sigaction(our_signal, &action, nullptr);
    report results;
    const auto before = count_descriptors();
    for (const operation& o : operations()) {
        interrupt_each_call(o, results);
        interrupt_at_random(o, times, results);
        constexpr int waiters = 2;
        if (const auto excess = excess_at_rest(before, waiters); !excess.empty()) {
            results.leak(std::string{o.name} + ": " + excess);
        }
    }
    return results.finish();
}

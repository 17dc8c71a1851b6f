// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The protocol of acquisition.hpp and lock_state.hpp, for Spin. docs/proof.md says what it covers and what it leaves
// out; run.sh checks it. Each step names the function that it stands for.
//
// One atomic step is either what a thread does with the mutex of its lock_state locked, between two system calls, or
// one system call. So there is no mutex here. Time is a choice: a deadline may pass wherever it is looked at, a pause
// may end at once or never.
//
// The world:  PROCS processes, the first with THREADS threads, the others with one; each thread acquires ROUNDS times
//             SHARED, DEADLINE, ONCE, STOP    bit t: thread t locks shared, has a deadline, tries once, is to stop
//             HOLD                            bit t: thread t never lets go
//             MEET                            bit t: thread t does not let go before all these are inside
//             COURTESY                        readers let waiting writers of their process go first, for a while
//             NO_WATCH                        bit t: the system has no watch for thread t
//             POLL                            pauses while listening end (0: a waiter is woken by events or not at all)
//             CRASH                           so many processes may be killed at any moment
//             FOREIGN                         so often another program locks the file, and just closes it
//             KEEPER                          another program has locked the file and never lets go
//             REPLACE                         so often a program that holds the lock deletes or replaces the file
//             VANDAL                          so often one does so that does not hold it
//             BACK                            somebody replaces the file, and then puts the old one back
//             SWAP                            so often the directory is replaced, of which inotify reports nothing
//             NOISE                           so many events come without a cause
//             LOSS                            so many events get lost
// Breaks it:  BREAK_TRY_BEFORE_WATCH, BREAK_NO_RECHECK, BREAK_NLINK_ONLY, BREAK_WAKES_NOBODY, BREAK_LEAVES_SILENTLY,
//             BREAK_CLOSE_ONLY, BREAK_KEEPS_WATCH, BREAK_FORGETS_WAKING, BREAK_NO_LAST_TRY, BREAK_NEVER_MOVES,
//             BREAK_JOINS_REPLACED, BREAK_ENDLESS_COURTESY; with WITNESS_ONLY only those who are inside count, not which file they hold

#ifndef PROCS
#define PROCS 2
#endif
#ifndef THREADS
#define THREADS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef SHARED
#define SHARED 0
#endif
#ifndef DEADLINE
#define DEADLINE 0
#endif
#ifndef ONCE
#define ONCE 0
#endif
#ifndef STOP
#define STOP 0
#endif
#ifndef HOLD
#define HOLD 0
#endif
#ifndef MEET
#define MEET 0
#endif
#ifndef POLL
#define POLL 0
#endif
#ifndef CRASH
#define CRASH 0
#endif
#ifndef FOREIGN
#define FOREIGN 0
#endif
#ifndef REPLACE
#define REPLACE 0
#endif
#ifndef VANDAL
#define VANDAL 0
#endif
#ifndef SWAP
#define SWAP 0
#endif
#ifndef BACK
#define BACK 0
#endif
#ifndef NOISE
#define NOISE 0
#endif
#ifndef LOSS
#define LOSS 0
#endif
#ifndef KEEPER
#define KEEPER 0
#endif
#ifndef NO_WATCH
#define NO_WATCH 0
#endif

#define ALL (PROCS + THREADS - 1)
#define STATE_FILE(p) (ALL + (p))      // lock_state::file_ of process p
#define FOREIGN_FILE (ALL + PROCS)
#define REPLACE_FILE (ALL + PROCS + 1)
#define KEEPER_FILE (ALL + PROCS + 2)
#define FILES (ALL + PROCS + 3)
#define PROCESS_OF(t) ((t) < THREADS -> 0 : (t) - THREADS + 1)
#define PLACES(p) ((p) == 0 -> 0 : (p) + THREADS - 1)  // of its threads in the queue
#define HAS(mask, t) (((mask) >> (t)) & 1)
#define KIND(t) (HAS(SHARED, t) -> shared : exclusive)
#define unlocked 0
#define shared 1
#define exclusive 2

// ---- the file system ----

byte path = 1;         // the inode that the path names; 0: none
byte next_inode = 2;
byte inode[FILES];     // of an open file description; 0: it is closed. File t is acquisition::file_ of thread t
byte locked[FILES];    // what flock(2) has granted to it
#ifdef BREAK_NLINK_ONLY
bit unlinked[8];       // st_nlink == 0
#endif
byte watched[ALL];     // the inode that thread t watches
bit hint[ALL];         // IN_CLOSE waits to be read
bit moved[ALL];        // IN_ATTRIB, IN_MOVE_SELF or IN_DELETE_SELF does
bit interrupt[ALL];    // the eventfd of release_watch::interrupt()

// ---- the processes ----

byte queue[ALL];     // lock_state::first_ and its successors, as t + 1, each process at its PLACES
byte holds[PROCS];                          // lock_state::holds_
byte kind[PROCS];                           // lock_state::kind_
bit woken[ALL];                             // waiter::woken
bit on_watch[ALL];                          // waiter::watch is set
bit dead[PROCS];
bit stop[ALL];                               // stop_signal::raised_

// ---- the witness: who is inside ----

byte inside[FILES];  // by the number of the thread, or of the file of another program
byte inside_file[FILES];
byte met;            // bits of those that were inside
byte ended;          // programs and threads that have nothing more to do

inline enter_witness(who, how, file) {
    d_step {
        inside[who] = how;
        inside_file[who] = file;
        k = 0;
        do
        :: k < FILES ->
            // Of the same file always. Whatever the file, if nobody replaces it without holding it.
            assert(k == who || inside[k] == unlocked || (inside[k] == shared && how == shared) ||
                   (inside_file[k] != file && VANDAL + BACK + SWAP > 0));
            k++
        :: else -> break
        od;
        k = 0
    }
}

inline leave_witness(who) {
    inside[who] = unlocked;
    inside_file[who] = 0
}

// ---- system calls ----

/// open(2) with O_CREAT.
inline open_path(file) {
    d_step {
        if
        :: path == 0 -> path = next_inode; next_inode++
        :: else
        fi;
        inode[file] = path
    }
}

/// flock(2) with LOCK_NB; `granted` says what came of it.
inline try_flock(file, how) {
    d_step {
        granted = 1;
        k = 0;
        do
        :: k < FILES ->
            if
            :: k != file && inode[k] == inode[file] &&
               (locked[k] == exclusive || (how == exclusive && locked[k] == shared)) -> granted = 0
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0;
        if
        :: granted -> locked[file] = how
        :: else
        fi
    }
}

/// `event` is hint[k] or moved[k].
inline report(event, number) {
    d_step {
        k = 0;
        do
        :: k < ALL ->
            if
            :: watched[k] != 0 && watched[k] == number -> event = 1
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0
    }
}

/// close(2) of an unlocked file; fs/file_table.c, __fput: the event comes first, then a lock would go.
inline close_file(file) {
    atomic {
        report(hint[k], inode[file]);
        inode[file] = 0
    }
}

/// close(2) of a locked file, as foreign programs do it and the kernel for a killed process.
inline close_locked(file) {
    report(hint[k], inode[file]);
    d_step {
        locked[file] = unlocked;
        inode[file] = 0
    }
}

/// lock_file::close(), in two system calls: unlock_file() and close(2). Of a file that it has not locked, the first has
/// no effect, and need not have one.
inline unlock_or_report(file) {
#ifdef BREAK_CLOSE_ONLY
    report(hint[k], inode[file])
#else
    locked[file] = unlocked
#endif
}
inline close_rest(file) {
#ifdef BREAK_CLOSE_ONLY
    d_step { locked[file] = unlocked; inode[file] = 0 }
#else
    close_file(file)
#endif
}
inline unlock_and_close(file) {
    unlock_or_report(file);
    close_rest(file)
}

// ---- lock_state ----

#define FIRST(p) queue[PLACES(p)]
#define is_front(t) (FIRST(PROCESS_OF(t)) == t + 1)
#define is_free(t) (holds[PROCESS_OF(t)] == 0)

// enter_again() for another thread: one more shared hold of a file that is still the path's
#define IS_AT_PATH (inode[STATE_FILE(PROCESS_OF(t))] == path)
#ifdef BREAK_JOINS_REPLACED
#define may_join(t) (!is_free(t) && kind[PROCESS_OF(t)] == shared && KIND(t) == shared)
#else
#define may_join(t) (!is_free(t) && kind[PROCESS_OF(t)] == shared && KIND(t) == shared && IS_AT_PATH)
#endif

// has_writer_before() for a thread that is not in the queue, or its front
#define WRITER_AT(k) (queue[k] != 0 && KIND(queue[k] - 1) == exclusive)
#if THREADS == 1
#define writer_waits(p) WRITER_AT(PLACES(p))
#elif THREADS == 2
#define writer_waits(p) (WRITER_AT(PLACES(p)) || ((p) == 0 && WRITER_AT(1)))
#elif THREADS == 3
#define writer_waits(p) (WRITER_AT(PLACES(p)) || ((p) == 0 && (WRITER_AT(1) || WRITER_AT(2))))
#else
#error "writer_waits() knows three places"
#endif
// may_join() for one that lets writers go first
#define may_join_at_once(t) (may_join(t) && !(gives_way && writer_waits(PROCESS_OF(t))))

/// waiter::wake()
inline wake(w) {
    if
    :: !woken[w] -> woken[w] = 1; interrupt[w] = on_watch[w]
    :: else
    fi
}
inline wake_front(p) {
    if
    :: FIRST(p) != 0 -> wake(FIRST(p) - 1)
    :: else
    fi
}

/// pass_writers()
inline pass_writers(p) {
    d_step {
        k = PLACES(p);
        do
        :: queue[k] != t + 1 && KIND(queue[k] - 1) == shared -> k++
        :: else -> break
        od;
        if
        :: k == PLACES(p) && queue[k] != t + 1 -> wake(queue[k] - 1)
        :: else
        fi;
        passed = t + 1;
        do
        :: queue[k] != t + 1 -> other = queue[k]; queue[k] = passed; passed = other; k++
        :: else -> queue[k] = passed; break
        od;
        passed = 0;
        other = 0;
        k = 0
    }
}

/// leave_queue()
inline leave_queue(p) {
    if
    :: queued ->
        was_front = is_front(t);
        k = PLACES(p);
        do
        :: queue[k] != t + 1 -> k++
        :: else -> break
        od;
        do
        :: k + 1 < PLACES(p) + (p == 0 -> THREADS : 1) -> queue[k] = queue[k + 1]; k++
        :: else -> queue[k] = 0; break
        od;
        k = 0;
#ifndef BREAK_LEAVES_SILENTLY
        if
        :: was_front && (is_free(t) || kind[p] != exclusive) -> wake_front(p)
        :: else
        fi;
#endif
        was_front = 0
    :: else
    fi;
    queued = 0;
    woken[t] = 0
}

/// ~acquisition, without its file. The watch goes back to the registry, with the file or before.
inline end_acquisition() {
    watched[t] = 0;
    hint[t] = 0;
    moved[t] = 0;
    interrupt[t] = 0;
    granted = 0;
    named = 0;
    is_last = 0;
    tried_last = 0;
    may_have_moved = 0;
    has_watched = 0;
    no_watch = 0;
    must_rest = 0;
    gives_way = 0
}

// is_file_at()
#if defined(BREAK_NO_RECHECK)
#define CHECK_PASSES true
#elif defined(BREAK_NLINK_ONLY)
#define CHECK_PASSES (!unlinked[inode[t]])
#else
#define CHECK_PASSES (inode[t] == path)
#endif

// Whether a waiter believes that the file may have moved.
#ifdef BREAK_NEVER_MOVES
#define MOVES 0
#else
#define MOVES 1
#endif

// ---- acquisition ----

proctype thread(byte t) {
    byte k;            // always 0 between steps
    byte rounds = ROUNDS;
    bit granted;       // try_flock
    bit named;         // the witness: the path named the file at a moment in which it was locked
    bit was_front;     // leave_queue
    bit queued;        // it has a place_in_queue
    bit is_last;       // the deadline has passed
    bit tried_last;    // the witness: somebody else held it at an attempt after the deadline
    bit may_have_moved;
    bit has_watched;   // is_watched_
    bit no_watch;      // file_.watch() == nullptr
    bit must_rest;     // backoff::must_rest()
    bit gives_way;     // gives_way_
    byte passed;       // pass_writers, always 0 between steps, as is
    byte other;

#if CRASH > 0
    {
        skip;  // a block cannot begin with a label
#endif
begin:  // acquisition::run()
        skip;
        if
        :: atomic {
            rounds > 0 ->
            rounds--;
            if
            :: stop[t] -> goto timed_out
            :: else
            fi;
#ifdef COURTESY
            gives_way = (KIND(t) == shared && !HAS(ONCE, t));
#endif
            if
            :: may_join_at_once(t) -> holds[PROCESS_OF(t)]++; named = IS_AT_PATH; goto acquired
            :: !may_join_at_once(t) && is_free(t) -> goto try_system_lock  // may_overtake(), or nobody waits
            :: !may_join_at_once(t) && FIRST(PROCESS_OF(t)) != 0 && !HAS(ONCE, t) -> goto wait
            :: !may_join_at_once(t) && !is_free(t) && HAS(ONCE, t) -> tried_last = 1; goto timed_out
            :: !may_join_at_once(t) && !is_free(t) && !HAS(ONCE, t) -> goto wait
            fi
        }
        :: rounds == 0 -> goto done
        fi;

wait:  // place_in_queue
        atomic {
            k = PLACES(PROCESS_OF(t));
            do
            :: queue[k] != 0 -> k++
            :: else -> queue[k] = t + 1; k = 0; break
            od;
            queued = 1
again:      // the loop of wait()
            if
            :: stop[t] -> goto timed_out
            :: !stop[t] && HAS(DEADLINE, t) -> is_last = 1  // has passed, and was not noticed before
            :: !stop[t]
            fi;
            if
            :: gives_way && is_last -> gives_way = 0; pass_writers(PROCESS_OF(t))
            :: else
            fi;
#ifdef BREAK_NO_LAST_TRY
            if
            :: is_last -> goto timed_out
            :: else
            fi;
#endif
            if
            :: !is_front(t) && !is_last -> goto sleep
            :: else
            fi;
            if
            :: may_join(t) -> holds[PROCESS_OF(t)]++; named = IS_AT_PATH; goto acquired
            :: !may_join(t) && is_free(t) -> goto try_system_lock
            :: !may_join(t) && !is_free(t) && !is_last -> goto sleep
            :: !may_join(t) && !is_free(t) && is_last -> tried_last = 1; goto timed_out
            fi
        }

try_system_lock:
        skip;
        if
        :: atomic {
            inode[t] == 0 ->
            open_path(t);
#ifdef BREAK_KEEPS_WATCH
            has_watched = (watched[t] != 0)
#else
            has_watched = 0
#endif
        }
        :: atomic { inode[t] != 0 -> goto try_lock_file }
        fi;
try_lock_file:
        atomic {
            try_flock(t, KIND(t));
            tried_last = (!granted && (is_last || HAS(ONCE, t)));
            if
            :: !granted && !may_have_moved -> goto failed
            :: else -> may_have_moved = 0
            fi
        }
        skip;
        if  // is_file_at(): lstat
        :: atomic {
            CHECK_PASSES ->
            named = (granted && inode[t] == path);
            if
            :: granted -> goto enter_first
            :: else -> goto failed
            fi
        }
        :: atomic { !(CHECK_PASSES) -> may_have_moved = 0 }
        fi;
        unlock_and_close(t);
        goto try_system_lock;

enter_first:
        skip;
        if
        :: atomic {
            is_free(t) ->
            holds[PROCESS_OF(t)] = 1;
            kind[PROCESS_OF(t)] = KIND(t);
            inode[STATE_FILE(PROCESS_OF(t))] = inode[t];
            locked[STATE_FILE(PROCESS_OF(t))] = locked[t];
            inode[t] = 0;
            locked[t] = unlocked;
            goto acquired
        }
        :: atomic { may_join(t) -> holds[PROCESS_OF(t)]++; named = IS_AT_PATH; goto acquired }
        :: atomic { !is_free(t) && !may_join(t) -> named = 0; tried_last = (is_last || HAS(ONCE, t)) }
        fi;
        unlock_and_close(t);

failed:  // back in run() or wait()
        skip;
        if
        :: atomic { queued && is_last -> goto timed_out }
        :: atomic { queued && !is_last -> goto sleep }
        :: atomic { !queued && HAS(ONCE, t) -> goto timed_out }
        :: atomic { !queued && !HAS(ONCE, t) -> goto wait }
        fi;

sleep:
        atomic {
            granted = 0;
#ifndef BREAK_FORGETS_WAKING
            if
            :: woken[t] -> woken[t] = 0; goto again
            :: else
            fi;
#else
            woken[t] = 0;
#endif
            if
            :: !is_front(t) || !is_free(t) -> goto wait_for_wakeup
            :: else
            fi;
            if
            :: inode[t] == 0 || !has_watched -> goto start_watching
            :: inode[t] != 0 && has_watched && no_watch -> goto without_watch
            :: inode[t] != 0 && has_watched && !no_watch -> on_watch[t] = 1; goto sleep_on_watch
            fi
        }

wait_for_wakeup:
        skip;
        if
        :: atomic { woken[t] -> woken[t] = 0; goto again }
        :: atomic { HAS(DEADLINE, t) -> is_last = 1; woken[t] = 0; goto again }
#ifndef BREAK_ENDLESS_COURTESY
        :: atomic { gives_way -> gives_way = 0; pass_writers(PROCESS_OF(t)); woken[t] = 0; goto again }
#endif
        fi;

start_watching:
        skip;
        if
        :: atomic {  // release_watch::watch: unwatch, take_events
            true ->
            watched[t] = 0;
            hint[t] = 0;
            moved[t] = 0
        }
        fi;
        if
        :: atomic {  // inotify_add_watch; it fails where there is no file
            true ->
            watched[t] = path;
            no_watch = (path == 0 || HAS(NO_WATCH, t))
        }
        fi;
        if
        :: atomic {
            true ->
            has_watched = 1;
            may_have_moved = MOVES;
            woken[t] = 0;
#ifdef BREAK_TRY_BEFORE_WATCH
            if
            :: no_watch -> goto again
            :: else -> on_watch[t] = 1; goto sleep_on_watch
            fi
#else
            goto again
#endif
        }
        fi;

without_watch:  // a short pause, then poll
        skip;
        if
        :: atomic { true -> may_have_moved = MOVES; woken[t] = 0; goto again }
        fi;

sleep_on_watch:
        skip;
        if
        :: atomic {  // release_watch::rest
            must_rest ->
            must_rest = 0;
            may_have_moved = may_have_moved | (moved[t] & MOVES);
            hint[t] = 0;
            moved[t] = 0;
            interrupt[t] = 0
        }
        :: atomic {  // release_watch::wait leaves the events to rest()
            !must_rest && (hint[t] || moved[t] || interrupt[t]) ->
            interrupt[t] = 0;
            must_rest = 1
        }
        :: atomic { !must_rest && POLL -> may_have_moved = MOVES }  // the pause is over
        :: atomic { !must_rest && HAS(DEADLINE, t) -> may_have_moved = MOVES; is_last = 1 }
        fi;
        if
        :: atomic { true -> on_watch[t] = 0; woken[t] = 0; goto again }
        fi;

acquired:
        atomic {
#ifndef WITNESS_ONLY
            assert(named);  // granted on the file that the path names
#endif
            enter_witness(t, KIND(t), inode[STATE_FILE(PROCESS_OF(t))]);
            met = met | (MEET & (1 << t));
            leave_queue(PROCESS_OF(t));
            end_acquisition()
        }
        skip;
        if  // ~acquisition closes its file, if that did not become the process's
        :: atomic { inode[t] == 0 -> goto drop }
        :: atomic { inode[t] != 0 -> unlock_or_report(t) }
        fi;
        close_rest(t);

drop:
        skip;
        if
        :: atomic { HAS(HOLD, t) -> goto done }
        :: atomic {
            !HAS(HOLD, t) && (!HAS(MEET, t) || met == MEET) ->
            leave_witness(t);
            holds[PROCESS_OF(t)]--;
            if
            :: is_free(t) ->
                inode[t] = inode[STATE_FILE(PROCESS_OF(t))];
                locked[t] = locked[STATE_FILE(PROCESS_OF(t))];
                inode[STATE_FILE(PROCESS_OF(t))] = 0;
                locked[STATE_FILE(PROCESS_OF(t))] = unlocked;
                kind[PROCESS_OF(t)] = 0
            :: else -> goto begin
            fi
        }
        fi;
        skip;
        unlock_and_close(t);
#ifndef BREAK_WAKES_NOBODY
        if
        :: atomic { true -> wake_front(PROCESS_OF(t)) }
        fi;
#endif
        goto begin;

timed_out:  // or stopped
        atomic {
            assert(stop[t] || tried_last);  // the last attempt came after the deadline, and it was held by another
            leave_queue(PROCESS_OF(t));
            end_acquisition()
        }
        skip;
        if
        :: atomic { inode[t] == 0 -> goto begin }
        :: atomic { inode[t] != 0 -> unlock_or_report(t) }
        fi;
        close_rest(t);
        goto begin;
done:
        skip
#if CRASH > 0
    } unless {
        dead[PROCESS_OF(t)]
    }
#endif
    ended++
}

// ---- the others ----

#if CRASH > 0
/// Kills processes: their threads stop where they are, then the kernel closes their files, one after the other.
proctype killer() {
    byte k;
    byte file;
    byte victim;
    byte crashes = CRASH;
    do
    :: crashes > 0 ->
        atomic {
            crashes--;
            select(victim : 0 .. PROCS - 1);
            dead[victim] = 1;
            do
            :: k < ALL ->
                if
                :: PROCESS_OF(k) == victim -> leave_witness(k); watched[k] = 0
                :: else
                fi;
                k++
            :: else -> break
            od;
            k = 0;
            file = 0
        }
        do
        :: file < STATE_FILE(PROCS) ->
            if
            :: inode[file] != 0 &&
               ((file < ALL && PROCESS_OF(file) == victim) || file == STATE_FILE(victim)) -> close_locked(file)
            :: else
            fi;
            file++
        :: else -> break
        od;
        atomic { file = 0; victim = 0 }
    :: break
    od;
    ended++
}
#endif

#if STOP > 0
/// named_lock::stoppable(): raises the signal, then wakes whoever waits for the lock and looks at it.
proctype stopper(byte t) {
    byte k;
    stop[t] = 1;
    atomic {
        do
        :: k < ALL && queue[k] == t + 1 -> wake(t); break
        :: k < ALL && queue[k] != t + 1 -> k++
        :: k == ALL -> break
        od;
        k = 0
    }
    ended++
}
#endif

#if FOREIGN > 0
/// Python's filelock or flock(1): what it has locked, it just closes.
proctype foreign() {
    byte k;
    bit granted;
    byte rounds = FOREIGN;
    do
    :: rounds > 0 ->
        rounds--;
        open_path(FOREIGN_FILE);
        try_flock(FOREIGN_FILE, exclusive);
        if
        :: granted ->
            enter_witness(FOREIGN_FILE, exclusive, inode[FOREIGN_FILE]);
            leave_witness(FOREIGN_FILE);
            close_locked(FOREIGN_FILE)
        :: else -> close_file(FOREIGN_FILE)
        fi;
        granted = 0
    :: else -> break
    od;
    ended++
}
#endif

#ifdef BREAK_NLINK_ONLY
#define lose_link(file) unlinked[file] = 1
#else
#define lose_link(file) skip
#endif

/// unlink(2), rename(2) of another file over it, rename(2) away; then inotify reports it.
inline change_path() {
    atomic {
        old = path;
        if
        :: old != 0 -> path = 0; lose_link(old)
        :: path = next_inode; next_inode++; lose_link(old)
        :: old != 0 -> path = 0
        fi
    }
    atomic {
        report(moved[k], old);
        old = 0
    }
}

#if REPLACE > 0
/// Deletes or replaces the file as one may: while it holds the lock, as the last thing it does.
proctype replacer() {
    byte k;
    byte old;
    bit granted;
    byte rounds = REPLACE;
    do
    :: rounds > 0 ->
        rounds--;
        open_path(REPLACE_FILE);
        try_flock(REPLACE_FILE, exclusive);
        if
        :: granted && inode[REPLACE_FILE] == path ->
            enter_witness(REPLACE_FILE, exclusive, inode[REPLACE_FILE]);
            leave_witness(REPLACE_FILE);
            change_path()
        :: else
        fi;
        if
        :: granted -> locked[REPLACE_FILE] = unlocked; close_file(REPLACE_FILE)
        :: else -> close_file(REPLACE_FILE)
        fi;
        granted = 0
    :: else -> break
    od;
    ended++
}
#endif

#if VANDAL > 0
proctype vandal() {
    byte k;
    byte old;
    byte rounds = VANDAL;
    do
    :: rounds > 0 -> rounds--; change_path()
    :: else -> break
    od;
    ended++
}
#endif

#if BACK > 0
proctype putter_back() {
    byte k;
    byte old = path;
    byte other = next_inode;
    d_step { path = other; next_inode++ }
    report(moved[k], old);
    path = old;
    report(moved[k], old);
    report(moved[k], other);
    ended++
}
#endif

#if SWAP > 0
/// The directory is renamed away, and another one takes its place: no event, and the file still has its link.
proctype swapper() {
    byte rounds = SWAP;
    do
    :: rounds > 0 -> d_step { rounds--; path = next_inode; next_inode++ }
    :: else -> break
    od;
    ended++
}
#endif

#if NOISE + LOSS > 0
/// Events that have no cause, and events that get lost.
proctype nature() {
    byte t;
    byte noise = NOISE;
    byte loss = LOSS;
    do
    :: noise > 0 -> atomic { noise--; select(t : 0 .. ALL - 1); hint[t] = (watched[t] != 0 -> 1 : hint[t]); t = 0 }
    :: loss > 0 -> atomic { loss--; select(t : 0 .. ALL - 1); hint[t] = 0; moved[t] = 0; t = 0 }
    :: break
    od;
    ended++
}
#endif

#define ONES(mask) (((mask) & 1) + ((mask) >> 1 & 1) + ((mask) >> 2 & 1) + ((mask) >> 3 & 1))
#define PROGRAMS \
    (ALL + ONES(STOP) + (CRASH > 0) + (FOREIGN > 0) + (REPLACE > 0) + (VANDAL > 0) + (BACK > 0) + (SWAP > 0) + \
     (NOISE + LOSS > 0))

init {
    byte t;
    atomic {
        do
        :: t < ALL ->
            run thread(t);
#if STOP > 0
            if
            :: HAS(STOP, t) -> run stopper(t)
            :: else
            fi;
#endif
            t++
        :: else -> break
        od;
#if KEEPER > 0
        inode[KEEPER_FILE] = path;
        locked[KEEPER_FILE] = exclusive;
#endif
#if CRASH > 0
        run killer();
#endif
#if FOREIGN > 0
        run foreign();
#endif
#if REPLACE > 0
        run replacer();
#endif
#if VANDAL > 0
        run vandal();
#endif
#if BACK > 0
        run putter_back();
#endif
#if SWAP > 0
        run swapper();
#endif
#if NOISE + LOSS > 0
        run nature();
#endif
        t = 0
    }
}

// Everybody comes to an end: nobody sleeps for ever, nobody tries in vain for ever.
#ifdef LIVENESS
ltl all_end { <> (ended == PROGRAMS) }
#endif

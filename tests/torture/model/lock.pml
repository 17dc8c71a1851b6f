// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The protocol of acquisition.hpp, lock_state.hpp and line.hpp, for Spin. docs/proof.md says what it covers and what it
// leaves out; run.sh checks it. Each step names the function that it stands for.
//
// One atomic step is either what a thread does with the mutex of its lock_state locked, between two system calls, or
// one system call. So there is no mutex here. Time is a choice: a deadline may pass wherever it is looked at, a pause
// may end at once or never.
//
// The world:  PROCS processes, the first with THREADS threads, the others with one; each thread acquires ROUNDS times
//             SHARED, DEADLINE, ONCE, STOP    bit t: thread t locks shared, has a deadline, tries once, is to stop
//             HOLD                            bit t: thread t never lets go
//             MEET                            bit t: thread t does not let go before all these are inside
//             FROZEN                          bit t: thread t may be stopped for ever where it sleeps in line
//             COURTESY                        readers let writers that came before go first, for a while
//             KEEP                            lock files stay open between acquisitions
//             REMOVE                          bit t: thread t has remove_on_release
//             LONG                            a release may see somebody who has waited for long
//             ORDER                           nothing in this world excuses that somebody is overtaken
//             WATCH                           bit t: a wait of thread t may last until it watches the file
//             UNREACHABLE                     bit t: other processes cannot ring the bell of thread t
//             DEAF                            bit t: thread t got a bell for its own process only, and watches at once
//             NO_BELL                         bit t: thread t got neither
//             POLL                            pauses while listening end (0: a waiter is woken by others, or never)
//             CRASH                           so many processes may be killed at any moment
//             FOREIGN                         so often another program locks the file, and just closes it
//             STAYS                           or unlocks it, and does not close it
//             KEEPER                          another program has locked the file and never lets go
//             REPLACE                         so often a program that holds the lock deletes or replaces the file
//             VANDAL                          so often one does so that does not hold it
//             BACK                            somebody replaces the file, and then puts the old one back
//             SWAP                            so often the directory is replaced, of which inotify reports nothing
//             CLOSER                          so often the program closes a file that was kept open
//             NOISE                           so many bytes and events come without a cause
//             LOSS                            so many bytes and events get lost
// Breaks it:  the names that begin with BREAK_; run.sh says what each of them means. With WITNESS_ONLY only those who
//             are inside count, not which file they hold

#ifndef PROCS
#define PROCS 2
#endif
#ifndef THREADS
#define THREADS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef LONG
#define LONG 0
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
#ifndef FROZEN
#define FROZEN 0
#endif
#ifndef WATCH
#define WATCH 0
#endif
#ifndef REMOVE
#define REMOVE 0
#endif
#ifndef UNREACHABLE
#define UNREACHABLE 0
#endif
#ifndef DEAF
#define DEAF 0
#endif
#ifndef NO_BELL
#define NO_BELL 0
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
#ifndef CLOSER
#define CLOSER 0
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

#define ALL (PROCS + THREADS - 1)
#define GIVEN_FILE(t) (ALL + (t))      // what thread t has taken out of lock_state::file_ to release it
#define STATE_FILE(p) (2 * ALL + (p))  // lock_state::file_ of process p
#define IDLE_FILE(p) (2 * ALL + PROCS + (p))  // lock_state::idle_file_
#define FOREIGN_FILE (2 * ALL + 2 * PROCS)
#define REPLACE_FILE (FOREIGN_FILE + 1)
#define KEEPER_FILE (FOREIGN_FILE + 2)
#define FILES (FOREIGN_FILE + 3)
#define PROCESS_OF(t) ((t) < THREADS -> 0 : (t) - THREADS + 1)
#define PLACES(p) ((p) == 0 -> 0 : (p) + THREADS - 1)  // of its threads in the queue
#define HAS(mask, t) (((mask) >> (t)) & 1)
#define KIND(t) (HAS(SHARED, t) -> shared : exclusive)
#define GOES(t) (HAS(REMOVE & ~(SHARED), t))  // lock_state::goes_, while thread t has the only hold
#define unlocked 0
#define shared 1
#define exclusive 2
#define either 3

// ---- the file system ----

byte path = 1;         // the inode that the path names; 0: none
byte next_inode = 2;
byte inode[FILES];     // of an open file description; 0: it is closed. File t is acquisition::file_ of thread t
byte locked[FILES];    // what flock(2) has granted to it
bit gone[FILES];       // the program has closed it, and the library does not know
#ifdef BREAK_NLINK_ONLY
bit unlinked[8];       // st_nlink == 0
#endif
byte line[ALL];        // the marks as t + 1, in the order in which they were set; that of thread t is on file t
byte watched[ALL];     // the inode that thread t watches
bit hint[ALL];         // IN_CLOSE waits to be read
bit moved[ALL];        // IN_ATTRIB, IN_MOVE_SELF or IN_DELETE_SELF does
bit bell[ALL];         // a byte does

// ---- the processes ----

byte came[ALL];        // those who acquire as t + 1, in the order of acquisition::since_
byte queue[ALL];       // lock_state::first_ and its successors, as t + 1, each process at its PLACES
byte holds[PROCS];     // lock_state::holds_
byte kind[PROCS];      // lock_state::kind_
bit saw_waiter[PROCS]; // lock_state::gives_way()
bit woken[ALL];        // waiter::woken
bit on_bell[ALL];      // waiter::watch is set
byte in_line[ALL];     // waiter::stands_in_line: of which inode
bit dead[PROCS];
bit stop[ALL];         // stop_signal::raised_

// ---- the witness: who is inside ----

byte inside[FILES];    // by the number of the thread, or of the file of another program
byte inside_file[FILES];
byte owes[PROCS];      // whom its last release saw waiting, as t + 1, until that one has left the line
byte met;              // bits of those that were inside
byte ended;            // programs and threads that have nothing more to do

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

inline move_file(from, to) {
    inode[to] = inode[from];
    locked[to] = locked[from];
    gone[to] = gone[from];
    inode[from] = 0;
    locked[from] = unlocked;
    gone[from] = 0
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

#ifdef BREAK_NLINK_ONLY
#define lose_link(file) unlinked[file] = 1
#else
#define lose_link(file) skip
#endif

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

// ---- lists of threads, as t + 1; `place` is list[k] ----

inline append(place, who) {
    d_step {
        k = 0;
        do
        :: place != 0 -> k++
        :: else -> place = who + 1; k = 0; break
        od
    }
}

/// No effect if it is not in the list.
inline strike(place, next_place, who) {
    d_step {
        k = 0;
        do
        :: k < ALL && place != who + 1 -> k++
        :: else -> break
        od;
        do
        :: k + 1 < ALL -> place = next_place; k++
        :: k + 1 == ALL -> place = 0; break
        :: k >= ALL -> break
        od;
        k = 0
    }
}

// ---- the line ----

/// leave_line(), or what the kernel does to a file that is closed.
inline unmark(who) {
    atomic {
        strike(line[k], line[k + 1], who);
        d_step {
            do
            :: k < PROCS -> owes[k] = (owes[k] == who + 1 -> 0 : owes[k]); k++
            :: else -> break
            od;
            k = 0
        }
    }
}

/// look_at_line(): `seen` is the first one, or 0. `self` does not see its own mark. `part` is its writers, or all.
inline look(number, self, part) {
    d_step {
        seen = 0;
        k = 0;
        do
        :: k < ALL && line[k] != 0 && seen == 0 ->
            if
            :: line[k] != self + 1 && inode[line[k] - 1] == number && (part == either || KIND(line[k] - 1) == part) ->
                seen = line[k]
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0
    }
}

/// line_place::came_before() for those two, as t + 1, of whom at least one is still there.
inline compare(one, two) {
    d_step {
        k = 0;
        do
        :: came[k] == one -> before = 1; break
        :: came[k] == two -> before = 0; break
        :: else -> k++
        od;
        k = 0
    }
}

/// The look of a release. The witness: whom it saw, if that one has waited for long.
inline look_for_next() {
    atomic {
        look(inode[GIVEN_FILE(t)], ALL, either);
        if
        :: saw_waiter[PROCESS_OF(t)] = 0; owes[PROCESS_OF(t)] = 0
        :: LONG && seen != 0 -> saw_waiter[PROCESS_OF(t)] = 1; owes[PROCESS_OF(t)] = seen
        fi
    }
}

/// remove_locked_file() of the last exclusive hold; inotify reports the link that is gone, and then the close.
inline remove_given_file() {
    if
    :: atomic { GOES(t) -> fits = (inode[GIVEN_FILE(t)] == path) }  // identity_at()
    :: atomic { !GOES(t) -> goto removed }
    fi;
    if
    :: atomic { fits -> fits = 0; other = path; path = 0; lose_link(other) }  // unlink(2)
    :: atomic { !fits -> goto removed }
    fi;
    report(moved[k], other);
removed:
    skip
}

/// acquisition::look_at_line()
inline look_and_compare() {
    d_step {
        look(inode[t], t, either);
        same = (first == seen);
        first = seen;
#ifdef BREAK_READS_AGAIN
        is_first = (seen == 0);
#else
        if
        :: seen == 0 || !has_place -> is_first = 1
        :: else -> compare(t + 1, seen); is_first = before; before = 0
        fi;
#endif
        seen = 0
    }
}

/// lock_file::writer_came_before() for a file of that inode; `before` says it.
inline look_for_writer(number) {
    d_step {
        look(number, t, exclusive);
        if
        :: seen == 0 -> before = 0
        :: else -> compare(seen, t + 1)
        fi;
        seen = 0
    }
}

#ifdef ORDER
inline look_whether_in_line() {
    d_step {
        do
        :: k < ALL -> before = before | (line[k] == seen); k++
        :: else -> break
        od;
        k = 0
    }
}
#endif

/// voice::call() for `seen`. The socket of a process that is killed may be closed before or after its mark goes.
inline call() {
    if
    :: seen != 0 && dead[PROCESS_OF(seen - 1)] -> reached = 0
    :: seen != 0 && dead[PROCESS_OF(seen - 1)] -> reached = 1
    :: seen != 0 && HAS(UNREACHABLE | DEAF | NO_BELL, seen - 1) -> reached = 0
    :: seen != 0 && !dead[PROCESS_OF(seen - 1)] && !HAS(UNREACHABLE | DEAF | NO_BELL, seen - 1) ->
#ifdef ORDER
        look_whether_in_line();
        bell[seen - 1] = bell[seen - 1] | before;  // but for a byte that comes too late
        before = 0;
#else
        bell[seen - 1] = 1;
#endif
        reached = 1
    :: seen == 0 -> reached = 1
    fi;
    seen = 0
}

// ---- lock_state ----

#define FIRST(p) queue[PLACES(p)]
#define is_front(t) (FIRST(PROCESS_OF(t)) == t + 1)
#define is_free(t) (holds[PROCESS_OF(t)] == 0)

// enter_again() for another thread, before it looks whether the file is the path's
#define both_shared(t) (!is_free(t) && kind[PROCESS_OF(t)] == shared && KIND(t) == shared)

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
#define may_join(t) (both_shared(t) && !(gives_way && writer_waits(PROCESS_OF(t))))

/// waiter::wake()
inline wake(w) {
    if
    :: !woken[w] -> woken[w] = 1; bell[w] = bell[w] | on_bell[w]
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

/// What courtesy is over for, in step().
inline end_courtesy() {
    gives_way = 0;
    is_due = 1;
    pass_writers(PROCESS_OF(t))
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
#ifndef BREAK_LEAVES_QUEUE_SILENTLY
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

// is_file_at()
#if defined(BREAK_NO_RECHECK)
#define CHECK_PASSES true
#elif defined(BREAK_NLINK_ONLY)
#define CHECK_PASSES (!unlinked[inode[t]])
#else
#define CHECK_PASSES (inode[t] == path)
#endif
#ifdef BREAK_JOINS_REPLACED
#define JOIN_FITS true
#else
#define JOIN_FITS (inode[STATE_FILE(PROCESS_OF(t))] == path)
#endif

// Whether a waiter believes that the file may have moved.
#ifdef BREAK_NEVER_MOVES
#define MOVES 0
#else
#define MOVES 1
#endif

// Where join, release and give_up go on.
#define arriving 0
#define stepping 1
#define entering 2
#define waiting 3
#define ending 4
#define reopening 5

// ---- acquisition ----

proctype thread(byte t) {
    byte k;            // always 0 between steps
    byte rounds = ROUNDS;
    bit queued;        // self_
    bit gives_way;     // gives_way_: to writers
    bit yields;        // attempt(): gives_way, to all
    bit is_due;        // is_due_
    bit in_doubt;      // in_doubt_
    bit stands;        // is_in_line_
    bit is_first;      // is_first_
    bit must_look;     // must_look_
    byte first;        // first_, as t + 1
    bit same;          // as at the look before
    bit is_last;       // the deadline has passed
    bit tries;         // attempt()
    bit granted;       // try_flock
    bit has_place;     // lock_file::place_
    bit lasted;         // this wait has lasted until it watches
    bit was_front;     // leave_queue
    bit before;        // compare
    byte seen;         // look
    bit reached;       // call
    bit fits;          // join
    bit got;           // how the acquisition ends
    byte then;         // where join or release go on
    byte next;         // where give_up goes on
    byte event;        // what ends the sleep in line: 1 hint, 2 called, 3 moved, 0 the end of a pause
    byte passed;       // pass_writers, always 0 between steps, as is
    byte other;
    bit named;         // the witness: the path named the file at a moment in which it was locked
    bit current;       // the witness: the path named the file that was tried, at some moment since the call
    bit tried_last;    // the witness: somebody else held it at the last attempt

#if CRASH > 0
    {
        skip;  // a block cannot begin with a label
#endif
begin:
        atomic {
            if
            :: rounds == 0 -> goto done
            :: else -> rounds--
            fi;
            if
            :: stop[t] -> goto begin
            :: else
            fi;
            // arrive()
#ifdef COURTESY
            gives_way = (KIND(t) == shared);
#endif
            is_due = 1;
            if
            :: may_join(t) -> then = arriving; goto join
            :: else
            fi;
arrived:
            append(came[k], t);
            if
            :: is_free(t) -> tries = 1; goto attempt  // nobody waits, or may_overtake()
            :: FIRST(PROCESS_OF(t)) != 0 && !HAS(ONCE, t) -> goto enqueue
            :: !is_free(t) && HAS(ONCE, t) -> tried_last = 1; current = 1; goto depart
            :: !is_free(t) && !HAS(ONCE, t) -> goto enqueue
            fi;
enqueue:
            k = PLACES(PROCESS_OF(t));
            do
            :: queue[k] != 0 -> k++
            :: else -> queue[k] = t + 1; k = 0; break
            od;
            queued = 1;
step:
            if
            :: stop[t] -> goto depart
            :: !stop[t] && HAS(DEADLINE, t) -> is_last = 1  // has passed, and was not noticed before
            :: !stop[t]
            fi;
#ifdef BREAK_NO_LAST_TRY
            if
            :: is_last -> goto depart
            :: else
            fi;
#endif
            if
            :: (is_front(t) || is_last) && may_join(t) -> then = stepping; goto join
            :: else
            fi;
stepped:
            if
            :: is_front(t) || is_last ->
                tries = ((is_due || is_last) && is_free(t));
                if
                :: is_last && !is_free(t) -> tried_last = 1; current = 1
                :: else
                fi;
                if
                :: (is_due || is_last || in_doubt) && (is_free(t) || in_doubt) && (tries || inode[t] != 0) ->
                    is_due = 0;
                    goto attempt
                :: else -> is_due = 0
                fi
            :: else
            fi;
place:  // the end of step()
            if
            :: is_last -> goto depart
            :: !is_last && !is_front(t) && inode[t] != 0 -> next = waiting; goto give_up
            :: !is_last && !is_front(t) && inode[t] == 0 -> goto wait_for_turn
            :: !is_last && is_front(t) && !stands -> goto stand_in_line
            :: else
            fi;
            // in_line()
            if
            :: is_due -> goto step
            :: must_look -> goto look_again
            :: !is_due && !must_look && lasted && watched[t] == 0 -> goto start_watching
            :: else
            fi;
            if  // sleep()
#ifdef BREAK_FORGETS_WAKING
            :: woken[t] -> woken[t] = 0; on_bell[t] = !HAS(NO_BELL, t); goto sleep_in_line
#else
            :: woken[t] -> woken[t] = 0; is_due = 1; goto step
#endif
            :: else -> on_bell[t] = !HAS(NO_BELL, t); goto sleep_in_line
            fi;

attempt:
#ifdef BREAK_YIELDS_IN_LINE
            yields = (!HAS(ONCE, t) && saw_waiter[PROCESS_OF(t)]);
#elif defined(BREAK_NEVER_YIELDS)
            yields = 0;
#else
            yields = (!HAS(ONCE, t) && saw_waiter[PROCESS_OF(t)] && !stands && !is_last);
#endif
            if
            :: inode[t] == 0 && inode[IDLE_FILE(PROCESS_OF(t))] != 0 ->
                move_file(IDLE_FILE(PROCESS_OF(t)), t);
#ifndef BREAK_TRUSTS_IDLE
                in_doubt = 1;
#endif
#if CLOSER > 0 && !defined(BREAK_NEVER_FORGETS)
                goto look_at_idle;
#endif
            :: else
            fi;
            goto try_system_lock
        }

#if CLOSER > 0 && !defined(BREAK_NEVER_FORGETS)
look_at_idle:  // forget_if_closed(): fstat
        atomic {
            if
            :: gone[t] -> gone[t] = 0; inode[t] = 0
            :: else
            fi
        }
        goto try_system_lock;
#endif

wait_for_turn:
        atomic {
            is_due = 1;
            if
            :: woken[t] -> woken[t] = 0; goto step
            :: else
            fi
        }
        if
        :: atomic { woken[t] -> woken[t] = 0; goto step }
        :: atomic { HAS(DEADLINE, t) -> is_last = 1; woken[t] = 0; goto step }
#ifndef BREAK_ENDLESS_COURTESY
        :: atomic { gives_way -> end_courtesy(); woken[t] = 0; goto step }
#endif
        fi;

// ---- in line ----

stand_in_line:  // at_front()
        atomic {
            if
            :: inode[t] == 0 -> open_path(t); current = 1
            :: else -> goto mark
            fi
        }
        skip;
mark:
        atomic { append(line[k], t); has_place = 1 }
#if DEAF > 0
        atomic {
            if
            :: HAS(DEAF, t) -> watched[t] = path; in_doubt = MOVES
            :: else
            fi
        }
#endif
        look_and_compare();
        atomic {
            stands = 1;
#ifdef BREAK_TRUSTS_LINE
            in_line[t] = inode[t];
#else
            in_line[t] = (HAS(DEAF | NO_BELL, t) -> 0 : inode[t]);
#endif
#ifdef BREAK_MARKS_LATE
            is_due = 0;
#else
            is_due = is_first;
#endif
            goto step
        }

look_again:
        look_and_compare();
        must_look = 0;
        goto place;

start_watching:
        atomic {  // inotify_add_watch; it fails where there is no file
            lasted = 0;
            watched[t] = path;
            hint[t] = 0;
            moved[t] = 0;
            in_doubt = MOVES
        }
        look_and_compare();
        is_due = is_first;
        goto step;

sleep_in_line:
        if
        :: atomic {  // release_watch::wait
            !HAS(NO_BELL, t) && (bell[t] || hint[t] || moved[t]) ->
            if
            :: moved[t] -> event = 3
#ifdef BREAK_HINT_HIDES_CALL
            :: !moved[t] && hint[t] -> event = 1
            :: !moved[t] && !hint[t] -> event = 2
#else
            :: !moved[t] && bell[t] -> event = 2
            :: !moved[t] && !bell[t] -> event = 1
#endif
            fi;
            bell[t] = 0;
            hint[t] = 0;
            moved[t] = 0
        }
        :: atomic { HAS(NO_BELL, t) && woken[t] -> event = 0 }  // its condition variable
        :: atomic { POLL -> event = 0 }
        :: atomic { HAS(DEADLINE, t) -> event = 0; is_last = 1 }
        :: atomic { HAS(WATCH, t) && watched[t] == 0 && !lasted -> event = 0; lasted = 1 }
#ifndef BREAK_ENDLESS_COURTESY
        :: atomic { gives_way -> event = 4 }
#endif
        :: atomic { HAS(FROZEN, t) -> goto done }
        fi;
        atomic {  // hear()
            in_doubt = in_doubt | ((event != 1 && event != 2) & MOVES);
            if
            :: event == 2 || event == 3 -> is_due = 1; must_look = 1
            :: else -> look_and_compare(); is_due = (is_first || (event != 1 && same))
            fi
        }
        atomic {
            on_bell[t] = 0;
            same = 0;
            if
            :: event == 4 -> end_courtesy()
            :: else
            fi;
            event = 0;
            if
            :: woken[t] -> woken[t] = 0; is_due = 1
            :: else
            fi;
            goto step
        }

// ---- attempt() ----

try_system_lock:
        atomic {
            if
            :: inode[t] != 0 && yields -> goto yield
            :: inode[t] != 0 && !yields && !tries -> granted = 0; goto tried
            :: inode[t] != 0 && !yields && tries && gives_way -> goto let_writers_pass
            :: inode[t] != 0 && !yields && tries && !gives_way -> goto try_lock_file
            :: inode[t] == 0 -> open_path(t); current = 1
            fi
        }
        goto try_system_lock;

yield:
        atomic {
            yields = 0;
            look(inode[t], t, either);
            if
            :: seen != 0 ->
                seen = 0;
                is_due = 0;
                goto failed
            :: else
            fi
        }
        goto try_system_lock;

let_writers_pass:
        atomic {
            look_for_writer(inode[t]);
            if
            :: before -> before = 0
            :: else -> goto try_lock_file
            fi
        }
        atomic {  // try_lock_shared_if_free()
            try_flock(t, exclusive);
            if
            :: !granted -> goto tried
            :: else
            fi
        }
        locked[t] = unlocked;
try_lock_file:
        atomic {
            if
            :: gone[t] -> granted = 1  // of a file of the program's
            :: else -> try_flock(t, KIND(t))
            fi;
tried:
            tried_last = ((tries && !granted && (is_last || HAS(ONCE, t))) | (tried_last & !tries));
            if
            :: !granted && !in_doubt -> goto failed
            :: else -> in_doubt = 0
            fi
        }
        atomic {  // is_file_at(): lstat
            if
            :: CHECK_PASSES ->
                named = (granted && inode[t] == path);
                current = current | (inode[t] == path);
                if
                :: granted && has_place -> stands = 0; goto leave_line
                :: granted && !has_place -> stands = 0; goto pass_on
                :: !granted -> goto failed
                fi
            :: else -> watched[t] = 0; tries = 1; next = reopening; goto give_up
            fi
        }

leave_line:
        atomic {
#if defined(ORDER) && ROUNDS == 1
            look(inode[t], ALL, either);  // the first in line, or before the first
            compare(t + 1, seen);
            assert(seen == t + 1 || before);
            seen = 0;
            before = 0;
#endif
            has_place = 0;
            unmark(t);
pass_on:
#ifndef BREAK_READERS_PASS_NOTHING
            if
            :: KIND(t) == shared -> goto pass_to_reader
            :: else
            fi;
#endif
            goto enter_first
        }

#ifndef BREAK_READERS_PASS_NOTHING
pass_to_reader:
        atomic {
            look(inode[t], t, either);
            if
            :: seen != 0 && KIND(seen - 1) == shared
            :: else -> seen = 0; goto enter_first
            fi
        }
        atomic { call() ; reached = 0 }
#endif
enter_first:
        atomic {
            in_line[t] = 0;
            if
            :: is_free(t) ->
                holds[PROCESS_OF(t)] = 1;
                kind[PROCESS_OF(t)] = KIND(t);
                move_file(t, STATE_FILE(PROCESS_OF(t)));
                goto acquired
            :: both_shared(t) -> then = entering; goto join
            :: else
            fi
        }
entered:  // not: another thread was faster
        atomic {
            named = 0;
            tried_last = (is_last || HAS(ONCE, t));
            next = entering;
            goto give_up
        }

failed:  // the end of attempt()
        atomic {
            granted = 0;
            named = 0;
            in_line[t] = (stands -> in_line[t] : 0);
            if
            :: queued -> goto place
            :: !queued && HAS(ONCE, t) -> goto depart
            :: !queued && !HAS(ONCE, t) -> goto enqueue
            fi
        }

// ---- join(): enter_again() beside shared holds ----

join:
        atomic { holds[PROCESS_OF(t)]++ }
        atomic {
            fits = JOIN_FITS;
            named = (inode[STATE_FILE(PROCESS_OF(t))] == path);
            if
            :: fits && gives_way && then != entering
            :: else -> goto joined
            fi
        }
        atomic {
            look_for_writer(inode[STATE_FILE(PROCESS_OF(t))]);
            fits = !before;
            before = 0
        }
joined:
        atomic {
            if
            :: fits -> fits = 0; goto acquired
            :: else -> named = 0; holds[PROCESS_OF(t)]--
            fi;
            if
            :: is_free(t) ->
                kind[PROCESS_OF(t)] = unlocked;
                move_file(STATE_FILE(PROCESS_OF(t)), GIVEN_FILE(t));
                goto release
            :: else -> goto released
            fi
        }

// ---- drop(): the last hold gives up GIVEN_FILE(t) ----

release:
#if REMOVE > 0 && !defined(BREAK_REMOVES_LATE)
        remove_given_file();
#endif
#ifdef BREAK_LOOKS_BEFORE_UNLOCK
        look_for_next();
#endif
        atomic {
            other = inode[GIVEN_FILE(t)];
            locked[GIVEN_FILE(t)] = unlocked
        }
#if REMOVE > 0 && defined(BREAK_REMOVES_LATE)
        remove_given_file();
#endif
#ifndef BREAK_LOOKS_BEFORE_UNLOCK
        look_for_next();
#endif
#ifdef BREAK_CALLS_NOBODY
        seen = 0;
#endif
        if
        :: atomic { seen != 0 -> call() }
        :: atomic { seen == 0 -> reached = 1; goto was_heard }
        fi;
#ifndef BREAK_KEEPS_UNHEARD
        if
        :: atomic { !reached -> close_file(GIVEN_FILE(t)) }
        :: atomic { reached -> goto was_heard }
        fi;
#endif
was_heard:
        atomic {
#ifdef KEEP
            if
            :: inode[GIVEN_FILE(t)] != 0 && inode[IDLE_FILE(PROCESS_OF(t))] == 0 && !GOES(t) ->
                move_file(GIVEN_FILE(t), IDLE_FILE(PROCESS_OF(t)))
            :: else
            fi;
#endif
#ifndef BREAK_WAKES_NOBODY
            if
#ifdef BREAK_TRUSTS_OTHER_LINES
            :: FIRST(PROCESS_OF(t)) != 0 && in_line[FIRST(PROCESS_OF(t)) - 1] == 0 -> wake(FIRST(PROCESS_OF(t)) - 1)
#else
            :: FIRST(PROCESS_OF(t)) != 0 && in_line[FIRST(PROCESS_OF(t)) - 1] != other -> wake(FIRST(PROCESS_OF(t)) - 1)
#endif
            :: else
            fi;
#endif
            other = 0;
            if
            :: inode[GIVEN_FILE(t)] == 0 -> goto released
            :: else
            fi
        }
        close_file(GIVEN_FILE(t));
released:
        atomic {
            reached = 0;
            if
            :: then == arriving && !got -> goto arrived
            :: then == stepping -> then = arriving; goto stepped
            :: then == entering -> then = arriving; goto entered
            :: then == ending -> then = arriving; goto begin
            fi
        }

// ---- give_up_turn(), and what becomes of the file ----

give_up:
        atomic {
            stands = 0;
            if
            :: inode[t] == 0 -> goto given_up
            :: inode[t] != 0 && has_place -> goto leave_place
            :: inode[t] != 0 && !has_place && locked[t] != unlocked -> goto unlock
            :: else -> reached = 1; goto close_or_keep
            fi
        }
leave_place:
        atomic {
            has_place = 0;
            unmark(t);
            if
            :: locked[t] == unlocked -> goto pass_turn
            :: else
            fi
        }
unlock:
        locked[t] = unlocked;
pass_turn:
#ifdef BREAK_LEAVES_LINE_SILENTLY
        reached = 1;
#else
        atomic {
            look(inode[t], ALL, either);
            if
            :: seen == 0 -> reached = 1; goto close_or_keep
            :: else
            fi
        }
        atomic { call() }
#endif
close_or_keep:
        atomic {
            in_line[t] = 0;
#ifdef BREAK_LEAVES_UNHEARD
            reached = 1;
#endif
            if
            :: next != reopening -> watched[t] = 0; hint[t] = 0; moved[t] = 0
            :: else
            fi;
#ifdef KEEP
            if
            :: (next == waiting || next == ending) && reached && inode[IDLE_FILE(PROCESS_OF(t))] == 0 ->
                move_file(t, IDLE_FILE(PROCESS_OF(t)))
            :: else
            fi;
#endif
            reached = 0;
            if
            :: inode[t] == 0 -> goto given_up
            :: else
            fi
        }
        close_file(t);
given_up:
        atomic {
            if
            :: next == waiting -> next = 0; goto wait_for_turn
            :: next == ending -> next = 0; goto departed
            :: next == reopening -> next = 0; goto try_system_lock
            :: next == entering -> next = 0; goto failed
            fi
        }

// ---- the end ----

acquired:
        atomic {
#ifndef WITNESS_ONLY
            assert(named);  // granted on the file that the path names
#endif
#ifdef ORDER
            assert(owes[PROCESS_OF(t)] == 0 || HAS(ONCE, t));  // not before who waited when it let go
#endif
            enter_witness(t, KIND(t), inode[STATE_FILE(PROCESS_OF(t))]);
            met = met | (MEET & (1 << t));
            got = 1
        }
depart:  // granted, timed out or cancelled
        atomic {
            assert(got || stop[t] || tried_last);  // the last attempt came after the deadline, and others held it
            assert(got || stop[t] || current);     // and what they held was the file of the path
            next = ending;
            goto give_up
        }
departed:
        atomic {
            leave_queue(PROCESS_OF(t));
            strike(came[k], came[k + 1], t);
            watched[t] = 0;
            hint[t] = 0;
            moved[t] = 0;
            bell[t] = 0;
            in_line[t] = 0;
            gives_way = 0;
            is_due = 0;
            in_doubt = 0;
            stands = 0;
            is_first = 0;
            must_look = 0;
            first = 0;
            same = 0;
            is_last = 0;
            tries = 0;
            granted = 0;
            lasted = 0;
            then = arriving;
            named = 0;
            current = 0;
            tried_last = 0;
            if
            :: !got -> goto begin
            :: else
            fi
        }
        skip;
        if
        :: atomic { HAS(HOLD, t) -> goto done }
        :: atomic {
            !HAS(HOLD, t) && (!HAS(MEET, t) || met == MEET) ->
            got = 0;
            leave_witness(t);
            holds[PROCESS_OF(t)]--;
            if
            :: is_free(t) ->
                kind[PROCESS_OF(t)] = unlocked;
                move_file(STATE_FILE(PROCESS_OF(t)), GIVEN_FILE(t));
                then = ending;
                goto release
            :: else -> goto begin
            fi
        }
        fi;
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
        :: file < FOREIGN_FILE ->
            if
            :: inode[file] != 0 &&
               ((file < ALL && PROCESS_OF(file) == victim) ||
                (file >= ALL && file < 2 * ALL && PROCESS_OF(file - ALL) == victim) || file == STATE_FILE(victim) ||
                file == IDLE_FILE(victim)) ->
                report(hint[k], inode[file]);
                atomic {
                    locked[file] = unlocked;
                    inode[file] = 0;
                    if
                    :: file < ALL -> unmark(file)
                    :: else
                    fi
                }
            :: else
            fi;
            file++
        :: else -> break
        od;
        atomic {
            file = 0;
            do
            :: file < ALL ->
                if
                :: PROCESS_OF(file) == victim -> strike(came[k], came[k + 1], file)
                :: else
                fi;
                file++
            :: else -> break
            od;
            file = 0;
            victim = 0
        }
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

#if CLOSER > 0
/// closefrom(3) by a program that does not know what it closes.
proctype closer() {
    byte k;
    byte p;
    byte times = CLOSER;
    do
    :: times > 0 ->
        times--;
        atomic {
            select(p : 0 .. PROCS - 1);
            if
            :: inode[IDLE_FILE(p)] != 0 && !gone[IDLE_FILE(p)] ->
                gone[IDLE_FILE(p)] = 1;
                report(hint[k], inode[IDLE_FILE(p)])
            :: else
            fi;
            p = 0
        }
    :: break
    od;
    ended++
}
#endif

#if FOREIGN > 0
/// Python's filelock or flock(1): what it has locked, it just closes. Java and flock -u unlock, and stay open.
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
#ifdef STAYS
            locked[FOREIGN_FILE] = unlocked
#else
            close_locked(FOREIGN_FILE)
#endif
        :: else -> close_file(FOREIGN_FILE)
        fi;
        granted = 0
    :: else -> break
    od;
    ended++
}
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
/// Bytes and events that have no cause, and those that get lost.
proctype nature() {
    byte t;
    byte noise = NOISE;
    byte loss = LOSS;
    do
    :: noise > 0 -> atomic { noise--; select(t : 0 .. ALL - 1); 
        if
        :: watched[t] != 0 -> hint[t] = 1
        :: bell[t] = 1
        fi;
        t = 0 }
    :: loss > 0 -> atomic { loss--; select(t : 0 .. ALL - 1); hint[t] = 0; moved[t] = 0; bell[t] = 0; t = 0 }
    :: break
    od;
    ended++
}
#endif

#define ONES(mask) (((mask) & 1) + ((mask) >> 1 & 1) + ((mask) >> 2 & 1) + ((mask) >> 3 & 1))
#define PROGRAMS \
    (ALL + ONES(STOP) + (CRASH > 0) + (CLOSER > 0) + (FOREIGN > 0) + (REPLACE > 0) + (VANDAL > 0) + (BACK > 0) + \
     (SWAP > 0) + (NOISE + LOSS > 0))

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
#if CLOSER > 0
        run closer();
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

// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The seam. Everything that differs between systems is behind these names, and this file alone chooses who supplies
// them; a new system is a new set of files. The portable code calls:
//
//   file_handle                                  an open lock file: owning, movable, false when it holds none
//   open_lock_file(path, creation)               opens it, or creates it, with its directories if it may; empty: somebody
//                                                keeps others from opening it; throws lock_error
//   try_lock_file(file, kind, method, path)      one attempt: false only when somebody else holds it; else throws
//   unlock_file(file, method)                    false: the file must be closed, which unlocks it, too
//   is_intact(file)                              is it still what was opened, after it was left alone for a while?
//   can_tell_intact(file)                        can it be told?
//   file_identity                                which file it is, whatever path leads to it: file.identity(). They have an
//                                                order; is_told() is false for file_identity{}
//   identity_at(path)                            of the file that the path names now; opens none; not told: there is none
//   is_file_at(file, path)                       is it the file that the path names now? throws lock_error
//   check_identities(path)                       for a file that never is: throws lock_error if the system cannot tell
//   remove_locked_file(file, path)               while it is locked, if the path names it
//   remove_released_file(path)                   after it was closed; false: it stays. One of the two does nothing
//   has_line(file, method)                       whether waiters of other processes stand in a line for it, see below
//   party_at(path, method, detail)               who holds it and who waits, as far as that can be told
//   party_look{}.at(path)                        the same, by whichever method, and whether it is held; one look for many
//   hold_otherwise(path)                         while it is locked here: a hold by the other method as well if the two do not
//                                                exclude each other; nothing: somebody waits, or has locked it so
//   is_granted_at(path, kind)                    where nobody tells who holds a lock
//   release_watch                                wakes a waiter when the file is closed, moved or deleted, see below
//   cancellation_shield                          an object that keeps pthread_cancel() off its thread
//   cancellation_event                           set by a signal handler or any thread, see below
//   absolute_path(path, error)                   as the working directory makes it
//   canonical_directory(path, error)             the one name of an absolute path, as far as it exists
//   append_utf8(path, name)                      to a native path, a name in UTF-8
//   NAMED_LOCK_ONE_PER_PROCESS                   on what several shared libraries of a process must have in common
//   NAMED_LOCK_OUT_OF_LINE                       on what many places call: a user's program pays for copies
//   fork_generation()                            grows by one in each forked child; a plain load
//   install_fork_handlers(in_child)              once; `in_child` runs in each forked child before fork() returns there
//
// The line of a lock file tells its waiters in all processes apart, so that a release wakes one of them: whoever came
// first. Where there is none, nobody stands in it, and a release wakes whoever watches:
//
//   stand_in_line(file, place)       false: refused
//   leave_line(file, place)
//   look_at_line(file)               the first of the others
//   writer_came_before(file, since)  whether a writer waits that came earlier
//   call_first(file, kind)           wakes the first of the others, if it waits for `kind` or less
//   line_memory                      whom a process has called to one file; call(view, file, now), after an unlock, calls
//                                    the first, and those behind who do not come; false: close the file to be heard
//
//   mark_waiting_writer(file)        where there is no line: tells readers elsewhere that a writer waits, until the file
//   has_waiting_writer(file)         is closed, and whether one does; may do nothing and tell nothing
//
// A release_watch is used by one waiting thread at a time and may be used again for another file:
//
//   release_watch::open()            null when the system has none (left): the waiter then polls
//   address()                        where the line calls its waiter; no_address where it cannot
//   watch(file, path), unwatch()     starts and ends watching; watch is false when that file cannot be watched
//   is_watching()
//   wait(longest, stop)              sleeps until it is called, something happens to the file, interrupt(), `longest` is
//                                    over, or `stop` is set, a cancellation_event or null; see watch_event
//   keep_above(file)                 may give the open file another descriptor, for what a kill does; may do nothing
//   use_turn()                       the lock was granted, so that its release will wake the next one
//   interrupt()                      ends a wait, also the next one if none is going on; from any thread
//   is_usable()                      false: not by another waiter; in a forked child, whose parent goes on using it, for one
//   start_afresh_in_child()          in each forked child, before fork() returns there
//   next_idle                        a pointer for the registry
//
// A cancellation_event stays set until it is reset:
//
//   set()                            async-signal-safe; nothing in a forked child
//   reset()
//   is_usable()                      false: nobody can sleep on it; in a forked child, for one
//   wait(longest)                    sleeps until it is set or `longest` is over; may return early
#pragma once

#if defined(_WIN32)
#include <named_lock/detail/none/holders.hpp>
#include <named_lock/detail/none/line.hpp>
#include <named_lock/detail/windows/cancellation_event.hpp>
#include <named_lock/detail/windows/file.hpp>
#include <named_lock/detail/windows/release_watch.hpp>
#else
#include <named_lock/detail/posix/file.hpp>
#if defined(__linux__)
#include <named_lock/detail/linux/cancellation_event.hpp>
#include <named_lock/detail/linux/holders.hpp>
#include <named_lock/detail/linux/line.hpp>
#include <named_lock/detail/linux/release_watch.hpp>
#elif defined(__APPLE__) || defined(__FreeBSD__)
#include <named_lock/detail/bsd/cancellation_event.hpp>
#include <named_lock/detail/bsd/release_watch.hpp>
#include <named_lock/detail/none/holders.hpp>
#include <named_lock/detail/none/line.hpp>
#else
#include <named_lock/detail/none/cancellation_event.hpp>
#include <named_lock/detail/none/holders.hpp>
#include <named_lock/detail/none/line.hpp>
#include <named_lock/detail/none/release_watch.hpp>
#endif
#endif

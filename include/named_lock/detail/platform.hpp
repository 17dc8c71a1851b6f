// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The seam. Everything that differs between systems is behind these names, and this file alone chooses who supplies
// them; a new system is a new set of files. The portable code calls:
//
//   file_handle                                  an open lock file: owning, movable, false when it holds none
//   open_lock_file(path, permissions)            opens it, or creates it with its directories; throws lock_error
//   try_lock_file(file, kind, method, path)      one attempt: false only when somebody else holds it; else throws
//   unlock_file(file, method)                    never throws; closing comes next and unlocks as well
//   mark_waiting_writer(file, method)            tells readers elsewhere that a writer waits, until the file is closed;
//   has_waiting_writer(file, method)             whether one does; may do nothing and tell nothing
//   is_file_at(file, path)                       is it the regular file that the path names now? throws lock_error
//                                                when what is there cannot be a lock file
//   holders_of(path, method)                     who holds it; empty when nobody does or it cannot be told
//   release_watch                                wakes a waiter when the file is closed, moved or deleted, see below
//   absolute_path(path, error)                   as the working directory makes it
//   canonical_directory(path, error)             the one name of an absolute path, as far as it exists
//   append_utf8(path, name)                      to a native path, a name in UTF-8
//   NAMED_LOCK_ONE_PER_PROCESS                   on what several shared libraries of a process must have in common
//   NAMED_LOCK_OUT_OF_LINE                       on what many places call: a user's program pays for copies
//   fork_generation()                            grows by one in each forked child; a plain load
//   install_fork_handlers(before, after)         once; `before` and `after` run around every fork, `after` in both
//                                                processes
//
// A release_watch is used by one waiting thread at a time and may be used again for another file:
//
//   release_watch::open()            null when the system has none (left): the waiter then polls
//   watch(path), unwatch()           starts and ends watching; watch is false when that file cannot be watched
//   wait(longest)                    sleeps until something happens to the file, interrupt() or `longest` is over.
//                                    An event is a hint, the next attempt decides; see watch_event
//   rest(time)                       sleeps for that time whatever happens to the file, and forgets what did
//   keep_below(file)                 may give the open file another descriptor, for what a kill does; may do nothing
//   interrupt()                      ends a wait or rest, also the next one if none is going on; from any thread
//   is_usable()                      false in a forked child, whose parent goes on using it
//   next_idle                        a pointer for the registry
#pragma once

#if defined(_WIN32)
#include <named_lock/detail/none/holders.hpp>
#include <named_lock/detail/windows/file.hpp>
#include <named_lock/detail/windows/release_watch.hpp>
#else
#include <named_lock/detail/posix/file.hpp>
#if defined(__linux__)
#include <named_lock/detail/linux/holders.hpp>
#include <named_lock/detail/linux/release_watch.hpp>
#elif defined(__APPLE__) || defined(__FreeBSD__)
#include <named_lock/detail/bsd/release_watch.hpp>
#include <named_lock/detail/none/holders.hpp>
#else
#include <named_lock/detail/none/holders.hpp>
#include <named_lock/detail/none/release_watch.hpp>
#endif
#endif

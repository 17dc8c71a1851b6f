// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The conversation of a test with another program: worker.cpp, or interop/peer.py, which knows the first group only.
// The test writes a command in a line, the program answers with a line. Programs end when their input does.
//
//   acquire MS NAME          a hold, put on top of those it has; MS < 0: for ever       ok, timeout, error
//   acquire_shared MS NAME   in between: waiting, from on_wait
//   try NAME, try_shared NAME                                                           ok, busy, error
//   release                  the latest hold                                            ok
//   release_after US         the same, after so many microseconds of work               ok
//   count N FILE NAME        N times: acquires NAME, adds one to FILE                   ok, violated
//   compare N FILE NAME      N times: acquires NAME shared, looks at FILE               ok, violated
//   exit                     returns from main(), with all its holds
//
//   dir PATH, poll MS, method flock|fcntl, reentrant 0|1, courtesy MS, keep_open 0|1,
//   remove 0|1, permissions OCTAL                                                    ok
//                            options of the locks named from now on
//   begin MS NAME            a pending acquisition, beside those it has                 ok
//   complete                 the oldest pending one, waited for: its hold               ok, timeout, error
//   holds                    how many of its guards still hold                          ok N
//   forget                   as release(true) of each lock that it has named            ok
//   as_user UID, umask OCTAL, chdir PATH, limit_descriptors N                           ok
//   take_inotify             all inotify instances that its user may have               ok N
//   forbid_inotify           as a kernel that was built without it                     ok, impossible
//   forbid WHAT              sockets, names (of sockets), brands (lseek), ofd_locks:      ok, impossible
//                            as a kernel without
//   take_numbers closed|replaced TURN DIR
//                            closes all its descriptors, in one step or two, and opens others in DIR
//                            under their numbers (own_files.hpp)                        ok COUNT
//   own_files_changed        what has become of those                                   ok CHANGES
//   lock_itself FILE         closes all its descriptors, and locks FILE without the library   ok
//   cut_net US               see safety_net.hpp: what it sleeps for reports lasts for ever, from US on    ok
//   net_cuts                 how often that has happened                                ok N
//   fork                     a child takes over the conversation, and when it has ended,
//                            its parent takes it back and says: child EXIT-CODE         ok PID
//   fork_silent              a child that does nothing but live                         ok PID
//   files                    what its descriptors are open on, words in a line          ok FILE...
//   exec PROGRAM...          becomes that program
//
// Fields of an answer are separated by tabs: "timeout WHAT", "error CODE PATH WHAT".
#pragma once

namespace nlock_test {

/// Exit codes of a worker; all are found in a test's output by their number.
enum worker_exit : int {
    exit_ok = 0,
    exit_unknown_command = 64,
    exit_failed = 70,    // what a command was told to do outside the library did not work; standard error says what
    exit_orphaned = 71,  // its input ended
};

}  // namespace nlock_test

#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh event_loop.sh PROGRAM HOLDER
#
# A program that ticks while it waits for the lock of another one, the example timeout, and then has it.
set -u
fail() { echo "FAILED: $*" >&2; exit 1; }
holder=
program=
trap 'for pid in $holder $program; do kill -KILL "$pid"; done' EXIT

mkfifo said_by_holder input said
"$2" >said_by_holder <input &
holder=$!
exec 3<said_by_holder 4>input  # in the order in which the program's side opens them
read -r line <&3
case $line in *"only instance"*) ;; *) fail "the holder said: $line" ;; esac

"$1" >said 4>&- &
program=$!
exec 5<said
for expected in tick tick tick; do
    read -r line <&5
    [ "$line" = "$expected" ] || fail "while it waited, it said: $line"
done
echo >&4
wait "$holder" || fail "the holder ended with status $?"
holder=
while read -r line <&5 && [ "$line" = tick ]; do :; done
case $line in acquired*) ;; *) fail "after that it said: $line" ;; esac
wait "$program"
status=$?
program=
[ "$status" -eq 0 ] || fail "it ended with status $status"

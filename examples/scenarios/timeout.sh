#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh timeout.sh PROGRAM
#
# A second instance says that there is a first one; when that has been killed, the next one starts.
set -u
program=$1
fail() { echo "FAILED: $*" >&2; exit 1; }
first=
trap '[ -z "$first" ] || kill -KILL "$first"' EXIT

mkfifo said input
"$program" >said <input &
first=$!
exec 3<said 4>input  # in the order in which the program's side opens them
read -r line <&3
case $line in *"only instance"*) ;; *) fail "the first instance said: $line" ;; esac

"$program" </dev/null 2>said_by_second
status=$?
tr -d '\r' <said_by_second | tee complaint
[ "$status" -eq 75 ] || fail "the second instance ended with status $status"
grep -q '^timeout: Another instance of this application currently holds the lock: ' complaint || fail "it did not say why"
grep -q 'was not acquired within 1 s' complaint || fail "it did not say how long it waited"
[ "$(wc -l <complaint)" -eq 1 ] || fail "it said more than a line"

kill -KILL "$first"
wait "$first"
first=
"$program" </dev/null || fail "there is an instance, though it was killed"

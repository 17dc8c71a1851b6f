#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh background_job.sh PROGRAM
#
# The second process stands by while the first does the job, and takes over when the first is killed.
set -u
program=$1
fail() { echo "FAILED: $*" >&2; exit 1; }
first=
second=
trap '[ -z "$first" ] || kill -KILL "$first"; [ -z "$second" ] || kill -KILL "$second"' EXIT

mkfifo first_said second_said
"$program" 1000000 >first_said &
first=$!
exec 3<first_said
read -r line <&3
[ "$line" = "doing the job" ] || fail "the first said: $line"

"$program" 1 >second_said 3<&- &
second=$!
exec 4<second_said
read -r line <&4
case $line in "standing by"*) ;; *) fail "the second said: $line" ;; esac
if [ "$(uname)" = Linux ] && [ "$line" != "standing by, pid $first does the job" ]; then
    fail "the second said: $line"
fi

kill -KILL "$first"
wait "$first"
first=
read -r line <&4
[ "$line" = "doing the job" ] || fail "the second said: $line"
read -r line <&4
[ "$line" = "round 1 of 1" ] || fail "the second said: $line"
wait "$second" || fail "the second ended with status $?"
second=

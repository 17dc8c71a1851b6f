#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh background_job.sh PROGRAM [is_named]
#
# The second process stands by while the first does the job, and takes over when the first is killed. is_named: it can
# tell which process does the job.
set -u
program=$1
is_named=${2:-}
fail() { echo "FAILED: $*" >&2; exit 1; }
cr=$(printf '\r')  # Windows ends lines with it
hear() { read -r line <&"$1"; line=${line%"$cr"}; }
first=
second=
trap '[ -z "$first" ] || kill -KILL "$first"; [ -z "$second" ] || kill -KILL "$second"' EXIT

mkfifo first_said second_said
"$program" 1000000 >first_said &
first=$!
exec 3<first_said
hear 3
[ "$line" = "doing the job" ] || fail "the first said: $line"

"$program" 1 >second_said 3<&- &
second=$!
exec 4<second_said
hear 4
case $line in "standing by"*) ;; *) fail "the second said: $line" ;; esac
if [ -n "$is_named" ] && [ "$line" != "standing by, pid $first does the job" ]; then
    fail "the second said: $line"
fi

kill -KILL "$first"
wait "$first"
first=
hear 4
[ "$line" = "doing the job" ] || fail "the second said: $line"
hear 4
[ "$line" = "round 1 of 1" ] || fail "the second said: $line"
wait "$second" || fail "the second ended with status $?"
second=

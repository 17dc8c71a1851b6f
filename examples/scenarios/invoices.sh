#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh invoices.sh PROGRAM [DATABASE]
#
# The example itself; and that it leaves nothing behind, whether it succeeds, fails or is told to stop.
set -u
program=$1
fail() { echo "FAILED: $*" >&2; exit 1; }

TMPDIR=$PWD/temporary
export TMPDIR
mkdir "$TMPDIR"
nothing_is_left() {
    left=$(find "$TMPDIR" -name 'named_lock_*')  # ThreadSanitizer has files there as well
    [ -z "$left" ] || fail "after $1 there is $left"
}

if [ $# -gt 1 ]; then
    before=$(cksum <"$2")
    "$program" --db "$2" || fail "it ended with status $?"
    [ "$(cksum <"$2")" = "$before" ] || fail "it changed the original database"
else
    "$program" || fail "it ended with status $?"
fi
nothing_is_left success

echo "not a database" >not_a_database
"$program" --db not_a_database 2>complaint && fail "it took a text for a database"
grep -q 'file is not a database' complaint || fail "it said: $(cat complaint)"
nothing_is_left failure

mkfifo said
"$program" --workers 16 >said &
pid=$!
exec 3<said
read -r _ <&3
kill -TERM "$pid"
cat <&3 >/dev/null
wait "$pid"
status=$?
[ "$status" -eq 143 ] || [ "$status" -eq 0 ] || fail "told to stop it ended with status $status"  # 0: it was faster
nothing_is_left SIGTERM

#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh invoices.sh posix|windows PROGRAM [DATABASE]
#
# The example itself; and that it leaves nothing behind, whether it succeeds, fails or is told to stop.
set -u
system=$1
program=$2
database=${3:-}
fail() { echo "FAILED: $*" >&2; exit 1; }

TMPDIR=$PWD/temporary
export TMPDIR
mkdir "$TMPDIR"
[ "$system" = posix ] || TMPDIR=$WINEPREFIX/drive_c/users  # there Wine's TMP is, whatever one says
nothing_is_left() {
    left=$(find "$TMPDIR" -name 'named_lock_invoices*')
    [ -z "$left" ] || fail "after $1 there is $left"
}

if [ -n "$database" ]; then
    before=$(cksum <"$database")
    "$program" --db "$database" || fail "it ended with status $?"
    [ "$(cksum <"$database")" = "$before" ] || fail "it changed the original database"
else
    "$program" || fail "it ended with status $?"
fi
nothing_is_left success

echo "not a database" >not_a_database
"$program" --db not_a_database 2>complaint && fail "it took a text for a database"
grep -q 'file is not a database' complaint || fail "it said: $(cat complaint)"
nothing_is_left failure

"$program" --workers 0 2>complaint
[ $? -eq 64 ] || fail "it took no workers for enough"
grep -q '^usage: ' complaint || fail "it said: $(cat complaint)"

[ "$system" = posix ] || exit 0  # nobody can send it SIGTERM
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

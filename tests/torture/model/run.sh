#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
set -eu

usage() {
    cat <<'TEXT'
usage: sh tests/torture/model/run.sh [--quick] [--no-install]

Checks the model lock.pml exhaustively with Spin, in many small worlds, and prints a table: the world, what came of it,
the states searched, the seconds. Then it breaks the model on purpose, once in each way, and requires that Spin finds
it. Exits non-zero if a world does not hold, or if a break is not found. docs/proof.md says what it means.

  --quick        leave out the worlds that take longer than a few seconds
  --no-install   do not install Spin and a C compiler (otherwise: with apt-get, where there is one)

Searches as many worlds at once as the machine has cores, each in up to 3 GiB of memory; takes four to eight minutes,
with --quick one or two.
TEXT
}

fail() { printf 'tests/torture/model/run.sh: %s\n' "$*" >&2; exit 1; }

model=$(cd "$(dirname "$0")" && pwd)/lock.pml
quick=
install=yes
for argument in "$@"; do
    case $argument in
        --quick) quick=yes ;;
        --no-install) install= ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
done

if [ -n "$install" ] && command -v apt-get >/dev/null && ! { command -v spin && command -v gcc; } >/dev/null; then
    as_root=env
    [ "$(id -u)" -eq 0 ] || as_root="sudo -n env"
    { $as_root apt-get -q update && $as_root DEBIAN_FRONTEND=noninteractive apt-get -q -y install spin gcc libc6-dev
    } >&2 || fail "please install spin and gcc"
fi
for tool in spin gcc; do
    command -v "$tool" >/dev/null || fail "there is no $tool"
done

work=$(mktemp -d)
finish() {
    for pid in $(cat "$work"/*/running 2>/dev/null); do  # none, unless it was interrupted
        kill "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
cd "$work"

# search OPTIONS... : lets Spin search; sets result, states and seconds
search() {
    case " $* " in
        *" -DLIVENESS "*) how="-DNFAIR=2"; run="-a -f" ;;  # every program that can go on does so, sooner or later
        *) how="-DSAFETY"; run= ;;
    esac
    cp "$model" lock.pml
    spin -a "$@" lock.pml >said 2>&1 || { cat said >&2; fail "spin does not take the model with $*"; }
    # Not optimized: that takes longer than most of the searches.
    # shellcheck disable=SC2086  # lists of words
    gcc -w $how -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=4000 -o pan pan.c || fail "gcc does not take $*"
    # shellcheck disable=SC2086
    ./pan $run -m200000 -w22 >said 2>&1 &
    echo $! >>running
    wait $! || true
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' said)
    seconds=$(sed -n 's/^pan: elapsed time \([0-9.e+-]*\) seconds.*/\1/p' said)
    if grep -q '^pan:1: invalid end state' said; then
        result="sleeps for ever"
    elif grep -q '^pan:1: assertion violated ((got||stop\[t\])||tried_last)' said; then
        result="gives up early"
    elif grep -q '^pan:1: assertion violated ((got||stop\[t\])||current)' said; then
        result="refused by another file"
    elif grep -q -e '^pan:1: assertion violated ((owes' -e '^pan:1: assertion violated ((seen==' said; then
        result="out of turn"
    elif grep -q '^pan:1: assertion violated named' said; then
        result="wrong file"
    elif grep -q '^pan:1: assertion violated' said; then
        result="two inside"
    elif grep -q '^pan:1: acceptance cycle' said; then
        result="tries for ever"
    elif grep -q 'errors: 0' said && ! grep -q -e 'too small' -e 'not completed' -e 'out of memory' said; then
        result=holds
    else
        result="not searched"
    fi
}

failures=0
rows=0      # started
finished=0  # and printed
jobs=$(nproc 2>/dev/null || echo 1)
# row TEXT WANTED OPTIONS... : a line of the table; searched beside others, printed in its turn by finish_row
row() {
    [ $((rows - finished)) -lt "$jobs" ] || finish_row
    rows=$((rows + 1))
    mkdir "$rows"
    (cd "$rows" && search_row "$@") &
    echo $! >"$rows/running"
}
search_row() {
    text=$1
    wanted=$2
    shift 2
    search "$@"
    mark=
    [ "$result" = "$wanted" ] || mark="  <-- expected: $wanted"
    printf '| %-66s | %-23s | %9s | %5s |%s\n' "$text" "$result" "$states" "$seconds" "$mark" >line
    [ -z "$mark" ]
}
finish_row() {
    finished=$((finished + 1))
    read -r pid <"$finished/running"
    if ! wait "$pid"; then
        failures=$((failures + 1))
        cp "$finished/said" "${TMPDIR:-/tmp}/named_lock-model-failure.txt" || true
    fi
    cat "$finished/line" || true  # none if it could not be searched: `fail` has said why
    rm -rf "${finished:?}"
}
finish_rows() { while [ "$finished" -lt "$rows" ]; do finish_row; done; }
big() { [ -n "$quick" ] || row "$@"; }
title() {
    finish_rows
    printf '\n| %-66s | %-23s | %9s | %5s |\n' "$1" "Spin says" "states" "s"
    printf '|%s|%s|%s|%s|\n' "$(printf %068d 0)" "$(printf %025d 0)" "$(printf %011d 0)" "$(printf %07d 0)" | tr 0 -
}

title "Pauses never end: a waiter is called, or never comes"
row "2 processes, 3 acquisitions each" holds -DPROCS=2 -DROUNDS=3 -DKEEP
row "2 processes, 2 each, in order" holds -DPROCS=2 -DROUNDS=2 -DKEEP -DLONG=1 -DORDER
row "3 processes, in order" holds -DPROCS=3 -DORDER
row "1 process of 3 threads" holds -DPROCS=1 -DTHREADS=3
row "2 + 1 threads" holds -DPROCS=2 -DTHREADS=2
big "2 + 1 threads that saw others wait for long" holds -DPROCS=2 -DTHREADS=2 -DLONG=1
row "2 + 1 threads, 2 of a process shared" holds -DPROCS=2 -DTHREADS=2 -DSHARED=3
row "2 + 1 threads, 1 of each process shared" holds -DPROCS=2 -DTHREADS=2 -DSHARED=5
row "3 processes, 2 shared that meet inside" holds -DPROCS=3 -DSHARED=6 -DMEET=6
row "3 threads, the same, readers let writers go first" holds \
    -DPROCS=1 -DTHREADS=3 -DSHARED=5 -DMEET=5 -DCOURTESY
row "3 processes, the same" holds -DPROCS=3 -DSHARED=5 -DMEET=5 -DCOURTESY
big "2 + 1 threads, the same" holds -DPROCS=2 -DTHREADS=2 -DSHARED=5 -DMEET=5 -DCOURTESY
big "3 processes, 2 with a deadline" holds -DPROCS=3 -DDEADLINE=5
big "2 + 1 threads, 2 with a deadline" holds -DPROCS=2 -DTHREADS=2 -DDEADLINE=5
big "2 + 1 threads, 2 that try once, twice each" holds -DPROCS=2 -DTHREADS=2 -DONCE=5 -DKEEP -DROUNDS=2
row "2 processes with stop requests" holds -DPROCS=2 -DSTOP=3
row "2 processes, twice each, 2 bytes or events without a cause" holds -DPROCS=2 -DNOISE=2 -DROUNDS=2
row "3 processes that watch at once, without sockets" holds -DPROCS=3 -DDEAF=7
row "2 threads of a process that have no descriptors left" holds -DPROCS=1 -DTHREADS=2 -DNO_BELL=3
big "3 processes, one that watches, 1 byte or event without a cause" holds -DPROCS=3 -DNOISE=1 -DWATCH=1
big "3 processes out of each other's reach" holds -DPROCS=3 -DUNREACHABLE=7 -DWATCH=7
big "3 processes, one of them out of reach" holds -DPROCS=3 -DUNREACHABLE=1 -DWATCH=7
big "3 processes out of reach, one with a deadline, files kept" holds \
    -DPROCS=3 -DUNREACHABLE=7 -DWATCH=7 -DDEADLINE=1 -DKEEP
row "2 processes, the program closes 2 kept files" holds -DPROCS=2 -DROUNDS=2 -DKEEP -DCLOSER=2
big "2 processes, the file is deleted or replaced by its holder" holds -DPROCS=2 -DREPLACE=1 -DWATCH=3
big "2 processes, files kept, the same" holds -DPROCS=2 -DREPLACE=1 -DWATCH=3 -DROUNDS=2 -DKEEP -DONCE=2
row "2 processes that remove it when they let go, twice each" holds -DPROCS=2 -DREMOVE=3 -DROUNDS=2
row "2 processes, files kept, one of them removes it" holds -DPROCS=2 -DREMOVE=1 -DROUNDS=2 -DKEEP
row "2 processes that remove it, twice each, deadlines" holds -DPROCS=2 -DREMOVE=3 -DROUNDS=2 -DDEADLINE=3
row "2 processes that remove it, out of each other's reach" holds -DPROCS=2 -DREMOVE=3 -DUNREACHABLE=3 -DWATCH=3
row "3 processes, a writer that removes it, 2 readers that meet" holds -DPROCS=3 -DREMOVE=1 -DSHARED=6 -DMEET=6
big "3 processes that remove it" holds -DPROCS=3 -DREMOVE=7
big "2 + 1 threads, one of them removes it" holds -DPROCS=2 -DTHREADS=2 -DREMOVE=1
row "2 processes, files kept, by somebody who does not hold it" holds \
    -DPROCS=2 -DVANDAL=1 -DWATCH=3 -DROUNDS=2 -DKEEP -DONCE=1
row "1 process of 2 threads, the same" holds -DPROCS=1 -DTHREADS=2 -DVANDAL=1 -DWATCH=3
row "2 shared threads, the same" holds -DPROCS=1 -DTHREADS=2 -DSHARED=3 -DVANDAL=1 -DWATCH=3
big "2 processes, twice by somebody who does not hold it" holds -DPROCS=2 -DVANDAL=2 -DWATCH=3
big "held for ever by another program; deadlines" holds -DPROCS=2 -DTHREADS=2 -DKEEPER=1 -DDEADLINE=7
row "held for ever by another program; stop requests" holds -DPROCS=2 -DKEEPER=1 -DSTOP=3
big "held for ever, until somebody replaces the file" holds -DPROCS=2 -DKEEPER=1 -DVANDAL=1 -DWATCH=3

title "Pauses end: everybody gets it in the end, or gives up"
big "2 processes and a program that just closes the file" holds -DPROCS=2 -DFOREIGN=1 -DWATCH=3 -DPOLL=1 -DLIVENESS
row "2 processes and a program that unlocks it and stays" holds \
    -DPROCS=2 -DFOREIGN=1 -DWATCH=1 -DPOLL=1 -DLIVENESS -DSTAYS
big "2 processes, one is killed at any moment" holds -DPROCS=2 -DCRASH=1 -DWATCH=3 -DPOLL=1 -DLIVENESS
big "2 processes, one removes the file, one is killed" holds -DPROCS=2 -DREMOVE=1 -DCRASH=1 -DPOLL=1 -DLIVENESS
big "3 processes, the first in line is stopped for ever" holds -DPROCS=3 -DFROZEN=1 -DPOLL=1 -DLIVENESS
row "2 processes, 2 bytes get lost" holds -DPROCS=2 -DLOSS=2 -DPOLL=1 -DLIVENESS
row "2 processes, the directory is replaced" holds -DPROCS=2 -DSWAP=1 -DPOLL=1 -DLIVENESS -DWATCH=3
big "3 processes, 2 readers that meet inside, out of reach" holds \
    -DPROCS=3 -DSHARED=6 -DMEET=6 -DUNREACHABLE=6 -DPOLL=1 -DLIVENESS

title "The same without the end of pauses: what they are needed for"
row "a program that just closes the file" "sleeps for ever" -DPROCS=2 -DFOREIGN=1 -DWATCH=3
row "a program that unlocks it and stays" "sleeps for ever" -DPROCS=2 -DFOREIGN=1 -DWATCH=3 -DSTAYS
row "a process is killed" "sleeps for ever" -DPROCS=2 -DCRASH=1 -DWATCH=3
row "a byte gets lost" "sleeps for ever" -DPROCS=2 -DLOSS=1
row "the first in line is stopped for ever" "sleeps for ever" -DPROCS=3 -DFROZEN=1
row "the old file is put back, and nobody can be called" "sleeps for ever" -DPROCS=2 -DBACK=1 -DWATCH=3 -DUNREACHABLE=3
row "held for ever, until somebody replaces the directory" "sleeps for ever" -DPROCS=2 -DKEEPER=1 -DSWAP=1 -DWATCH=3
row "a reader out of reach that may come in beside another" "sleeps for ever" \
    -DPROCS=3 -DSHARED=6 -DMEET=6 -DUNREACHABLE=6 -DWATCH=7

title "Broken on purpose"
row "a waiter marks the file after its last attempt" "sleeps for ever" -DPROCS=2 -DBREAK_MARKS_LATE
row "a release looks at the line before it unlocks" "sleeps for ever" -DPROCS=2 -DBREAK_LOOKS_BEFORE_UNLOCK
row "a release calls nobody" "sleeps for ever" -DPROCS=2 -DBREAK_CALLS_NOBODY
row "the first leaves at its deadline without a word" "sleeps for ever" \
    -DPROCS=3 -DDEADLINE=1 -DBREAK_LEAVES_LINE_SILENTLY
row "it keeps the file although the next is out of reach" "sleeps for ever" \
    -DPROCS=3 -DUNREACHABLE=2 -DWATCH=7 -DDEADLINE=1 -DKEEP -DBREAK_LEAVES_UNHEARD
row "so does a release" "sleeps for ever" -DPROCS=2 -DUNREACHABLE=3 -DWATCH=3 -DKEEP -DBREAK_KEEPS_UNHEARD
row "two waiters compare times that they read again" "sleeps for ever" -DPROCS=3 -DBREAK_READS_AGAIN
row "a call that comes with an event is taken for the event" "sleeps for ever" \
    -DPROCS=3 -DNOISE=1 -DWATCH=1 -DBREAK_HINT_HIDES_CALL
row "a reader that was granted calls no other reader" "sleeps for ever" \
    -DPROCS=3 -DSHARED=6 -DMEET=6 -DBREAK_READERS_PASS_NOTHING
row "who has to give way does not" "out of turn" \
    -DPROCS=2 -DROUNDS=2 -DKEEP -DLONG=1 -DORDER -DBREAK_NEVER_YIELDS
row "who is called in line gives way as well" "sleeps for ever" \
    -DPROCS=2 -DTHREADS=2 -DLONG=1 -DBREAK_YIELDS_IN_LINE
row "a thread that nobody can call is not woken by its process" "sleeps for ever" \
    -DPROCS=1 -DTHREADS=2 -DNO_BELL=3 -DBREAK_TRUSTS_LINE
row "nor is one that stands in line for another file" "sleeps for ever" \
    -DPROCS=1 -DTHREADS=2 -DVANDAL=1 -DWATCH=3 -DBREAK_TRUSTS_OTHER_LINES
row "a release wakes nobody in its process" "sleeps for ever" -DPROCS=1 -DTHREADS=2 -DNO_BELL=3 -DBREAK_WAKES_NOBODY
row "the front leaves at its deadline without waking the next" "sleeps for ever" \
    -DPROCS=2 -DTHREADS=2 -DDEADLINE=1 -DBREAK_LEAVES_QUEUE_SILENTLY
row "a grant is not compared with the path" "wrong file" -DPROCS=2 -DREPLACE=1 -DWATCH=3 -DBREAK_NO_RECHECK
row "the same, judged by those who are inside" "two inside" \
    -DPROCS=2 -DREPLACE=1 -DWATCH=3 -DBREAK_NO_RECHECK -DWITNESS_ONLY
row "the same with a kept file" "wrong file" -DPROCS=2 -DREPLACE=1 -DWATCH=3 -DROUNDS=2 -DKEEP -DBREAK_NO_RECHECK
row "nor with the path of a file that its holders remove" "wrong file" -DPROCS=3 -DREMOVE=7 -DBREAK_NO_RECHECK
row "the file is removed after it was unlocked" "two inside" -DPROCS=2 -DREMOVE=3 -DROUNDS=2 -DBREAK_REMOVES_LATE
row "who finds that it was removed leaves its line without a word" "sleeps for ever" \
    -DPROCS=3 -DREMOVE=7 -DBREAK_LEAVES_LINE_SILENTLY
row "it is compared by st_nlink only" "wrong file" -DPROCS=2 -DREPLACE=1 -DWATCH=3 -DBREAK_NLINK_ONLY
row "one attempt with a kept file that is not the path's any more" "refused by another file" \
    -DPROCS=1 -DKEEPER=1 -DROUNDS=2 -DKEEP -DONCE=1 -DVANDAL=1 -DBREAK_TRUSTS_IDLE
row "a kept file that the program has closed is used" "two inside" \
    -DPROCS=2 -DROUNDS=2 -DKEEP -DCLOSER=1 -DBREAK_NEVER_FORGETS
row "a thread joins a shared hold of a replaced file" "wrong file" \
    -DPROCS=2 -DTHREADS=2 -DSHARED=3 -DVANDAL=1 -DWATCH=7 -DBREAK_JOINS_REPLACED
row "readers let a writer go first for ever" "sleeps for ever" \
    -DPROCS=3 -DSHARED=5 -DMEET=5 -DCOURTESY -DBREAK_ENDLESS_COURTESY
row "a stop request during an attempt is forgotten" "sleeps for ever" \
    -DPROCS=2 -DKEEPER=1 -DSTOP=3 -DBREAK_FORGETS_WAKING
row "no attempt at the deadline" "gives up early" -DPROCS=2 -DDEADLINE=1 -DBREAK_NO_LAST_TRY
row "a waiter never asks whether the file has moved" "sleeps for ever" \
    -DPROCS=2 -DKEEPER=1 -DVANDAL=1 -DWATCH=3 -DBREAK_NEVER_MOVES

finish_rows
echo
if [ "$failures" -ne 0 ]; then
    echo "$failures rows are not as they should be; what Spin said of the last:" \
        "${TMPDIR:-/tmp}/named_lock-model-failure.txt"
    exit 1
fi
echo "All as it should be."

#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
set -eu

usage() {
    cat <<'TEXT'
usage: sh tests/etcd/model/run.sh [--quick | --quickest] [--no-install]

Checks the model etcd_lock.pml exhaustively with Spin, in small worlds, and prints a table: the world, what came of it,
the states searched, the seconds. Then it breaks the protocol on purpose, once in each way, and requires that Spin finds
it. Exits non-zero if a world does not hold, or if a break is not found.

  --quick        leave out the worlds that take minutes
  --quickest     and the one that takes a quarter of one
  --no-install   do not install Spin and a C compiler (otherwise: with apt-get, where there is one)
TEXT
}

fail() { printf 'tests/etcd/model/run.sh: %s\n' "$*" >&2; exit 1; }

model=$(cd "$(dirname "$0")" && pwd)/etcd_lock.pml
quick=
install=yes
for argument in "$@"; do
    case $argument in
        --quick) quick=yes ;;
        --quickest) quick=very ;;
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
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
cd "$work"

# search WANTED WORDS -D... : WANTED is "holds" or "broken"
search() {
    wanted=$1
    words=$2
    shift 2
    cp "$model" etcd_lock.pml
    spin -a "$@" etcd_lock.pml >said 2>&1 || { cat said >&2; fail "spin does not take the model with $*"; }
    gcc -w -O1 -DSAFETY -DCOLLAPSE -DMEMLIM=6000 -o pan pan.c || fail "gcc does not take $*"
    ./pan -m1000000 -w23 >said 2>&1 || true
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' said)
    seconds=$(sed -n 's/^pan: elapsed time \([0-9.e+-]*\) seconds.*/\1/p' said)
    if grep -q '^pan:1: assertion violated' said; then
        result="broken"
    elif grep -q 'errors: 0' said && ! grep -q 'Search not completed\|max search depth too small\|out of memory' said; then
        result="holds"
    else
        cat said >&2
        result="not searched"
    fi
    printf '%-58s %-8s %10s states %6s s\n' "$words" "$result" "${states:-?}" "${seconds:-?}"
    [ "$result" = "$wanted" ] || status=1
}

status=0
search holds "two clients, three ticks" -DLOSSES=0
[ "$quick" = very ] || search holds "two ticks, and a lost answer or a late request" -DTICKS=2
if [ -z "$quick" ]; then
    search holds "three ticks, and a lost answer or a late request"
    search holds "two ticks, and two of them" -DTICKS=2 -DLOSSES=2
fi
search broken "broken: no margin for a slower clock" -DMARGIN=0
search broken "broken: a lease counted from its answer" -DBREAK_COUNTS_FROM_ANSWER
search broken "broken: no look at who is before us" -DBREAK_NO_CHECK
search broken "broken: believed until the revoke is answered" -DBREAK_BELIEVES_AFTER
search broken "broken: an entry that outlives its lease" -DBREAK_SHARED_LEASE
exit "$status"

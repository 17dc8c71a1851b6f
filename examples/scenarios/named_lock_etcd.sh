#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh named_lock_etcd.sh PROGRAM
#
# The lock in a cluster, NAMED_LOCK_ETCD_URL: exclusion, and the end of a command whose lock was lost.
set -u
. "$(dirname "$0")/named_lock_common.sh"
url=${NAMED_LOCK_ETCD_URL:-}
[ -n "$url" ] || { echo "FAILED: NAMED_LOCK_ETCD_URL names no server; sh tests/etcd/run.sh starts one" >&2; exit 1; }
trap '[ -z "$holder" ] || kill "$holder"' EXIT
job=job$$
ctl() { ETCDCTL_API=3 etcdctl --endpoints "$url" "$@"; }

echo "== exit status"
expect 0 run --etcd "$url" "$job" -- true
expect 7 run --etcd "$url" "$job" -- sh -c 'exit 7'
expect 143 run --etcd "$url" "$job" -- sh -c 'kill -TERM $$'
expect 64 run --etcd "not an url" "$job" -- true
expect 64 run --etcd "$url" --shared "$job" -- true
expect 64 run --etcd "$url" --ttl 1 "$job" -- true
expect 71 run --etcd http://127.0.0.1:1 -n "$job" -- true
expect 75 run --etcd http://127.0.0.1:1 --timeout 0.1 "$job" -- true

echo "== a second one waits, or gives up"
hold run --etcd "$url" "$job" -- sh -c 'echo "inside $NAMED_LOCK_TOKEN"; read -r line'
expr "$line" : 'inside [0-9][0-9]*$' >/dev/null || fail "the command has no token: $line"
expect 75 run --etcd "$url" -n "$job" -- true
expect 75 run --etcd "$url" --timeout 0.2 "$job" -- true
grep -q "held by pid $holder (sh)" complaint || fail "it does not say who holds the lock"
echo >&4
wait "$holder" || fail "the holder ended with status $?"
holder=
exec 3<&- 4>&-

echo "== a lost lock ends the command, by SIGTERM"
hold run --etcd "$url" --ttl 5 "$job" -- sh -c 'trap "echo told; exit 0" TERM; echo inside; while :; do sleep 0.1; done'
ctl del --prefix "nlock/$job/" >/dev/null
wait "$holder"
status=$?
holder=
[ "$status" -eq 76 ] || fail "the holder ended with status $status, not 76"
[ "$(cat <&3)" = told ] || fail "the command was not told"
exec 3<&- 4>&-

echo "== and, after the grace, by SIGKILL"
hold run --etcd "$url" --ttl 5 --grace 0.3 "$job" -- sh -c 'trap "" TERM; echo inside; while :; do sleep 0.1; done'
ctl del --prefix "nlock/$job/" >/dev/null
wait "$holder"
status=$?
holder=
[ "$status" -eq 76 ] || fail "the holder ended with status $status, not 76"
exec 3<&- 4>&-
expect 0 run --etcd "$url" -n "$job" -- true

#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh invoices_etcd.sh PROGRAM
#
# The example with the lock in a cluster, NAMED_LOCK_ETCD_URL, and a program that stands still while it holds it.
set -u
program=$1
url=${NAMED_LOCK_ETCD_URL:-}
fail() { echo "FAILED: $*" >&2; exit 1; }
[ -n "$url" ] || fail "NAMED_LOCK_ETCD_URL names no server; sh tests/etcd/run.sh starts one"

"$program" --workers 4 --etcd "$url" >printed || fail "it ended with status $?"
cat printed
grep -q "the token kept out 1\.$" printed || fail "the token did not do its work"
"$program" --workers 1 --etcd "$url" 2>complaint
[ $? -eq 64 ] || fail "one worker cannot show it"

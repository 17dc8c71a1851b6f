#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh at_once.sh N PROGRAM [FILE CONTENT]
#
# Runs N instances at once. All have to succeed, and FILE has to have CONTENT then.
set -u
fail() { echo "FAILED: $*" >&2; exit 1; }

pids=
for _ in $(seq "$1"); do
    "$2" & pids="$pids $!"
done
for pid in $pids; do
    wait "$pid" || fail "an instance ended with status $?"
done
[ $# -lt 4 ] || [ "$(tr -d '\r' <"$3")" = "$4" ] || fail "$3 has $(cat "$3"), not $4"

#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh cancel.sh PROGRAM
#
# A signal ends the wait. (SIGTERM stands for Ctrl-C: the shell lets its background processes ignore SIGINT.)
set -u
fail() { echo "FAILED: $*" >&2; exit 1; }

mkfifo said
"$1" >said &
pid=$!
exec 3<said
read -r line <&3
case $line in waiting*) ;; *) fail "it said: $line" ;; esac
kill -TERM "$pid"
read -r line <&3
[ "$line" = "got a signal" ] || fail "it said: $line"
read -r line <&3
case $line in *"cancelled by a stop request") ;; *) fail "it said: $line" ;; esac
read -r line <&3
echo "$line"
wait "$pid" || fail "it ended with status $?"

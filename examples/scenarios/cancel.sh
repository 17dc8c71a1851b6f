#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh cancel.sh PROGRAM
#
# A signal ends the wait, and the program ends with the status that shells expect.
set -u
fail() { echo "FAILED: $*" >&2; exit 1; }

mkfifo said
for signal in 2 15; do  # Ctrl-C, and kill
    "$1" >said &
    pid=$!
    exec 3<said
    read -r line <&3
    case $line in waiting*) ;; *) fail "it said: $line" ;; esac
    kill -"$signal" "$pid"
    read -r line <&3
    case $line in *"cancelled by a stop request") ;; *) fail "it said: $line" ;; esac
    read -r line <&3
    [ "$line" = "here it cleans up" ] || fail "it said: $line"
    wait "$pid"
    status=$?
    [ "$status" -eq $((128 + signal)) ] || fail "after signal $signal it ended with status $status"
done

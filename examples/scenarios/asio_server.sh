#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh asio_server.sh PROGRAM
#
# While another process holds the lock the server answers those who need none; then all who waited are served.
set -u
program=$1
fail() { echo "FAILED: $*" >&2; exit 1; }
holder=
server=
trap 'for one in $holder $server; do kill -KILL "$one"; done' EXIT

mkfifo held enter said
"$program" hold >held <enter &
holder=$!
exec 3<held 4>enter  # in the order in which the program's side opens them
read -r line <&3
case $line in "It is held"*) ;; *) fail "the holder said: $line" ;; esac

"$program" >said &
server=$!
exec 5<said
while read -r line <&5; do
    echo "$line"
    case $line in
        "The lock is held by "*) echo >&4 ;;
        "100 of 100 had the report") wait "$server" || fail "the server ended with status $?"; server= ;;
    esac
done
[ -z "$server" ] || fail "they were not served"
wait "$holder" || fail "the holder ended with status $?"
holder=

#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh exclusive.sh PROGRAM [is_named]
#
# is_named: it can tell who holds a lock.
set -u
. "$(dirname "$0")/exclusive_common.sh"
is_named=${2:-}
trap '[ -z "$holder" ] || kill "$holder"; [ -z "$waiter" ] || kill "$waiter"' EXIT

# let_go STATUS : ends the command by a line of input
let_go() {
    echo >&4
    wait "$holder"
    status=$?
    holder=
    exec 3<&- 4>&-
    [ "$status" -eq "$1" ] || fail "the holder ended with status $status, not $1"
}

echo "== exit status"
expect 0 job -- true
expect 7 job -- sh -c 'exit 7'
expect 143 job -- sh -c 'kill -TERM $$'
expect 127 job -- ./no_such_command
expect 126 job -- .
printf 'echo "a script without a first line"\n' >script
chmod +x script
expect 0 job -- ./script
expect 71 --locks-dir script job -- true
expect 0 --help
grep -q '^usage: ' printed || fail "--help does not help"

echo "== wrong arguments"
for wrong in '' job 'job --' 'job true' 'a/b -- true' 'NUL -- true' '--no-such-option job -- true' '--timeout' \
    '--timeout soon job -- true' '--timeout nan job -- true' '--timeout -1 job -- true' '--timeout 1s job -- true' \
    '--timeout= job -- true' '--holders' '--holders job more' '--probe' '--probe . job' '--probe . -- true'; do
    # shellcheck disable=SC2086  # a list of words
    expect 64 $wrong
    grep -q '^usage: ' complaint || fail "no usage message: exclusive $wrong"
done

echo "== a second one waits, or gives up"
expect 1 --holders job
hold job -- sh -c 'echo inside; read -r line'
expect 75 --timeout 0 job -- true
expect 75 --timeout=0.05 job -- true
expect 75 --shared --timeout 0 job -- true
"$exclusive" --timeout 0.05 job -- true 2>&-  # the lock file must not take the place of standard error
expect 0 --timeout 0 'another job' -- true
expect 0 --holders job
wanted='a process that cannot be seen from here'
[ -z "$is_named" ] || wanted="$holder sh"
[ "$(cat printed)" = "$wanted" ] || fail "holders: $(cat printed)"
mkfifo complaints
"$exclusive" job -- echo second >printed_second 2>complaints 3<&- 4>&- &
waiter=$!
read -r line <complaints
case $line in "waiting for 'job'"*) ;; *) fail "the second said: $line" ;; esac
if [ -n "$is_named" ] && [ "$line" != "waiting for 'job', held by pid $holder (sh)" ]; then
    fail "the second said: $line"
fi
[ ! -s printed_second ] || fail "the second did not wait"
let_go 0
wait "$waiter" || fail "the second ended with status $?"
waiter=
[ "$(cat printed_second)" = second ] || fail "the second did not run its command"

echo "== shared"
hold --shared job -- sh -c 'echo inside; read -r line'
expect 0 --shared --timeout 0 job -- true
expect 75 --timeout 0 job -- true
let_go 0

echo "== signals go to the command, whose status counts"
hold job -- sh -c 'trap "exit 9" TERM; echo inside; read -r line'
kill -TERM "$holder"
wait "$holder"
status=$?
holder=
exec 3<&- 4>&-
[ "$status" -eq 9 ] || fail "the holder ended with status $status, not 9"

echo "== what the command leaves behind does not hold the lock"
hold job -- sh -c 'exec 5<&0; read -r line <&5 & echo inside'
wait "$holder" || fail "the holder ended with status $?"
holder=
expect 0 --timeout 0 job -- true
echo >&4
cat <&3  # until what was left behind has ended, too
exec 3<&- 4>&-

echo "== does the directory lock"
expect 0 --probe .
grep -q '^an exclusive lock keeps everybody else out: yes$' printed || fail "no lock here: $(cat printed)"
grep -q '^a shared lock keeps exclusive ones out: yes$' printed || fail "no shared lock here: $(cat printed)"
expect 71 --probe no_such_directory
grep -q 'cannot probe no_such_directory: ' complaint || fail "--probe does not say what is wrong"

echo "== kill -9 gives the lock up"
hold job -- sh -c 'echo inside; read -r line'
kill -KILL "$holder"
wait "$holder"
holder=
expect 0 --timeout 0 job -- true
exec 3<&- 4>&-

[ -z "$(find locks -type f -size +0)" ] || fail "a lock file was written to"

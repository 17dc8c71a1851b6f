#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh named_lock_windows.sh PROGRAM WORDS
#
# WORDS: scenarios/words.cpp. named_lock.sh with the commands of Windows, and without its signals.
set -u
. "$(dirname "$0")/named_lock_common.sh"
words=$2
trap '[ -z "$holder" ] || kill -KILL "$holder"; [ -z "$waiter" ] || kill -KILL "$waiter"' EXIT

# let_go : ends the command by a line of input
let_go() {
    printf 'go on\r\n' >&4
    wait "$holder" || fail "the holder ended with status $?"
    holder=
    exec 3<&- 4>&-
}

echo "== exit status"
expect 0 run job -- cmd /c exit 0
expect 7 run job -- cmd /c exit 7
expect 127 run job -- no_such_command
expect 71 run -d said job -- cmd /c exit 0
expect 0 --help
grep -q '^usage: ' printed || fail "--help does not help"

echo "== the words of the command arrive as they are"
expect 0 run job -- "$words" 'two words' '' 'a "quote"' 'back\slash\' 'both\"' "$(printf '\303\244')"
printf '%s\n' '[two words]' '[]' '[a "quote"]' '[back\slash\]' '[both\"]' "$(printf '[\303\244]')" >wanted_words
cmp printed wanted_words || fail "they arrived as $(cat printed)"

echo "== wrong arguments"
for wrong in '' 'run' 'run job' 'run job --' 'run NUL -- true' 'run --no-such-option job -- true' 'run --timeout' \
    'run -w soon job -- true' 'run -w -1 job -- true' 'who' 'who job more' 'probe' 'list more'; do
    # shellcheck disable=SC2086  # a list of words
    expect 64 $wrong
    grep -q '^usage: ' complaint || fail "no usage message: named-lock $wrong"
done

echo "== a second one waits, or gives up"
hold run job -- cmd /c 'echo inside & set /p line='
expect 75 run -n job -- cmd /c exit 0
expect 75 run --timeout=0.05 job -- cmd /c exit 0
expect 75 run --shared -n job -- cmd /c exit 0
expect 0 run -n 'another job' -- cmd /c exit 0
expect 0 who job
grep -q '^a process that cannot be seen from here' printed || fail "holders: $(cat printed)"
expect 1 who 'a third job'
expect 0 list
grep -q '^job: held by a process that cannot be seen from here$' printed || fail "list: $(cat printed)"
expect 0 dir
mkfifo complaints
"$tool" run job -- cmd /c echo second >printed_second 2>complaints 3<&- 4>&- &
waiter=$!
read -r line <complaints
case $line in "named-lock: waiting for 'job'"*) ;; *) fail "the second said: $line" ;; esac
[ ! -s printed_second ] || fail "the second did not wait"
let_go
wait "$waiter" || fail "the second ended with status $?"
waiter=
grep -q '^second' printed_second || fail "the second did not run its command"

echo "== shared"
hold run --shared job -- cmd /c 'echo inside & set /p line='
expect 0 run --shared -n job -- cmd /c exit 0
expect 75 run -n job -- cmd /c exit 0
let_go

echo "== does the directory lock"
expect 0 probe .
grep -q '^an exclusive lock keeps everybody else out: yes$' printed || fail "no lock here: $(cat printed)"
expect 71 probe no_such_directory

echo "== one that is killed gives the lock up"
hold run job -- cmd /c 'echo inside & set /p line='
kill -KILL "$holder"
wait "$holder"
holder=
expect 0 run -n job -- cmd /c exit 0
printf 'go on\r\n' >&4  # the command was left running
exec 3<&- 4>&-

[ -z "$(find locks -type f -size +0)" ] || fail "a lock file was written to"

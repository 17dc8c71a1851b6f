#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh named_lock.sh PROGRAM [is_named [EMULATOR]]
#
# is_named: it can tell who holds a lock. EMULATOR: what all programs are called that it runs.
set -u
. "$(dirname "$0")/named_lock_common.sh"
is_named=${2:-}
shell=${3:-sh} echo=${3:-echo} itself=${3:-named-lock}
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
expect 0 run job -- true
expect 7 run job -- sh -c 'exit 7'
expect 143 run job -- sh -c 'kill -TERM $$'
expect 127 run job -- ./no_such_command
expect 126 run job -- .
printf 'echo "a script without a first line"\n' >script
chmod +x script
expect 0 run job -- ./script
expect 71 run -d script job -- true
expect 0 run job true
expect 3 run job sh -c 'exit 3'
expect 0 --version
expect 0 --help
grep -q '^usage: ' printed || fail "--help does not help"
for subcommand in run list who purge probe dir; do
    expect 0 "$subcommand" --help
    grep -q "^usage: named-lock $subcommand" printed || fail "$subcommand --help does not help"
    [ "$(awk 'length > 80' printed)" = '' ] || fail "$subcommand --help does not fit into 80 columns"
done

echo "== wrong arguments"
for wrong in '' no_such_subcommand 'run' 'run job' 'run job --' 'run -- true' 'run NUL -- true' \
    'run --no-such-option job -- true' 'run -x job true' 'run --timeout' 'run -w soon job -- true' \
    'run -w nan job -- true' 'run -w -1 job -- true' 'run -w 1s job -- true' 'run --timeout= job -- true' \
    'run -w 1 -n job true' 'run -q -v job true' 'run -E 256 job true' 'run -E -1 job true' 'run -E x job true' \
    'run --ttl 5 job true' 'who' 'who job more' 'list more' 'list -x' 'purge' 'purge --unused-for' \
    'purge --unused-for soon' 'purge --unused-for -1' 'purge --dry-run' 'probe' 'probe . job' 'dir more'; do
    # shellcheck disable=SC2086  # a list of words
    expect 64 $wrong
    grep -q '^usage: ' complaint || fail "no usage message: named-lock $wrong"
    [ ! -s printed ] || fail "it prints something: named-lock $wrong"
done

echo "== the directory"
expect 0 dir
[ "$(cat printed)" = "$NAMED_LOCK_DIR" ] || fail "dir: $(cat printed)"
for command in 'run -d missing job true' 'list -d missing' 'who -d missing job' 'purge -d missing --unused-for 0'; do
    # shellcheck disable=SC2086
    expect 71 $command
    grep -q 'missing: there is no such directory' complaint || fail "it does not tell what is missing: $command"
done
[ ! -e missing ] || fail "a typing error has made a directory"
expect 0 run -d made/here --create job true
[ -f made/here/job.lock ] || fail "--create does not create"
expect 0 run -d made/here job true
expect 0 run ./a_file true
[ -f a_file ] || fail "a name with a slash is no file"
expect 71 run missing/a_file true
expect 0 run --create missing/a_file true
mkdir runtime
own=$(unset NAMED_LOCK_DIR; XDG_RUNTIME_DIR=$PWD/runtime "$tool" dir)
(unset NAMED_LOCK_DIR; XDG_RUNTIME_DIR=$PWD/runtime "$tool" run job true) || fail "it does not make its own directory"
[ -f "$own/job.lock" ] || fail "there is no lock in $own"

echo "== a second one waits, or gives up"
expect 1 who job
hold run job -- sh -c 'echo inside; read -r line'
expect 75 run -n job -- true
expect 75 run --timeout=0.05 job -- true
grep -q "lock 'job' .*was not acquired within 50 ms" complaint || fail "it does not tell of the time-out"
[ -z "$is_named" ] || grep -q "held by pid $holder ($shell)" complaint || fail "it does not tell who holds it"
expect 75 run --shared -n job -- true
expect 9 run -n -E 9 job -- true
expect 0 run -nE 0 job -- true
expect 75 run -nq job -- true
[ ! -s complaint ] || fail "-q is not silent"
expect 75 run -n free job -- true
expect 0 run -n free -- true  # of several locks all or none
"$tool" run --timeout 0.05 job -- true 2>&-  # the lock file must not take the place of standard error
expect 0 run -n 'another job' -- true
expect 0 who job
wanted='a process that cannot be seen from here'
[ -z "$is_named" ] || wanted="$holder ($shell)"
[ "$(cat printed)" = "$wanted holds it" ] || fail "holders: $(cat printed)"
mkfifo complaints
"$tool" run job -- echo second >printed_second 2>complaints 3<&- 4>&- &
waiter=$!
read -r line <complaints
case $line in "named-lock: waiting for 'job'"*) ;; *) fail "the second said: $line" ;; esac
if [ -n "$is_named" ]; then
    [ "$line" = "named-lock: waiting for 'job', held by pid $holder ($shell), 1st in line" ] || fail "the second said: $line"
    expect 0 who job
    [ "$(sed -n '$s/, .*//p' printed)" = "$waiter ($echo) waits" ] || fail "who does not tell who waits: $(cat printed)"
    expect 0 list
    grep -q "^job: held by $holder ($shell)$" printed || fail "list does not tell who holds it: $(cat printed)"
    grep -q "^    $waiter ($echo) waits, [0-9.]* s$" printed || fail "list does not tell who waits: $(cat printed)"
    grep -q "^free: free$" printed || fail "list does not tell what is free: $(cat printed)"
    [ "$(cat "/proc/$holder/comm")" = "$itself" ] || fail "its name is not its own any more"
fi
[ ! -s printed_second ] || fail "the second did not wait"
let_go 0
wait "$waiter" || fail "the second ended with status $?"
waiter=
[ "$(cat printed_second)" = second ] || fail "the second did not run its command"

echo "== several at once"
hold run a b -- sh -c 'echo inside; read -r line'
for name in a b; do expect 75 run -nq "$name" -- true; done
let_go 0
expect 0 run -v a b -- true
grep -q "^named-lock: waited [0-9.]* s for 'a', 'b', held it for [0-9.]* s$" complaint || fail "-v does not tell"

echo "== list --json"
expect 0 list --json
grep -q '"name": "job"' printed || fail "no job: $(cat printed)"
if [ -n "$is_named" ]; then
    hold run -s job -- sh -c 'echo inside; read -r line'
    expect 0 list --json
    tr -d ' \n' <printed >flat
    grep -q "{\"name\":\"job\",\"state\":\"shared\",\"holders\":\[{\"pid\":$holder,\"process\":\"$shell\"}\],\"waiters\":\[\]}" \
        flat || fail "list: $(cat printed)"
    let_go 0
fi

if [ -n "${3:-}" ]; then
    echo "== left out: a deadlock. A look at the processes is over before an emulator has seen so many"
elif [ -n "$is_named" ]; then
    echo "== a deadlock"
    # Each holds one lock, and then asks for the other's.
    mkfifo right_inside
    "$tool" run left -- sh -c 'read -r line <right_inside; "$0" run right -- true' "$tool" 2>left_said &
    left=$!
    "$tool" run right -- sh -c 'echo >right_inside; "$0" run left -- true' "$tool" 2>right_said &
    right=$!
    told="^deadlock: $left (sh) holds left, waits for right; $right (sh) holds right, waits for left\$"
    told_back="^deadlock: $right (sh) holds right, waits for left; $left (sh) holds left, waits for right\$"
    until "$tool" list | tee listed | grep -q -e "$told" -e "$told_back"; do sleep 0.05; done
    "$tool" list --json | tr -d ' \n' | grep -q "\"deadlocks\":\[\[{\"pid\":[0-9]*,\"process\":\"sh\",\"holds\":" || fail "no JSON"
    # Who waits for right is the child's child of the left one.
    kill "$("$tool" who right | sed -n 's/ (true) waits.*//p')"
    wait "$left"
    wait "$right" || fail "the right one did not go on"
    expect 0 list
    ! grep deadlock printed || fail "there is still a deadlock"
fi

echo "== purge"
expect 0 purge --unused-for 1 --dry-run
[ ! -s printed ] || fail "it would remove new files: $(cat printed)"
hold run job -- sh -c 'echo inside; read -r line'
expect 0 purge --unused-for 0 --dry-run
grep -q '^a$' printed && ! grep -q '^job$' printed || fail "what it would remove: $(cat printed)"
[ -f locks/a.lock ] || fail "it has removed a file in spite of --dry-run"
expect 0 purge --unused-for 0
grep -q '^[1-9][0-9]* lock files removed$' printed || fail "it does not tell what it has removed: $(cat printed)"
[ ! -f locks/a.lock ] && [ -f locks/job.lock ] || fail "it has removed the wrong files"
let_go 0

echo "== shared"
hold run --shared job -- sh -c 'echo inside; read -r line'
expect 0 run --shared -n job -- true
expect 75 run -n job -- true
let_go 0

echo "== signals go to the command, whose status counts"
hold run job -- sh -c 'trap "exit 9" TERM; echo inside; read -r line'
kill -TERM "$holder"
wait "$holder"
status=$?
holder=
exec 3<&- 4>&-
[ "$status" -eq 9 ] || fail "the holder ended with status $status, not 9"

echo "== what the command leaves behind does not hold the lock"
hold run job -- sh -c 'exec 5<&0; read -r line <&5 & echo inside'
wait "$holder" || fail "the holder ended with status $?"
holder=
expect 0 run -n job -- true
echo >&4
cat <&3  # until what was left behind has ended, too
exec 3<&- 4>&-

echo "== does the directory lock"
expect 0 probe .
grep -q '^an exclusive lock keeps everybody else out: yes$' printed || fail "no lock here: $(cat printed)"
grep -q '^a shared lock keeps exclusive ones out: yes$' printed || fail "no shared lock here: $(cat printed)"
expect 71 probe no_such_directory
grep -q 'cannot probe no_such_directory: ' complaint || fail "probe does not say what is wrong"

echo "== kill -9 gives the lock up"
hold run job -- sh -c 'echo inside; read -r line'
kill -KILL "$holder"
wait "$holder"
holder=
expect 0 run -n job -- true
exec 3<&- 4>&-

echo "== what cannot be printed is an error"
[ ! -e /dev/full ] || "$tool" --help >/dev/full 2>&1 && [ -e /dev/full ] && fail "it does not notice a full disk"

[ -z "$(find locks -type f -size +0)" ] || fail "a lock file was written to"

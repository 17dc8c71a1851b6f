#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh misuse.sh NAME PROGRAM
#
# Wrong arguments, --help, and files that cannot be used: what the example NAME says, and how it ends.
set -u
name=$1
program=$2
title=$(printf '%s' "$name" | sed 's/^named_lock$/named-lock/')  # as it calls itself
directory=.
fail() { echo "FAILED: $*" >&2; cat complaint >&2; exit 1; }

# expect STATUS ARGUMENTS... : what it says goes to the files printed and complaint, without the \r of Windows
expect() {
    wanted=$1
    shift
    (cd "$directory" && exec "$program" "$@") >printed_raw 2>complaint_raw </dev/null
    status=$?
    tr -d '\r' <printed_raw >printed
    tr -d '\r' <complaint_raw >complaint
    [ "$status" -eq "$wanted" ] || fail "$name $* ended with status $status, not $wanted"
    [ "$status" -eq 0 ] || head -n 1 complaint | grep -q "^$title: " || fail "$name $* does not say what is wrong"
}

# refused ARGUMENTS...
refused() {
    expect 64 "$@"
    sed -n 2p complaint | grep -q "^usage: $title" || fail "$name $* does not say how to use it"
    [ ! -s printed ] || fail "$name $* has begun nevertheless: $(cat printed)"
}

# unusable FILE ARGUMENTS... : one line, which names the file
unusable() {
    file=$1
    shift
    expect 71 "$@"
    grep -q "$file" complaint || fail "it does not name $file"
    [ "$(wc -l <complaint)" -eq 1 ] || fail "it says more than a line"
}

echo "== wrong arguments"
refused --no-such-option
refused --help=1
refused -x
case $name in
named_lock) set -- run -d "$PWD/locks" job -- true; refused run job ;;
background_job)
    set -- 1
    for wrong in 0 -1 2.5 '' two 1x 1000001 99999999999999999999 '1 2'; do refused "$wrong"; done
    refused 1 2
    ;;
invoices) set --; refused unexpected; refused --workers; refused --workers 1x ;;
*) set --; refused unexpected; refused '' ;;
esac

echo "== --help"
for option in --help -h; do
    expect 0 "$option"
    head -n 1 printed | grep -q "^usage: $title" || fail "$option does not help: $(cat printed)"
    [ ! -s complaint ] || fail "$option complains"
done

echo "== a directory of locks that cannot be made"
[ ! -e locks ] && [ ! -e transfer ] || fail "it has made files before it was told to do anything"
echo >locks
case $name in
transfer) echo >transfer; unusable transfer ;;
invoices) TMPDIR=$PWD/locks unusable directory ;;
*) unusable locks "$@" ;;
esac
rm -f locks transfer

echo "== a file of its own that cannot be written"
case $name in
calculation) mkdir calculation.txt; unusable calculation.txt ;;
readers_writer) mkdir prices.txt; unusable prices.txt ;;
transfer) mkdir -p transfer/alice; unusable alice ;;
esac

[ "$(id -u)" -ne 0 ] || exit 0  # whom no mode keeps out
echo "== a directory in which nothing may be written"
mkdir readonly
chmod a-w readonly
directory=readonly
case $name in
named_lock) unusable readonly run -d "$PWD/readonly" job -- true ;;
transfer) unusable transfer ;;
invoices) TMPDIR=$PWD/readonly unusable readonly ;;
*) unusable locks "$@" ;;
esac

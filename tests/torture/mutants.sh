#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
set -eu

usage() {
    cat <<'TEXT'
usage: sh tests/torture/mutants.sh [--only PATTERN] [--build DIR] [--list]

Tries the tests: puts the small bugs of mutants/list into a copy of include/, one at a time, and runs the test that is
expected to notice. Prints which bugs it let through. By hand, not in CI: a bug takes some ten to twenty seconds.
Exits non-zero if one survived, does not fit the code any more or does not compile, or if a test fails without any.

  --only PATTERN  those whose name matches that grep pattern
  --build DIR     build/mutants unless said otherwise
  --list          only prints their names
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/build/mutants
only=.
list=no
while [ $# -gt 0 ]; do
    case $1 in
        --only) [ $# -ge 2 ] || { usage >&2; exit 64; }; only=$2; shift 2 ;;
        --build) [ $# -ge 2 ] || { usage >&2; exit 64; }; build=$2; shift 2 ;;
        --list) list=yes; shift ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$scratch"  # some tests have other users
while IFS= read -r line; do
    case $line in '#'* | '') continue ;; esac
    if printf '%s\n' "${line%%@*}" | grep -q -e "$only"; then printf '%s\n' "$line"; fi
done <"$here/mutants/list" >"$scratch/list"
if [ "$list" = yes ]; then
    cut -d @ -f 1 "$scratch/list"
    exit 0
fi

compile() { c++ -std=c++20 -O0 -w -pthread -I "$root/tests" "$@"; }

# What does not depend on include/.
mkdir -p "$build"
build=$(cd "$build" && pwd)
printf '== building what all need\n'
compile -x c++-header "$root/tests/support/catch.hpp" -o "$build/catch.hpp.gch"
compile -c "$root/tests/support/catch_main.cpp" -o "$build/catch_main.o"
echo '#include "support/replaced_calls.hpp"' | compile -x c++ -c - -o "$build/replaced_calls.o"
rm -f "$build/libreplaced_calls.a"
ar rc "$build/libreplaced_calls.a" "$build/replaced_calls.o"  # for programs that have not replaced them themselves
compile -fno-builtin -fPIC -shared "$here/shim.cpp" -o "$build/libshim.so" -ldl
catch=-lCatch2  # of version 3; 2 has no library
echo 'int main() {}' | c++ -x c++ - -o "$scratch/empty" "$catch" 2>"$scratch/log" || catch=

# A tree is a directory with a copy of include/ and what was built with it.
new_tree() { # TREE
    rm -rf "$1"
    mkdir -p "$1"
    cp -r "$root/include" "$1/include"
    ln -s ../libshim.so "$1/libshim.so"
}

# A killer is "FILE: TEST CASE", of tests/FILE.cpp, or a torture program with its arguments.
program_of() {
    case $1 in
        *_test:*) printf '%s\n' "${1%%:*}" ;;
        *) printf 'torture_%s\n' "${1%% *}" ;;
    esac
}

build_killer() { # TREE KILLER
    tree=$1
    program=$(program_of "$2")
    [ ! -x "$tree/$program" ] || return 0
    case $program in
        torture_*) compile -I "$tree/include" "$here/${program#torture_}.cpp" -o "$tree/$program" -ldl ;;
        *)
            [ -x "$tree/worker" ] || compile -I "$tree/include" "$root/tests/worker.cpp" -o "$tree/worker" -ldl || return 1
            compile -I "$tree/include" -include "$build/catch.hpp" -DNAMED_LOCK_WORKER="\"$tree/worker\"" \
                "$root/tests/$program.cpp" "$build/catch_main.o" -o "$tree/$program" \
                -L "$build" -lreplaced_calls $catch -ldl
            ;;
    esac
}

# 0: it passes; 77: it was skipped. A hang is a failure.
run_killer() { # TREE KILLER
    program=$1/$(program_of "$2")
    case $2 in
        *_test:*) TMPDIR=$scratch timeout -s KILL 60 "$program" "${2#*: }" ;;
        *' '*)
            # shellcheck disable=SC2086  # a list of words
            TMPDIR=$scratch timeout -s KILL 120 "$program" ${2#* }
            ;;
        *) TMPDIR=$scratch timeout -s KILL 120 "$program" ;;
    esac
}

killed=0 survived=0 broken=0
fail() { # WHAT NAME [LOG]
    printf '%-13s %s\n' "$1" "$2"
    [ $# -lt 3 ] || tail -n 20 "$3"
    broken=$((broken + 1))
}

printf '== without a bug\n'
new_tree "$build/plain"
cut -d @ -f 4 "$scratch/list" | sort -u >"$scratch/killers"
: >"$scratch/good"
while IFS= read -r killer <&3; do
    if ! build_killer "$build/plain" "$killer" >"$build/plain.log" 2>&1; then
        fail 'NO BUILD' "$killer" "$build/plain.log"
        continue
    fi
    status=0
    run_killer "$build/plain" "$killer" >"$build/plain.log" 2>&1 || status=$?
    case $status in
        0) printf '%s\n' "$killer" >>"$scratch/good" ;;
        77) fail 'CANNOT RUN' "$killer" ;;
        *) fail 'FAILS ANYWAY' "$killer" "$build/plain.log" ;;
    esac
done 3<"$scratch/killers"

printf '== with one at a time\n'
while IFS=@ read -r name file expression killer <&3; do
    new_tree "$build/bug"
    mutant=$build/bug/include/named_lock/detail/$file
    if ! sed -E -z -i "$expression" "$mutant" || cmp -s "$root/include/named_lock/detail/$file" "$mutant"; then
        fail 'DOES NOT FIT' "$name"
        continue
    fi
    if ! grep -qxF -e "$killer" "$scratch/good"; then fail 'NOT TRIED' "$name"; continue; fi
    if ! build_killer "$build/bug" "$killer" >"$build/bug.log" 2>&1; then
        fail 'NO BUILD' "$name" "$build/bug.log"
        continue
    fi
    status=0
    run_killer "$build/bug" "$killer" >"$build/bug.log" 2>&1 || status=$?
    case $status in
        0 | 77) survived=$((survived + 1)); printf '%-13s %s (%s)\n' SURVIVED "$name" "$killer" ;;
        *) killed=$((killed + 1)); printf '%-13s %s\n' killed "$name" ;;
    esac
done 3<"$scratch/list"
printf '%s killed, %s survived, %s could not be tried\n' "$killed" "$survived" "$broken"
[ "$survived" -eq 0 ] && [ "$broken" -eq 0 ]

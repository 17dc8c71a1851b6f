#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
set -eu

usage() {
    cat <<'TEXT'
usage: sh tests/torture/mutants.sh [--only PATTERN] [--build DIR] [--list]

Tries the tests: puts the small bugs of mutants/list into a copy of include/, one at a time, and runs the test that is
expected to notice. Prints which bugs it let through. By hand, not in CI: a bug takes about half a minute.
Exits non-zero if one survived, or does not fit the code any more.

  --only PATTERN  those whose name matches that grep pattern
  --build DIR     build/mutants unless said otherwise
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/build/mutants
only=.
while [ $# -gt 0 ]; do
    case $1 in
        --only) [ $# -ge 2 ] || { usage >&2; exit 64; }; only=$2; shift 2 ;;
        --build) [ $# -ge 2 ] || { usage >&2; exit 64; }; build=$2; shift 2 ;;
        --list) grep -v '^#' "$here/mutants/list" | cut -d @ -f 1; exit 0 ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
done
mkdir -p "$build"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

flags='-std=c++20 -O0 -w -pthread'
catch=-lCatch2  # 3; 2 has no library
echo 'int main() {}' | c++ -x c++ - -o "$scratch/catch" "$catch" 2>"$scratch/link.log" || catch=
compile() { # OUTPUT SOURCE: against the copy
    # shellcheck disable=SC2086  # a list of words
    c++ $flags -I "$build/include" -I "$root/tests" "$2" -o "$1" -ldl
}

# A killer is a torture program with its arguments, or "test FILE [CATCH2-ARGUMENTS]".
notices() { # KILLER...
    what=$1
    shift
    case $what in
        test)
            file=$1
            shift
            [ -f "$build/catch_main.o" ] || c++ -std=c++20 -O0 -w -I "$root/tests" -c "$root/tests/support/catch_main.cpp" \
                -o "$build/catch_main.o"
            compile "$build/worker" "$root/tests/worker.cpp" || return 2
            # shellcheck disable=SC2086
            c++ $flags -I "$build/include" -I "$root/tests" -include "$root/tests/support/catch.hpp" \
                -DNAMED_LOCK_WORKER="\"$build/worker\"" "$root/tests/$file.cpp" "$build/catch_main.o" \
                -o "$build/$file" $catch -ldl 2>"$build/link.log" || return 2
            program=$build/$file
            ;;
        *)
            [ -f "$build/libshim.so" ] ||
                c++ -std=c++20 -O1 -w -fno-builtin -fPIC -shared "$here/shim.cpp" -o "$build/libshim.so" -ldl
            compile "$build/torture_$what" "$here/$what.cpp" || return 2
            program=$build/torture_$what
            ;;
    esac
    if TMPDIR=$scratch timeout 120 "$program" "$@" >"$build/last.log" 2>&1; then return 1; else return 0; fi
}

killed=0 survived=0 broken=0
while IFS=@ read -r name file expression killer <&3; do
    case $name in '#'* | '') continue ;; esac
    printf '%s\n' "$name" | grep -q -- "$only" || continue
    rm -rf "$build/include"
    cp -r "$root/include" "$build/include"
    sed -E -i "$expression" "$build/include/named_lock/detail/$file"
    if cmp -s "$root/include/named_lock/detail/$file" "$build/include/named_lock/detail/$file"; then
        printf 'DOES NOT FIT  %s\n' "$name"
        broken=$((broken + 1))
        continue
    fi
    status=0
    # shellcheck disable=SC2086  # a program and its arguments
    notices $killer || status=$?
    case $status in
        0) killed=$((killed + 1)); printf 'killed        %s\n' "$name" ;;
        1) survived=$((survived + 1)); printf 'SURVIVED      %s (%s)\n' "$name" "$killer" ;;
        *) broken=$((broken + 1)); printf 'NO BUILD      %s\n' "$name" ;;
    esac
done 3<"$here/mutants/list"
printf '%s killed, %s survived, %s do not fit\n' "$killed" "$survived" "$broken"
[ "$survived" -eq 0 ] && [ "$broken" -eq 0 ]

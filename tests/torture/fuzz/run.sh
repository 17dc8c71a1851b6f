#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
set -eu

usage() {
    cat <<'TEXT'
usage: sh tests/torture/fuzz/run.sh [--seconds N] [--no-install]

Feeds lock names, durations and the texts of /proc to the library, chosen by LLVM's libFuzzer, for N seconds each (30
unless said otherwise), under AddressSanitizer and UndefinedBehaviorSanitizer, and prints a table. Begins with the
inputs in corpus/; new ones are not kept, but one that fails is, in the current directory. Exits non-zero if one does.
Needs clang++; installs it with apt-get where there is one, unless --no-install is given. CXX names another clang++.
TEXT
}

fail() { printf 'tests/torture/fuzz/run.sh: %s\n' "$*" >&2; exit 1; }

here=$(cd "$(dirname "$0")" && pwd)
include=$(cd "$here/../../../include" && pwd)
seconds=30
install=yes
while [ $# -gt 0 ]; do
    case $1 in
        --seconds) [ $# -ge 2 ] || fail "--seconds needs a value"; seconds=$2; shift 2 ;;
        --no-install) install=; shift ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
done
case $seconds in '' | *[!0-9]* | 0) fail "--seconds takes a whole number, at least 1" ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

# A clang++ that has libFuzzer: some distributions package that by itself.
find_compiler() {
    echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' >"$work/try.cpp"
    for compiler in ${CXX:-} clang++ clang++-19 clang++-18 clang++-16 clang++-15 clang++-14; do
        if "$compiler" -fsanitize=fuzzer,address,undefined "$work/try.cpp" -o "$work/try" >"$work/said" 2>&1; then
            return 0
        fi
    done
    return 1
}
if ! find_compiler; then
    [ -n "$install" ] && command -v apt-get >/dev/null || fail "there is no clang++ with libFuzzer"
    as_root=env
    [ "$(id -u)" -eq 0 ] || as_root="sudo -n env"
    { $as_root apt-get -q update && $as_root DEBIAN_FRONTEND=noninteractive apt-get -q -y install clang; } >&2 || true
    find_compiler || { cat "$work/said" >&2; fail "please install clang with its libFuzzer"; }
fi

failures=0
printf '| %-10s | %9s | %9s | %8s | %-20s |\n' "target" "inputs" "per second" "covered" "result"
printf '|------------|-----------|------------|----------|----------------------|\n'
for target in names durations proc; do
    "$compiler" -std=c++17 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I "$include" \
        "$here/$target.cpp" -o "$work/$target" || fail "$target.cpp does not compile"
    mkdir "$work/new_$target"
    result="no failure"
    "$work/$target" -max_total_time="$seconds" -timeout=10 -max_len=600 -print_final_stats=1 \
        -artifact_prefix="$PWD/failing-$target-" "$work/new_$target" "$here/corpus/$target" \
        >"$work/log_$target" 2>&1 || {
        result="FAILED"
        failures=$((failures + 1))
        grep -v '^#' "$work/log_$target" | tail -40 >&2
    }
    inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log_$target")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$work/log_$target")
    covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$work/log_$target" | tail -1)
    printf '| %-10s | %9s | %10s | %8s | %-20s |\n' "$target" "$inputs" "$rate" "$covered" "$result"
done
[ "$failures" -eq 0 ] || exit 1

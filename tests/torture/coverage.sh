#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
set -eu

usage() {
    cat <<'TEXT'
usage: sh tests/torture/coverage.sh [--build DIR] [--no-run]

Builds the tests and the torture programs for coverage (with g++ and gcovr), runs them, and prints how many lines and
branches of include/ they reached, and each line that none did, with the reason. Exits non-zero when a line has none.

  --build DIR   build/coverage unless said otherwise
  --no-run      only prints what was counted before
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/build/coverage
run=yes
while [ $# -gt 0 ]; do
    case $1 in
        --build) [ $# -ge 2 ] || { usage >&2; exit 64; }; build=$2; shift 2 ;;
        --no-run) run=no; shift ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
done

command -v gcovr >/dev/null || { echo 'coverage.sh: please install gcovr' >&2; exit 1; }
if [ "$run" = yes ]; then
    mkdir -p "$build"
    find "$build" -name '*.gcda' -exec rm -f {} +
    cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_COMPILER=g++ \
        -DCMAKE_CXX_STANDARD=20 \
        -DCMAKE_CXX_FLAGS="--coverage -fprofile-update=atomic -DNAMED_LOCK_COVERAGE" \
        -DNAMED_LOCK_BUILD_EXAMPLES=OFF >"$build/configure.log"
    cmake --build "$build" -j 2 --target named_lock_tests named_lock_worker named_lock_torture | tail -n 1
    # What is compiled or run by other means counts nothing here. A failed test is a matter of tests/run.sh.
    (cd "$build" && ctest -j 2 -E 'compile_fail|consumer|header|docs|benchmark|torture|shared_library|first_lock' |
        tail -n 3) || true
    programs=$build/tests/torture
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    chmod 755 "$scratch"
    for command in race 'faults --systematic 0/20 --random 3' limits 'attacks --seconds 1' 'storm --seconds 5' \
        'storm --seconds 3 --hostile safe' 'forks --seconds 4' 'soak --seconds 3'; do
        printf '== %s\n' "$command"
        # shellcheck disable=SC2086  # a program and its arguments
        TMPDIR=$scratch "$programs"/torture_$command >"$build/last.log" 2>&1 || true
        grep '^TOTAL' "$build/last.log" || echo 'it did not end'
    done
fi
exec python3 "$here/coverage.py" "$root" "$build"

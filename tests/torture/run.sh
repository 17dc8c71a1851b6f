#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
set -eu

usage() {
    cat <<'TEXT'
usage: sh tests/torture/run.sh [--minutes N] [--only PART] [--seed N] [--build DIR] [--no-install]

Installs what is missing (on Debian and its kin, with apt-get), builds the torture programs, lets each run for its share
of N minutes (5 unless said otherwise, at least 1), and prints one table: what was tried, how often, violations, leaks.
Exits non-zero on a violation, a leak, or a part that did not run. Linux with glibc only. As root it tries more: two
users, small file systems; what it leaves out it names.

  --only PART   race, faults, limits, attacks, storm, hostile-safe, hostile-unsafe, forks, gate, destroy, signals or
                soak; again for more
  --seed N      what the random parts start from; printed with each run
  --build DIR   build/torture unless said otherwise
TEXT
}

fail() { printf 'tests/torture/run.sh: %s\n' "$*" >&2; exit 1; }

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/build/torture
install=yes
for_python=
while [ $# -gt 0 ]; do
    case $1 in
        --minutes | --only | --seed) [ $# -ge 2 ] || fail "$1 needs a value"; for_python="$for_python $1 $2"; shift 2 ;;
        --build) [ $# -ge 2 ] || fail "--build needs a directory"; build=$2; shift 2 ;;
        --no-install) install=no; shift ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
done
[ "$(uname -s)" = Linux ] || fail "only for Linux"

if [ "$install" = yes ] && command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
    . "$here/../support/install.sh"
    install_missing cmake ninja-build g++ catch2 python3
fi
for tool in cmake ninja c++ python3; do
    command -v "$tool" >/dev/null || fail "there is no $tool"
done

printf "== building\n"
mkdir -p "$build"
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DNAMED_LOCK_WERROR=ON \
    -DNAMED_LOCK_BUILD_EXAMPLES=OFF -DNAMED_LOCK_INTEROP_TESTS=OFF -DNAMED_LOCK_TEST_COMPILED=ON >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
rm -f "$build.log"
cmake --build "$build" --target named_lock_torture -j 2 >"$build.log" 2>&1 || { cat "$build.log"; fail "cannot build"; }
rm -f "$build.log"
# shellcheck disable=SC2086  # a list of words
exec python3 "$here/torture.py" "$build/tests/torture" $for_python

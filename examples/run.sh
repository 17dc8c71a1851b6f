#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh examples/run.sh [ARGUMENTS OF invoices...]
#
# Builds the examples in build/examples, lets those of event loops wait for a lock, and runs the main one, invoices
# (examples/invoices.cpp). What is missing for that is installed first, with apt-get. The libraries of the event loops may
# be missing where that is impossible, but not in CI.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/examples

say() { printf '== %s\n' "$*" >&2; }
fail() { printf 'examples/run.sh: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

compiler=${CXX:-}
for candidate in c++ g++ clang++; do
    [ -n "$compiler" ] || ! has "$candidate" || compiler=$candidate
done

missing=
[ -n "$compiler" ] || missing="$missing g++"
has cmake || missing="$missing cmake"
has ninja || missing="$missing ninja-build"
# Without a compiler to ask, the usual place.
if [ -n "$compiler" ]; then
    echo '#include <sqlite3.h>' | $compiler -E -x c++ - >/dev/null 2>&1 || missing="$missing libsqlite3-dev"
elif [ ! -f /usr/include/sqlite3.h ]; then
    missing="$missing libsqlite3-dev"
fi

if [ -n "${CI:-}" ] || { has apt-get && [ "$(id -u)" -eq 0 ]; }; then
    has pkg-config || missing="$missing pkg-config"
    pkg-config --exists libuv 2>/dev/null || missing="$missing libuv1-dev"
    pkg-config --exists glib-2.0 2>/dev/null || missing="$missing libglib2.0-dev"
fi
for header in CLI/CLI.hpp:libcli11-dev nlohmann/json.hpp:nlohmann-json3-dev; do  # for named-lock
    [ -f "/usr/include/${header%:*}" ] || missing="$missing ${header#*:}"
done
has scdoc || missing="$missing scdoc"

if [ -n "$missing" ]; then
    advice="please install$missing (so they are called on Debian; as root: apt-get install$missing)"
    has apt-get || fail "$advice"
    if [ "$(id -u)" -eq 0 ]; then
        as_root="env"
    elif has sudo && sudo -n true 2>/dev/null; then
        as_root="sudo env"
    else
        fail "$advice"
    fi
    say "installing$missing"
    $as_root apt-get -q update >&2
    # shellcheck disable=SC2086  # a list of words
    $as_root DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing >&2
fi

say "building the examples in $build"
cmake -S "$root" -B "$build" -G Ninja --log-level=WARNING -DCMAKE_BUILD_TYPE=Debug \
    -DNAMED_LOCK_BUILD_EXAMPLES=ON -DNAMED_LOCK_BUILD_TESTS=OFF "-DNAMED_LOCK_ALL_EXAMPLES=${CI:+ON}" >&2
cmake --build "$build" >&2

say "waiting in event loops"
(cd "$build" && ctest --output-on-failure -R '^example\.(epoll|coroutine|libuv|glib)$') >&2

say "running invoices"
exec "$build/examples/invoices" "$@"

#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# Measures named_lock against what one would use instead:
#
#   sh tests/benchmark/run.sh [--quick] [--only QUESTION,...] [--against INCLUDE_DIR]
#
# Installs what is missing on Debian, builds in Release under build/benchmark, prints a table for each question and
# leaves results.json and the charts in build/benchmark. Takes under 12 minutes, with --quick under 2, which is built in
# Debug under build/benchmark-quick, and only shows that it works. As root it also
# measures what needs another network namespace and another user.
set -eu
cd "$(dirname "$0")/../.."

if [ "$(id -u)" -eq 0 ]; then as_root=; else as_root="sudo -n"; fi
install_missing() {
    missing=
    for package; do
        dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "To be installed:$missing"
    { $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends $missing; } >/dev/null
}

if ! install_missing g++ cmake ninja-build libboost-dev python3 python3-filelock python3-matplotlib util-linux; then
    echo "Please install:$missing" >&2
    exit 1
fi

build=build/benchmark
build_type=Release
for argument; do
    [ "$argument" != --quick ] || { build=build/benchmark-quick build_type=Debug; }  # figures that nobody takes for any
done
cmake -S tests/benchmark -B "$build" -G Ninja -DCMAKE_BUILD_TYPE="$build_type" >/dev/null
cmake --build "$build" >/dev/null

go_peer=$build/go_peer
if install_missing golang-go golang-github-gofrs-flock-dev &&
    GOPATH=/usr/share/gocode GO111MODULE=off GOFLAGS= GOCACHE="$PWD/$build/go_cache" \
        go build -o "$go_peer" tests/benchmark/peer.go; then
    set -- --go-peer "$PWD/$go_peer" "$@"
else
    echo "WITHOUT gofrs/flock: its program cannot be built (packages golang-go, golang-github-gofrs-flock-dev)" >&2
fi
exec /usr/bin/python3 tests/benchmark/run.py --programs "$build" --output "$build" "$@"

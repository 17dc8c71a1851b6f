#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
set -eu

usage() {
    cat <<'TEXT'
usage: sh tests/etcd/run.sh [--minutes N] [--quick | --thorough] [--only PART] [--no-install]

Installs what is missing (on Debian and its kin, with apt-get), builds the tests of etcd_lock in build/etcd*, starts
servers, runs all, and ends them: the tests on a scripted network and on real servers, the examples that use etcd, the
same tests under ThreadSanitizer and AddressSanitizer, the model, and a chaos run of N minutes (1) with its negative
control. Fails if something that should run did not. The chaos run needs root, the right to make network namespaces, and
is left out, by name, without.

  --minutes N     how long the chaos run takes
  --quick         leave out AddressSanitizer, and the model's world that takes longest
  --thorough      more of everything: 10,000 acquisitions, the larger worlds of the model
  --only PART     tests, sanitizers, model or chaos; again for more
  --no-install    take the machine as it is
TEXT
}

say() { printf '== %s\n' "$*"; }
fail() { printf 'tests/etcd/run.sh: %s\n' "$*" >&2; exit 1; }

minutes=1
install=yes
only=
model_words=--quick
sanitizers="thread address,undefined"
while [ $# -gt 0 ]; do
    case $1 in
        --minutes) [ $# -ge 2 ] || fail "--minutes needs a number"; minutes=$2; shift 2 ;;
        --only) [ $# -ge 2 ] || fail "--only needs a part"; only="$only $2"; shift 2 ;;
        --quick) model_words=--quickest; sanitizers=thread; shift ;;
        --thorough) NAMED_LOCK_ETCD_THOROUGH=1; export NAMED_LOCK_ETCD_THOROUGH; model_words=; shift ;;
        --no-install) install=no; shift ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
done
for part in $only; do
    case $part in tests | sanitizers | model | chaos) ;; *) fail "there is no part called '$part'" ;; esac
done
wants() { case " ${only:-$1} " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
[ "$(uname -s)" = Linux ] || fail "only for Linux"
cd "$(dirname "$0")/../.."

# ---- install ----

if [ "$install" = yes ] && command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
    wanted="cmake ninja-build g++ catch2 python3 etcd-server etcd-client libcurl4-openssl-dev nlohmann-json3-dev openssl
        iproute2 util-linux libsqlite3-dev sqlite3 procps"
    ! wants sanitizers || wanted="$wanted clang"
    ! wants model || wanted="$wanted spin gcc libc6-dev"
    . tests/support/install.sh
    # shellcheck disable=SC2086  # a list of words
    install_missing $wanted
    if wants sanitizers; then  # a package named after the version that clang stands for
        version=$(dpkg-query -W -f '${Depends}' clang | sed -n 's/.*clang-\([0-9][0-9]*\).*/\1/p')
        install_missing "libclang-rt-$version-dev"
    fi
fi
for tool in cmake ninja c++ python3 etcd etcdctl openssl setpriv; do
    command -v "$tool" >/dev/null || fail "there is no $tool"
done

# ---- servers ----

work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# One that all tests share; those that stop, restart or configure one start another themselves.
start_server() {
    [ -z "$server" ] || return 0
    ports=$(python3 -c 'import socket
s = [socket.socket() for _ in range(2)]
[x.bind(("127.0.0.1", 0)) for x in s]
print(*(x.getsockname()[1] for x in s))')
    client=http://127.0.0.1:${ports% *}
    peer=http://127.0.0.1:${ports#* }
    etcd --name m0 --data-dir "$work/data" --listen-client-urls "$client" --advertise-client-urls "$client" \
        --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "m0=$peer" \
        >"$work/etcd.log" 2>&1 &
    server=$!
    i=0
    until ETCDCTL_API=3 etcdctl --endpoints "$client" endpoint health >/dev/null 2>&1; do
        i=$((i + 1))
        [ "$i" -lt 100 ] || { cat "$work/etcd.log"; fail "etcd does not start"; }
        sleep 0.1
    done
    NAMED_LOCK_ETCD_URL=$client
    export NAMED_LOCK_ETCD_URL
}

# build DIRECTORY TARGETS -- CMAKE-OPTIONS
build() {
    directory=$1
    targets=
    shift
    while [ "$1" != -- ]; do targets="$targets $1"; shift; done
    shift
    cmake -S . -B "$directory" -G Ninja --log-level=WARNING -DCMAKE_BUILD_TYPE=Debug -DNAMED_LOCK_WERROR=ON \
        -DNAMED_LOCK_INTEROP_TESTS=OFF -DNAMED_LOCK_ETCD=ON -DNAMED_LOCK_ETCD_TESTS=ON "$@"
    # shellcheck disable=SC2086  # a list of words
    $launch cmake --build "$directory" --target $targets -j "$(nproc)" >"$work/build.log" 2>&1 ||
        { cat "$work/build.log"; fail "cannot build $directory"; }
}

# run_tests DIRECTORY CTEST-ARGUMENTS : nothing may be skipped but what may
run_tests() {
    directory=$1
    shift
    start_server
    $launch ctest --test-dir "$directory" -j "$(($(nproc) * 4))" --no-tests=error --output-on-failure "$@" \
        >"$work/ctest.log" 2>&1 || { cat "$work/ctest.log"; fail "tests failed in $directory"; }
    tail -n 5 "$work/ctest.log"
    grep '^SKIPPED: ' "$directory/Testing/Temporary/LastTest.log" >"$work/skipped" || true
    cat "$work/skipped"
    ! grep -v 'the sanitizer' "$work/skipped" >/dev/null || fail "tests were skipped that should run"
}

launch=
if wants tests; then
    say "building"
    build build/etcd named_lock_etcd_all -- -DCMAKE_CXX_COMPILER=g++ -DCMAKE_CXX_STANDARD=17 \
        "-DCMAKE_CXX_FLAGS_DEBUG=-Og -g1" -DNAMED_LOCK_BUILD_EXAMPLES=ON
    say "testing"
    run_tests build/etcd -R '^etcd:|[.]etcd$'
fi

if wants sanitizers; then
    for sanitizer in $sanitizers; do
        say "building with -fsanitize=$sanitizer"
        launch=
        # ThreadSanitizer of clang 17 and older does not start where the system randomizes addresses by more than 28
        # bits.
        [ "$sanitizer" != thread ] || ! setarch "$(uname -m)" -R true 2>/dev/null || launch="setarch $(uname -m) -R"
        build "build/etcd-${sanitizer%,*}" named_lock_etcd_tests -- -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_STANDARD=20 \
            -DCMAKE_CXX_FLAGS_DEBUG="-O0 -g1" -DNAMED_LOCK_SANITIZE="$sanitizer" -DNAMED_LOCK_COMPILE_TESTS=OFF \
            -DNAMED_LOCK_BUILD_EXAMPLES=OFF -DNAMED_LOCK_TEST_TIMEOUT=300
        say "testing with -fsanitize=$sanitizer"
        TSAN_OPTIONS="halt_on_error=1 die_after_fork=0" UBSAN_OPTIONS=print_stacktrace=1 \
            run_tests "build/etcd-${sanitizer%,*}" -R '^etcd:'
    done
    launch=
fi

if wants model; then
    say "checking the model"
    # shellcheck disable=SC2086  # a list of words
    sh tests/etcd/model/run.sh $model_words --no-install
fi

if wants chaos; then
    if [ "$(id -u)" -eq 0 ] && ip netns add named_lock_try 2>/dev/null; then
        ip netns del named_lock_try
        [ -x build/etcd/tests/etcd/named_lock_etcd_chaos_client ] || build build/etcd named_lock_etcd_chaos_client -- \
            -DCMAKE_CXX_COMPILER=g++ -DCMAKE_CXX_STANDARD=17 "-DCMAKE_CXX_FLAGS_DEBUG=-Og -g1"
        say "chaos, $minutes min"
        python3 tests/etcd/chaos/chaos.py build/etcd/tests/etcd/named_lock_etcd_chaos_client --minutes "$minutes"
        say "chaos, the negative control"
        python3 tests/etcd/chaos/chaos.py build/etcd/tests/etcd/named_lock_etcd_chaos_client --minutes 3 --naive \
            >"$work/naive" || { cat "$work/naive"; fail "the checker of the chaos run does not see"; }
        tail -n 3 "$work/naive"
    else
        say "SKIPPED: the chaos run: it needs root and network namespaces"
    fi
fi
say "etcd_lock passed"

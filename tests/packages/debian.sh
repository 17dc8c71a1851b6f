#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# usage: debian.sh SOURCE WORK VERSION
#
# The Debian packages that cpack makes: lintian has nothing to say, dpkg installs them to a root of their own, where CMake,
# pkg-config and Meson find them, and removes them without leaving anything. The machine's own packages stay as they are.
set -eu

source_dir=$1
work=$2
version=$3
root=$work/root
say() { printf '== %s\n' "$*"; }
fail() { printf 'debian.sh: %s\n' "$*" >&2; exit 1; }

for program in dpkg-deb lintian meson pkg-config ninja; do
    command -v "$program" >/dev/null || { echo "SKIPPED: packages.debian: there is no $program"; exit 77; }
done
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v fakeroot >/dev/null || { echo "SKIPPED: packages.debian: not root, and there is no fakeroot"; exit 77; }
    as_root=fakeroot
fi
rm -rf "$work"
mkdir -p "$work"

say "packing"
cmake -S "$source_dir" -B "$work/build" -G Ninja --log-level=WARNING -DCMAKE_BUILD_TYPE=Release \
    -DNAMED_LOCK_BUILD_TESTS=OFF -DNAMED_LOCK_BUILD_EXAMPLES=OFF
cmake --build "$work/build"
(cd "$work/build" && umask 022 && cpack -G DEB -B "$work/packages" >"$work/cpack.log") || { cat "$work/cpack.log"; exit 1; }
rm -rf "$work/packages/_CPack_Packages"
[ -f "$work/packages/libnamed-lock-dev_${version}_all.deb" ] || fail "there is no package of version $version"

say "lintian"
root_is_fine=
[ "$(id -u)" -ne 0 ] || root_is_fine=--allow-root
lintian $root_is_fine --pedantic --fail-on error,warning,info,pedantic "$work"/packages/*.deb

say "installing"
mkdir -p "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info"
: >"$root/var/lib/dpkg/status"
dpkg_there() { $as_root dpkg --root="$root" --log=/dev/null --force-not-root --force-depends --force-bad-path "$@"; }
dpkg_there --install "$work"/packages/*.deb
for file in doc/libnamed-lock-dev/copyright doc/libnamed-lock-dev/docs/guide.md; do
    [ -s "$root/usr/share/$file" ] || fail "$file is not installed"
done

say "CMake"
has_etcd=FALSE
[ ! -e "$root/usr/share/cmake/named_lock/named_lock-etcd-targets.cmake" ] || has_etcd=TRUE
cmake -S "$source_dir/tests/consumer" -B "$work/cmake" -G Ninja --log-level=WARNING -DWAY=find_package -DHAS_ETCD=$has_etcd \
    -DVERSION_OF_NAMED_LOCK="$version" -DCMAKE_PREFIX_PATH="$root/usr"
grep -q "named_lock_DIR:PATH=$root/usr/share/cmake/named_lock" "$work/cmake/CMakeCache.txt" || fail "CMake found another one"

say "pkg-config"
export PKG_CONFIG_PATH="$root/usr/share/pkgconfig"
pkg-config --validate named_lock
[ "$(pkg-config --modversion named_lock)" = "$version" ] || fail "pkg-config tells another version"

say "Meson"
cp -r "$source_dir/tests/packages/meson" "$work/meson"
cp "$source_dir/tests/consumer/main.cpp" "$work/meson/"
meson setup "$work/meson/build" "$work/meson" -Dexpected="$version" >"$work/meson.log" || { cat "$work/meson.log"; exit 1; }
ninja -C "$work/meson/build" >"$work/ninja.log" || { cat "$work/ninja.log"; exit 1; }
(cd "$work/meson/build" && ./consumer)

if [ -e "$root/usr/bin/named-lock" ]; then
    say "the tool"
    "$root/usr/bin/named-lock" --version | grep -F "$version"
    printf 'cmake_minimum_required(VERSION 3.20)\nproject(tool_user LANGUAGES CXX)\nfind_package(named_lock REQUIRED %s)\n' \
        'COMPONENTS tool' >"$work/CMakeLists.txt"
    cmake -S "$work" -B "$work/tool" --log-level=WARNING -DCMAKE_PREFIX_PATH="$root/usr"
fi

say "removing"
for package in "$work"/packages/*.deb; do
    dpkg_there --purge "$(dpkg-deb --field "$package" Package)"
done
left=$(find "$root" -path "$root/var/lib/dpkg" -prune -o ! -type d -print)
[ -z "$left" ] || fail "left behind: $left"
say "packages of version $version: all well"

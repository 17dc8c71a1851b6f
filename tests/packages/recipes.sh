#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# usage: recipes.sh SOURCE WORK VERSION
#
# The recipes of docs/packaging: each has this version, and packs the headers that there are. makepkg is the real one if the
# machine has it; vcpkg and Conan are played.
set -eu

source_dir=$1
work=$2
version=$3
recipes=$source_dir/docs/packaging
say() { printf '== %s\n' "$*"; }
fail() { printf 'recipes.sh: %s\n' "$*" >&2; exit 1; }
rm -rf "$work"
mkdir -p "$work"

same_headers() { diff -r "$source_dir/include" "$1" || fail "$1 has other headers"; }

say "vcpkg"
grep -q "\"version\": \"$version\"" "$recipes/vcpkg/named-lock/vcpkg.json" || fail "vcpkg.json has another version"
cmake -DPORT_DIR="$recipes/vcpkg/named-lock" -DWORK="$work/vcpkg" -P "$source_dir/tests/packages/vcpkg/port.cmake"
same_headers "$work/vcpkg/package/include"
[ -s "$work/vcpkg/package/share/named-lock/copyright" ] || fail "no copyright"
cmake -S "$recipes/conan/test_package" -B "$work/vcpkg/user" -G Ninja --log-level=WARNING \
    -DCMAKE_PREFIX_PATH="$work/vcpkg/package"
cmake --build "$work/vcpkg/user"
(cd "$work/vcpkg/user" && ./test_package)

say "Conan"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$source_dir/tests/packages/conan" \
    python3 "$source_dir/tests/packages/conan/recipe.py" "$recipes/conan/conanfile.py" "$work/conan" "$version"
same_headers "$work/conan/package/include"

say "PKGBUILD"
# Where makepkg can read it as another user: it refuses to be root.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/checkout" "$scratch/made"
(cd "$source_dir" && cp -r CMakeLists.txt include docs LICENSE README.md CHANGELOG.md SECURITY.md "$scratch/checkout/")
chmod -R a+rX "$scratch"
chmod 777 "$scratch/made"
cd "$scratch/checkout/docs/packaging/arch"
[ "$(bash -c '. ./PKGBUILD; echo "$pkgver"')" = "$version" ] || fail "the PKGBUILD has another version"
if command -v makepkg >/dev/null && command -v bsdtar >/dev/null; then
    as_user=
    [ "$(id -u)" -ne 0 ] || as_user="setpriv --reuid=65534 --regid=65534 --clear-groups"
    # pacman, which would look for what it needs, is not there.
    PACMAN=true HOME=$scratch/made BUILDDIR=$scratch/made PKGDEST=$scratch/made SRCDEST=$scratch/made SRCPKGDEST=$scratch/made \
        LOGDEST=$scratch/made PKGEXT=.pkg.tar.gz $as_user makepkg --nodeps >"$work/makepkg.log" 2>&1 ||
        { cat "$work/makepkg.log"; exit 1; }
    mkdir "$work/arch"
    tar -xzf "$scratch/made/named-lock-$version-1-any.pkg.tar.gz" -C "$work/arch"
    same_headers "$work/arch/usr/include"
    [ -s "$work/arch/usr/share/licenses/named-lock/LICENSE" ] || fail "no licence"
else
    say "without makepkg, only the PKGBUILD's version was looked at"
fi
say "recipes of version $version: all well"

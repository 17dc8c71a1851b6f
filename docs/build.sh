#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
set -eu

usage() {
    cat <<'TEXT'
usage: sh docs/build.sh [--check] [--no-install]

Makes the site in build/site: the pages of docs/, and the reference of the public headers. Installs what is missing (on
Debian and its kin, with apt-get). A name without a description, a broken link, and any other warning are errors.

  --check         also look at each page in a browser as wide as a phone's and a desk's: nothing may stick out. Without
                  Chromium that is skipped, which is said
  --no-install    install nothing, take the machine as it is

NAMED_LOCK_REPOSITORY in the environment is the address where the repository is browsed, which the pages then link to.
TEXT
}

fail() { printf 'docs/build.sh: %s\n' "$*" >&2; exit 1; }

check=no
install=yes
while [ $# -gt 0 ]; do
    case $1 in
        --check) check=yes; shift ;;
        --no-install) install=no; shift ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 64 ;;
    esac
done
cd "$(dirname "$0")/.."

missing=
if command -v dpkg-query >/dev/null; then
    for package in doxygen furo python3-breathe python3-myst-parser; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing="$missing $package"
    done
fi
if [ -n "$missing" ] && [ "$install" = yes ]; then
    if [ "$(id -u)" -eq 0 ]; then
        as_root="env"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root="sudo env"
    else
        fail "please install$missing (as root: apt-get install$missing), or try --no-install"
    fi
    printf '== installing%s\n' "$missing"
    $as_root apt-get -q update
    # shellcheck disable=SC2086  # a list of words
    $as_root DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing
fi
for tool in doxygen sphinx-build; do
    command -v "$tool" >/dev/null ||
        fail "it needs Doxygen, and Sphinx with furo, breathe and myst-parser: there is no $tool"
done

mkdir -p build
rm -rf build/doxygen build/site build/doctrees docs/reference
doxygen docs/site/Doxyfile
sphinx-build -q -W --keep-going -b html -c docs/site -d build/doctrees docs build/site
printf '== %s pages in build/site\n' "$(find build/site -name '*.html' | wc -l)"
if [ "$check" = yes ]; then
    python3 docs/site/check.py build/site
fi

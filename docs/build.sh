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

if [ "$install" = yes ] && command -v dpkg-query >/dev/null; then
    . tests/support/install.sh
    install_missing doxygen furo python3-breathe python3-myst-parser
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

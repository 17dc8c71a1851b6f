#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# wine.sh PROGRAM ARGUMENTS...: runs a Windows program, quietly and without a display, in the prefix that WINEPREFIX
# names, though not without a word where Wine itself fails. Wine gives files the names that the locale can write, so that
# it has to be one of UTF-8.
set -eu
: "${WINEPREFIX:?must name the directory in which Wine shall keep its files}"
export WINEPREFIX WINEDEBUG=-all,err+all WINEDLLOVERRIDES="mscoree=;mshtml=" DISPLAY= LC_ALL=C.UTF-8
for wine in wine64 /usr/lib/wine/wine64 wine; do  # Debian's wine asks for the 32-bit one, too, with each start
    command -v "$wine" >/dev/null || continue
    exec "$wine" "$@"
done
echo "wine.sh: there is no wine64; Debian has it in the package of that name" >&2
exit 127

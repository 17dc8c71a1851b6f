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
# Newer kernels put the heap up to 1 GB beyond the program ("x86: Increase brk randomness entropy for 64-bit systems"). One
# start in about 1,800 finds it on the page that Wine needs at 0x7ffe0000, and ends: "failed to map the shared user data".
fixed=
! setarch -R true 2>/dev/null || fixed="setarch -R"
for wine in wine64 /usr/lib/wine/wine64 wine; do  # Debian's wine asks for the 32-bit one, too, with each start
    command -v "$wine" >/dev/null || continue
    # shellcheck disable=SC2086  # no word or two
    exec $fixed "$wine" "$@"
done
echo "wine.sh: there is no wine64; Debian has it in the package of that name" >&2
exit 127

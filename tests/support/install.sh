# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# To be read by a script that has fail(): installs Debian's packages that are missing.

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_missing() {
    missing=
    for package in "$@"; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -eq 0 ]; then
        as_root="env"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root="sudo env"
    else
        fail "please install$missing (as root: apt-get install$missing), or try --no-install"
    fi
    printf '== installing%s\n' "$missing"
    $as_root apt-get -q update
    # At that run level Debian starts no server when it installs one, on a port which nobody here needs.
    # shellcheck disable=SC2086  # a list of words
    $as_root DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -q -y install --no-install-recommends $missing
}

#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     sh manual_page.sh PAGE
set -u
page=$1
fail() { echo "FAILED: $*" >&2; exit 1; }
MANROFFSEQ='' MANWIDTH=80 MAN_KEEP_FORMATTING='' man -l --warnings "$page" >text 2>warnings || fail "man: $(cat warnings)"
[ ! -s warnings ] || fail "man warns: $(cat warnings)"
grep -q 'named-lock run' text || fail "there is no text: $(cat text)"
! grep -n '@' text || fail "a variable was not replaced"

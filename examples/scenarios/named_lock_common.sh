# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# What named_lock.sh and named_lock_windows.sh have in common; the program is $1.
tool=$1
holder=
waiter=
fail() { echo "FAILED: $*" >&2; [ ! -f complaint ] || cat complaint >&2; exit 1; }

# expect STATUS ARGUMENTS... : runs named-lock; what it says goes to the files printed and complaint, without the \r of
# Windows
expect() {
    wanted=$1
    shift
    "$tool" "$@" >printed_raw 2>complaint_raw 3<&- 4>&-
    status=$?
    tr -d '\r' <printed_raw >printed
    tr -d '\r' <complaint_raw >complaint
    [ "$status" -eq "$wanted" ] || fail "named-lock $* ended with status $status, not $wanted"
}

# hold ARGUMENTS... : starts named-lock in the background; returns when its command has said a line. The command may read
# from descriptor 4 of this script.
hold() {
    "$tool" "$@" >said <input &
    holder=$!
    exec 3<said 4>input  # in the order in which the other side opens them
    read -r line <&3 || fail "nobody is inside: named-lock $*"
}
mkfifo said input
mkdir locks
export NAMED_LOCK_DIR="$PWD/locks"

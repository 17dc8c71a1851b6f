# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""A member of a crowd that locks with Python's filelock: peer.py FILE BOARD INDEX MICROSECONDS

BOARD is that of contest.hpp: numbers of 8 bytes, the stage in a line of 8, then 104 of each member."""
import mmap
import sys
import time

import filelock

READY, SECTIONS, LONGEST_WAIT, ASKING_SINCE, WAITS = range(5)
CLASSES = 100
WAITING, RUNNING = 0, 1


def class_of_wait(ns):
    quarters = max(ns >> 8, 4)
    doublings = quarters.bit_length() - 3
    return min(4 * doublings + (quarters >> doublings & 3), CLASSES - 1)


def main():
    path, board, index, hold_us = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with open(board, "r+b") as file:
        shared = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
    mine = shared[8 + index * (WAITS + CLASSES):][:WAITS + CLASSES]
    lock = filelock.FileLock(path)
    mine[READY] = 1
    while shared[0] == WAITING:
        time.sleep(0.001)
    while shared[0] == RUNNING:
        asked = mine[ASKING_SINCE] = time.monotonic_ns()
        with lock:
            granted = time.monotonic_ns()
            mine[ASKING_SINCE] = 0
            mine[LONGEST_WAIT] = max(mine[LONGEST_WAIT], granted - asked)
            mine[WAITS + class_of_wait(granted - asked)] += 1
            while time.monotonic_ns() < granted + 1000 * hold_us:
                pass
            mine[SECTIONS] += 1


main()

# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""Holds FILE with Python's filelock for some milliseconds: hold.py FILE MILLISECONDS"""
import sys
import time

import filelock

lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
time.sleep(int(sys.argv[2]) / 1000)
stamp = time.monotonic_ns()
lock.release()
print(stamp, flush=True)
sys.stdin.read()  # its end is not to be measured
time.sleep(60)

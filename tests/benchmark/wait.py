# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""Waits for FILE with Python's filelock and prints when it was granted: wait.py FILE"""
import sys
import time

import filelock

with filelock.FileLock(sys.argv[1], timeout=60):
    print(time.monotonic_ns(), flush=True)

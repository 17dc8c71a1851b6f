# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""Runs the torture programs, each for its share of the time, and prints one table of what they report.

A program prints lines that begin with TRIED, VIOLATION, LEAK, SKIPPED and NOTE, and in the end one that begins with
TOTAL; without that one it did not run to its end.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time


def programs(seconds, seed):
    """Name, command, and for how long it may run; for `seconds` in all."""
    whole = seconds >= 240  # with less time, faults plays only every so many of its single faults
    share = lambda part, least: str(max(least, round(seconds * part)))
    seed = str(seed)
    return [
        ("race", ["race"]),
        ("gate", ["gate"]),
        ("destroy", ["destroy"]),
        ("signals", ["signals", "400" if whole else "40"]),
        ("faults", ["faults", "--systematic", "0/1" if whole else "0/6", "--random", share(0.05, 3), "--seed", seed]),
        ("limits", ["limits"]),
        ("attacks", ["attacks", "--seconds", share(0.02, 2)]),
        ("storm", ["storm", "--purges", "--seconds", share(0.30, 14), "--seed", seed]),
        ("hostile-safe", ["storm", "--removes", "--purges", "--hostile", "safe", "--seconds", share(0.12, 6), "--seed", seed]),
        ("hostile-unsafe", ["storm", "--hostile", "unsafe", "--seconds", share(0.06, 4), "--seed", seed]),
        ("forks", ["forks", "--seconds", share(0.12, 6), "--seed", seed]),
        ("soak", ["soak", "--seconds", share(0.14, 5), "--acquisitions", "10e6"]),
    ]


def scratch_parent(name):
    """Where times are judged, not on a disk, which lets everybody wait for its journal now and then."""
    memory = "/dev/shm"
    is_timed = name in ("storm", "hostile-safe", "hostile-unsafe")
    return memory if is_timed and os.access(memory, os.W_OK | os.X_OK) else None


class Part:
    def __init__(self, name):
        self.name = name
        self.tried = {}
        self.violations = 0
        self.leaks = 0
        self.notes = []
        self.skipped = []
        self.found = []
        self.ended = False
        self.seconds = 0.0
        self.failure = ""

    def read(self, line):
        kind, _, rest = line.partition(": ")
        if kind == "TRIED":
            times, _, what = rest.partition(" ")
            what = re.sub(r"^[a-z, ]+: ", "", what)
            self.tried[what] = self.tried.get(what, 0) + int(times)
        elif kind == "TOTAL":
            numbers = dict(word.split("=") for word in rest.split())
            self.violations = int(numbers["violations"])
            self.leaks = int(numbers["leaks"])
            self.ended = True
        elif kind == "NOTE":
            self.notes.append(rest)
        elif kind == "SKIPPED":
            self.skipped.append(rest)
        elif line:
            self.found.append(line)

    def is_bad(self):
        return not self.ended or self.violations or self.leaks or self.failure


def run(name, command, directory, limit, scratch):
    part = Part(name)
    program = os.path.join(directory, "torture_" + command[0])
    start = time.monotonic()
    if not os.path.exists(program):
        part.failure = "was not built"
        return part
    child = subprocess.Popen(
        [program] + command[1:],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env=dict(os.environ, TMPDIR=scratch),
        text=True,
        errors="replace",
    )
    try:
        output, _ = child.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        part.failure = f"hung for more than {limit} s"
        os.killpg(child.pid, signal.SIGKILL)
        output, _ = child.communicate()
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    part.seconds = time.monotonic() - start
    for line in output.splitlines():
        part.read(line)
    if child.returncode not in (0, 1) and not part.failure:
        part.failure = f"ended with status {child.returncode}"
    return part


def print_table(parts):
    rows = [("part", "tried", "times", "violations", "leaks", "s")]
    for part in parts:
        first = (part.failure or "did not end") if not part.ended or part.failure else None
        lines = sorted(part.tried.items()) or [("", "")]
        if first:
            lines.insert(0, (first.upper(), ""))
        for number, (what, times) in enumerate(lines):
            head = number == 0
            rows.append(
                (
                    part.name if head else "",
                    what,
                    f"{times:,}" if times != "" else "",
                    str(part.violations) if head else "",
                    str(part.leaks) if head else "",
                    f"{part.seconds:.0f}" if head else "",
                )
            )
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    for number, row in enumerate(rows):
        cells = [row[i].ljust(widths[i]) if i < 2 else row[i].rjust(widths[i]) for i in range(6)]
        print("  ".join(cells).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--only", action="append")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    wanted = parser.parse_args()

    seconds = max(1.0, wanted.minutes) * 60
    print(f"== torturing for about {seconds / 60:g} minutes, seed {wanted.seed}", flush=True)
    parts = []
    known = programs(seconds, wanted.seed)
    for name in wanted.only or []:
        if name not in [n for n, _ in known]:
            sys.exit(f"there is no part called {name}")
    for name, command in known:
        if wanted.only and name not in wanted.only:
            continue
        print(f"== {name}", flush=True)
        # A place of its own, which goes whatever becomes of the program; open for all, as some parts have other users.
        with tempfile.TemporaryDirectory(prefix="nlt", dir=scratch_parent(name)) as scratch:
            os.chmod(scratch, 0o755)
            part = run(name, command, wanted.directory, limit=seconds + 120, scratch=scratch)
        most = 12
        for line in part.found[:most]:
            print("   " + line)
        if len(part.found) > most:
            print(f"   ... and {len(part.found) - most} more lines")
        parts.append(part)

    print()
    print_table(parts)
    for title, lines in (
        ("measured", [note for part in parts for note in part.notes]),
        ("skipped, and why", [line for part in parts for line in part.skipped]),
    ):
        if lines:
            print(f"\n{title}:")
            for line in lines[:40]:
                print("  " + line)
    bad = [part.name for part in parts if part.is_bad()]
    print("\n" + (f"FAILED: {', '.join(bad)} (seed {wanted.seed})" if bad else "no violation, no leak"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

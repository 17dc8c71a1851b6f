# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""Prints how much of include/ a build for coverage has reached: lines, branches, and the lines that nothing reached.

Branches are those that the source shows: the ways out of a call by an exception are not counted. A header that several
programs include, or a template, counts as reached where any of them reached it.
"""

import collections
import glob
import json
import os
import re
import subprocess
import sys

# Why a line is not reached: a pattern that its text matches, in a file whose name ends so.
REASONS = [
    ("posix/file.hpp", r"errno = ENOTSUP|return -1;", "systems without F_OFD_SETLK: not Linux"),
    (
        "posix/descriptor.hpp",
        r"::close\(fd\);|errno = ENOMEM|delete made|return b\.next|return result;",
        "no memory for the table to grow, or two threads that let it grow at once",
    ),
    (
        "posix/descriptor.hpp",
        r"close_in_child|close_all|fetch_add\(1\)|after_in_child|(opening_|under_way_)\.store|in_child\.load|clear\(\)|"
        r"for \(|this_thread_forks\(\) = false|^ *\[\] \{|^ *\}\);",
        "runs in the child within fork(), after which gcov forgets what the child has counted (__gcov_fork): fork_test",
    ),
    (
        "posix/descriptor.hpp",
        r"STDERR_FILENO \+ 1|int saved_errno|errno = saved_errno",
        "a process whose standard streams are closed: played in a child that gcov does not see: file_test",
    ),
    (
        "linux/bell.hpp",
        r"start_afresh|new \(&mutex_\)|socket_\.close",
        "runs in the child within fork(), see posix/descriptor.hpp",
    ),
    (
        "linux/release_watch.hpp",
        r"start_afresh|new \(&mutex_\)|events_\.close|first_ = nullptr|closed_until_ = \{\}",
        "the same",
    ),
    (
        "lock_registry.hpp",
        r"holds_\.clear|mutex_\.unlock|try_lock|new \(&|start_afresh|keepers_ = \{\}|idle_watch(es_|_count_) = ",
        "in a forked child, see posix/descriptor.hpp; a table in the middle of a change only by chance: torture_forks",
    ),
    ("posix/probe.hpp", r"give\(", "runs in the child, which ends before gcov writes what it has counted: probe_test"),
    ("posix/probe.hpp", r"::_exit\(0\)", "the same"),
    ("posix/probe.hpp", r"process was killed", "somebody else would have to kill the child in the moment that it lives"),
    ("", r"^\s*[{}]*;?\s*$", "the end of a block that an exception or a return leaves"),
]


def counts_of(build):
    lines = collections.defaultdict(lambda: collections.defaultdict(int))
    branches = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(int)))
    for data in glob.glob(os.path.join(build, "**", "*.gcda"), recursive=True):
        output = subprocess.run(
            ["gcov", "--branch-probabilities", "--json-format", "--stdout", os.path.basename(data)],
            cwd=os.path.dirname(data),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        ).stdout
        for text in output.splitlines():
            for file in json.loads(text)["files"]:
                name = os.path.normpath(file["file"])
                if "/include/named_lock/" not in name:
                    continue
                for line in file["lines"]:
                    number = line["line_number"]
                    lines[name][number] += line["count"]
                    shown = [b for b in line["branches"] if not b["throw"]]
                    for index, branch in enumerate(shown):
                        # The same place in another instance of a template, or another program.
                        branches[name][number][(len(shown), index)] += branch["count"]
    return lines, branches


def branches_of(places):
    """The branches of one line, from the instances of it that have the most."""
    if not places:
        return []
    most = max(length for length, _ in places)
    return [count for (length, _), count in sorted(places.items()) if length == most]


def reason_for(name, text):
    for end, pattern, reason in REASONS:
        if name.endswith(end) and re.search(pattern, text):
            return reason
    return None


def main():
    root, build = sys.argv[1:3]
    lines, branches = counts_of(build)
    if not lines:
        sys.exit("nothing was counted; run coverage.sh without --no-run")
    total = [0, 0, 0, 0]
    unreached = []
    print(f"{'file':44} {'lines':>16} {'branches':>16}")
    for name in sorted(lines):
        with open(name, encoding="utf-8") as file:
            source = file.read().splitlines()
        seen = lines[name]
        reached = sum(1 for count in seen.values() if count)
        ways = [count for number in seen for count in branches_of(branches[name][number])]
        taken = sum(1 for count in ways if count)
        numbers = [reached, len(seen), taken, len(ways)]
        total = [a + b for a, b in zip(total, numbers)]
        print_row(os.path.relpath(name, os.path.join(root, "include")), numbers)
        for number, count in sorted(seen.items()):
            if not count:
                unreached.append((name, number, source[number - 1]))
    print_row("all", total)
    print("\nnot reached:" if unreached else "\nevery line is reached")
    unexplained = 0
    for name, number, text in unreached:
        reason = reason_for(name, text)
        unexplained += reason is None
        where = f"{os.path.relpath(name, root)}:{number}"
        print(f"  {where}: {text.strip()}\n      {reason or 'NOT EXPLAINED'}")
    return 1 if unexplained else 0


def print_row(name, numbers):
    reached, lines, taken, ways = numbers
    in_percent = lambda part, whole: f"{100 * part / whole:5.1f} %" if whole else "      -"
    print(
        f"{name:44} {reached:4}/{lines:<4} {in_percent(reached, lines)} {taken:4}/{ways:<4} {in_percent(taken, ways)}"
    )


if __name__ == "__main__":
    sys.exit(main())

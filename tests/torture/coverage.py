# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""usage: coverage.py ROOT BUILD

Prints how much of include/ a build for coverage has reached: lines, branches, and the lines that nothing reached, each
with the reason. gcovr counts: a template, or a header that several programs include, is reached where any of them reached
it, and the ways out of a call by an exception are no branches.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

# Why a line is not reached: a pattern that its text matches, in a file whose name ends so.
REASONS = [
    ("posix/file.hpp", r"errno = ENOTSUP|return -1;", "systems without F_OFD_SETLK: not Linux"),
    (
        "posix/descriptor.hpp",
        r"::close\(fd\);|errno = ENOMEM|delete made|return next;|return result;",
        "no memory for the table to grow, or two threads that let it grow at once",
    ),
    (
        "posix/descriptor.hpp",
        r"close_in_child|::close\(fd_\.load|close_all|fetch_add\(1\)|after_in_child|(opening_|under_way_)\.store|"
        r"in_child\.load|clear\(\)|for \(|this_thread_forks\(\) = false|^ *\[\] \{|^ *\}\);",
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
]


def reason_for(name, text):
    for end, pattern, reason in REASONS:
        if name.endswith(end) and re.search(pattern, text):
            return reason
    return None


def counted(root, build):
    """What gcovr says of each file: a summary, and every line."""
    with tempfile.TemporaryDirectory() as scratch:
        summary, lines = pathlib.Path(scratch, "summary"), pathlib.Path(scratch, "lines")
        command = ["gcovr", "--root", root, "--filter", f"{root}/include/named_lock/", "--exclude-throw-branches"]
        subprocess.run([*command, "--json-summary", summary, "--json", lines, build], check=True)
        return json.loads(summary.read_text()), json.loads(lines.read_text())["files"]


def main():
    root, build = map(str, map(pathlib.Path.resolve, map(pathlib.Path, sys.argv[1:3])))
    summary, files = counted(root, build)
    if not files:
        sys.exit("nothing was counted; run coverage.sh without --no-run")
    for file in [*summary["files"], {**summary, "filename": "all"}]:
        print(f"{file['filename']:52}", *(
            f"{file[f'{kind}_covered']:5}/{file[f'{kind}_total']:<4} {kinds} {file[f'{kind}_percent'] or 0:5.1f} %"
            for kind, kinds in (("line", "lines"), ("branch", "branches"))))
    unexplained = 0
    for file in files:
        source = pathlib.Path(root, file["file"]).read_text(encoding="utf-8").splitlines()
        for line in file["lines"]:
            if line["count"] or line["gcovr/noncode"]:
                continue
            text = source[line["line_number"] - 1]
            reason = reason_for(file["file"], text)
            unexplained += reason is None
            print(f"  {file['file']}:{line['line_number']}: {text.strip()}\n      {reason or 'NOT EXPLAINED'}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())

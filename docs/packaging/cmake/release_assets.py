#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""usage: release_assets.py DIRECTORY

Makes what a release has beside its source: named_lock.hpp, which is all public headers in one, and named_lock.cppm, the
C++20 module of the same. Both need nothing else. What needs others' libraries is in neither. A public name that the
module does not export is an error.

Each header is put where it is first included. What is included in a branch of #if is there in that branch only, so what
all systems share is put before the #if that chooses the system.
"""

import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[3]
INCLUDE = SOURCE / "include"
OF_OTHERS = re.compile(r"etcd|asio|compiled")
OF_A_SYSTEM = re.compile(r"named_lock/detail/\w+/")
OURS = re.compile(r"#include <(named_lock/[^>]+)>")
THEIRS = re.compile(r"#include <[^>]+>")
HEAD = ["// SPDX-License-Identifier: MIT", "// Copyright (c) 2026 The named_lock authors"]


def lines_of(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines[:2] != HEAD:
        sys.exit(f"{path} does not begin with its licence")
    return [line for line in lines[2:] if line != "#pragma once"]


class Amalgam:
    def __init__(self):
        self.lines = []
        self.branches = []  # of #if, in which the next line stands
        self.seen = {}  # what was included: in which branches

    def is_there(self, name):
        return any(seen == self.branches[: len(seen)] for seen in self.seen.get(name, []))

    def see(self, name):
        self.seen.setdefault(name, []).append(list(self.branches))

    def add(self, name):
        if self.is_there(name):
            return
        self.see(name)
        self.lines += ["", f"// ---- {name} ----"]
        self.add_lines(lines_of(INCLUDE / name))

    def add_lines(self, lines):
        outside = len(self.branches)
        for number, line in enumerate(lines):
            if re.match(r"\s*#\s*if", line) and len(self.branches) == outside:
                self.add_shared(lines[number:])
            ours = OURS.match(line)
            if ours:
                self.add(ours[1])
            elif not THEIRS.match(line) or not self.is_there(line):
                if THEIRS.match(line):
                    self.see(line)
                self.lines.append(line)
            self.follow(line)

    def add_shared(self, lines):
        """What the block of #if that these lines begin with includes of the portable headers."""
        depth, names = 0, []
        for line in lines:
            depth += bool(re.match(r"\s*#\s*if", line)) - bool(re.match(r"\s*#\s*endif", line))
            ours = OURS.match(line)
            if ours:
                names += reachable(ours[1])
            if depth == 0:
                break
        for name in names:
            if not OF_A_SYSTEM.match(name):
                self.add(name)

    def follow(self, line):
        directive = re.match(r"\s*#\s*(if|el|endif)(\w*)(.*)", line)
        if not directive:
            return
        kind, rest, condition = directive.groups()
        if kind == "if":
            self.branches.append((rest + condition,))
        elif kind == "el":  # this one holds where all those before it do not
            self.branches[-1] += (rest + condition,)
        else:
            self.branches.pop()

    def text(self, title):
        text = "\n".join([*HEAD, "//", *(f"// {line}" for line in title), *self.lines])
        return re.sub(r"\n{3,}", "\n\n", text) + "\n"


def reachable(name, seen=None):
    """The header and all that it includes, whatever the system; those that others need come first."""
    seen = set() if seen is None else seen
    if name in seen:
        return []
    seen.add(name)
    includes = [match[1] for match in map(OURS.match, lines_of(INCLUDE / name)) if match]
    return [found for included in includes for found in reachable(included, seen)] + [name]


def names_in(header):
    """What a public header declares outside of detail, which begins in the first column."""
    text = "\n".join(lines_of(INCLUDE / header))
    text = re.sub(r"^namespace detail \{.*?^\}  // namespace detail$", "", text, flags=re.MULTILINE | re.DOTALL)
    types = re.findall(r"^(?:class|struct|enum class) (?:\[\[\w+\]\] )?(\w+)\b(?!::)", text, re.MULTILINE)
    constants = re.findall(r"^inline constexpr .*?(\w+) =", text, re.MULTILINE)
    functions = re.findall(r"^(?:\[\[nodiscard\]\]|inline|std::|guard\b|bool\b|void\b).*?(?<!::)\b(\w+)\(", text, re.MULTILINE)
    return {*types, *constants, *functions}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    version = re.search(r'NAMED_LOCK_VERSION "(.*)"', (INCLUDE / "named_lock/version.hpp").read_text())[1]

    header = Amalgam()
    header.lines = ["#pragma once", "", "#if defined(NAMED_LOCK_COMPILED)",
                    '#error "named_lock: this header is for programs without NAMED_LOCK_COMPILED."', "#endif"]
    public = sorted(f"named_lock/{path.name}" for path in (INCLUDE / "named_lock").glob("*.hpp"))
    public = ["named_lock/named_lock.hpp", *(name for name in public if not OF_OTHERS.search(name))]
    for name in public:
        header.add(name)
    title = [f"named_lock {version}: all of its headers in one. Made by release_assets.py; do not edit."]
    (directory / "named_lock.hpp").write_text(header.text(title), encoding="utf-8")

    module = Amalgam()
    module.add_lines(lines_of(SOURCE / "docs/packaging/cmake/named_lock.cppm"))
    exported = set(re.findall(r"^using nlock::(\w+);", "\n".join(module.lines), re.MULTILINE))
    hidden = {name for header in public for name in names_in(header)} - exported
    if hidden:
        sys.exit(f"docs/packaging/cmake/named_lock.cppm does not export {', '.join(sorted(hidden))}")
    title = [f"named_lock {version}, as a C++20 module. Made by release_assets.py; do not edit."]
    (directory / "named_lock.cppm").write_text(module.text(title), encoding="utf-8")


if __name__ == "__main__":
    main()

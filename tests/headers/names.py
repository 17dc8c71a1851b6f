#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""usage: names.py NM INCLUDE OBJECTS...

Fails if anything of the library has a name without the one of its build (detail/abi.hpp): a namespace that a header
opens, also one for another system, or a symbol in the object files, of which an argument may be a list with semicolons.
"""

import pathlib
import re
import subprocess
import sys

NAMESPACE = re.compile(r"^[ \t]*(?:inline +)?namespace +nlock\b.*", re.MULTILINE)
# As they are, because binutils' demangler takes some parts of a long name for others.
SYMBOL = re.compile(r"^[0-9a-fA-F ]* [A-Za-z] (.*(?<!\d)5nlock.*)$", re.MULTILINE)
OUTSIDE = re.compile(r"(?<!\d)5nlock(?!\d+v\d+_\d+_\d+)")


def namespaces_outside(include):
    for header in sorted(include.rglob("*.hpp")):
        for namespace in NAMESPACE.findall(header.read_text(encoding="utf-8")):
            if header.name != "abi.hpp" and not namespace.startswith("namespace nlock::NAMED_LOCK_ABI"):
                yield f"{header.relative_to(include)}: {namespace}"


def symbols_of(nm, objects):
    for start in range(0, len(objects), 50):
        command = [nm, *objects[start:start + 50]]
        yield from SYMBOL.findall(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main():
    nm, include, *arguments = sys.argv[1:]
    paths = [path for argument in arguments for path in argument.split(";")]
    objects = [path for path in paths if path.endswith((".o", ".obj"))]  # CMake counts precompiled headers, too
    symbols = set(symbols_of(nm, objects))
    print(f"{len(symbols)} symbols in {len(objects)} object files")
    outside = [*namespaces_outside(pathlib.Path(include)), *sorted(filter(OUTSIDE.search, symbols))]
    for name in outside:
        print("outside of the build's namespace:", name)
    sys.exit(1 if outside or not symbols else 0)


if __name__ == "__main__":
    main()

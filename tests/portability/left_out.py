#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# left_out.py BUILD-DIRECTORY: names the test cases that are in tests/*_test.cpp but not in that build, and the condition
# that leaves each out, so that none is left out silently.
import json
import pathlib
import re
import subprocess
import sys

tests_dir = pathlib.Path(__file__).resolve().parent.parent


def cases_in(path):
    """Each test case's name, with the preprocessor's conditions around it."""
    conditions = []
    text = path.read_text().replace("\\\n", " ")
    for line in text.split("\n"):
        directive = re.match(r"#\s*(if|ifdef|ifndef|elif|else|endif)\b\s*(.*)", line)
        if directive:
            word, condition = directive[1], directive[2].split("//")[0].strip()
            if word in ("elif", "else", "endif"):
                before = conditions.pop()
                condition = condition or "not " + before
            if word != "endif":
                conditions.append(condition)
        case = re.match(r'(?:TEMPLATE_)?TEST_CASE\("((?:[^"\\]|\\.)*)"', line)
        if case:
            yield case[1].replace('\\"', '"').replace("\\\\", "\\"), list(conditions)


def main():
    listing = subprocess.run(["ctest", "--show-only=json-v1"], cwd=sys.argv[1], check=True, capture_output=True)
    built = [test["name"] for test in json.loads(listing.stdout)["tests"]]
    if not built:
        return
    for path in sorted(tests_dir.glob("*_test.cpp")):
        cases = list(cases_in(path))
        absent = [(name, why) for name, why in cases
                  if name not in built and not any(b.startswith(name + " - ") for b in built)]
        whole = len(absent) == len(cases) and all(why == absent[0][1] for _, why in absent)
        for name, why in absent:
            reason = "only if " + " and ".join(why) if why else "tests/CMakeLists.txt leaves that file out here"
            print(f"LEFT OUT: {name}: {path.name}{' (all of it)' if whole else ''}, {reason}")


if __name__ == "__main__":
    main()

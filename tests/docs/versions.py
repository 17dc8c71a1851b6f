#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""All places that state the version state that of version.hpp: the changelog, the README, @since, and a tag of HEAD."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def numbers(version):
    return tuple(map(int, version.split(".")))


def disagreements():
    header = read("include/named_lock/version.hpp")
    version = re.search(r'#define NAMED_LOCK_VERSION "(.*)"', header)[1]
    parts = ".".join(re.findall(r"#define NAMED_LOCK_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header))
    if parts != version:
        yield f"version.hpp: its numbers are {parts}, its text is {version}"

    newest = re.search(r"^## \[(.*)\] - (unreleased|\d{4}-\d\d-\d\d)$", read("CHANGELOG.md"), re.MULTILINE)
    if newest is None or newest[1] != version:
        yield f"CHANGELOG.md: its first entry is not '## [{version}] - ' and unreleased or a date"

    for found in re.findall(r"find_package\(named_lock ([\d.]+)", read("README.md")):
        if not version.startswith(f"{found}."):
            yield f"README.md: find_package asks for {found}, this is {version}"

    for path in sorted((ROOT / "include/named_lock").rglob("*.hpp")):
        for since in re.findall(r"@since (\S+)", path.read_text(encoding="utf-8")):
            if numbers(since) > numbers(version):
                yield f"{path.name}: @since {since}, this is {version}"

    # In a release's archive there is no repository.
    git = subprocess.run(["git", "-C", ROOT, "tag", "--points-at", "HEAD"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True)
    for tag in re.findall(r"^v\d.*", git.stdout, re.MULTILINE):
        if tag != f"v{version}":
            yield f"the tag {tag}: this is {version}"
        elif newest and newest[2] == "unreleased":
            yield f"CHANGELOG.md: {version} is tagged, and unreleased"


found = list(disagreements())
print("\n".join(found) or "all agree")
sys.exit(1 if found else 0)

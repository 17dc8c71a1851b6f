# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
import pathlib
import shutil


def load(_recipe, path):
    return pathlib.Path(path).read_text(encoding="utf-8")


def copy(_recipe, pattern, source, destination):
    if (pathlib.Path(source) / pattern).is_file():
        files = [pathlib.Path(source) / pattern]
    else:
        files = list(pathlib.Path(source).rglob(pattern))
    for file in files:
        target = pathlib.Path(destination) / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)

# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
import pathlib
import shutil


def load(_recipe, path):
    return pathlib.Path(path).read_text(encoding="utf-8")


def copy(_recipe, pattern, source, destination):
    for file in pathlib.Path(source).rglob(pattern):
        target = pathlib.Path(destination) / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)

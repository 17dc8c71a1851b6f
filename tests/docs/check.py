#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""Compiles every ```cpp block and configures every ```cmake block of README.md and docs/*.md, and follows their links.

A C++ block that includes something or defines main() is a file of its own, compiled as it stands. Any other block is
the inside of a function, which knows the standard library, named_lock, `using namespace std::chrono_literals`, and
three locks called lock, lock_a and lock_b. An HTML comment right before the block may change that:

    <!-- test: WORDS -->    WORDS is one or more of
      c++20                 compile it as C++20
      namespace             it stands outside of a function: it defines functions or templates
      once WORD             it is built, and started several times at once: each ends with 0, one of them prints WORD
      given CODE            (the last one) CODE comes before it, outside of the function: what the reader must imagine

A CMake block is (a part of) the CMakeLists.txt of a project with a program called `app`; a project() or an
add_executable(app ...) in the block takes the place of ours. find_package finds the installed named_lock,
FetchContent gets this source tree, and so does add_subdirectory for whatever directory the block names.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

PRELUDE = """\
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>
#if __cplusplus > 201703L
#include <stop_token>
#endif
#include <named_lock/acquire_all.hpp>
#include <named_lock/directories.hpp>
#include <named_lock/named_lock.hpp>
using namespace std::chrono_literals;
[[maybe_unused]] static nlock::named_lock lock{"lock"}, lock_a{"lock_a"}, lock_b{"lock_b"};
"""

FENCE = re.compile(r"^(\s*)```+\s*(\w*)[^`]*$")
COMMENT = re.compile(r"<!--\s*test:\s*((?:(?!-->).)*?)\s*-->\s*\Z", re.DOTALL)


class Block:
    def __init__(self, document, line, language, comment, code):
        self.document, self.line, self.language, self.code = document, line, language, code
        words, _, self.given = comment.partition("given ")
        self.words = words.split()
        self.once = None
        if "once" in self.words:
            at = self.words.index("once")
            self.once = self.words[at + 1]
            del self.words[at:at + 2]
        unknown = set(self.words) - {"c++20", "namespace"}
        if unknown:
            sys.exit(f"{document}:{line}: unknown words in the comment: {' '.join(unknown)}")
        self.standard = "c++20" if "c++20" in self.words else "c++17"
        self.is_file = re.search(r"^\s*#\s*include|\bmain\s*\(", code, re.MULTILINE) is not None


def blocks_of(document):
    """Every fenced block, with its first line's number and the text of the comment right before it."""
    blocks, before, start = [], "", None
    for number, line in enumerate(document.read_text(encoding="utf-8").split("\n"), 1):
        fence = FENCE.match(line)
        if start is None and fence:
            start, indent, language, lines = number + 1, fence[1], fence[2], []
        elif start is None:
            before += line + "\n"
        elif fence and not fence[2]:
            comment = COMMENT.search(before)
            code = "".join(l.removeprefix(indent) + "\n" for l in lines)
            blocks.append(Block(document, start, language, comment[1] if comment else "", code))
            start, before = None, ""
        else:
            lines.append(line)
    if start is not None:
        sys.exit(f"{document}:{start}: a code block without end")
    return blocks


def as_line_directive(block):
    return f'#line {block.line} "{block.document}"\n'


def as_function(block):
    inside = as_line_directive(block) + block.code
    if "namespace" not in block.words:
        inside = "[[maybe_unused]] static void block() {\n" + inside + "}\n"
    return f"namespace line_{block.line} {{\n{as_line_directive(block)}{block.given}\n{inside}}}\n"


def translation_units(document, blocks):
    """(file name, standard, text): one for each block that is a file, one for all the others of a standard."""
    parts = {}
    for block in blocks:
        if block.is_file:
            text = f"{block.given}\n{as_line_directive(block)}{block.code}"
            yield f"{document.stem}_{block.line}.cpp", block.standard, text
        else:
            parts.setdefault(block.standard, []).append(as_function(block))
    for standard, functions in parts.items():
        yield f"{document.stem}_{standard}.cpp".replace("++", ""), standard, PRELUDE + "".join(functions)


def headings_of(document):
    """As anchors: what GitHub makes of a heading."""
    lines = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


def broken_links(document):
    """Links to files that are not there, or to headings that they do not have."""
    for link in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", document.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        if not target.exists() or (anchor and anchor not in headings_of(target)):
            yield f"{document}: a broken link: {link}"


def run(command, what):
    """None, or what the failed command had to say."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return None if result.returncode == 0 else f"{what} does not pass:\n{result.stdout}"


def compile_command(options, source, standard):
    # Unused variables and functions are what short examples are made of; an unused result is not.
    return [options.cxx, f"-std={standard}", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
            "-Wno-unused-variable", "-Wno-unused-but-set-variable", "-Wno-unused-function", "-Wno-unused-parameter",
            "-I", str(options.source / "include"), str(source)]


def run_at_once(options, source, block):
    """None, or what was wrong when several instances, as the first ones in a home directory, worked at once."""
    program = source.with_suffix("")
    failure = run([options.cxx, f"-std={block.standard}", "-I", str(options.source / "include"), "-pthread", str(source),
                   "-o", str(program)], f"C++ of {block.document}:{block.line}")
    if failure:
        return failure
    home = source.with_suffix(".home")
    home.mkdir()
    instances = [subprocess.Popen([str(program)], cwd=home, env={**os.environ, "HOME": str(home)},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(8)]
    said = [instance.communicate()[0] for instance in instances]
    if any(instance.returncode != 0 for instance in instances) or sum(block.once in text for text in said) != 1:
        return f"{block.document}:{block.line}: one of {len(instances)} should say {block.once}: {said}"
    return None


def configure_command(options, block, directory):
    project = directory / "project"
    project.mkdir(parents=True)
    text = as_cmake_project(block)
    (project / "CMakeLists.txt").write_text(text)
    for name in set(re.findall(r"\b([\w./]+\.cpp)\b", text)):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("int main() {}\n")
    for name in re.findall(r"add_subdirectory\(\s*([\w./-]+)", block.code):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).symlink_to(options.source, target_is_directory=True)
    return ["cmake", "-S", str(project), "-B", str(directory / "build"), "-G", options.generator,
            f"-DCMAKE_CXX_COMPILER={options.cxx}", f"-DCMAKE_PREFIX_PATH={options.prefix}",
            f"-DFETCHCONTENT_SOURCE_DIR_NAMED_LOCK={options.source}"]


def as_cmake_project(block):
    text = ""
    if "project(" not in block.code:
        text += "cmake_minimum_required(VERSION 3.20)\nproject(docs LANGUAGES CXX)\n"
    if not re.search(r"add_executable\(\s*app\b", block.code):
        text += "add_executable(app main.cpp)\n"
    return text + block.code + "if(NOT TARGET named_lock::named_lock)\nmessage(FATAL_ERROR \"no named_lock\")\nendif()\n"


def main():
    parser = argparse.ArgumentParser()
    for name in ("cxx", "generator"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("source", "prefix", "work"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    options = parser.parse_args()

    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    jobs, counts = [], {"cpp": 0, "cmake": 0}
    documents = [options.source / "README.md", *sorted((options.source / "docs").glob("*.md"))]
    for document in documents:
        blocks = blocks_of(document)
        for language in counts:
            counts[language] += sum(block.language == language for block in blocks)
        for name, standard, text in translation_units(document, [b for b in blocks if b.language == "cpp"]):
            source = options.work / name
            source.write_text(text, encoding="utf-8")
            jobs.append(lambda source=source, standard=standard, document=document: run(
                compile_command(options, source, standard), f"C++ of {document}"))
        for block in blocks:
            if block.once:
                source = options.work / f"{document.stem}_{block.line}.cpp"
                jobs.append(lambda source=source, block=block: run_at_once(options, source, block))
            if block.language == "cmake":
                directory = options.work / f"{document.stem}_{block.line}"
                jobs.append(lambda block=block, directory=directory: run(
                    configure_command(options, block, directory), f"CMake of {document}:{block.line}"))

    if counts["cpp"] == 0:
        sys.exit("no ```cpp block found in " + ", ".join(map(str, documents)))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [failure for failure in pool.map(lambda job: job(), jobs) if failure]
    failures += [broken for document in documents for broken in broken_links(document)]
    print("\n".join(failures))
    print(f"{counts['cpp']} C++ and {counts['cmake']} CMake blocks of {len(documents)} documents, "
          f"{len(failures)} failures in {len(jobs)} runs")
    sys.exit(1 if failures else 0)


main()

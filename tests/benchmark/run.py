# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""Runs the benchmark programs, measures compile time and code size, prints a table for each question, and writes
results.json and the charts. See run.sh."""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
INCLUDE = HERE.parent.parent / "include"

# What the interface itself needs: a user's file pays for these anyway.
INTERFACE_HEADERS = "chrono cstdint filesystem functional memory optional string string_view system_error vector".split()

BARE_FLOCK = """#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
int main() {
    const int fd = ::open("locks/x.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    const int failed = ::flock(fd, LOCK_EX);
    ::close(fd);
    return failed;
}
"""
ONE_ACQUIRE = """#include <named_lock/named_lock.hpp>
int main() {
    const auto guard = nlock::named_lock{"x"}.acquire();
}
"""


def run_program(command):
    """The JSON lines that a program prints, shown as they come."""
    records = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            records.append(json.loads(line))
            print(f"  {records[-1]['question']}: {records[-1]['what']}", file=sys.stderr)
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed with status {process.returncode}")
    return records


def record(question, what, unit, samples):
    ordered = sorted(samples)
    return {"question": question, "what": what, "unit": unit, "median": statistics.median(ordered),
            "p99": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], "min": ordered[0], "max": ordered[-1],
            "n": len(ordered)}


def compile_cost(rounds):
    """Compile time of a file with our header and of one with the standard headers of the interface, taking turns; and
    the code of a program with one acquire."""
    with tempfile.TemporaryDirectory() as directory:
        folder = pathlib.Path(directory)
        sources = {
            "the standard headers of the interface": "".join(f"#include <{h}>\n" for h in INTERFACE_HEADERS),
            "named_lock.hpp": "#include <named_lock/named_lock.hpp>\n",
        }
        times = {what: [] for what in sources}
        ratios = []
        for _ in range(rounds):
            for what, text in sources.items():
                (folder / "file.cpp").write_text(text + "int main() {}\n")
                start = time.monotonic()
                subprocess.run(["g++", "-std=c++17", "-c", "-I", INCLUDE, folder / "file.cpp", "-o", folder / "file.o"],
                               check=True)
                times[what].append((time.monotonic() - start) * 1000)
            ratios.append(times["named_lock.hpp"][-1] / times["the standard headers of the interface"][-1])
        records = [record("compile time", what, "ms", samples) for what, samples in times.items()]
        records.append(record("compile time", "named_lock.hpp", "ratio", ratios))

        for what, text in (("bare flock", BARE_FLOCK), ("one acquire", ONE_ACQUIRE)):
            (folder / "file.cpp").write_text(text)
            subprocess.run(["g++", "-std=c++17", "-O2", "-I", INCLUDE, folder / "file.cpp", "-o", folder / "program",
                            "-pthread"], check=True)
            sizes = subprocess.run(["size", folder / "program"], check=True, capture_output=True, text=True).stdout
            records.append(record("code size", what, "KB of text", [int(sizes.splitlines()[1].split()[0]) / 1024]))
        return records


def python_cost(calls):
    """Python's filelock: acquire + release without contention."""
    with tempfile.TemporaryDirectory() as directory:
        script = ("import filelock, time, sys\n"
                  "lock = filelock.FileLock(sys.argv[1])\n"
                  "for _ in range(20):\n"
                  "    start = time.monotonic_ns()\n"
                  f"    for _ in range({calls}):\n"
                  "        with lock: pass\n"
                  f"    print((time.monotonic_ns() - start) / {calls})\n")
        out = subprocess.run([sys.executable, "-c", script, os.path.join(directory, "x.lock")], check=True,
                             capture_output=True, text=True).stdout
        return [record("uncontended", "Python filelock, object reused", "ns", [float(x) for x in out.split()])]


class Results:
    def __init__(self, records):
        self.by_key = {(r["question"], r["what"], r["unit"]): r for r in records}

    def get(self, question, what, unit, figure="median"):
        found = self.by_key.get((question, what, unit))
        return None if found is None else found[figure]


def targets(r):
    """(question, measured, limit, is it a floor) for each target of the project."""
    ns = "uncontended"
    rows = [
        ("object reused / open+flock+fstat+flock+close", r.get(ns, "named_lock, object reused", "ratio"), 1.15, False),
        ("new object / open+flock+fstat+flock+close", r.get(ns, "named_lock, new object", "ratio"), 1.5, False),
        ("re-entry, ns", r.get("re-entry", "named_lock", "ns"), 60, False),
    ]
    for holder, limit, tail in (("named_lock, 5 ms", 2, 4), ("named_lock, 200 ms", 2, 4), ("killed, 5 ms", 3, None),
                                ("Python filelock, 5 ms", 3, None), ("flock(1), 5 ms", 3, None)):
        question = "hand-off, " + holder
        for figure, bound in (("median", limit), ("p99", tail)):
            ours, kernel = r.get(question, "named_lock", "us", figure), r.get(question, "kernel flock", "us", figure)
            if bound and ours and kernel:
                rows.append((f"{question}: {figure} / kernel flock", ours / kernel, bound, False))
    late, stop = "time-out of 100 ms: how late", "stop request to lock_cancelled"
    rows += [
        ("CPU of a 2 s wait, %", r.get("CPU of a 2 s wait", "named_lock", "%"), 0.2, False),
        (late + ", median, us", r.get(late, "named_lock", "us"), 200, False),
        (late + ", p99, us", r.get(late, "named_lock", "us", "p99"), 2000, False),
        (late + ", earliest, us", r.get(late, "named_lock", "us", "min"), 0, True),
        (stop + ", us", r.get(stop, "named_lock", "us"), 200, False),
    ]
    for n in (2, 8, 64, 256):
        question = f"always wanted, holds of 100 us, {n} processes"
        rows.append((f"{n} processes: throughput / kernel flock",
                     r.get(question, "named_lock", "1/s") / r.get(question, "kernel flock", "1/s"), 0.85, True))
        rows.append((f"{n} processes: smallest share", r.get(question, "named_lock, smallest share", "share", "min"),
                     0.2, True))
    crowd = "always wanted, holds of 100 us, threads"
    rows.append(("4 processes x 8 threads / 32 processes",
                 r.get(crowd, "4 processes x 8 threads", "1/s") / r.get(crowd, "32 processes", "1/s"), 0.8, True))
    for n in (2, 8):
        question = f"empty critical section, {n} threads"
        rows.append((f"{n} threads / one process each",
                     r.get(question, "threads of one process", "1/s") / r.get(question, "one process per thread", "1/s"),
                     1, True))
    rows.append(("2 readers / 1 reader", r.get("readers", "2 readers", "1/s") / r.get("readers", "1 reader", "1/s"),
                 None, True))
    rows.append(("100 readers / 1 reader", r.get("readers", "100 readers", "1/s") / r.get("readers", "1 reader", "1/s"),
                 None, True))
    many = [(what, x) for (question, what, unit), x in r.by_key.items()
            if question == "many names" and unit == "ratio" and what.startswith("directory with") and "one" not in what]
    rows += [(f"{what} / one name", x["median"], 1.3, False) for what, x in many]
    rows += [
        ("one idle named_lock, bytes", r.get("memory", "one idle named_lock", "bytes"), 1024, False),
        ("compile time / the standard headers", r.get("compile time", "named_lock.hpp", "ratio"), 1.3, False),
        ("code of one acquire, KB more than bare flock",
         r.get("code size", "one acquire", "KB of text") - r.get("code size", "bare flock", "KB of text"), 64, False),
    ]
    return rows


def print_tables(records, rows):
    question = None
    for entry in records:
        if entry["question"] != question:
            question = entry["question"]
            print(f"\n{question}\n{'':42} {'median':>12} {'p99':>12} {'runs':>6}  unit")
        print(f"  {entry['what']:40} {entry['median']:12.4g} {entry['p99']:12.4g} {entry['n']:6}  {entry['unit']}")
    print(f"\n{'targets':60} {'measured':>9} {'limit':>9}")
    for what, value, limit, is_floor in rows:
        if limit is None:
            verdict = bound = ""
        else:
            verdict = "met" if (value >= limit if is_floor else value <= limit) else "MISSED"
            bound = f"{'>=' if is_floor else '<='} {limit:g}"
        print(f"  {what:58} {value:9.4g} {bound:>9}  {verdict}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="under 2 minutes: does it still work")
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    options = parser.parse_args()
    quick = ["--quick"] if options.quick else []

    records = run_program([options.programs / "cost", *quick])
    records += python_cost(100 if options.quick else 1000)
    records += run_program([options.programs / "handoff", *quick, "--python", sys.executable, "--peers", HERE])
    records += run_program([options.programs / "crowd", *quick])
    records += compile_cost(1 if options.quick else 11)

    rows = targets(Results(records))
    print_tables(records, rows)
    results = {"machine": {"cores": os.cpu_count(), "kernel": platform.release().split("-")[0]}, "quick": options.quick,
               "records": records,
               "targets": [dict(zip(("what", "measured", "limit", "is_floor"), row)) for row in rows]}
    (options.output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    subprocess.run([sys.executable, HERE / "charts.py", options.output / "results.json", options.output], check=True)


if __name__ == "__main__":
    main()

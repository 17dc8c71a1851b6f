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
    """The JSON lines that a program prints; says how far it is."""
    records = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            records.append(json.loads(line))
            if not records[:-1] or records[-1]["question"] != records[-2]["question"]:
                print(f"  {records[-1]['question']}", file=sys.stderr)
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed with status {process.returncode}")
    return records


def record(question, what, unit, samples):
    ordered = sorted(samples)
    return {"question": question, "what": what, "unit": unit, "median": statistics.median(ordered),
            "p99": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], "min": ordered[0], "max": ordered[-1],
            "n": len(ordered)}


def compile_cost(rounds):
    """Compile time of a file that acquires a lock, and of one with the standard headers of the interface, taking turns; and
    the code of a program with one acquire."""
    standard = "".join(f"#include <{h}>\n" for h in INTERFACE_HEADERS) + "int main() {}\n"
    files = {
        "the standard headers of the interface": (standard, []),
        "one acquire": (ONE_ACQUIRE, []),
        "one acquire, named_lock::compiled": (ONE_ACQUIRE, ["-DNAMED_LOCK_COMPILED"]),
    }
    records = []
    with tempfile.TemporaryDirectory() as directory:
        folder = pathlib.Path(directory)
        for level in ("-O0", "-O2"):
            question = f"compile time, {level}"
            times = {what: [] for what in files}
            for _ in range(rounds):
                for what, (text, options) in files.items():
                    (folder / "file.cpp").write_text(text)
                    start = time.monotonic()
                    subprocess.run(["g++", "-std=c++17", level, *options, "-c", "-I", INCLUDE, folder / "file.cpp",
                                    "-o", folder / "file.o"], check=True)
                    times[what].append((time.monotonic() - start) * 1000)
            records += [record(question, what, "ms", samples) for what, samples in times.items()]
            base, *others = times
            for what in others:
                ratios = [ours / theirs for ours, theirs in zip(times[what], times[base])]
                records.append(record(question, what, "ratio", ratios))

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
        self.by_key = {(r["question"], r["what"], r["unit"]): r for r in records if "skipped" not in r}

    def get(self, question, what, unit, figure="median"):
        found = self.by_key.get((question, what, unit))
        return None if found is None else found[figure]


class Targets:
    """Rows of (question, measured, limit, is it a floor); what was not measured has none."""

    def __init__(self):
        self.rows = []

    def at_most(self, what, value, limit):
        self.add(what, value, limit, False)

    def at_least(self, what, value, limit):
        self.add(what, value, limit, True)

    def add(self, what, value, limit, is_floor):
        if value is not None:
            self.rows.append((what, value, limit, is_floor))


def quotient(of, by):
    return None if of is None or by is None else of / by


def cost_targets(r, t):
    ns = "uncontended"
    t.at_most("object reused / open+flock+fstat+flock+close", r.get(ns, "named_lock, object reused", "ratio"), 0.8)
    t.at_most("new object / open+flock+fstat+flock+close", r.get(ns, "named_lock, new object", "ratio"), 1)
    t.at_most("re-entry, ns", r.get("re-entry", "named_lock", "ns"), 60)
    for (question, what, unit), x in r.by_key.items():
        if question == "many names" and unit == "ratio" and what.startswith("directory with") and "one" not in what:
            t.at_most(f"{what} / one name", x["median"], 1.3)
    t.at_most("one idle named_lock, bytes", r.get("memory", "one idle named_lock", "bytes"), 1024)


def wait_targets(r, t):
    for holder in ("named_lock, 5 ms", "named_lock, 200 ms"):
        question = "hand-off, " + holder
        kernel = r.get(question, "kernel flock", "us")
        if kernel:
            t.at_most(f"{question}: median, us", r.get(question, "named_lock", "us"), max(2 * kernel, kernel + 10))
    for holder, figure, limit in (("named_lock, 5 ms", "p99", 4), ("named_lock, 200 ms", "p99", 4),
                                  ("killed, 5 ms", "median", 3), ("Python filelock, 5 ms", "median", 3),
                                  ("flock(1), 5 ms", "median", 3)):
        question = "hand-off, " + holder
        t.at_most(f"{question}: {figure} / kernel flock",
                  quotient(*(r.get(question, what, "us", figure) for what in ("named_lock", "kernel flock"))), limit)
    for what in ("named_lock", "named_lock, 63 others wait"):
        t.at_most(f"CPU of a 2 s wait, {what}, %", r.get("CPU of a 2 s wait", what, "%"), 0.2)
    late, stop = "time-out of 100 ms: how late", "stop request to lock_cancelled"
    t.at_most(late + ", median, us", r.get(late, "named_lock", "us"), 200)
    t.at_most(late + ", p99, us", r.get(late, "named_lock", "us", "p99"), 2000)
    t.at_least(late + ", earliest, us", r.get(late, "named_lock", "us", "min"), 0)
    t.at_most(stop + ", us", r.get(stop, "named_lock", "us"), 200)
    for what in ("named_lock", "named_lock, behind another thread"):
        t.at_most(f"cancel() to lock_cancelled, {what}, us", r.get("cancel() to lock_cancelled", what, "us"), 200)


CROWDS = [(n, hold, ms) for hold, ms in (("100 us", 0.1), ("1 ms", 1)) for n in (2, 8, 64, 256)]


def crowd_targets(r, t):
    for n, hold, ms in CROWDS:
        question = f"always wanted, holds of {hold}, {n} processes"
        label = f"{n} processes, {hold}: "
        t.at_least(label + "throughput / kernel flock", r.get(question, "named_lock", "ratio"), 0.85)
        t.at_least(label + "smallest share", r.get(question, "named_lock, smallest share", "share", "min"), 0.9)
        t.at_most(label + "longest wait, ms", r.get(question, "named_lock, longest wait", "ms", "max"),
                  max(3 * n * ms, 30))


def trouble_targets(r, t):
    for n, hold, _ in CROWDS:
        question = f"in trouble: always wanted, holds of {hold}, {n} processes"
        for what in ("first of the line stopped", "two networks"):
            t.at_least(f"{n} processes, {hold}, {what}: throughput / without", r.get(question, what, "ratio"), 0.5)
        t.at_least(f"{n} processes, {hold}, two networks: smallest share",
                   r.get(question, "two networks, smallest share", "share", "min"), 0.8)
    t.at_most("try_acquire(500ms) under 64 processes: failed of 1000",
              r.get("try_acquire(500ms) under 64 processes, holds of 1 ms", "failed of 1000", "times"), 0)
    flood = "flood of datagrams by another user"
    t.at_most("flood: CPU of the waiter, %", r.get(flood, "CPU of the waiter", "%"), 5)
    t.at_most("flood: granted after the release, ms", r.get(flood, "granted after the release", "ms", "max"), 10)
    many = "300 waits at once in one process"
    t.at_most("300 waits: inotify instances", r.get(many, "inotify instances in use", "instances", "max"), 16)
    t.at_most("after them: inotify instances", r.get(many, "inotify instances when idle", "instances", "max"), 2)


def thread_targets(r, t):
    question = "always wanted, holds of 100 us, threads"
    t.at_least("4 processes x 8 threads / 32 processes", r.get(question, "4 processes x 8 threads", "ratio"), 0.8)
    for n, limit in ((2, 1), (8, 0.8)):
        question = f"empty critical section, {n} threads"
        t.at_least(f"empty section, {n} threads / as many processes",
                   r.get(question, "threads of one process", "ratio"), limit)
    one = r.get("readers", "1 reader", "1/s")
    for n in (2, 100):
        t.at_least(f"{n} readers / 1 reader", quotient(r.get("readers", f"{n} readers", "1/s"), one), None)


def build_targets(r, t):
    question = "compile time, -O2"
    t.at_most("compile time / the standard headers", r.get(question, "one acquire", "ratio"), 2.57)
    t.at_most("the same, named_lock::compiled", r.get(question, "one acquire, named_lock::compiled", "ratio"), 1.25)
    one, bare = (r.get("code size", what, "KB of text") for what in ("one acquire", "bare flock"))
    t.at_most("code of one acquire, KB more than bare flock", None if one is None else one - bare, 64)


def targets(records):
    r, t = Results(records), Targets()
    for rows_of in (cost_targets, wait_targets, crowd_targets, trouble_targets, thread_targets, build_targets):
        rows_of(r, t)
    return t.rows


def print_targets(rows):
    if not rows:
        return
    print(f"\n{'targets':64} {'measured':>9} {'limit':>9}")
    for what, value, limit, is_floor in rows:
        if limit is None:
            verdict = bound = ""
        else:
            verdict = "met" if (value >= limit if is_floor else value <= limit) else "MISSED"
            bound = f"{'>=' if is_floor else '<='} {limit:.4g}"
        print(f"  {what:62} {value:9.4g} {bound:>9}  {verdict}")


def print_crowds(r):
    """For docs/benchmarks.md."""
    columns = ("processes", "hold", "kernel flock, 1/s", "named_lock, 1/s", "ratio", "smallest share, kernel flock",
               "named_lock", "longest wait, kernel flock, ms", "named_lock")
    print(f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for n, hold, _ in CROWDS:
        question = f"always wanted, holds of {hold}, {n} processes"
        figures = [r.get(question, "named_lock", "ratio")]
        figures[:0] = [r.get(question, what, "1/s") for what in ("kernel flock", "named_lock")]
        for suffix, unit, figure in ((", smallest share", "share", "min"), (", longest wait", "ms", "max")):
            figures += [r.get(question, what + suffix, unit, figure) for what in ("kernel flock", "named_lock")]
        rate, ours, ratio, *others = figures
        print(f"| {n} | {hold} | {rate:.0f} | {ours:.0f} | {ratio:.2f} | " +
              "{:.2f} | {:.2f} | {:.0f} | {:.0f} |".format(*others))


def print_tables(records):
    question = None
    for entry in records:
        if "skipped" in entry:
            continue
        if entry["question"] != question:
            question = entry["question"]
            print(f"\n{question}\n{'':42} {'median':>12} {'p99':>12} {'runs':>6}  unit")
        print(f"  {entry['what']:40} {entry['median']:12.4g} {entry['p99']:12.4g} {entry['n']:6}  {entry['unit']}")


def print_against(ours, theirs):
    print(f"\n{'ours beside the other headers':72} {'ours':>10} {'theirs':>10} {'ratio':>7}")
    for (question, what, unit), other in Results(theirs).by_key.items():
        mine = Results(ours).get(question, what, unit)
        if mine is None or not other["median"]:
            continue
        ratio = mine / other["median"]
        verdict = ""
        if question.startswith("mixed") and unit == "1/s":
            verdict = "met" if ratio >= 0.5 else "MISSED (>= 0.5)"
        print(f"  {question + ': ' + what:64} {unit:>5} {mine:10.4g} {other['median']:10.4g} {ratio:7.2f}  {verdict}")


QUESTIONS = ("cost", "handoff", "crowd", "trouble", "threads", "peers", "build")


def measure(question, programs, options):
    """The records of one of QUESTIONS."""
    if question == "build":
        return compile_cost(1 if options.quick else 11)
    command = [programs / question, "--python", sys.executable, "--peers", HERE]
    if options.quick:
        command.append("--quick")
    if options.go_peer:
        command += ["--go-peer", options.go_peer]
    records = run_program(command)
    if question == "cost":
        records += python_cost(100 if options.quick else 1000)
    return records


def build_against(include, build):
    subprocess.run(["cmake", "-S", HERE, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                    f"-DNAMED_LOCK_AGAINST={include.resolve()}"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", build], check=True, stdout=subprocess.DEVNULL)
    return build


def main():
    parser = argparse.ArgumentParser(prog="run.sh")
    parser.add_argument("--quick", action="store_true", help="under 2 minutes: does it still work")
    parser.add_argument("--only", metavar="QUESTION,...", help="some of " + ", ".join(QUESTIONS))
    parser.add_argument("--against", type=pathlib.Path, metavar="INCLUDE_DIR",
                        help="measure with other headers as well, and compare")
    parser.add_argument("--programs", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--go-peer", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    asked = options.only.split(",") if options.only else list(QUESTIONS)
    for question in asked:
        if question not in QUESTIONS:
            parser.error(f"no question is called {question}")

    others = options.against and build_against(options.against, options.output / "against")
    records, theirs = [], []
    for question in asked:
        records += measure(question, options.programs, options)
        if others and question != "build":
            theirs += measure(question, others, options)

    rows = targets(records)
    print_tables(records)
    if "crowd" in asked:
        print_crowds(Results(records))
    print_targets(rows)
    for entry in records:
        if "skipped" in entry:
            print(f"  {entry['question']}: SKIPPED, {entry['skipped']}")
    if others:
        print_against(records, theirs)
    results = {"machine": {"cores": os.cpu_count(), "kernel": platform.release().split("-")[0]}, "quick": options.quick,
               "records": records,
               "targets": [dict(zip(("what", "measured", "limit", "is_floor"), row)) for row in rows]}
    file = options.output / ("-".join(["results", *asked] if options.only else ["results"]) + ".json")
    file.write_text(json.dumps(results, indent=1) + "\n")
    subprocess.run([sys.executable, HERE / "charts.py", file, options.output], check=True)


if __name__ == "__main__":
    main()

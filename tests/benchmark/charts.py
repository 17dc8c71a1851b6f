# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""Draws SVG charts from results.json, those whose figures are there: charts.py RESULTS DIRECTORY

The background is transparent, and lines, marks and text are of a grey and of colours that can be read on white as well
as on black."""
import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

INK = "#808080"
OURS, OTHER, THIRD, FOURTH = "#2a8fd8", "#d9822b", "#3aa655", "#a06cd5"

plt.rcParams.update({
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.titlecolor": INK, "legend.labelcolor": INK, "legend.frameon": False, "figure.facecolor": "none",
    "axes.facecolor": "none", "savefig.transparent": True, "svg.hashsalt": "named_lock", "font.size": 11,
    "axes.spines.top": False, "axes.spines.right": False,
})


def figure_of(records, question, what, unit, figure="median"):
    for entry in records:
        if (entry["question"], entry["what"], entry["unit"]) == (question, what, unit):
            return entry[figure]
    return None


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def hand_off(records, path):
    question = "hand-off, named_lock, 200 ms"
    ways = [("kernel flock,\nno time-out", question, "kernel flock"), ("named_lock", question, "named_lock"),
            ("Boost timed_lock", question, "Boost timed_lock"),
            ("Python filelock", "hand-off, named_lock, 300 ms", "Python filelock")]
    figure, axes = plt.subplots(figsize=(7, 3))
    for row, (label, asked, what) in enumerate(reversed(ways)):
        median = figure_of(records, asked, what, "us")
        p99 = figure_of(records, asked, what, "us", "p99")
        if median is None:
            continue
        color = OURS if what == "named_lock" else OTHER
        axes.plot([median, p99], [row, row], color=color, linewidth=3, alpha=0.5, solid_capstyle="butt")
        axes.plot(median, row, "o", color=color, markersize=9)
        axes.plot(p99, row, "|", color=color, markersize=14, markeredgewidth=2)
        axes.annotate(f"{median:,.0f}", (median, row), xytext=(0, 9), textcoords="offset points", ha="center", fontsize=9)
    axes.set_yticks(range(len(ways)), [label for label, _, _ in reversed(ways)])
    axes.set_ylim(-0.5, len(ways) - 0.3)
    axes.set_xscale("log")
    axes.set_xlabel("from the release to the grant, µs, log scale; dot: median, bar: 99th percentile")
    save(figure, path)


def crowd(records, path):
    counts = [2, 8, 64, 256]
    figure, (rate, share) = plt.subplots(1, 2, figsize=(8, 3.4))
    for what, color, mark in (("kernel flock", OTHER, "s"), ("named_lock", OURS, "o")):
        questions = [f"always wanted, holds of 100 us, {n} processes" for n in counts]
        rate.plot(counts, [figure_of(records, q, what, "1/s") for q in questions], mark + "-", color=color, label=what)
        least = [figure_of(records, q, what + ", smallest share", "share") for q in questions]
        most = [figure_of(records, q, what + ", largest share", "share") for q in questions]
        share.plot(counts, least, mark + "-", color=color, label=what)
        share.plot(counts, most, mark + "--", color=color)
    for axes in (rate, share):
        axes.set_xscale("log", base=2)
        axes.set_xticks(counts, [str(n) for n in counts])
        axes.set_xlabel("processes, holds of 100 µs")
        axes.set_ylim(bottom=0)
    rate.set_ylabel("acquisitions per second")
    share.set_ylabel("share of a process, 1: fair\nsmallest (line), largest (dashes)")
    rate.legend(loc="lower left")
    save(figure, path)


def cost(records, path):
    parts = [("open + close", "open+close", OTHER), ("flock + unlock", "flock+unlock", THIRD), ("fstat", "fstat", FOURTH),
             ("lstat", "lstat", "#b0a030")]
    figure, axes = plt.subplots(figsize=(8, 2.6))
    left = 0
    for label, what, color in parts:
        width = figure_of(records, "parts", what, "ns")
        axes.barh(2, width, left=left, color=color, height=0.6)
        axes.annotate(f"{label}\n{width:.0f}", (left + width / 2, 2), ha="center", va="center", fontsize=8, color="#101010")
        left += width
    bars = [("named_lock,\nobject reused", "named_lock, object reused", 1), ("named_lock,\nnew object", "named_lock, new object", 0)]
    for _, what, row in bars:
        width = figure_of(records, "uncontended", what, "ns")
        axes.barh(row, width, color=OURS, height=0.6)
        axes.annotate(f"{width:.0f}", (width, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks([2, 1, 0], ["the system calls"] + [label for label, _, _ in bars])
    axes.set_xlabel("acquire + release, nobody else wants it, ns (medians)")
    save(figure, path)


def waits(records, path):
    """Of all waits, the part that took longer, by time."""
    question = "always wanted, holds of 1 ms, 64 processes"
    figure, axes = plt.subplots(figsize=(8, 3.4))
    for above, (what, color) in enumerate((("named_lock", OURS), ("kernel flock", OTHER), ("Python filelock", THIRD))):
        classes = figure_of(records, question, what + ", waits", "ms", "up_to")
        if classes is None:
            continue
        total = left = sum(count for _, count in classes)
        times, parts = [], []
        for up_to, count in classes:
            times.append(up_to)
            parts.append(left / total)
            left -= count
        axes.step(times + times[-1:], parts + [0.1 / total], where="pre", color=color, linewidth=2, label=what)
        longest = figure_of(records, question, what + ", longest wait", "ms", "max")
        axes.plot(longest, 1 / total, "o", color=color)
        axes.annotate(f"{longest:,.0f} ms", (longest, 1 / total), xytext=(6, 12 * above - 8),
                      textcoords="offset points", fontsize=9, va="center", color=color)
    turn = 64
    axes.axvline(turn, color=INK, linewidth=0.8, linestyle=":")
    axes.annotate("a fair turn", (turn, 1.1), xytext=(3, 0), textcoords="offset points", fontsize=9)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(top=1.1)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("64 processes, holds of 1 ms: length of a wait, ms, log scale; dot: the longest one")
    axes.set_ylabel("part of all waits\nthat took longer")
    axes.legend(loc="lower left")
    save(figure, path)


def main():
    records = json.loads(pathlib.Path(sys.argv[1]).read_text())["records"]
    directory = pathlib.Path(sys.argv[2])
    drawn = []
    for draw, needs, name in ((hand_off, "hand-off, named_lock, 200 ms", "handoff"), (cost, "parts", "cost"),
                              (crowd, "always wanted, holds of 100 us, 2 processes", "crowd"),
                              (waits, "always wanted, holds of 1 ms, 64 processes", "waits")):
        if any(entry["question"] == needs for entry in records):
            draw(records, directory / f"{name}.svg")
            drawn.append(f"{name}.svg")
    print(f"\nIn {directory}: {', '.join([pathlib.Path(sys.argv[1]).name, *drawn])}")


if __name__ == "__main__":
    main()

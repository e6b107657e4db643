#!/usr/bin/env python3
"""Tutti beside Open MPI and MPICH: calls on f32, sums, out of place, on this machine.

All libraries' ranks are started once and sleep; then, size by size and round by round, each is
measured for a moment in shuffled order by the same code (bench.cpp). Every measurement carries the
round trip of a cache line before and after; only those of one state (near or far, unchanged while
it ran) are compared with each other. Prints medians, their spread and ratios; writes every
measurement to a CSV file."""

import argparse
import csv
import os
import random
import statistics
import subprocess
import sys
import tempfile

from launches import LAUNCHES

SIZES = [8, 1 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20]
OPERATIONS = ["all_reduce", "broadcast", "reduce_scatter", "all_gather", "all_to_all", "ping_pong"]
FAR_FROM_NS = 220  # as in perf/line_probe.cpp
FIELDS = ["operation", "ranks", "library",
          "settings", "memory", "bytes", "round", "loop_us", "call_us", "calls",
          "samples", "line_before_ns", "line_after_ns", "state"]


class BenchFailed(Exception):
    pass


class Bench:
    """The ranks of one library with one kind of settings, and how to talk to them."""

    def __init__(self, name, ranks, cores, build, benches):
        self.name = name
        self.library, program, launcher, self.kinds = LAUNCHES[name]
        self.page = tempfile.NamedTemporaryFile(prefix="tutti-peers-")
        words = launcher(ranks, cores, build) + [os.path.join(benches, program), self.page.name]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        self.answer("ready")

    def answer(self, word):
        for line in self.process.stdout:
            fields = line.split()
            if fields and fields[0] == word:
                return [float(field) for field in fields[1:]]
        raise BenchFailed(f"{self.name}: its ranks ended")

    def ask(self, command, word):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer(word)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.page.close()


def state_of(before, after):
    states = {"far" if ns >= FAR_FROM_NS else "near" for ns in (before, after) if ns > 0}
    return states.pop() if len(states) == 1 else "mixed" if states else "-"


def measure_kind(bench, operation, kind, bytes_, ranks, round_, seconds):
    """One measurement of one kind of memory, verified before and after."""
    wrong = bench.ask(f"prepare {operation} {kind} {bytes_}", "prepared")[0]
    loop, call, calls, samples, before, after = bench.ask(f"turn {seconds}", "turn")
    wrong += bench.ask("release", "released")[0]
    if wrong:
        raise BenchFailed(f"{bench.name}: {operation}: {wrong:.0f} wrong elements of {bytes_} B")
    values = [operation, ranks, bench.library, bench.name, kind, bytes_, round_, loop, call,
              int(calls), int(samples), before, after, state_of(before, after)]
    return dict(zip(FIELDS, values))


def measure_ranks(ranks, arguments, cores):
    """All libraries with that many ranks: rows of FIELDS."""
    benches = []
    rows = []
    try:
        for name in arguments.launches:
            benches.append(Bench(name, ranks, cores, arguments.build, arguments.benches))
        turns = [(bench, kind) for bench in benches for kind in bench.kinds]
        for operation in arguments.operations:
            for bytes_ in arguments.sizes:
                whole = max(bytes_, 4 * ranks) // (4 * ranks) * (4 * ranks)
                for round_ in range(arguments.rounds):
                    random.shuffle(turns)
                    for bench, kind in turns:
                        rows.append(measure_kind(bench, operation, kind, whole, ranks, round_,
                                                 arguments.turn))
                    if sys.stderr.isatty():
                        print(f"\r{operation}, {ranks} ranks, {bytes_} B, round {round_ + 1} ",
                              end="", file=sys.stderr)
    finally:
        for bench in benches:
            bench.close()
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return rows


class Cell:
    """Measurements of one thing in one state."""

    def __init__(self, values, settings=""):
        self.median = statistics.median(values)
        self.low, self.high, self.number = min(values), max(values), len(values)
        self.settings = settings

    def text(self):
        spread = f"{self.low:.4g}-{self.high:.4g}"
        return f"{self.median:.4g} [{spread}] {self.settings}".strip()


def best_cell(rows, library, figure, kinds):
    """The best settings and kind of memory of a library; None where nothing was measured."""
    groups = {}
    for row in rows:
        if row["library"] == library and row["memory"] in kinds:
            groups.setdefault((row["settings"], row["memory"]), []).append(row[figure])
    cells = [Cell(values, f"{settings}/{kind}" if settings != "tutti" else "")
             for (settings, kind), values in groups.items()]
    return min(cells, key=lambda cell: cell.median, default=None)


def size_text(bytes_):
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if bytes_ % factor == 0 and bytes_:
            return f"{bytes_ // factor} {unit}"
    return f"{bytes_} B"


def ratio_text(peer, own):
    return f"{peer.median / own.median:.2f}" if peer and own else "-"


def print_table(rows, operation, ranks, state, figure, title):
    mine = [row for row in rows if row["operation"] == operation and row["ranks"] == ranks
            and row["state"] == state]
    if not mine:
        return
    heads = ["size", "Tutti reg", "Tutti page", "Open MPI, best", "MPICH", "OMPI/reg", "OMPI/page"]
    lines = [heads]
    for bytes_ in sorted({row["bytes"] for row in mine}):
        here = [row for row in mine if row["bytes"] == bytes_]
        registered = best_cell(here, "Tutti", figure, ["reg"])
        pageable = best_cell(here, "Tutti", figure, ["page"])
        open_mpi = best_cell(here, "Open MPI", figure, ["reg", "page"])
        mpich = best_cell(here, "MPICH", figure, ["page"])
        cells = [cell.text() if cell else "-" for cell in (registered, pageable, open_mpi, mpich)]
        lines.append([size_text(bytes_), *cells, ratio_text(open_mpi, registered),
                      ratio_text(open_mpi, pageable)])
    print(f"\n{operation}, {ranks} ranks, {state}: {title}, us: median [least-greatest]; "
          "ratios above 1: Tutti is faster")
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        print("  ".join(text.rjust(width) for text, width in zip(line, widths)))


def parse_size(text):
    units = {"K": 1 << 10, "M": 1 << 20}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)


def numbers(text):
    return [parse_size(item) for item in text.split(",")]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="where the tutti program is")
    parser.add_argument("--benches", required=True, help="where the benchmarks are")
    parser.add_argument("--ranks", type=numbers, default=[2, 4, 8], metavar="N,…")
    parser.add_argument("--operations", type=lambda text: text.split(","), default=["all_reduce"],
                        metavar="NAME,…", help="among " + ", ".join(OPERATIONS) + "; or all")
    parser.add_argument("--sizes", type=numbers, default=SIZES, metavar="BYTES,…",
                        help="multiples of 4; K and M are 1024-based")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each cell (7)")
    parser.add_argument("--turn", type=float, default=0.1, metavar="S",
                        help="seconds for one measurement (0.1)")
    parser.add_argument("--launches", type=lambda text: text.split(","), default=list(LAUNCHES),
                        metavar="NAME,…", help="among " + ", ".join(LAUNCHES))
    parser.add_argument("--csv", default="", help="all measurements (BENCHES/peers.csv)")
    arguments = parser.parse_args()
    if arguments.operations == ["all"]:
        arguments.operations = OPERATIONS
    for name in arguments.operations:
        if name not in OPERATIONS:
            parser.error(f"--operations: '{name}' is not one of {', '.join(OPERATIONS)}")
    for name in arguments.launches:
        if name not in LAUNCHES:
            parser.error(f"--launches: '{name}' is not one of {', '.join(LAUNCHES)}")
    return arguments


def main():
    arguments = parse_arguments()
    cores = len(os.sched_getaffinity(0))
    rows = []
    for ranks in arguments.ranks:
        rows += measure_ranks(ranks, arguments, cores)
        for operation in arguments.operations:
            for state in ("near", "far", "-"):
                print_table(rows, operation, ranks, state, "loop_us", "back to back")
                print_table(rows, operation, ranks, state, "call_us", "per call")
    path = arguments.csv or os.path.join(arguments.benches, "peers.csv")
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    print(f"\nAll measurements: {path}")


if __name__ == "__main__":
    try:
        main()
    except BenchFailed as failure:
        sys.exit(f"peers: {failure}")

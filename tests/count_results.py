#!/usr/bin/env python3
"""Counts the results in Meson's testlog.json, and ends with `N passed, N failed, N skipped`.

usage: count_results.py TESTLOG MESON-STATUS

One test is one program in Meson's list. A part of a program that could not run here (its output
has a line `skipped: why`) counts as one more skipped test, and is named. A timeout is a failure;
so is a log without a single test. Exit status 1 when something failed.
"""

import json
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP"}


def read_results(path):
    """Meson writes one JSON object a line."""
    try:
        with open(path, encoding="utf-8") as log:
            return [json.loads(line) for line in log if line.strip()]
    except OSError:
        return []


def skip_notes(result):
    lines = (result.get("stdout") or "").splitlines()
    return [line for line in lines if line.startswith("skipped: ")]


def last_lines(result):
    """The end of what a failed test has said: Catch2's summary and the error, a traceback."""
    said = (result.get("stdout") or "") + (result.get("stderr") or "")
    return said.splitlines()[-60:]


def count(results):
    """(passed, failed, skipped, lines to print first)"""
    passed = failed = skipped = 0
    lines = []
    for result in results:
        name, outcome = result["name"], result["result"]
        notes = skip_notes(result)
        lines += [f"{name}: {note}" for note in notes]
        if outcome in SKIPPED:
            skipped += max(1, len(notes))
        elif outcome in PASSED:
            passed += 1
            skipped += len(notes)
        else:
            failed += 1
            lines.append(f"{name}: failed ({outcome})")
            lines += ["  | " + line for line in last_lines(result)]
    return passed, failed, skipped, lines


def main(path, meson_status):
    results = read_results(path)
    passed, failed, skipped, lines = count(results)
    if not results:
        lines.append("no test ran")
    if failed == 0 and (not results or meson_status != 0):
        failed = 1
        lines.append(f"meson test ended with status {meson_status}")
    for line in lines:
        print(line)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))

#!/usr/bin/env python3
"""The `tutti` program's command line: what it refuses, and what it says of itself.

usage: cli_test.py TUTTI
"""

import os
import re
import subprocess
import sys
import unittest

TUTTI = sys.argv[1]
del sys.argv[1:]

FAILED, USAGE = 1, 2


def tutti(*arguments, **variables):
    """Runs the program, with no variable of Tutti's but `variables`."""
    environment = {name: value for name, value in os.environ.items() if "TUTTI" not in name}
    return subprocess.run([TUTTI, *arguments], env={**environment, **variables}, text=True,
                          capture_output=True, timeout=30, check=False)


class BadInput(unittest.TestCase):
    def check_refused(self, *arguments, says):
        """Exit 2, with one line that has all of `says`, and one that points to the help."""
        done = tutti(*arguments)
        self.assertEqual(done.returncode, USAGE, done.stderr)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 2, done.stderr)
        for text in says:
            self.assertIn(text, lines[0])
        self.assertRegex(lines[1], r"^See `tutti( \w+)? --help`\.$")

    def test_no_subcommand(self):
        done = tutti()
        self.assertEqual((done.returncode, done.stdout), (USAGE, ""))
        self.assertIn("Usage: tutti SUBCOMMAND", done.stderr)

    def test_unknown_subcommand(self):
        self.check_refused("fly", says=["unknown subcommand 'fly'"])

    def test_unknown_options(self):
        self.check_refused("run", "--fly", "true", says=["tutti run", "'--fly'"])
        self.check_refused("run", "-z", "true", says=["'-z'"])
        self.check_refused("run", "--fly=high", "true", says=["'--fly=high'"])
        self.check_refused("env", "--fly", says=["tutti env", "'--fly'"])
        self.check_refused("perf", "--fly", says=["tutti perf", "'--fly'"])

    def test_an_argument_too_many(self):
        self.check_refused("env", "fly", says=["'fly'"])

    def test_0_ranks(self):
        self.check_refused("run", "-n", "0", "true", says=["--ranks", "'0'", "1 to 1024"])

    def test_fewer_than_0_ranks(self):
        self.check_refused("run", "-n", "-3", "true", says=["--ranks", "'-3'"])

    def test_10000_ranks(self):
        self.check_refused("run", "-n", "10000", "true", says=["--ranks", "'10000'", "1 to 1024"])

    def test_ranks_beyond_any_number(self):
        self.check_refused("run", "-n", "9" * 30, "true", says=["--ranks", "out of range"])

    def test_ranks_that_are_no_number(self):
        for text in ("four", "4x", "4.5", "0x4", " 4", ""):
            with self.subTest(text=text):
                self.check_refused("run", "-n", text, "true",
                                   says=["--ranks", f"'{text}' is not a whole number"])

    def test_an_option_without_its_value(self):
        self.check_refused("run", "-n", says=["--ranks"])

    def test_an_option_given_twice(self):
        self.check_refused("run", "-n", "2", "-n", "3", "true", says=["--ranks"])

    def test_no_program(self):
        self.check_refused("run", "-n", "2", says=["no program given"])

    def test_an_unknown_choice(self):
        self.check_refused("run", "--bind-to", "socket", "true",
                           says=["--bind-to", "'socket'", "core, numa, none"])

    def test_a_timeout_that_is_none(self):
        for text in ("0", "-1", "soon", "inf", "nan"):
            with self.subTest(text=text):
                self.check_refused("run", "-T", text, "true", says=["--timeout", f"'{text}'"])

    def test_a_variable_that_is_not_set(self):
        self.check_refused("run", "-x", "NOT_SET_HERE", "true", says=["-x", "NOT_SET_HERE"])

    def test_a_variable_without_a_name(self):
        self.check_refused("run", "-x", "=1", "true", says=["-x", "'=1'"])

    def test_variables_that_the_launcher_sets(self):
        self.check_refused("run", "-x", "TUTTI_RANK=1", "true", says=["-x", "TUTTI_RANK"])

    def test_mb(self):
        self.check_refused("perf", "-b", "1MB", says=["--minbytes", "'1MB'", "1M or 1MiB"])
        self.check_refused("perf", "-e", "2kB", says=["--maxbytes", "'2kB'", "2K or 2KiB"])

    def test_sizes_that_are_none(self):
        for text in ("-1", "x", "1Q", "1 K", "1.5K", "1KiBs", "99999999999999999999",
                     "99999999999G"):
            with self.subTest(text=text):
                self.check_refused("perf", "-b", text, says=["--minbytes", f"'{text}'"])

    def test_minbytes_above_maxbytes(self):
        self.check_refused("perf", "-b", "1M", "-e", "64", says=["--minbytes", "--maxbytes"])

    def test_stepfactor_with_stepbytes(self):
        self.check_refused("perf", "-f", "2", "-i", "64", says=["--stepfactor", "--stepbytes"])


class WhatItSays(unittest.TestCase):
    def test_help_lists_every_subcommand(self):
        done = tutti("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for name in ("perf", "run", "verify", "explain", "env"):
            self.assertRegex(done.stdout, rf"(?m)^  {name}  +\w")
        self.assertEqual(tutti("-h").stdout, done.stdout)

    def test_every_subcommand_has_help_and_a_version(self):
        for name in re.findall(r"(?m)^  (\w+)  ", tutti("--help").stdout):
            with self.subTest(subcommand=name):
                for option in ("-h", "--help"):
                    done = tutti(name, option)
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertIn(f"Usage: tutti {name} ", done.stdout)
                self.assertEqual(tutti(name, "--version").stdout, tutti("--version").stdout)

    def test_the_version(self):
        self.assertRegex(tutti("--version").stdout, r"^tutti \d+\.\d+\.\d+\n$")

    def test_help_has_no_colours(self):
        self.assertNotIn("\x1b", tutti("run", "--help").stdout)

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([TUTTI, "env"], stdout=full, stderr=subprocess.PIPE, text=True,
                                  check=False)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("No space left on device", done.stderr)


class Env(unittest.TestCase):
    def test_shows_every_variable_with_default_and_value(self):
        text = tutti("env", TUTTI_LOG="off", TUTTI_ALGO="all_reduce:ring").stdout
        self.assertRegex(text, r"TUTTI_LOG +off  \(set\)")
        self.assertRegex(text, r"TUTTI_ALGO +all_reduce:ring  \(set\)")
        self.assertRegex(text, r"TUTTI_TIMEOUT_MS +1800000  \(default\)")
        self.assertIn("rank 0 of 1, by alone", text)

    def test_shows_budgets_and_this_machine(self):
        text = tutti("env").stdout
        pair = re.search(r"per pair of ranks +at most (\d+(?:\.\d+)?) KiB", text)
        rank = re.search(r"per rank +at most (\d+(?:\.\d+)?) MiB", text)
        self.assertLessEqual(float(pair[1]), 64)
        self.assertLessEqual(float(rank[1]), 4)
        self.assertRegex(text, r"CPUs that ranks may use +\d+ \(affinity: \d+; control groups: ")
        self.assertRegex(text, r"other processes' memory +can")
        self.assertRegex(text, r"transparent huge pages +private \w+")

    def test_says_what_is_wrong_with_the_variables(self):
        done = tutti("env", TUTTI_SIZE="4")
        self.assertEqual(done.returncode, 0)
        self.assertIn("TUTTI_SIZE is 4 but TUTTI_RANK is not set", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)

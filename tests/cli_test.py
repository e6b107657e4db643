#!/usr/bin/env python3
"""The `tutti` program's command line: what it refuses, and what it says of itself.

usage: cli_test.py TUTTI
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

TUTTI = os.path.abspath(sys.argv[1])
del sys.argv[1:]

FAILED, USAGE = 1, 2


def tutti(*arguments, **variables):
    """Runs the program, with no variable of Tutti's but `variables`."""
    environment = {name: value for name, value in os.environ.items() if "TUTTI" not in name}
    return subprocess.run([TUTTI, *arguments], env={**environment, **variables}, text=True,
                          capture_output=True, timeout=30, check=False)


class Refusals(unittest.TestCase):
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


class BadInput(Refusals):
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
        for name in ("perf", "explain", "verify", "env"):
            self.check_refused(name, "--fly", says=[f"tutti {name}", "'--fly'"])
            self.check_refused(name, "-z", says=[f"tutti {name}", "'-z'"])

    def test_an_unknown_option_with_a_value(self):
        for name in ("perf", "explain", "verify"):
            self.check_refused(name, "--rank", "8", says=["unknown option or argument '--rank'"])

    def test_options_of_another_subcommand(self):
        self.check_refused("env", "-n", "2", says=["tutti env", "'-n'"])
        self.check_refused("explain", "--budget", "3", says=["tutti explain", "'--budget'"])
        self.check_refused("verify", "-b", "8", says=["tutti verify", "'-b'"])
        self.check_refused("perf", "--long", says=["tutti perf", "'--long'"])

    def test_an_argument_too_many(self):
        self.check_refused("env", "fly", says=["'fly'"])
        self.check_refused("explain", "all_reduce", "1M", "fly", says=["'fly'"])
        self.check_refused("verify", "all_reduce", "fly", says=["'fly'"])
        self.check_refused("perf", "all_reduce", "fly", says=["'fly'"])

    def test_help_about_an_unknown_subcommand(self):
        self.check_refused("help", "fly", says=["unknown subcommand 'fly'"])

    def test_0_ranks(self):
        self.check_refused("run", "-n", "0", "true", says=["--ranks", "'0'", "1 to 1024"])
        for name in ("perf", "explain", "verify"):
            self.check_refused(name, "--ranks", "0", says=["--ranks", "'0'", "1 to "])
            self.check_refused(name, "--ranks", "2,0", says=["--ranks", "'0'", "1 to "])

    def test_fewer_than_0_ranks(self):
        self.check_refused("run", "-n", "-3", "true", says=["--ranks", "'-3'"])

    def test_10000_ranks(self):
        self.check_refused("run", "-n", "10000", "true", says=["--ranks", "'10000'", "1 to 1024"])
        self.check_refused("perf", "--ranks", "10000", says=["--ranks", "'10000'", "1 to 1024"])
        self.check_refused("explain", "--ranks", "10000", says=["--ranks", "'10000'", "1 to 1024"])
        self.check_refused("verify", "--ranks", "10000", says=["--ranks", "'10000'", "1 to 4096"])

    def test_ranks_beyond_any_number(self):
        self.check_refused("run", "-n", "9" * 30, "true", says=["--ranks", "out of range"])

    def test_a_list_with_an_empty_item(self):
        for name in ("perf", "explain", "verify"):
            self.check_refused(name, "--ranks", "1,,2", says=["--ranks", "'1,,2'", "empty item"])
            self.check_refused(name, "--algo", "ring,", says=["--algo", "'ring,'", "empty item"])

    def test_ranks_that_are_no_number(self):
        for text in ("four", "4x", "4.5", "0x4", " 4", ""):
            with self.subTest(text=text):
                self.check_refused("run", "-n", text, "true",
                                   says=["--ranks", f"'{text}' is not a whole number"])

    def test_an_option_without_its_value(self):
        self.check_refused("run", "-n", says=["--ranks: its value is missing"])
        self.check_refused("perf", "--ranks", "2", "-e", says=["--maxbytes: its value is missing"])

    def test_an_option_given_twice(self):
        self.check_refused("run", "-n", "2", "-n", "3", "true",
                           says=["--ranks: given more than once"])

    def test_no_program(self):
        self.check_refused("run", "-n", "2", says=["no program given"])

    def test_an_unknown_choice(self):
        self.check_refused("run", "--bind-to", "socket", "true",
                           says=["--bind-to", "'socket'", "core, numa, none"])

    def test_a_timeout_that_is_none(self):
        for text in ("0", "-1", "soon", "inf", "nan"):
            with self.subTest(text=text):
                self.check_refused("run", "-T", text, "true", says=["--timeout", f"'{text}'"])
                self.check_refused("perf", "-T", text, says=["--timeout", f"'{text}'"])
                self.check_refused("verify", "-T", text, says=["--timeout", f"'{text}'"])

    def test_a_variable_that_is_not_set(self):
        self.check_refused("run", "-x", "NOT_SET_HERE", "true", says=["-x", "NOT_SET_HERE"])

    def test_a_variable_without_a_name(self):
        self.check_refused("run", "-x", "=1", "true", says=["-x", "'=1'"])

    def test_variables_that_the_launcher_sets(self):
        self.check_refused("run", "-x", "TUTTI_RANK=1", "true", says=["-x", "TUTTI_RANK"])

    def test_mb(self):
        self.check_refused("perf", "-b", "1MB", says=["--minbytes", "'1MB'", "1M or 1MiB"])
        self.check_refused("perf", "-e", "2kB", says=["--maxbytes", "'2kB'", "2K or 2KiB"])
        self.check_refused("explain", "all_reduce", "1MB", says=["SIZE", "'1MB'", "1M or 1MiB"])

    def test_sizes_that_are_none(self):
        for text in ("-1", "x", "1Q", "1 K", "1.5K", "1KiBs", "99999999999999999999",
                     "99999999999G"):
            with self.subTest(text=text):
                self.check_refused("perf", "-b", text, says=["--minbytes", f"'{text}'"])

    def test_minbytes_above_maxbytes(self):
        self.check_refused("perf", "-b", "1M", "-e", "64", says=["--minbytes", "--maxbytes"])

    def test_an_output_without_a_name(self):
        for name in ("perf", "explain", "verify"):
            self.check_refused(name, "--json", "", says=["--json: is empty"])

    def test_more_sizes_than_anyone_can_wait_for(self):
        self.check_refused("perf", "-i", "1", "-e", "1G", says=["--stepbytes", "10000 sizes"])

    def test_stepfactor_with_stepbytes(self):
        self.check_refused("perf", "-f", "2", "-i", "64", says=["--stepfactor", "--stepbytes"])


    def test_all_or_auto_beside_a_name(self):
        for name, word in (("perf", "all"), ("perf", "auto"), ("explain", "all"),
                           ("explain", "auto"), ("verify", "all")):
            for text in (f"{word},ring", f"ring,{word}"):
                with self.subTest(subcommand=name, text=text):
                    self.check_refused(name, "--algo", text,
                                       says=["--algo", f"'{word}' stands alone", "'ring'"])


    def test_one_file_for_two_outputs(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "both")
            self.check_refused("perf", "--json", path, "--csv", path,
                               says=["--json", "--csv", "the same file", path])

    def test_an_algorithm_of_no_rank_count(self):
        for name in ("nope", "ring/x=1", "parameter_server/shards=99", "parameter_server/shards=0"):
            self.check_refused("perf", "--ranks", "2,4", "--algo", name, says=["--algo", name])


class BadExplain(Refusals):
    def check(self, *arguments, says):
        self.check_refused("explain", *arguments, says=["tutti explain: ", *says])

    def test_an_unknown_collective(self):
        self.check("all_fly", says=["COLLECTIVE", "'all_fly'", "all_reduce, broadcast, barrier"])

    def test_sizes_that_are_none(self):
        for text in ("-5", "x", "1Q", "99999999999G"):
            with self.subTest(text=text):
                self.check("all_reduce", text, says=["SIZE", f"'{text}'"])

    def test_unknown_types_and_ops(self):
        self.check("-d", "f31", says=["--datatype", "'f31'", "f32"])
        self.check("-o", "summ", says=["--op", "'summ'", "sum"])

    def test_an_op_that_does_not_take_the_type(self):
        self.check("-o", "band", "-d", "f32", says=["--op band", "--datatype f32"])

    def test_a_root_beyond_the_ranks(self):
        self.check("broadcast", "-r", "4", "--ranks", "2,4", says=["--root 4", "2 ranks"])
        self.check("broadcast", "-r", "-1", says=["--root", "'-1'"])

    def test_an_unknown_algorithm(self):
        self.check("--algo", "rnig", "--ranks", "2", says=["--algo", '"rnig"', "ring"])
        self.check("--algo", "parameter_server/shards=x", "--ranks", "3",
                   says=["--algo", "shards=x"])

    def test_a_picture_that_does_not_exist_or_fit(self):
        self.check("--draw", "svg", says=["--draw", "'svg'", "txt"])
        self.check("--draw", "txt", "--ranks", "17", says=["--draw", "17 ranks", "16"])

    def test_a_petabyte_is_no_reason_to_hang(self):
        done = tutti("explain", "all_reduce", "1024T", "--ranks", "4")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("all_reduce of 1048576 GiB", done.stdout)

    def test_a_wrong_tutti_algo(self):
        done = tutti("explain", TUTTI_ALGO="all_reduce:rnig")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no algorithm 'rnig'", done.stderr)


class Explains(unittest.TestCase):
    def test_what_the_environment_forces(self):
        done = tutti("explain", "--ranks", "2", "--json", "-", TUTTI_ALGO="all_reduce:ring")
        self.assertEqual(json.loads(done.stdout)["explanations"][0]["forced"], "ring")
        done = tutti("explain", "--ranks", "2", TUTTI_ALGO="all_reduce:ring")
        self.assertIn("calls take ring all the same", done.stdout)
        self.assertNotIn("calls take", tutti("explain", "--ranks", "2").stdout)

    def test_cross_memory_of_the_environment_changes_prices(self):
        def prices(choice):
            done = tutti("explain", "all_reduce", "1M", "--ranks", "4", "--json", "-",
                         TUTTI_CROSS_MEMORY=choice)
            candidates = json.loads(done.stdout)["explanations"][0]["candidates"]
            return {row["algorithm"]: row["predicted_us"] for row in candidates}
        self.assertNotEqual(prices("0"), prices("1"))


class BadVerify(Refusals):
    def check(self, *arguments, says):
        self.check_refused("verify", *arguments, says=["tutti verify: ", *says])

    def test_an_unknown_collective(self):
        self.check("all_fly", says=["COLLECTIVE", "'all_fly'", "all_reduce, broadcast, barrier"])

    def test_an_unknown_algorithm(self):
        self.check("--algo", "rnig", "--ranks", "2", says=["--algo", '"rnig"', "ring"])

    def test_algo_auto(self):
        self.check("--algo", "auto", says=["--algo auto", "verify chooses nothing"])

    def test_a_root_beyond_the_ranks(self):
        self.check("broadcast", "-r", "4", "--ranks", "2,4", says=["--root 4", "4 ranks"])

    def test_a_seed_that_is_none(self):
        for text in ("-1", "x", "1e3", "9" * 30):
            with self.subTest(text=text):
                self.check("--seed", text, says=["--seed", f"'{text}'"])

    def test_the_timeout_ends_the_work(self):
        done = tutti("verify", "-T", "0.05")
        self.assertEqual(done.returncode, FAILED)
        self.assertRegex(done.stderr, r"^tutti verify: not done after 0\.05 s\n$")


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
                for asked in ((name, "-h"), (name, "--help"), ("help", name)):
                    done = tutti(*asked)
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

    def test_a_table_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([TUTTI, "perf", "--ranks", "1", "-e", "8", "--budget", "1"],
                                  stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, FAILED)
        self.assertEqual(done.stderr, "tutti: standard output: cannot write\n")


class Env(unittest.TestCase):
    def test_shows_every_variable_with_default_and_value(self):
        text = tutti("env", TUTTI_LOG="off", TUTTI_ALGO="all_reduce:ring").stdout
        self.assertRegex(text, r"TUTTI_LOG +off  \(set\)")
        self.assertRegex(text, r"TUTTI_ALGO +all_reduce:ring  \(set\)")
        self.assertRegex(text, r"TUTTI_TIMEOUT_MS +1800000  \(default\)")
        self.assertIn("rank 0 of 1, by alone", text)

    def test_a_wrong_tutti_algo_lets_no_start_work(self):
        self.assertRegex(tutti("env", TUTTI_ALGO="nope").stdout, "no start would work.*TUTTI_ALGO")

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

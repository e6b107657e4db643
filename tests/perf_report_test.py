#!/usr/bin/env python3
"""`tutti perf` with real ranks: its table, its files, its exit codes, and what it refuses.

usage: perf_report_test.py TUTTI
"""

import csv
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

import jsonschema

TUTTI = sys.argv[1]
del sys.argv[1:]

SCHEMA = json.loads((pathlib.Path(__file__).parent / "perf_schema.json").read_text("utf-8"))
FAILED, USAGE = 1, 2
SMALL = ["-b", "8", "-e", "8K", "-f", "32", "--budget", "4", "--seed", "3"]
BLOCK = ["time", "algbw", "busbw", "#wrong"]


def perf(*arguments, **variables):
    """Runs `tutti perf`, with no variable of a launcher's but `variables`."""
    environment = {name: value for name, value in os.environ.items()
                   if "TUTTI" not in name and name not in ("RANK", "WORLD_SIZE")}
    return subprocess.run([TUTTI, "perf", *arguments], env={**environment, **variables},
                          text=True, capture_output=True, timeout=100, check=False)


def sweep(*arguments, **variables):
    """A sweep that must succeed: its table and its JSON, held against the schema."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "out.json"
        done = perf(*arguments, "--json", str(file), **variables)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        document = json.loads(file.read_text("utf-8"))
        if [entry.name for entry in file.parent.iterdir()] != ["out.json"]:
            raise AssertionError("something else was left beside the file")
    jsonschema.validate(document, SCHEMA)
    return done.stdout, document


def rows(table):
    return [line.split() for line in table.splitlines() if line and not line.startswith("#")]


class TheReport(unittest.TestCase):
    """One sweep of two worlds, looked at from all sides."""

    @classmethod
    def setUpClass(cls):
        cls.table, cls.document = sweep("--ranks", "2,3", *SMALL)

    def test_every_algorithm_is_measured_in_every_form(self):
        results = self.document["results"]
        for ranks in (2, 3):
            for bytes_ in (8, 256, 8192):
                cells = [r for r in results if (r["ranks"], r["bytes"]) == (ranks, bytes_)]
                skipped = [s for s in self.document["settings"]["skipped"]
                           if (s["ranks"], s["bytes"]) == (ranks, bytes_)]
                forms = {(r["algorithm"], r["in_place"], r["registered"])
                         for r in cells + skipped}
                names = {algorithm for algorithm, _, _ in forms}
                self.assertGreaterEqual(len(names), 8)
                self.assertEqual(len(forms), 4 * len(names))
                self.assertEqual(len(cells) + len(skipped), len(forms))

    def test_one_algorithm_is_the_chosen_one_of_each_call(self):
        chosen = {}
        for result in self.document["results"]:
            if result["chosen"]:
                call = (result["ranks"], result["bytes"])
                chosen.setdefault(call, set()).add(result["algorithm"])
        self.assertTrue(chosen)
        self.assertEqual({len(names) for names in chosen.values()}, {1})

    def test_nothing_is_wrong_and_figures_belong_together(self):
        for result in self.document["results"]:
            self.assertEqual(result["wrong"], 0)
            self.assertEqual(result["count"] * 4, result["bytes"])
            samples = sorted(result["samples_us"])
            self.assertEqual(result["min_us"], samples[0])
            self.assertEqual(result["p50_us"], samples[(len(samples) - 1) // 2])
            self.assertEqual(result["p99_us"] is None, len(samples) < 100)
            rate = result["bytes"] / result["time_us"] / 1e3
            rounding = 1e-3 + rate * 1e-2  # the report rounds times to nanoseconds
            self.assertAlmostEqual(result["algbw_GBps"], rate, delta=rounding)
            factor = 2 * (result["ranks"] - 1) / result["ranks"]
            self.assertAlmostEqual(result["busbw_GBps"], result["algbw_GBps"] * factor,
                                   delta=rounding)
            if result["limit_us"] is not None:
                self.assertAlmostEqual(result["limit_share"],
                                       result["limit_us"] / result["time_us"],
                                       delta=1e-2 * (1 + result["limit_share"]))

    def test_reproducible_calls_are_timed_beside_the_chosen_algorithm(self):
        table, document = sweep("--ranks", "2", "--reproducible", "--algo", "auto", *SMALL)
        forms = {}
        for result in document["results"]:
            self.assertEqual(result["chosen"], result["algorithm"] != "reproducible")
            form = (result["bytes"], result["in_place"], result["registered"])
            forms.setdefault(form, []).append(result)
        for cells in forms.values():
            self.assertEqual(len(cells), 2)
            self.assertEqual({cell["wrong"] for cell in cells}, {0})
        lines = [line for line in table.splitlines() if line.startswith("# reproducible, in ")]
        self.assertEqual(len(lines), len({form[0] for form in forms}))
        for line in lines:
            self.assertRegex(line, r"times of [a-z_/=0-9]+: page \d+\.\d\d, page in place \d")

    def test_the_table_begins_with_the_columns_of_nccl_tests(self):
        heads = [line.lstrip("#").split() for line in self.table.splitlines()
                 if line.startswith("#") and " busbw " in line]
        self.assertEqual(len(heads), 2)  # one a world
        for head in heads:
            self.assertEqual(head[:13], ["size", "count", "type", "redop", "root", *BLOCK, *BLOCK])
            self.assertEqual(head[13:], ["algorithm", "memory", "predicted", "p50", "p99", "%limit",
                                         "p50", "p99", "%limit", "line"])

    def test_the_table_has_a_row_for_every_pair_of_cells_and_marks_the_chosen_one(self):
        table = [row for row in rows(self.table) if len(row) > 20]
        self.assertGreaterEqual(2 * len(table), len(self.document["results"]))
        marked = [row for row in table if any(word.startswith("*") for word in row)]
        self.assertTrue(marked)
        for row in table:
            self.assertEqual(row[2:5], ["f32", "sum", "-1"])

    def test_the_header_and_the_footer_tell_the_circumstances(self):
        for text in ("# Host ", "# Topology: ", "# Pages ", "seed 3", "#  Rank  0 Pid",
                     "# all_reduce, 3 ranks",
                     "# Side by side", "# Out of bounds values : 0 OK", "# Avg bus bandwidth    :",
                     "%limit: "):
            self.assertIn(text, self.table)
        self.assertEqual([world["ranks"] for world in self.document["machine"]["worlds"]], [2, 3])


class TheOptions(unittest.TestCase):
    def test_broadcast_and_barrier(self):
        table, document = sweep("broadcast", "--ranks", "3", "--root", "2", *SMALL)
        self.assertIn("binomial", table)
        self.assertEqual({r["op"] for r in document["results"]}, {"none"})
        self.assertEqual({row[4] for row in rows(table) if len(row) > 20}, {"2"})
        _, document = sweep("barrier", "--ranks", "3", "--budget", "2")
        self.assertEqual({(r["bytes"], r["dtype"]) for r in document["results"]}, {(0, "none")})
        self.assertEqual([r["wrong"] for r in document["results"]],
                         [0] * len(document["results"]))

    def test_every_type_and_op_is_right(self):
        _, document = sweep("--ranks", "3", "-d", "all", "-o", "all", "-b", "1K", "-e", "1K", "-R",
                            "0", "--in-place", "no", "--algo", "auto", "--budget", "10")
        pairs = {(r["dtype"], r["op"]) for r in document["results"]}
        self.assertEqual(len(pairs) + len(document["settings"]["skipped"]), 6 * 9 + 6 * 6)
        self.assertEqual({r["wrong"] for r in document["results"]}, {0})

    def test_ranks_as_threads_of_one_process_or_of_two(self):
        for threads, processes in (("4", 1), ("2", 2)):
            _, document = sweep("--ranks", "4", "-t", threads, "--algo", "ring", *SMALL)
            places = document["machine"]["worlds"][0]["places"]
            self.assertEqual(len(places), 4)
            self.assertEqual(len({place["pid"] for place in places}), processes)

    def test_a_world_of_one(self):
        _, document = sweep("--ranks", "1", *SMALL)
        self.assertEqual({tuple(r["line_ns"]) for r in document["results"]}, {(None, None)})

    def test_joins_the_world_of_a_launcher(self):
        environment = {name: value for name, value in os.environ.items() if "TUTTI" not in name}
        done = subprocess.run([TUTTI, "run", "-n", "2", TUTTI, "perf", "--algo", "ring", *SMALL],
                              env=environment, text=True, capture_output=True, timeout=100,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("# Out of bounds values : 0 OK"), 1)
        self.assertIn("\n# all_reduce, 2 ranks\n", done.stdout)

    def test_only_what_was_asked_for(self):
        _, document = sweep("--ranks", "2", "-R", "1", "--in-place", "yes", "-n", "7", "-w", "0",
                            "-c", "0", "--algo", "ring,naive", *SMALL)
        results = document["results"]
        self.assertEqual({r["algorithm"] for r in results}, {"ring", "naive"})
        self.assertEqual({(r["registered"], r["in_place"]) for r in results}, {(True, True)})

    def test_parameters_that_no_candidate_has(self):
        _, document = sweep("--ranks", "4", "--algo", "parameter_server/shards=3", "-R", "1",
                            "--in-place", "no", *SMALL)
        self.assertTrue(document["results"])
        for result in document["results"]:
            self.assertEqual(result["algorithm"], "parameter_server/shards=3")
            self.assertIsNone(result["predicted_us"])
            self.assertEqual(result["wrong"], 0)

    def test_an_algorithm_of_some_rank_counts_is_skipped_at_the_others(self):
        done = perf("--ranks", "2,4", "--algo", "parameter_server/shards=3", *SMALL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("2 ranks, parameter_server/shards=3: not one of", done.stdout)

    def test_json_on_standard_output_is_all_that_is_there(self):
        done = perf("--ranks", "2", "--algo", "auto", "--json", "-", *SMALL)
        self.assertEqual(done.returncode, 0, done.stderr)
        jsonschema.validate(json.loads(done.stdout), SCHEMA)

    def test_csv(self):
        done = perf("--ranks", "2", "--algo", "auto", "--csv", "-", *SMALL)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = list(csv.DictReader(io.StringIO(done.stdout)))
        self.assertTrue(lines)
        self.assertEqual({line["collective"] for line in lines}, {"all_reduce"})
        for line in lines:
            self.assertGreater(float(line["time_us"]), 0)

    def test_all_collectives_in_one_sweep(self):
        table, document = sweep("all", "--ranks", "3", "-b", "8", "-e", "30K", "-f", "128",
                                "-r", "1", "--budget", "20", "--seed", "5")
        names = [world["collective"] for world in document["machine"]["worlds"]]
        self.assertEqual(len(set(names)), 11)
        told = document["results"] + document["settings"]["skipped"]
        self.assertEqual({row["collective"] for row in told}, set(names))
        for row in document["results"]:
            self.assertEqual(row["wrong"], 0, row)
            blocks = 3 if row["collective"] in ("reduce_scatter", "all_gather", "gather", "scatter",
                                                "all_to_all") else 1
            self.assertEqual(row["bytes"], 4 * blocks * row["count"])
            factor = {"all_reduce": 4 / 3, "broadcast": 1, "reduce": 1, "scan": 1,
                      "exclusive_scan": 1, "barrier": 0}
            self.assertAlmostEqual(row["busbw_GBps"],
                                   row["algbw_GBps"] * factor.get(row["collective"], 2 / 3),
                                   delta=2e-4)
            self.assertFalse(row["in_place"] and row["collective"] == "all_to_all")
        for name in names:
            self.assertIn(f"# {name}, 3 ranks", table)

    def test_all_collectives_go_with_no_algorithm_of_one(self):
        done = perf("all", "--ranks", "2", "--algo", "ring", *SMALL)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("--algo: 'ring' is one collective's", done.stderr)

    def test_overlap_with_computation(self):
        table, document = sweep("--overlap", "--ranks", "2", "--algo", "ring", "-R", "1", *SMALL)
        for row in document["results"]:
            self.assertGreater(row["overlap"]["compute_us"], 0)
            self.assertGreater(row["overlap"]["both_us"], 0)
            self.assertEqual(row["wrong"], 0)
        self.assertEqual(table.count("# overlap: "), len(document["results"]))

    def test_what_does_not_fit_the_budget_is_said(self):
        _, document = sweep("--ranks", "3", "-b", "8", "-e", "4M", "-f", "2", "--budget", "0.5")
        settings = document["settings"]
        self.assertTrue(settings["skipped"])
        self.assertIn("budget", settings["skipped"][0]["reason"])


class Circumstances(unittest.TestCase):
    SHORT = ("--ranks", "2", "-b", "8", "-e", "8", "--algo", "ring", "-R", "1",
             "--in-place", "no")

    def test_variables_need_not_be_utf_8(self):
        done = perf(*self.SHORT, "--budget", "1", "--json", "-", TUTTI_ADDR=b"a\xff")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(json.loads(done.stdout)["results"]), 1)

    def test_a_forced_algorithm_that_is_no_candidate_is_what_auto_measures(self):
        done = perf("--ranks", "4", "-b", "8", "-e", "8", "--algo", "auto", "-R", "1",
                     "--in-place", "no", "--budget", "1", "--json", "-",
                     TUTTI_ALGO="all_reduce:parameter_server/shards=3")
        self.assertEqual(done.returncode, 0, done.stderr)
        results = json.loads(done.stdout)["results"]
        self.assertEqual([(row["algorithm"], row["chosen"]) for row in results],
                         [("parameter_server/shards=3", True)])

    def test_a_stopped_rank_is_named(self):
        command = [TUTTI, "perf", "--ranks", "2", "--budget", "60"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as sweep:
            pid = None
            for line in sweep.stdout:
                found = re.search(r"Rank +1 Pid +(\d+)", line)
                pid = pid or (found and int(found[1]))
                if line.lstrip().startswith("8 "):  # the first results are there
                    break
            os.kill(pid, signal.SIGSTOP)
            _, stderr = sweep.communicate(timeout=60)
        self.assertEqual(sweep.returncode, FAILED)
        self.assertRegex(stderr, rf"rank 1 (froze|\(pid {pid}\) is stopped)")


class Interruption(unittest.TestCase):
    """A signal to `tutti perf` alone: the ranks end with it, and no file is left."""

    def check_ends(self, number):
        with tempfile.TemporaryDirectory() as folder:
            with subprocess.Popen([TUTTI, "perf", "--ranks", "2", "--json", f"{folder}/out.json"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
                while not job.stdout.readline().startswith("#  Rank  0"):
                    self.assertIsNone(job.poll())
                job.send_signal(number)
                job.communicate(timeout=20)  # ends when the last rank has closed its output
                self.assertEqual(job.returncode, -number)
            self.assertEqual(os.listdir(folder), [])

    def test_sigint(self):
        self.check_ends(signal.SIGINT)

    def test_sigterm(self):
        self.check_ends(signal.SIGTERM)


class BadInput(unittest.TestCase):
    def check_refused(self, *arguments, says, code=USAGE, **variables):
        done = perf(*arguments, **variables)
        self.assertEqual(done.returncode, code, done.stderr)
        for text in says:
            self.assertIn(text, done.stderr)
        return done

    def test_names_that_do_not_exist(self):
        self.check_refused("all_fly", says=["COLLECTIVE", "'all_fly'", "all_reduce"])
        self.check_refused("-d", "f31", says=["--datatype", "'f31'", "f32"])
        self.check_refused("-o", "summ", says=["--op", "'summ'", "sum"])
        self.check_refused("--algo", "fly", "--ranks", "2", *SMALL,
                           says=["--algo", "'fly'", "ring"])

    def test_an_unknown_algorithm_is_refused_once(self):
        done = perf("--algo", "fly", "--ranks", "3", *SMALL)
        self.assertEqual(done.stderr.count("'fly'"), 1, done.stderr)

    def test_values_that_do_not_go_together(self):
        self.check_refused("-b", "1M", "-e", "1K", says=["--minbytes", "--maxbytes"])
        self.check_refused("-f", "2", "-i", "1K", says=["--stepfactor", "--stepbytes"])
        self.check_refused("-o", "band", "-d", "f32", says=["'band'", "f32"])
        self.check_refused("--ranks", "2", "-r", "2", says=["--root", "2"])
        self.check_refused("--ranks", "3", "-t", "2", says=["--nthreads", "3"])
        self.check_refused("--json", "-", "--csv", "-", says=["--json", "--csv"])

    def test_values_out_of_range(self):
        self.check_refused("-b", "1MB", says=["--minbytes", "'1MB'", "MiB"])
        self.check_refused("--ranks", "0", says=["--ranks", "'0'"])
        self.check_refused("--ranks", "10000", says=["--ranks", "'10000'"])
        self.check_refused("-f", "1", says=["--stepfactor", "'1'"])
        self.check_refused("-i", "0", says=["--stepbytes", "0"])
        self.check_refused("-a", "4", says=["--average", "'4'"])
        self.check_refused("--budget", "-1", says=["--budget", "'-1'"])
        self.check_refused("-e", "1000G", "--ranks", "2", says=["--maxbytes", "GiB"])

    def test_files_that_cannot_be_written_are_known_at_the_start(self):
        for option in ("--json", "--csv"):
            done = self.check_refused(option, "/nowhere/out", "--ranks", "2", *SMALL, code=FAILED,
                                      says=[option, "'/nowhere/out'", "No such file"])
            self.assertEqual(done.stdout, "")

    def test_a_full_disk(self):
        for option in ("--json", "--csv"):
            self.check_refused(option, "/dev/full", "--ranks", "2", "--algo", "auto", *SMALL,
                               code=FAILED, says=[option, "'/dev/full'", "No space left"])

    def test_a_launcher_decides_the_ranks(self):
        self.check_refused("--ranks", "2", TUTTI_RANK="0", TUTTI_SIZE="1", says=["--ranks"])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""`tutti run`, driven as a person or a script would.

usage: run_test.py TUTTI
"""

import os
import pathlib
import pty
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

TUTTI = str(pathlib.Path(sys.argv[1]).resolve())
del sys.argv[1:]


def run(*arguments, stdin="", **more):
    """Runs `tutti run` to its end."""
    return subprocess.run([TUTTI, "run", *arguments], input=stdin, text=True, capture_output=True,
                          timeout=60, check=False, **more)


def shell(script, *options, **more):
    """Runs ranks of a shell script."""
    return run(*options, "sh", "-c", script, **more)


def marked(marker):
    """The processes that have `marker` in their environment, and are not zombies."""
    found = []
    for directory in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (directory / "environ").read_bytes():
                found.append(int(directory.name))
        except OSError:  # it has ended, or is not ours
            pass
    return found


def parent_of(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return int(stat.rpartition(")")[2].split()[1])


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class Background:
    """`tutti run` in the background, its ranks marked so that none can hide."""

    def __init__(self, script, *options, **more):
        self.marker = f"MARKER_OF_THIS_TEST={uuid.uuid4()}"
        name, value = self.marker.split("=")
        self.process = subprocess.Popen(
            [TUTTI, "run", *options, "sh", "-c", script], env={**os.environ, name: value},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        for pid in marked(self.marker):
            os.kill(pid, signal.SIGKILL)

    def processes(self):
        return marked(self.marker)

    def wait_for_lines(self, count):
        return [self.process.stdout.readline().strip() for _ in range(count)]


class WhatRanksGet(unittest.TestCase):
    def test_each_has_its_place_in_one_world(self):
        done = shell("echo $TUTTI_RANK $TUTTI_SIZE $TUTTI_LOCAL_RANK $TUTTI_ADDR", "-n", "4")
        rows = sorted(line.split() for line in done.stdout.splitlines())
        self.assertEqual([row[:3] for row in rows], [[str(r), "4", str(r)] for r in range(4)])
        self.assertEqual(len({row[3] for row in rows}), 1)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_two_runs_are_two_worlds(self):
        addresses = {shell("echo $TUTTI_ADDR", "-n", "1").stdout for _ in range(2)}
        self.assertEqual(len(addresses), 2)

    def test_without_n_there_is_a_rank_for_each_usable_core(self):
        one = [os.sched_getaffinity(0).pop()]
        done = subprocess.run(["taskset", "-c", str(one[0]), TUTTI, "run", "sh", "-c",
                               "echo $TUTTI_SIZE"], text=True, capture_output=True, check=False)
        self.assertEqual(done.stdout, "1\n")

    def test_np_and_ranks_mean_n(self):
        for option in ("-n", "-np", "--ranks"):
            self.assertEqual(shell("echo x", option, "3").stdout, "x\n" * 3)
        self.assertEqual(shell("echo x", "--ranks=3").stdout, "x\n" * 3)

    def test_what_follows_the_program_is_its_own(self):
        done = run("-n", "1", "echo", "-n", "-np", "5", "--tag-output", "--help", "--", "x")
        self.assertEqual(done.stdout, "-np 5 --tag-output --help -- x")
        self.assertEqual(run("-n", "1", "--", "echo", "a").stdout, "a\n")

    def test_x_sets_a_variable(self):
        done = shell("echo $ONE,$TWO,$THREE", "-n", "2", "-x", "ONE=1 a=b", "-x", "TWO=", "-x",
                     "THREE", env={**os.environ, "THREE": "3", "ONE": "0"})
        self.assertEqual(done.stdout, "1 a=b,,3\n" * 2)

    def test_only_rank_0_reads_standard_input(self):
        done = run("-n", "3", "--tag-output", "cat", stdin="one\ntwo\n")
        self.assertEqual(done.stdout, "[0] one\n[0] two\n")

    def test_no_other_descriptor_is_passed_on(self):
        done = shell("ls /proc/self/fd", "-n", "2", "--tag-output")
        self.assertEqual(sorted(done.stdout.splitlines()),
                         sorted(f"[{r}] {fd}" for r in range(2) for fd in range(4)))

    def test_closed_standard_descriptors_do_no_harm(self):
        done = subprocess.run(["sh", "-c", f"exec '{TUTTI}' run -n 2 sh -c 'echo a; echo b >&2' "
                               "0<&- 1>&- 2>&-"], check=False)
        self.assertEqual(done.returncode, 0)

    def test_signals_are_neither_blocked_nor_ignored(self):
        status = shell("grep -E 'Sig(Blk|Ign)' /proc/self/status", "-n", "1").stdout
        here = subprocess.run(["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"], text=True,
                              capture_output=True, check=True).stdout
        self.assertEqual(status, here)


class Output(unittest.TestCase):
    def test_tagged_lines_are_whole_and_streams_apart(self):
        script = "for i in $(seq 300); do printf %s- part; echo $i; echo err$i >&2; done"
        done = shell(script, "-n", "4", "--tag-output")
        for rank in range(4):
            mine = [line for line in done.stdout.splitlines() if line.startswith(f"[{rank}] ")]
            self.assertEqual(mine, [f"[{rank}] part-{i}" for i in range(1, 301)])
        self.assertEqual(len(done.stdout.splitlines()), 1200)
        self.assertEqual(len(done.stderr.splitlines()), 1200)
        self.assertTrue(all("] err" in line for line in done.stderr.splitlines()))

    def test_a_last_line_without_an_end_gets_one(self):
        self.assertEqual(shell("printf x", "-n", "1", "--tag-output").stdout, "[0] x\n")

    def test_much_output_arrives_in_full(self):
        done = shell("seq 200000", "-n", "2", "--tag-output")
        self.assertEqual(len(done.stdout.splitlines()), 400000)

    def test_output_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([TUTTI, "run", "-n", "2", "--tag-output", "echo", "hi"],
                                  stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                                  check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr,
                         "tutti run: standard output: No space left on device\n")

    def test_a_reader_that_leaves_ends_the_writers(self):
        done = subprocess.run(["bash", "-c", f"'{TUTTI}' run -n 2 --tag-output yes | head -n 3; "
                               "exit ${PIPESTATUS[0]}"], text=True, capture_output=True,
                              timeout=60, check=False)
        self.assertEqual(len(done.stdout.splitlines()), 3)
        self.assertEqual(done.returncode, 128 + signal.SIGPIPE)

    def test_bindings_are_reported(self):
        cores = len(os.sched_getaffinity(0))
        done = shell("taskset -cp $$", "-n", "1", "--report-bindings", "--tag-output")
        self.assertRegex(done.stderr, r"^tutti run: rank 0: core \d+ \(CPUs? [\d, -]+\)\n$")
        self.assertRegex(done.stdout, r"list: \d+")
        done = shell("true", "-n", str(cores + 1), "--report-bindings")
        self.assertEqual(done.stderr.count("not bound"), cores + 1)
        done = shell("true", "-n", "1", "--report-bindings", "--bind-to", "none")
        self.assertIn("rank 0: not bound", done.stderr)
        done = shell("true", "-n", "1", "--report-bindings", "--bind-to", "numa")
        self.assertIn("rank 0: NUMA node 0", done.stderr)


class Ends(unittest.TestCase):
    def test_the_failing_rank_is_named_and_its_code_returned(self):
        done = shell("[ $TUTTI_RANK = 2 ] && exit 7; sleep 60", "-n", "4")
        self.assertEqual(done.returncode, 7)
        self.assertRegex(done.stderr, r"^tutti run: rank 2 \(pid \d+\) exited with code 7; "
                         r"ending the other 3 ranks\n$")

    def test_a_signal_is_named_and_gives_128_more(self):
        done = shell("[ $TUTTI_RANK = 1 ] && kill -SEGV $$; sleep 60", "-n", "2")
        self.assertEqual(done.returncode, 128 + signal.SIGSEGV)
        self.assertRegex(done.stderr, r"rank 1 \(pid \d+\) was ended by SIGSEGV.*the other one")

    def test_others_that_ignore_sigterm_are_killed(self):
        began = time.monotonic()
        done = shell("[ $TUTTI_RANK = 0 ] && { sleep 0.5; exit 1; }; trap '' TERM; "
                     "while :; do sleep 1; done", "-n", "2")
        self.assertEqual(done.returncode, 1)
        self.assertGreater(time.monotonic() - began, 3)

    def test_a_rank_that_is_stopped_is_ended_too(self):
        done = shell("[ $TUTTI_RANK = 0 ] && { sleep 0.3; exit 1; }; kill -STOP $$", "-n", "2")
        self.assertEqual(done.returncode, 1)

    def test_a_missing_program_is_named(self):
        done = run("-n", "3", "no-such-program")
        self.assertEqual(done.returncode, 127)
        self.assertEqual(done.stderr, "tutti run: cannot start 'no-such-program': "
                         "No such file or directory\n")

    def test_a_program_that_may_not_run_is_named(self):
        done = run("-n", "2", "/etc/passwd")
        self.assertEqual((done.returncode, done.stderr),
                         (126, "tutti run: cannot start '/etc/passwd': Permission denied\n"))

    def test_a_program_here_that_is_not_in_path_gives_a_hint(self):
        with tempfile.TemporaryDirectory() as name:
            program = pathlib.Path(name) / "only-here"
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
            self.assertIn("did you mean './only-here'?", run("only-here", cwd=name).stderr)
            self.assertNotIn("did you mean", run("", cwd=name).stderr)

    def test_the_timeout_ends_the_ranks(self):
        done = shell("sleep 60", "-n", "2", "-T", "0.3")
        self.assertEqual(done.returncode, 124)
        self.assertEqual(done.stderr, "tutti run: not finished after 0.3 s; ending 2 ranks\n")

    def test_what_ranks_leave_behind_is_ended(self):
        with Background("setsid sleep 60 & setsid sh -c 'sleep 60 & wait' & exit 0", "-n",
                        "2") as job:
            self.assertEqual(job.process.wait(30), 0)
            self.assertEqual(job.processes(), [])
            self.assertRegex(job.process.stderr.read(), r"ended \d processes .* left behind")


class Signals(unittest.TestCase):
    def test_signals_reach_every_rank_once(self):
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGINT,
                       signal.SIGTERM, signal.SIGQUIT):
            name = number.name[3:]
            script = (f"n=0; trap 'n=$((n+1))' {name}; echo ready; while [ $n = 0 ]; do "
                      "sleep 0.05; done; sleep 0.2; echo got $n")
            with self.subTest(signal=name), Background(script, "-n", "3") as job:
                self.assertEqual(job.wait_for_lines(3), ["ready"] * 3)
                job.process.send_signal(number)
                self.assertEqual(job.wait_for_lines(3), ["got 1"] * 3)
                self.assertEqual(job.process.wait(30), 0)

    def test_a_rank_that_a_forwarded_signal_ends_gives_the_code(self):
        with Background("echo ready; exec sleep 60", "-n", "2") as job:
            job.wait_for_lines(2)
            job.process.send_signal(signal.SIGINT)
            self.assertEqual(job.process.wait(30), 128 + signal.SIGINT)

    def test_the_third_interruption_kills(self):
        with Background("trap '' INT TERM; echo ready; while :; do sleep 1; done", "-n",
                        "2") as job:
            job.wait_for_lines(2)
            for _ in range(3):
                job.process.send_signal(signal.SIGINT)
                time.sleep(0.1)
            self.assertEqual(job.process.wait(30), 128 + signal.SIGKILL)


class NoOrphans(unittest.TestCase):
    # Grandchildren in sessions of their own, and children that ignore what can be ignored.
    SCRIPT = ("trap '' TERM INT HUP; setsid sh -c 'trap \"\" TERM; sleep 60 & wait' & "
              "echo ready; while :; do sleep 1; done")

    def check_nothing_is_left(self, job):
        self.assertTrue(wait_until(lambda: not job.processes()), job.processes())

    def test_after_kill_9_of_tutti_run(self):
        with Background(self.SCRIPT, "-n", "3") as job:
            job.wait_for_lines(3)
            self.assertGreater(len(job.processes()), 6)
            job.process.kill()
            self.check_nothing_is_left(job)

    def test_after_kill_9_of_tutti_run_while_nobody_reads_its_output(self):
        with Background("yes", "-n", "2", "--tag-output") as job:
            self.assertTrue(wait_until(lambda: len(job.processes()) >= 4))
            time.sleep(0.3)
            job.process.kill()
            self.check_nothing_is_left(job)

    def test_after_kill_9_of_the_ranks_parent(self):
        with Background(self.SCRIPT, "-n", "3") as job:
            job.wait_for_lines(3)
            guards = [pid for pid in job.processes() if parent_of(pid) == job.process.pid]
            self.assertEqual(len(guards), 1)
            os.kill(guards[0], signal.SIGKILL)
            self.assertEqual(job.process.wait(30), 128 + signal.SIGKILL)
            self.check_nothing_is_left(job)
            self.assertIn("was ended by SIGKILL", job.process.stderr.read())


class OnATerminal(unittest.TestCase):
    def start(self, script):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(TUTTI, [TUTTI, "run", "-n", "2", "sh", "-c", script])
        return pid, terminal

    def read_until(self, terminal, text):
        seen = ""
        while text not in seen:
            seen += os.read(terminal, 1000).decode()
        return seen

    def test_rank_0_reads_what_is_typed_and_its_end(self):
        pid, terminal = self.start("while read line; do echo $TUTTI_RANK:$line; done; echo end")
        os.write(terminal, b"hello\n")
        self.read_until(terminal, "0:hello")
        os.write(terminal, b"\x04")
        self.read_until(terminal, "end")
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        os.close(terminal)

    def test_ctrl_c_comes_once(self):
        pid, terminal = self.start("n=0; trap 'n=$((n+1))' INT; echo ready; while [ $n = 0 ]; do "
                                   "sleep 0.05; done; sleep 0.3; echo got $n")
        self.read_until(terminal, "ready")
        time.sleep(0.3)
        os.write(terminal, b"\x03")
        self.read_until(terminal, "got 1")
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        os.close(terminal)


if __name__ == "__main__":
    # Under nohup, or behind a shell's &, these are ignored, and no rank's shell could trap them.
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_DFL)
    unittest.main(verbosity=2)

#!/usr/bin/env python3
"""tutti-dev on machines that are not this one: stand-ins for dpkg-query, apt-get, meson and ninja
show what it would install, build and run, and what it says where it cannot.

usage: tutti_dev_test.py [SOURCE-ROOT]
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

ROOT = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
TOOLS = ("bash", "cat", "dirname", "env", "grep", "mkdir", "nproc", "rm", "tail")

STANDINS = {
    "dpkg-query": 'cat "$STATE/installed"',
    "apt-get": 'echo "apt-get $*" >>"$STATE/log"\n'
               'case " $* " in *" install "*) [ ! -e "$STATE/offline" ] || exit 100;'
               ' for word; do echo "$word installed" >>"$STATE/installed"; done;; esac',
    "sudo": 'echo "sudo" >>"$STATE/log"; exec "$@"',
    "id": 'cat "$STATE/uid"',
    "meson": 'echo "meson $*" >>"$STATE/log"\n'
             'case $1 in setup) for dir; do case $dir in */build*) mkdir -p "$dir";'
             ' : >"$dir/build.ninja";; esac; done;;'
             ' test) mkdir -p "$3/meson-logs"; cat "$STATE/results" >"$3/meson-logs/testlog.json";'
             ' exit "$(cat "$STATE/meson-status")";; esac',
    "ninja": 'case $1 in -n) echo "ninja: no work to do.";; *) echo "ninja $*" >>"$STATE/log";;'
             ' esac',
}

ALL_PACKAGES = """g++ meson ninja-build pkg-config libhwloc-dev libhwy-dev libcli11-dev libfmt-dev
nlohmann-json3-dev openmpi-bin libopenmpi-dev catch2 cmake libbenchmark-dev python3
python3-jsonschema""".split()

OK = '{"name": "one", "result": "OK", "stdout": ""}\n'


class Machine:
    """A source tree with tutti-dev alone, and a PATH of stand-ins."""

    def __init__(self, folder, installed=(), debian=True, uid=0, sudo=True):
        self.folder = pathlib.Path(folder)
        self.tree, self.bin, self.state = (self.folder / name for name in ("tree", "bin", "state"))
        for path in (self.tree / "tests", self.tree / "build", self.bin, self.state):
            path.mkdir(parents=True)
        shutil.copy(ROOT / "tutti-dev", self.tree)
        shutil.copy(ROOT / "tests/count_results.py", self.tree / "tests")
        self.put("installed", "".join(f"{package} installed\n" for package in installed))
        self.put("uid", f"{uid}\n")
        self.put("log", "")
        self.put("results", OK)
        self.put("meson-status", "0\n")
        self.put("os-release", 'ID=debian\nVERSION_ID="12"\n' if debian else "ID=gentoo\n")
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        (self.bin / "python3").symlink_to(sys.executable)
        for name, script in STANDINS.items():
            if name != "sudo" or sudo:
                self.program(self.bin / name, script)
        self.program(self.tree / "build/tutti", 'echo "tutti $* in $PWD"')

    @staticmethod
    def program(path, script):
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def put(self, name, text):
        (self.state / name).write_text(text)

    def log(self):
        return (self.state / "log").read_text()

    def dev(self, *arguments, **environment):
        return subprocess.run(
            [str(self.tree / "tutti-dev"), *arguments], cwd=self.folder, text=True, check=False,
            capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
            env={"PATH": str(self.bin), "STATE": str(self.state), "LC_ALL": "C.UTF-8",
                 "TUTTI_DEV_OS_RELEASE": str(self.state / "os-release"), **environment})


class TuttiDev(unittest.TestCase):
    def machine(self, **how):
        folder = tempfile.TemporaryDirectory(prefix="tutti-dev-")
        self.addCleanup(folder.cleanup)
        return Machine(folder.name, **how)

    def test_installs_what_is_missing_and_says_so(self):
        machine = self.machine(installed=[name for name in ALL_PACKAGES if name != "meson"])
        done = machine.dev("perf")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("installing the missing Debian packages: meson\n", done.stderr)
        self.assertIn("apt-get update", machine.log())
        self.assertRegex(machine.log(), r"apt-get install .* meson\n")

    def test_asks_apt_nothing_when_nothing_is_missing(self):
        machine = self.machine(installed=ALL_PACKAGES)
        self.assertEqual(machine.dev("perf").returncode, 0)
        self.assertNotIn("apt-get", machine.log())

    def test_takes_a_removed_package_for_missing(self):
        machine = self.machine(installed=ALL_PACKAGES)
        listing = (machine.state / "installed").read_text()
        machine.put("installed", listing.replace("meson installed", "meson config-files"))
        self.assertIn("missing Debian packages: meson\n", machine.dev("build").stderr)

    def test_perf_needs_less_than_test(self):
        machine = self.machine()
        self.assertNotIn("catch2", machine.dev("perf").stderr)
        machine = self.machine()
        self.assertIn("catch2", machine.dev("test").stderr)

    def test_uses_sudo_where_it_is_not_root(self):
        machine = self.machine(uid=1000)
        self.assertEqual(machine.dev("build").returncode, 0)
        self.assertIn("sudo\napt-get install", machine.log())

    def test_without_root_and_sudo_it_names_the_command(self):
        machine = self.machine(uid=1000, sudo=False)
        done = machine.dev("build")
        self.assertEqual(done.returncode, 1)
        self.assertIn("apt-get install --no-install-recommends g++ meson", done.stderr)
        self.assertEqual(machine.log(), "")

    def test_a_failed_installation_stops_it(self):
        machine = self.machine()
        machine.put("offline", "")
        done = machine.dev("build")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot install: g++", done.stderr)

    def test_elsewhere_it_prints_what_is_needed_and_stops(self):
        machine = self.machine(debian=False)
        done = machine.dev("perf")
        self.assertEqual(done.returncode, 1)
        for package in ("g++", "meson", "libhwloc-dev"):
            self.assertIn(f"  {package}\n", done.stderr)
        self.assertEqual(machine.log(), "")
        self.assertEqual(machine.dev("perf", TUTTI_DEV_PACKAGES="present").returncode, 0)

    def test_perf_hands_its_options_on_from_where_one_stands(self):
        machine = self.machine(installed=ALL_PACKAGES)
        done = machine.dev("perf", "-b", "8", "--json", "a b.json")
        self.assertEqual(done.stdout, f"tutti perf -b 8 --json a b.json in {machine.folder}\n")

    def test_configures_once_and_again_for_new_options(self):
        machine = self.machine(installed=ALL_PACKAGES)
        for verb in ("perf", "perf", "test", "test", "perf"):
            machine.dev(verb)
        setups = [line for line in machine.log().splitlines() if line.startswith("meson setup")]
        self.assertEqual(len(setups), 2, setups)
        self.assertNotIn("--reconfigure", setups[0])
        self.assertIn("--reconfigure", setups[1])

    def test_help_names_every_verb(self):
        text = self.machine().dev("help").stdout
        for verb in "perf test build asan tsan tidy format peers help".split():
            self.assertRegex(text, rf"(?m)^  {verb}\b")

    def test_an_unknown_verb_is_named(self):
        done = self.machine().dev("tset")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no such verb: tset", done.stderr)


class TheLastLine(unittest.TestCase):
    CASES = (
        (OK, 0, "1 passed, 0 failed, 0 skipped", 0),
        (OK + '{"name": "b", "result": "FAIL"}\n', 1, "1 passed, 1 failed, 0 skipped", 1),
        (OK + '{"name": "b", "result": "TIMEOUT"}\n', 1, "1 passed, 1 failed, 0 skipped", 1),
        (OK + '{"name": "b", "result": "SKIP"}\n', 0, "1 passed, 0 failed, 1 skipped", 0),
        ('{"name": "b", "result": "OK", "stdout": "a\\nskipped: no GPU\\n"}\n', 0,
         "1 passed, 0 failed, 1 skipped", 0),
        ("", 0, "0 passed, 1 failed, 0 skipped", 1),
        (OK, 2, "1 passed, 1 failed, 0 skipped", 1),
    )

    def test_counts(self):
        for results, meson_status, last, status in self.CASES:
            with self.subTest(last=last), tempfile.TemporaryDirectory() as folder:
                machine = Machine(folder, installed=ALL_PACKAGES)
                machine.put("results", results)
                machine.put("meson-status", f"{meson_status}\n")
                done = machine.dev("test")
                self.assertEqual(done.stdout.splitlines()[-1], last, done.stdout)
                self.assertEqual(done.returncode, status)

    def test_names_what_was_skipped(self):
        log = textwrap.dedent('{"name": "gpu", "result": "SKIP", "stdout": "skipped: no GPU"}\n')
        with tempfile.TemporaryDirectory() as folder:
            machine = Machine(folder, installed=ALL_PACKAGES)
            machine.put("results", log)
            self.assertIn("gpu: skipped: no GPU\n", machine.dev("test").stdout)


if __name__ == "__main__":
    os.umask(0o022)
    unittest.main()

#!/usr/bin/env python3
"""What docs/generate.py makes: a page for every call and subcommand, in clean roff; docs/api.md as
the header is; completions that name every option, and complete in real shells.

usage: docs_test.py SOURCE-ROOT TUTTI LIBRARY
"""

import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT, TUTTI, LIBRARY = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
del sys.argv[1:]

HEADER = ROOT / "include/tutti/tutti.h"
GENERATE = ROOT / "docs/generate.py"


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True,
                          timeout=60, check=False, encoding="utf-8", **more)
    if done.returncode != 0:
        raise AssertionError(f"{command}: status {done.returncode}\n{done.stderr}")
    return done.stdout


def generate(*arguments):
    return run(sys.executable, GENERATE, *arguments)


class Generated(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (cls.folder / "help.json").write_text(run(TUTTI, "help", "--json"), encoding="utf-8")
        cls.help = json.loads((cls.folder / "help.json").read_text(encoding="utf-8"))
        generate("man3", HEADER, cls.folder)
        generate("man1", HEADER, cls.folder / "help.json", cls.folder)
        generate("completions", cls.folder / "help.json", cls.folder)

    def text(self, name):
        return (self.folder / name).read_text(encoding="utf-8")

    def options(self):
        """(subcommand, option) of the whole table."""
        return [(row["name"], option) for row in self.help["subcommands"]
                for option in row["options"]]


class Pages(Generated):
    def test_every_exported_call_has_one(self):
        listing = run("nm", "--dynamic", "--defined-only", "--format=posix", LIBRARY)
        calls = [line.split("@")[0] for line in listing.splitlines() if line.startswith("tutti_")]
        self.assertGreater(len(calls), 30)
        self.assertEqual(sorted(f"{call}.3" for call in calls),
                         sorted(path.name for path in self.folder.glob("*.3")))

    def test_each_tells_what_its_contract_says(self):
        self.assertIn("In place if send == recv; otherwise the two must not overlap.",
                      self.text("tutti_all_reduce.3"))
        gather = self.text("tutti_gather.3")  # "As tutti_all_gather()", whose errors are others'
        for word in ("TUTTI_PEER_FAILED\\fP", "timeout_ms\\fP", "tutti_all_gather\\fP(3)"):
            self.assertIn(f"\\fB{word}", gather)
        self.assertNotIn("ERRORS", self.text("tutti_dtype_size.3"))

    def test_every_subcommand_and_option_has_one(self):
        for name, option in self.options():
            page = self.text(f"tutti-{name}.1").replace("\\-", "-")
            for word in (*(n for n in option["names"] if n[0] == "-"), option["meaning"]):
                self.assertIn(word.replace("…", "..."), page)
        for row in self.help["variables"]:
            self.assertIn(f"\\fB{row['name']}\\fP", self.text("tutti.1"))

    def test_every_page_is_installed(self):
        listed = re.findall(r"'([\w-]+\.1)'", (ROOT / "docs/meson.build").read_text("utf-8"))
        self.assertEqual(sorted(listed), sorted(p.name for p in self.folder.glob("*.1")))

    def test_the_help_says_the_same(self):
        for row in self.help["subcommands"]:
            shown = run(TUTTI, row["name"], "--help")
            for option in row["options"]:
                for name in option["names"]:
                    self.assertIn(name, shown)

    def lint(self, *command):
        if not shutil.which(command[0]):
            print(f"skipped: no {command[0]}", flush=True)
            return
        pages = [*self.folder.glob("*.[13]")]
        self.assertGreater(len(pages), 30)
        for page in pages:
            done = subprocess.run([*command, str(page)], capture_output=True, text=True,
                                  timeout=60, check=False)
            # Pages have no date: it would be that of the build.
            warnings = [line for line in (done.stdout + done.stderr).splitlines()
                        if "missing date" not in line]
            self.assertEqual(warnings, [], page.name)

    def test_groff_warns_of_nothing(self):
        self.lint("groff", "-man", "-Tutf8", "-ww", "-z")

    def test_mandoc_warns_of_nothing(self):
        self.lint("mandoc", "-Tlint", "-Wwarning")


class TheApiPage(unittest.TestCase):
    def test_is_what_the_header_says(self):
        page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
        self.assertEqual(page, generate("api", HEADER), "docs/api.md is stale: run\n"
                         "python3 docs/generate.py api include/tutti/tutti.h >docs/api.md")
        for call in generate("names", HEADER).split():
            self.assertIn(f"### {call}\n", page)


class Completions(Generated):
    def bash(self, *words):
        """What bash offers for the last word."""
        line = " ".join(words)
        script = (f'source "$1"; COMP_LINE={line!r}; COMP_POINT={len(line)}; '
                  f'COMP_WORDS=("${{@:2}}"); COMP_CWORD={len(words) - 1}; _tutti; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        return run("bash", "--norc", "-c", script, "bash", self.folder / "tutti",
                   *words).split()

    def test_bash_completes_subcommands(self):
        names = [row["name"] for row in self.help["subcommands"]]
        self.assertEqual(self.bash("tutti", "p"), ["perf"])
        self.assertEqual(self.bash("tutti", ""), [*names, "help", "--help", "--version"])
        self.assertEqual(self.bash("tutti", "help", ""), names)

    def test_bash_completes_every_option(self):
        self.assertEqual(self.bash("tutti", "perf", "--al"), ["--algo"])
        for name, option in self.options():
            for word in (n for n in option["names"] if n[0] == "-"):
                self.assertIn(word, self.bash("tutti", name, word[:-1]))
        self.assertIn("--help", self.bash("tutti", "env", "--"))

    def test_a_terminal_completes(self):
        """Keys typed into bash, the Tab key among them, as a person would."""
        child, terminal = pty.fork()
        if child == 0:
            os.execlp("bash", "bash", "--norc", "--noprofile", "-i")
        keys = (f"source {self.folder / 'tutti'}; tutti() {{ printf '<%s>' \"$@\"; }}\n"
                "tutti perf --al\t\nexit\n")
        os.write(terminal, keys.encode())
        seen = b""
        try:
            while select.select([terminal], [], [], 30)[0] and b"<perf><--algo>" not in seen:
                seen += os.read(terminal, 4096)
        except OSError:  # the shell has gone
            pass
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
        self.assertIn(b"<perf><--algo>", seen)

    def test_bash_completes_values(self):
        self.assertEqual(self.bash("tutti", "perf", "all_r"), ["all_reduce"])
        self.assertEqual(self.bash("tutti", "perf", "--op", "pr"), ["prod", "pre_scaled_sum"])
        self.assertEqual(self.bash("tutti", "perf", "-d", "bf"), ["bf16"])
        self.assertEqual(self.bash("tutti", "perf", "--algo", "ri"), ["ring"])
        self.assertEqual(self.bash("tutti", "perf", "--algo", "ring,nai"), ["ring,naive"])
        self.assertEqual(self.bash("tutti", "perf", "--algo", "=", "ri"), ["ring"])
        self.assertEqual(self.bash("tutti", "perf", "--algo", "=")[0],
                         self.bash("tutti", "perf", "--algo", "")[0])
        self.assertEqual(self.bash("tutti", "run", "--bind-to", ""), ["core", "numa", "none"])
        self.assertEqual(self.bash("tutti", "perf", "--iters", ""), [])
        for name, option in self.options():
            for word in option["words"]:
                given = [n for n in option["names"][-1:] if n[0] == "-"]
                self.assertIn(word, self.bash("tutti", name, *given, word))

    def test_bash_completes_files_and_programs(self):
        file = str(self.folder / "help.js")
        self.assertEqual(self.bash("tutti", "perf", "--json", file), [file + "on"])
        self.assertIn("python3", self.bash("tutti", "run", "-n", "2", "python"))

    def test_fish_completes(self):
        if not shutil.which("fish"):
            print("skipped: no fish", flush=True)
            return
        for typed, offered in (("perf --al", "--algo"), ("perf --algo ring,nai", "ring,naive"),
                               ("perf all_r", "all_reduce"), ("run -n 2 python", "python3"),
                               (f"perf --json {self.folder}/h", f"{self.folder}/help.json")):
            shown = run("fish", "--no-config", "-c",
                        f"source {self.folder}/tutti.fish; complete -C 'tutti {typed}'")
            self.assertIn(offered, [line.split("\t")[0] for line in shown.splitlines()])

    def test_zsh_and_fish_have_every_option(self):
        zsh, fish = self.text("_tutti"), self.text("tutti.fish")
        for name, option in self.options():
            mine = zsh[zsh.index(f"    {name})\n"):].split("      ;;\n")[0]
            lines = [line for line in fish.splitlines() if f"_from {name}'" in line]
            for word in (n for n in option["names"] if n[0] == "-"):
                self.assertIn(word, mine)
                flag = f" -l {word[2:]} " if word.startswith("--") else f" -s {word[1:]} "
                self.assertTrue(any(flag in line for line in lines), (name, word))
            for word in option["words"]:
                self.assertIn(word, mine)
                self.assertTrue(any(word in line for line in lines), (name, word))

    def test_every_shell_reads_its_own(self):
        for shell, name in (("bash", "tutti"), ("zsh", "_tutti"), ("fish", "tutti.fish")):
            if shutil.which(shell):
                run(shell, "-n", self.folder / name)
            else:
                print(f"skipped: no {shell}", flush=True)


if __name__ == "__main__":
    unittest.main()

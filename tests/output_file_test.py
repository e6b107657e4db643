#!/usr/bin/env python3
"""What --json and --csv write, and what happens where they cannot.

usage: output_file_test.py TUTTI
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

TUTTI = os.path.abspath(sys.argv[1])
del sys.argv[1:]

FAILED = 1


def tutti(*arguments):
    """Runs the program, with no variable of Tutti's."""
    environment = {name: value for name, value in os.environ.items() if "TUTTI" not in name}
    return subprocess.run([TUTTI, *arguments], env=environment, text=True, capture_output=True,
                          timeout=30, check=False)


class DiskFull(unittest.TestCase):
    """What --json cannot write is an error with the option, the path and the cause; nothing half
    written is left, and an old file stays what it was."""

    COMMANDS = (("explain", "--ranks", "2,3,4,5"), ("verify", "--ranks", "2,3"),
                ("perf", "--ranks", "2", "-b", "8", "-e", "64", "-f", "2", "--budget", "2"))

    def check_fails(self, command, path, says):
        done = tutti(*command, "--json", path)
        self.assertEqual(done.returncode, FAILED, done.stderr)
        for text in (f"tutti {command[0]}: --json: ", f"'{path}'", says):
            self.assertIn(text, done.stderr)
        return done

    def test_dev_full(self):
        for command in self.COMMANDS:
            with self.subTest(command=command):
                self.check_fails(command, "/dev/full", "No space left on device")

    def test_a_tiny_file_system(self):
        with tempfile.TemporaryDirectory() as folder:
            mount = ["unshare", "--mount", "--map-root-user", "sh", "-ec",
                     f"mount -t tmpfs -o size=4k none '{folder}'; cd '{folder}'; "
                     "echo old >out.json; status=0; \"$@\" --json out.json || status=$?; "
                     "ls; cat out.json; exit $status", "sh"]
            probe = subprocess.run([*mount, "true"], capture_output=True, text=True, check=False)
            if probe.returncode != 0:
                print("skipped: no file system may be mounted here", flush=True)
                return
            for command in self.COMMANDS:
                with self.subTest(command=command):
                    done = subprocess.run([*mount, TUTTI, *command], capture_output=True,
                                          text=True, timeout=60, check=False)
                    self.assertEqual(done.returncode, FAILED, done.stderr)
                    self.assertRegex(done.stderr, "--json: cannot write 'out.json': No space left")
                    self.assertEqual(done.stdout.splitlines()[-2:], ["out.json", "old"])

    def test_what_a_link_leads_to_is_replaced_and_the_link_stays(self):
        with tempfile.TemporaryDirectory() as folder:
            link, file = os.path.join(folder, "link"), os.path.join(folder, "file")
            os.symlink("file", link)
            for _ in range(2):  # where the link leads nowhere yet, and where there is a file
                done = tutti("explain", "--ranks", "2", "--json", link)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertTrue(os.path.islink(link))
                with open(file, encoding="utf-8") as text:
                    self.assertIn("explanations", json.load(text))
            self.assertEqual(sorted(os.listdir(folder)), ["file", "link"])

    def test_a_replaced_file_keeps_its_mode(self):
        with tempfile.NamedTemporaryFile() as file:
            os.chmod(file.name, 0o600)
            self.assertEqual(tutti("explain", "--ranks", "2", "--json", file.name).returncode, 0)
            self.assertEqual(os.stat(file.name).st_mode & 0o777, 0o600)

    def test_links_in_a_circle_lead_nowhere(self):
        with tempfile.TemporaryDirectory() as folder:
            link = os.path.join(folder, "link")
            os.symlink("link", link)
            self.check_fails(self.COMMANDS[0], link, "Too many levels of symbolic links")
            self.assertTrue(os.path.islink(link))

    def test_a_folder_that_does_not_exist_is_known_before_the_work(self):
        for command in self.COMMANDS:
            with self.subTest(command=command):
                done = self.check_fails(command, "/nowhere/out.json", "No such file or directory")
                self.assertNotIn("all_reduce  ", done.stdout)

    def test_a_folder_is_no_file(self):
        with tempfile.TemporaryDirectory() as folder:
            for command in self.COMMANDS:
                with self.subTest(command=command):
                    self.check_fails(command, folder, "Is a directory")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""The Python package: every call against numpy, with ranks as processes and threads; that it binds
all of tutti.h, as the header has it; how it finds the library.

usage: python_test.py SOURCE-ROOT TUTTI LIBRARY
"""

import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT, TUTTI, LIBRARY = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
del sys.argv[1:]

try:
    import numpy
except ImportError:
    print("skipped: no numpy")
    sys.exit(77)

PACKAGE = ROOT / "integrations/python"
ENVIRONMENT = {**{name: value for name, value in os.environ.items() if "TUTTI" not in name},
               "PYTHONPATH": str(PACKAGE), "TUTTI_LIBRARY": str(LIBRARY),
               "PYTHONDONTWRITEBYTECODE": "1"}

os.environ.update(ENVIRONMENT)
sys.dont_write_bytecode = True
sys.path[:0] = [str(PACKAGE), str(ROOT / "docs")]
import c_header  # noqa: E402
import tutti  # noqa: E402
from tutti import _calls, _library, _words  # noqa: E402

HEADER = c_header.read((ROOT / "include/tutti/tutti.h").read_text(encoding="utf-8"))[1]
FUNCTIONS = {item.name: item for item in HEADER if item.kind == "function"}


def run(*command, **variables):
    return subprocess.run([str(word) for word in command], env={**ENVIRONMENT, **variables},
                          text=True, capture_output=True, timeout=150, check=False)


class Ranks(unittest.TestCase):
    def test_every_call_gives_what_numpy_gives(self):
        for ranks in (1, 2, 3):
            with self.subTest(ranks=ranks):
                done = run(TUTTI, "run", "-n", ranks, sys.executable,
                           ROOT / "tests/python_ranks.py")
                self.assertEqual((done.returncode, done.stdout), (0, "right\n" * ranks),
                                 done.stderr)

    def test_ranks_may_be_threads(self):
        sums = [None] * 3

        def rank_body(rank):
            with tutti.Communicator(rank, 3, f"python-{os.getpid()}", start_timeout=60) as comm:
                sums[rank] = numpy.full(1000, rank + 1.0)
                comm.all_reduce(sums[rank])
        threads = [threading.Thread(target=rank_body, args=(rank,)) for rank in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for summed in sums:
            numpy.testing.assert_array_equal(summed, numpy.full(1000, 6.0))

    def test_a_request_that_nobody_waited_for_is_an_error(self):
        done = run(sys.executable, "-c",
                   "import numpy, tutti\n"
                   "with tutti.Communicator() as comm:\n"
                   "    r = comm.all_reduce(numpy.zeros(3), request=True)\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("TUTTI_INVALID: 1 requests have not been waited for", done.stderr)

    def test_what_was_raised_first_is_what_is_seen(self):
        done = run(sys.executable, "-c",
                   "import numpy, tutti\n"
                   "with tutti.Communicator() as comm:\n"
                   "    comm.all_reduce(numpy.zeros(3), request=True)\n"
                   "    raise KeyError('first')\n")
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr.rstrip().endswith("KeyError: 'first'"), done.stderr)
        self.assertNotIn("TUTTI_INVALID", done.stderr)


class TheHeader(unittest.TestCase):
    TYPES = {
        "int32_t": ctypes.c_int32, "size_t": ctypes.c_size_t, "int64_t": ctypes.c_int64,
        "double": ctypes.c_double, "const char *": ctypes.c_char_p,
        "tutti_status": ctypes.c_int32, "tutti_dtype": ctypes.c_int32,
        "tutti_collective": ctypes.c_int32, "tutti_op": ctypes.c_uint64,
        "tutti_op_function": _library.OpFunction,
        "void *": ctypes.c_void_p, "tutti_comm *": ctypes.c_void_p,
        "tutti_request *": ctypes.c_void_p, "tutti_config *": ctypes.POINTER(_library.Config),
        "tutti_options *": ctypes.POINTER(_library.Options),
        "tutti_candidate_info *": ctypes.POINTER(_library.CandidateInfo),
    }

    def ctype(self, name):
        if name in self.TYPES:
            return self.TYPES[name]
        bare = re.sub(r"\s*\bconst\b\s*", "", name)
        if bare in self.TYPES:
            return self.TYPES[bare]
        self.assertTrue(bare.endswith("*"), name)
        return ctypes.POINTER(self.ctype(re.sub(r"(?<=\w)\*", " *", bare[:-1].strip())))

    def test_every_call_is_bound_with_its_types(self):
        self.assertGreater(len(FUNCTIONS), 30)
        self.assertEqual(set(_library.PROTOTYPES), set(FUNCTIONS))
        for name, item in FUNCTIONS.items():
            result, parameters = _library.PROTOTYPES[name]
            with self.subTest(call=name):
                self.assertIs(result, self.ctype(item.result))
                self.assertEqual(parameters, [self.ctype(kind) for kind, _, _ in item.members])

    def test_every_call_is_used(self):
        text = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
        for name in FUNCTIONS:
            self.assertIn(f"library.{name}", text.replace("self.tutti", "library.tutti"), name)

    def test_structures_are_the_headers(self):
        structs = {item.name: item.members for item in HEADER if item.kind == "struct"}
        ours = {"tutti_config": _library.Config, "tutti_options": _library.Options,
                "tutti_candidate_info": _library.CandidateInfo}
        self.assertEqual(set(ours), set(structs))
        for name, structure in ours.items():
            expected = [(field, self.ctype(kind)) for kind, field, _ in structs[name]]
            self.assertEqual(structure._fields_, expected)

    def test_options_are_the_headers(self):
        options = next(i for i in HEADER if i.kind == "struct" and i.name == "tutti_options")
        fields = {name.removesuffix("_ms") for _, name, _ in options.members} - {"struct_size"}
        self.assertEqual(set(_calls.CallOptions.__annotations__), fields | {"dtype"})
        self.assertEqual(set(_calls.Form.__dataclass_fields__), fields | {"dtype"})

    def test_numbers_are_the_headers(self):
        values = {name: int(value) for item in HEADER if item.kind == "enum"
                  for name, value, _ in item.members}
        ours = {f"TUTTI_{name}": member.value
                for kind in (_words.Status, _words.Dtype, _words.Collective)
                for name, member in kind.__members__.items()}
        self.assertEqual(ours, values)
        macros = {item.name: item.members[0][1] for item in HEADER if item.kind == "macro"}
        ops = {name: f"((tutti_op){op.value})" for name, op in _words.Op.__members__.items()}
        self.assertEqual({f"TUTTI_{name}": value for name, value in ops.items()},
                         {name: value for name, value in macros.items() if "tutti_op)" in value})
        self.assertEqual(macros["TUTTI_NO_COLOUR"], f"({tutti.NO_COLOUR})")
        self.assertEqual(macros["TUTTI_VERSION"], str(_library.VERSION))

    def test_the_package_has_the_projects_version(self):
        version = re.search(r"^  version: '(.*)',", (ROOT / "meson.build").read_text("utf-8"),
                            re.MULTILINE).group(1)
        self.assertIn(f'\nversion = "{version}"\n', (PACKAGE / "pyproject.toml").read_text("utf-8"))
        self.assertEqual(tutti.version(), version)


class WhatItFinds(unittest.TestCase):
    def found(self, **variables):
        return run(sys.executable, "-m", "tutti", **variables)

    def test_tells_library_version_and_world(self):
        done = self.found(TUTTI_RANK="1", TUTTI_SIZE="3", TUTTI_ADDR="here")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines(), [
            f"library  {LIBRARY} (TUTTI_LIBRARY)",
            f"version  {tutti.version()}",
            f"package  {PACKAGE / 'tutti'}",
            "numpy    there",
            "world    rank 1 of 3, at here (TUTTI_RANK, TUTTI_SIZE, TUTTI_ADDR)",
        ])
        self.assertIn("rank 0 of 1 (no launcher", self.found().stdout)
        self.assertIn("rank 2 of 4, at no address (RANK",
                      self.found(RANK="2", WORLD_SIZE="4").stdout)

    def test_says_what_it_tried(self):
        done = self.found(TUTTI_LIBRARY="/nowhere/libtutti.so")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"no libtutti: /nowhere/libtutti\.so \(TUTTI_LIBRARY\): .*"
                         r"name the library in TUTTI_LIBRARY")

    def test_looks_next_to_itself_then_where_the_system_does(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            shutil.copytree(PACKAGE / "tutti", folder / "tutti")
            there = folder / "lib"
            there.mkdir()
            shutil.copy(LIBRARY, there / _library.SONAME)
            found = self.found(PYTHONPATH=name, TUTTI_LIBRARY="", LD_LIBRARY_PATH=str(there))
            self.assertIn(f"library  {there / _library.SONAME} (the system's libraries)",
                          found.stdout)
            (there / _library.SONAME).rename(folder / "tutti" / _library.SONAME)
            found = self.found(PYTHONPATH=name, TUTTI_LIBRARY="")
            self.assertIn(f"library  {folder / 'tutti' / _library.SONAME} (next to the package)",
                          found.stdout)

    def test_refuses_a_library_that_lacks_calls(self):
        done = self.found(TUTTI_LIBRARY="libc.so.6")
        self.assertEqual(done.returncode, 1)
        self.assertIn("lacks tutti_status_name: it is older than this package", done.stderr)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""The public headers stand alone, tutti.hpp covers tutti.h, and the shared library exports what it
declares and no more.

usage: public_api_test.py INCLUDE-DIR SHARED-LIBRARY CC CXX
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

INCLUDE, LIBRARY, CC, CXX = sys.argv[1:]
del sys.argv[1:]

STRICT = ["-pedantic-errors", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror",
          "-fsyntax-only", f"-I{INCLUDE}"]


def compiles(compiler, standard, suffix, text):
    with tempfile.TemporaryDirectory() as name:
        source = pathlib.Path(name) / f"alone{suffix}"
        source.write_text(text)
        done = subprocess.run([compiler, f"-std={standard}", *STRICT, str(source)], text=True,
                              capture_output=True, check=False)
    return done.returncode == 0, done.stderr


def declared():
    """The functions of tutti.h."""
    text = (pathlib.Path(INCLUDE) / "tutti/tutti.h").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    return set(re.findall(r"\b(tutti_\w+)\s*\([^()]*\)\s*;", text))


def exported():
    """The names that the dynamic linker finds in the library, without the version node itself."""
    listing = subprocess.run(["nm", "--dynamic", "--defined-only", "--format=posix", LIBRARY],
                             text=True, capture_output=True, check=True).stdout
    symbols = [line.split()[:2] for line in listing.splitlines()]
    return {name.split("@")[0] for name, kind in symbols if kind != "A"}, symbols


class TheHeader(unittest.TestCase):
    USE = "#include <tutti/tutti.h>\n#include <tutti/tutti.h>\n" \
          "tutti_config config = TUTTI_CONFIG_INIT;\n" \
          "tutti_options options = TUTTI_OPTIONS_INIT;\n" \
          "tutti_candidate_info info = TUTTI_CANDIDATE_INFO_INIT;\n"

    def test_compiles_alone(self):
        for compiler, standard, suffix in ((CC, "c99", ".c"), (CC, "c17", ".c"),
                                           (CXX, "c++11", ".cpp"), (CXX, "c++20", ".cpp")):
            with self.subTest(standard=standard):
                good, story = compiles(compiler, standard, suffix, self.USE)
                self.assertTrue(good, story)

    def test_bad_c_would_be_noticed(self):
        good, _ = compiles(CC, "c99", ".c", self.USE + "int f() { return sizeof(struct {}); }\n")
        self.assertFalse(good)

    def test_passes_no_struct_by_value_and_no_enum(self):
        text = (pathlib.Path(INCLUDE) / "tutti/tutti.h").read_text(encoding="utf-8")
        text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
        structs = re.findall(r"typedef struct (\w+)", text)
        for name, parameters in re.findall(r"\b(tutti_\w+)\s*\(([^()]*)\)\s*;", text):
            for parameter in parameters.split(","):
                by_value = [struct for struct in structs
                            if re.search(rf"\b{struct}\b", parameter) and "*" not in parameter]
                self.assertEqual(by_value, [], f"{name}({parameters})")
        self.assertEqual(re.findall(r"typedef enum|\benum \w+", text), [])


class TheWrapper(unittest.TestCase):
    USE = "#include <tutti/{0}>\n#include <tutti/{0}>\n" \
          "void f(tutti_op op) {{ if (op == 0) throw tutti::cpp::Error(TUTTI_INVALID, {1}); }}\n"

    def test_compiles_alone(self):
        for header in ("tutti.hpp", "owners.hpp"):
            with self.subTest(header=header):
                good, story = compiles(CXX, "c++20", ".cpp", self.USE.format(header, '"x"'))
                self.assertTrue(good, story)
        self.assertFalse(compiles(CXX, "c++20", ".cpp", self.USE.format(header, "1.5"))[0])

    def test_covers_every_call(self):
        text = "".join((pathlib.Path(INCLUDE) / "tutti" / name).read_text(encoding="utf-8")
                       for name in ("tutti.hpp", "owners.hpp"))
        code = re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
        self.assertEqual(declared() - set(re.findall(r"\btutti_\w+", code)), set())


class TheSharedLibrary(unittest.TestCase):
    def test_exports_what_the_header_declares_and_no_more(self):
        self.assertGreater(len(declared()), 10)
        self.assertEqual(exported()[0], declared())

    def test_versions_every_symbol(self):
        unversioned = [name for name, kind in exported()[1] if kind != "A" and "@" not in name]
        self.assertEqual(unversioned, [])

    def test_is_named_after_its_abi(self):
        dynamic = subprocess.run(["readelf", "--dynamic", LIBRARY], text=True, check=True,
                                 capture_output=True).stdout
        self.assertIn("[libtutti.so.0]", dynamic)


if __name__ == "__main__":
    unittest.main()

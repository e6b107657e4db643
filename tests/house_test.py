#!/usr/bin/env python3
"""Applies the rules of house.py to the tree, and shows that each rule can fail.

usage: house_test.py [SOURCE-ROOT]
"""

import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import house  # noqa: E402

ROOT = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else __file__).resolve()
if ROOT.is_file():
    ROOT = ROOT.parents[1]

MESON = "files('a.cpp', 'all_reduce_odd.cpp')\n"
ONE_LINE_FUNCTION = "void f() {\n  int x = 0;\n%s}\n"
LONG_FUNCTION = ONE_LINE_FUNCTION % ("  x += 1;\n" * 70)

# Rule, path, a text that breaks it, a text like it that does not.
FIXTURES = [
    ("include_direction", "kernels/a.h", '#include "transport/transport.h"\n',
     '#include "kernels/error.h"\n'),
    ("include_direction", "transport/shm/a.cpp", '#include "collectives/plan.h"\n',
     '#include "kernels/reduce.h"\n'),
    ("include_direction", "transport/a.cpp", '#include "topology/topology.h"\n',
     '#include "transport/transport.h"\n'),
    ("include_direction", "topology/a.cpp", '#include "kernels/reduce.h"\n',
     '#include "kernels/error.h"\n'),
    ("include_direction", "collectives/a.cpp", '#include "tools/options.h"\n',
     '#include "topology/topology.h"\n'),
    ("include_direction", "perf/a.cpp", '#include "collectives/plan.h"\n',
     '#include "tools/options.h"\n'),
    ("include_direction", "tools/train/a.cpp", '#include "collectives/communicator.h"\n',
     '#include "tutti/tutti.h"\n'),
    ("include_direction", "kernels/a.cpp", '#include "reduce.h"\n', '#include <vector>\n'),
    ("include_direction", "kernels/a.cpp", '#include <kernels/reduce.h>\n',
     '#include "kernels/reduce.h"\n'),
    ("vendor_headers", "collectives/a.cpp", "#include <hwloc.h>\n", "#include <vector>\n"),
    ("vendor_headers", "transport/shm/a.cpp", "#include <infiniband/verbs.h>\n", "\n"),
    ("vendor_headers", "kernels/a.cpp", "#include <fmt/format.h>\n",
     '#include "hwy/highway.h"\n'),
    ("line_width", "tools/a.cpp", "// " + "x" * 98 + "\n", "// " + "ö" * 97 + "\n"),
    ("file_length", "tools/a.cpp", "\n" * 401, "\n" * 400),
    ("function_length", "tools/a.cpp", LONG_FUNCTION, ONE_LINE_FUNCTION % ("  x += 1;\n" * 67)),
    ("function_length", "tools/a.cpp", f"namespace tutti {{\n{LONG_FUNCTION}}}\n",
     "namespace tutti {\n" + "constexpr int kA = 0;\n" * 80 + "}\n"),
    ("function_length", "tools/a.cpp",
     f"struct A {{\n  A(int b) : b_{{b}}, c_(1) {{\n{'b_ += 1;' * 1}\n" + "\n" * 70 + "}\n};\n",
     "struct A {\n" + "  int f() { return 1; }\n" * 80 + "};\n"),
    ("no_conditionals_in_functions", "kernels/a.cpp",
     "int f() {\n#ifdef __AVX2__\n  return 2;\n#endif\n  return 1;\n}\n",
     "#ifdef __x86_64__\nint f() { return 2; }\n#endif\n"),
    ("macros", "kernels/a.cpp", "#define MAX(a, b) ((a) > (b) ? (a) : (b))\n",
     "// #define MAX\n#define HWY_TARGET_INCLUDE\n"),
    ("forbidden_words", "kernels/a.cpp", "auto f() { return new int; }\n",
     "// a new int\nauto f() { return R\"(new)\"; }\n"),
    ("forbidden_words", "kernels/a.cpp", "void f(int* p) { delete p; }\n",
     "struct A { A(const A&) = delete; };\n"),
    ("forbidden_words", "kernels/a.cpp", "void f() { goto end; end:; }\n", "int go_to;\n"),
    ("forbidden_words", "tools/a.cpp", 'auto f() { return std::getenv("HOME"); }\n',
     '// getenv("HOME")\n'),
    ("no_globals", "kernels/a.cpp", "namespace tutti {\nint calls = 0;\n}\n",
     "namespace tutti {\nconstexpr int kCalls = 0;\nint f(int calls = 0);\n}\n"),
    ("no_globals", "kernels/a.cpp", "std::atomic<int> calls{0};\n",
     "inline constexpr int kCalls[] = {0};\nstruct A { int calls{0}; };\n"),
    ("no_globals", "kernels/a.cpp", "int f() { static int calls = 0; return ++calls; }\n",
     "int f() { static const int kCalls = g(); return kCalls; }\n"),
    ("no_globals", "kernels/a.h", "struct A { inline static int calls = 0; };\n",
     "struct A { static constexpr int kCalls = 0; static int f(); };\n"),
    ("listed_in_meson", "kernels/b.cpp", "int b();\n", None),
    ("listed_in_meson", "kernels/a.h", None, "int a();\n"),
    ("algorithms_in_table", "collectives/algorithms/all_reduce_odd.cpp", "Plan odd();\n", None),
    ("owned_once", "kernels/a.h", "std::shared_ptr<int> p;\n",
     "// Two threads own it.\nstd::shared_ptr<int> p;\n"),
    ("file_names", "kernels/CamelCase.h", "\n", None),
]


def findings(rule, path, text):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text, encoding="utf-8")
        (root / pathlib.Path(path).parts[0] / "meson.build").write_text(MESON, encoding="utf-8")
        return list(getattr(house, rule)(root))


class RulesCanFail(unittest.TestCase):
    def test_every_bad_fixture_is_found_and_every_good_one_passes(self):
        for rule, path, bad, good in FIXTURES:
            with self.subTest(rule=rule, path=path, bad=bad):
                if bad is not None:
                    self.assertNotEqual(findings(rule, path, bad), [])
                if good is not None:
                    self.assertEqual(findings(rule, path, good), [])

    def test_every_rule_has_a_bad_fixture(self):
        shown = {rule for rule, _, bad, _ in FIXTURES if bad is not None}
        self.assertEqual({rule.__name__ for rule in house.RULES} - shown, set())

    def test_a_generator_that_the_table_has_is_accepted(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name) / "collectives"
            (folder / "algorithms").mkdir(parents=True)
            (folder / "algorithms/all_reduce_odd.cpp").write_text("Plan all_reduce_odd(int) {}\n")
            (folder / "algorithms.cpp").write_text("row(all_reduce_odd);\n")
            self.assertEqual(list(house.algorithms_in_table(folder.parent)), [])
            (folder / "algorithms.cpp").write_text("// all_reduce_odd\n")
            self.assertEqual(len(list(house.algorithms_in_table(folder.parent))), 1)

    def test_a_finding_names_the_line(self):
        text = "int a();\n\n/* two\n lines */ const char* f() { return new char; }\n"
        self.assertEqual([found.line for found in findings("forbidden_words", "perf/a.h", text)],
                         [4])


class TheTree(unittest.TestCase):
    def test_has_sources(self):
        self.assertGreater(len(list(house.sources(ROOT))), 20)

    def test_keeps_every_rule(self):
        for rule in house.RULES:
            with self.subTest(rule=rule.__name__):
                found = [f"{path}:{line}: {text}" for path, line, text in rule(ROOT)]
                if found:
                    self.fail("\n" + "\n".join(found))

    def test_needs_its_exceptions(self):
        for path, name in house.GLOBALS_ALLOWED:
            with self.subTest(path=path, name=name):
                self.assertIn(name, (ROOT / path).read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()

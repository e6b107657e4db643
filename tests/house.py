"""The rules of the house (docs: DESIGN's layers, STYLE's limits), as functions of a source tree.

Each rule yields Finding(path, line, text). tests/house_test.py applies them to the tree, and shows
on small bad files that each of them can fail. The reading of C++ is a scanner's, not a compiler's:
comments and literals are blanked, braces are matched.
"""

import collections
import fnmatch
import pathlib
import re

Finding = collections.namedtuple("Finding", "path line text")

LAYERS = ("kernels", "topology", "transport", "collectives", "tools", "perf", "integrations",
          "tests")
MAX_COLUMNS = 100
MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 400
LONG_FILES_ALLOWED = ("include/tutti/tutti.h",)  # the C API is one header

# Who may include whom: the first row that matches a file's path; what its quoted includes begin
# with. "tutti/" is the public header.
INCLUDE_RULES = (
    ("kernels/*", ("kernels/", "tutti/")),
    ("topology/*", ("topology/", "kernels/error.h")),
    ("transport/*", ("transport/", "kernels/", "tutti/")),
    ("collectives/*", ("collectives/", "transport/", "topology/", "kernels/", "tutti/")),
    ("tools/train/*", ("tools/train/", "tutti/")),
    ("tools/*", ("tools/", "perf/", "collectives/", "transport/", "topology/", "kernels/",
                 "tutti/")),
    ("perf/kernels/*", ("perf/", "collectives/", "transport/", "topology/", "kernels/", "tutti/")),
    ("perf/*", ("perf/", "tools/", "tutti/")),
    ("integrations/*", ("integrations/", "tutti/")),
    ("tests/*", tuple(f"{layer}/" for layer in LAYERS) + ("tutti/",)),
    ("include/*", ("tutti/",)),
)

# Vendors' headers, and the addresses where each may be opened.
VENDOR_HEADERS = (
    (r"hwloc(\.h|/)", ("topology/detect.cpp", "topology/bind.cpp")),
    (r"hwy/", ("kernels/*", "perf/kernels/*")),
    (r"infiniband/|rdma/", ("transport/verbs/*",)),
    (r"uc[pst]/", ("transport/ucx/*",)),
    (r"nvml\.h", ("topology/nvlink.cpp",)),
    (r"cuda|cooperative_groups", ("*.cu", "transport/peer/*", "topology/nvlink.cpp")),
    (r"pmix", ("transport/bootstrap/*",)),
    (r"mpi\.h", ("perf/peers/*", "tests/mpi_comparison/*")),
    (r"benchmark/", ("perf/kernels/*",)),
    (r"catch2/", ("tests/catch.h", "tests/catch_main.cpp")),
    (r"(CLI|fmt|nlohmann)/", ("tools/*", "perf/*", "tests/*")),
)

# Words that may stand nowhere, and where they may after all.
FORBIDDEN_WORDS = (
    (r"(?<!operator )\bnew\b", "new: let a value or a unique_ptr own it", ("tests/*",)),
    (r"(?<!operator )(?<!= )\bdelete\b", "delete: let a value or a unique_ptr own it",
     ("tests/*",)),
    (r"\bgoto\b", "goto", ()),
    (r"\b(?:secure_)?getenv\s*\(", "the environment is read in transport/bootstrap/environment.cpp",
     ("transport/bootstrap/environment.cpp", "tests/*", "perf/peers/*")),
    (r"-march=native", "-march=native: kernels choose their instruction set at run time", ()),
)

# Macros: include guards, the C API's, and those that a vendor's header asks for.
MACROS_ALLOWED = r"(_GNU_SOURCE|HWY_\w+|CATCH_CONFIG_\w+|TUTTI_\w+_INL_H)$"

# State that outlives a call and is not constant: file, name, why it must be.
GLOBALS_ALLOWED = {
    ("collectives/c_api/door.cpp", "text"):
        "tutti_error_text(NULL): the calling thread's last failure",
    ("collectives/handles.h", "table"): "a C handle means something in the whole process",
    ("collectives/op_function.cpp", "thread_state"):
        "longjmp() out of an op's function: no destructor runs, the thread's next call must know",
    ("transport/shm/start.cpp", "the_ranks"): "ranks that are threads find each other's segments",
}


def sources(root, suffixes=(".cpp", ".h", ".hpp", ".c", ".cu", ".cuh")):
    """(path from the root with slashes, text) of every C and C++ file."""
    for top in (*LAYERS, "include"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def matches(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def blanked(text):
    """The text without comments and without what literals hold; every line keeps its number."""
    token = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^\s()\\]*)\(.*?\)(?P=mark)"'
        r'|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)

    def blank(match):
        word = match.group(0)
        if word.startswith("/"):
            return "\n" * word.count("\n") or " "
        return '""' + "\n" * word.count("\n")
    return token.sub(blank, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


# ---- The scanner ---------------------------------------------------------------------------------

Function = collections.namedtuple("Function", "first_line last_line body_begin body_end")

SCOPE = re.compile(r"(?:^|\s)(?:namespace|class|struct|union|enum)\b|^\s*extern\s+\"\"\s*$")
LEADING = re.compile(
    r"^(?:\s|template\s*<[^{};]*>|\[\[[^]]*\]\]|(?:public|private|protected)\s*:)*")


def without_directives(code):
    """Preprocessor lines blanked, with their continuations."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group(0).count("\n"), code,
                  flags=re.MULTILINE)


def is_scope(head):
    """Whether the brace after `head` opens a namespace, type or linkage block."""
    head = head[LEADING.match(head).end():]
    if re.search(r"=\s*$|\breturn\s*$", head):
        return False
    function = re.search(r"\)\s*(?:const|noexcept|override)?\s*$", head)
    return bool(SCOPE.search(head)) and not function


def is_initialiser(head):
    """Whether the brace after `head` opens a value, not a function's body."""
    member = re.search(r"\)\s*(?:noexcept\s*)?:(?!:)", head) and re.search(r"[\w>]\s*$", head)
    return bool(head.count("(") == 0 or head.count("(") != head.count(")") or member
                or re.search(r"=\s*$", head))


def closing_brace(code, begin):
    depth = 0
    for match in re.compile(r"[{}]").finditer(code, begin):
        depth += 1 if match.group(0) == "{" else -1
        if depth == 0:
            return match.start()
    return len(code)


def scan(code):
    """Walks namespaces and types. Returns the functions, and (line, head, in_type) of every
    statement outside of functions."""
    functions, statements = [], []
    in_type = []  # one entry an open scope: whether it is a type
    begin = position = 0
    stops = re.compile(r"[{};]")
    while match := stops.search(code, position):
        head, position = code[begin:match.start()], match.end()
        start = begin + LEADING.match(head).end()
        if match.group(0) == "}":
            if in_type:
                in_type.pop()
        elif match.group(0) == ";":
            statements.append((line_of(code, start), " ".join(code[start:match.start()].split()),
                               any(in_type)))
        elif is_scope(head):
            in_type.append("namespace" not in head and "extern" not in head)
        else:
            end = closing_brace(code, match.start())
            position = end + 1
            if is_initialiser(head):
                continue  # the statement goes on behind it
            functions.append(Function(line_of(code, start), line_of(code, end), match.end(), end))
        begin = position
    return functions, statements


# ---- The rules -----------------------------------------------------------------------------------

def include_direction(root):
    for path, text in sources(root):
        allowed = next((prefixes for pattern, prefixes in INCLUDE_RULES
                        if fnmatch.fnmatch(path, pattern)), None)
        for number, line in enumerate(text.splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+(["<])([^">]+)', line)
            if not found:
                continue
            quote, header = found.groups()
            ours = header.startswith(tuple(f"{layer}/" for layer in LAYERS) + ("tutti/",))
            consumer = path.startswith("tests/consumer/")
            vendor = any(re.match(name, header) for name, _ in VENDOR_HEADERS)
            if quote == '"' and not vendor and not header.startswith(allowed):
                yield Finding(path, number, f"may not include {header}")
            elif quote == "<" and ours and not consumer:
                yield Finding(path, number, f"our own {header} goes in quotes")


def vendor_headers(root):
    for path, text in sources(root):
        for number, line in enumerate(text.splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+[<"]([^">]+)', line)
            for vendor, homes in VENDOR_HEADERS if found else ():
                if re.match(vendor, found.group(1)) and not matches(path, homes):
                    yield Finding(path, number,
                                  f"{found.group(1)} has its address in {', '.join(homes)}")


def line_width(root):
    texts = [*sources(root, (".cpp", ".h", ".hpp", ".c", ".cu", ".py", ".sh", ".build")),
             *((name, (root / name).read_text(encoding="utf-8"))
               for name in ("meson.build", "meson_options.txt", "tutti-dev", ".ci/run")
               if (root / name).exists())]
    for path, text in texts:
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > MAX_COLUMNS:
                yield Finding(path, number, f"{len(line)} columns, {MAX_COLUMNS} are allowed")


def file_length(root, limit=MAX_FILE_LINES):
    for path, text in sources(root, (".cpp", ".h", ".hpp", ".c", ".cu", ".py")):
        lines = text.count("\n")
        if lines > limit and path not in LONG_FILES_ALLOWED:
            yield Finding(path, lines, f"{lines} lines, {limit} are allowed")


def function_length(root):
    for path, text in sources(root):
        for function in scan(without_directives(blanked(text)))[0]:
            lines = function.last_line - function.first_line + 1
            if lines > MAX_FUNCTION_LINES:
                yield Finding(path, function.first_line,
                              f"a function of {lines} lines, {MAX_FUNCTION_LINES} are allowed")


def no_conditionals_in_functions(root):
    for path, text in sources(root):
        code = blanked(text)
        functions = scan(without_directives(code))[0]
        for number, line in enumerate(code.splitlines(), 1):
            inside = any(f.first_line < number <= f.last_line for f in functions)
            if inside and re.match(r"\s*#\s*(if|ifdef|ifndef|else|elif|endif)\b", line):
                yield Finding(path, number, "a preprocessor condition inside a function")


def macros(root):
    for path, text in sources(root):
        if path.startswith("include/"):
            continue
        for match in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", blanked(text), re.MULTILINE):
            if not re.match(MACROS_ALLOWED, match.group(1)):
                yield Finding(path, line_of(text, match.start()), f"a macro: {match.group(1)}")


def forbidden_words(root):
    for path, text in sources(root):
        code = without_directives(blanked(text))
        for word, why, homes in FORBIDDEN_WORDS:
            for match in re.finditer(word, code):
                if not matches(path, homes):
                    yield Finding(path, line_of(code, match.start()), why)
    for path, text in sources(root, (".build",)):
        if "-march=native" in text.replace("# No -march=native", ""):
            yield Finding(path, 1, "-march=native is not for what is shipped")


def is_variable(statement):
    """Whether a statement at namespace scope defines something that can change."""
    if not statement or re.match(
            r"(using|typedef|friend|static_assert|template|class|struct|enum|union|extern|return|"
            r"asm|namespace|concept)\b", statement):
        return False
    declarator = statement.split("=")[0].split("{")[0]
    if re.search(r"\b(constexpr|const|consteval|operator|concept|requires)\b", declarator):
        return False
    return "(" not in declarator and len(declarator.split()) >= 2


def no_globals(root):
    for path, text in sources(root):
        if path.startswith("tests/"):
            continue
        code = without_directives(blanked(text))
        functions, statements = scan(code)
        changing = [(line, statement) for line, statement, in_type in statements
                    if is_variable(statement)
                    and (not in_type or re.match(r"(inline )?static\b", statement))]
        for function in functions:
            for match in re.finditer(r"\b(?:static|thread_local)\b(?!\s*_)[^;{(=]*",
                                     code[function.body_begin:function.body_end]):
                if not re.search(r"\bconst(expr)?\b", match.group(0)):
                    changing.append((line_of(code, function.body_begin + match.start()),
                                     match.group(0).strip()))
        for line, statement in changing:
            name = re.split(r"[\s*&]+", re.split(r"[={\[]", statement)[0].strip())[-1]
            if (path, name) not in GLOBALS_ALLOWED:
                yield Finding(path, line, f"{name}: state that outlives a call")


def listed_in_meson(root):
    """Every source is named by the meson.build of its folder, or of a folder above it."""
    for path, _ in sources(root, (".cpp", ".c", ".cu")):
        if path.startswith(("tests/consumer/", "perf/peers/")):
            continue
        place = pathlib.PurePosixPath(path)
        lists = [root / folder / "meson.build" for folder in place.parents]
        texts = [file.read_text(encoding="utf-8") for file in lists if file.exists()]
        if not any(f"'{place.stem}" in text for text in texts):
            yield Finding(path, 1, "no meson.build names it")


def algorithms_in_table(root):
    """algorithms/<collective>_<name>.cpp defines a generator of that name, and the table has it."""
    table = root / "collectives/algorithms.cpp"
    code = blanked(table.read_text(encoding="utf-8")) if table.exists() else ""
    for path, text in sources(root, (".cpp",)):
        if not path.startswith("collectives/algorithms/"):
            continue
        generator = pathlib.PurePosixPath(path).stem
        if not re.search(rf"\bPlan {generator}\(", text):
            yield Finding(path, 1, f"defines no generator {generator}")
        if not re.search(rf"\b{generator}\b", code):
            yield Finding(path, 1, f"collectives/algorithms.cpp has no row for {generator}")


def owned_once(root):
    """Where ownership is shared, a comment says why: in the file, or in the header of its name, on
    a line that does it or in the three above."""
    sharing, explained = {}, set()
    for path, text in sources(root):
        lines = text.splitlines()
        stem = path.rsplit(".", 1)[0]
        for number, line in enumerate(blanked(text).splitlines()):
            if re.search(r"\bshared_ptr\s*<", line):
                sharing.setdefault(stem, Finding(path, number + 1, "shared_ptr without its reason"))
                if any("//" in near for near in lines[max(0, number - 3):number + 1]):
                    explained.add(stem)
    yield from (found for stem, found in sharing.items() if stem not in explained)


def file_names(root):
    """snake_case; Highway's convention names what is included again for each target -inl.h."""
    for path, _ in sources(root):
        name = pathlib.PurePath(path).name
        if not re.fullmatch(r"[a-z][a-z0-9_]*(-inl)?\.(cpp|h|hpp|c|cu|cuh)", name):
            yield Finding(path, 1, "file names are snake_case")


RULES = (include_direction, vendor_headers, line_width, file_length, function_length,
         no_conditionals_in_functions, macros, forbidden_words, no_globals, listed_in_meson,
         algorithms_in_table, owned_once, file_names)

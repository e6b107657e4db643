#!/usr/bin/env python3
"""Generates the reference from its two sources: tutti.h for calls, the program's table for options.

usage: generate.py names HEADER                  the calls, one a line
       generate.py api HEADER                    docs/api.md
       generate.py man3 HEADER FOLDER            a manual page for each call
       generate.py man1 HEADER HELP FOLDER       one for the program, and one for each subcommand
       generate.py completions HELP FOLDER       tutti (bash), _tutti (zsh), tutti.fish

HEADER is tutti.h, HELP what `tutti help --json` prints. What is for one file goes to standard
output. The standard library suffices.
"""

import json
import pathlib
import sys

sys.dont_write_bytecode = True
import c_header  # noqa: E402
import completions  # noqa: E402
import man_pages  # noqa: E402

API_HEAD = """\
<!-- Made from include/tutti/tutti.h by docs/generate.py: change that, then run
     python3 docs/generate.py api include/tutti/tutti.h >docs/api.md -->
# The C API

"""


def api(own, items):
    """The header as a page: contracts as prose, declarations as code."""
    parts, code = [API_HEAD + own + "\n"], []

    def end_code():
        if code:
            parts.append("```c\n" + "\n".join(code) + "\n```\n")
            code.clear()

    for item in items:
        if item.kind == "macro" and not item.doc:  # one of several, as the ops
            code.append(item.text)
            continue
        end_code()
        if item.kind == "section":
            parts.append(f"## {item.name}\n")
        elif item.kind == "note":
            parts.append(item.doc + "\n")
        else:
            if item.kind == "function":
                parts.append(f"### {item.name}\n")
            code.append(item.text)
            end_code()
            if item.doc:
                parts.append(item.doc + "\n")
    end_code()
    return "\n".join(parts)


def read_header(path):
    return c_header.read(pathlib.Path(path).read_text(encoding="utf-8"))


def read_help(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def write(folder, files):
    for name, text in files.items():
        (pathlib.Path(folder) / name).write_text(text, encoding="utf-8")


def main(what="", *arguments):
    if what == "names":
        items = read_header(*arguments)[1]
        print("\n".join(item.name for item in items if item.kind == "function"))
    elif what == "api":
        print(api(*read_header(*arguments)), end="")
    elif what == "man3":
        header, folder = arguments
        write(folder, man_pages.of_calls(read_header(header)[1]))
    elif what == "man1":
        header, program, folder = arguments
        write(folder, man_pages.of_program(read_header(header)[1], read_help(program)))
    elif what == "completions":
        program, folder = arguments
        write(folder, completions.of_program(read_help(program)))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    main(*sys.argv[1:])

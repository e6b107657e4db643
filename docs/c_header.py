"""Reads tutti.h: what it declares, in order, with the comments that say what it means.

A reader of this header's style, not of C: a declaration begins at the start of a line; a comment
/** … */ before it is its contract; /* ---- Title --- */ begins a section; any other comment between
declarations is a note. House style, which clang-format keeps, makes that enough; what does not fit
is an error.
"""

from __future__ import annotations

import dataclasses
import re


@dataclasses.dataclass
class Item:
    """kind: section, note, function, enum, struct, typedef or macro."""

    kind: str
    name: str
    text: str  # the declaration as it stands; of a section its title; of a note nothing
    doc: str = ""  # the comment, without its marks
    result: str = ""  # of a function
    members: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)
    # of a function: (type, name, ""); of a struct: (type, name, comment); of an enum: (name, value,
    # comment); of a macro: [("", value, comment)]


_PIECE = re.compile(
    r"/\*(?P<comment>.*?)\*/"
    r"|(?P<directive>^[ \t]*#(?:[^\n\\]|\\\n|\\.)*)"
    r"|(?P<linkage>^extern \"C\" \{|^\})"
    r"|(?P<declaration>^(?:typedef|enum|const|[a-z]\w*)\b(?:/\*.*?\*/|\{[^{}]*\}|[^;{}])*;)",
    re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"/\*(.*?)\*/", re.DOTALL)


def plain(comment: str) -> str:
    """A comment's lines without its stars; paragraphs and lists keep their shape."""
    lines = [re.sub(r"^\s*\*? ?", "", line) if number else line.lstrip("* ")
             for number, line in enumerate(comment.splitlines())]
    indents = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    cut = min(indents, default=0)
    lines[1:] = [line[cut:] for line in lines[1:]]
    return "\n".join(line.rstrip() for line in lines).strip()


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def split_type(declarator: str) -> tuple[str, str]:
    """("const void *", "send") of "const void *send"."""
    found = re.fullmatch(r"(.*?)(\w+)", one_line(declarator))
    return found.group(1).strip(), found.group(2)


def _members(body: str, separator: str) -> list[tuple[str, str]]:
    """(declarator, comment): a comment stands behind what it is about."""
    found: list[list[str]] = []
    for piece in re.finditer(rf"/\*(.*?)\*/|([^{separator}/]+){separator}?", body, re.DOTALL):
        if piece.group(1) is not None:
            found[-1][1] = one_line(plain(piece.group(1)))
        elif piece.group(2).strip():
            found.append([one_line(piece.group(2)), ""])
    return [(declarator, comment) for declarator, comment in found]


def _declaration(text: str, doc: str) -> Item:
    bare = one_line(_COMMENT.sub(" ", text))
    if found := re.fullmatch(r"enum \{.*\};", bare):
        members = [(*(one_line(part) for part in declarator.split("=")), comment)
                   for declarator, comment in _members(text[text.index("{") + 1:text.rindex("}")],
                                                       ",")]
        return Item("enum", members[0][0], text, doc, members=members)
    if found := re.fullmatch(r"typedef struct \w+ \{.*\} (\w+);", bare):
        members = [(*split_type(declarator), comment)
                   for declarator, comment in _members(text[text.index("{") + 1:text.rindex("}")],
                                                       ";")]
        return Item("struct", found.group(1), text, doc, members=members)
    if found := re.fullmatch(r"typedef .*\(\*(\w+)\)\(.*\);|typedef .*?(\w+);", bare):
        return Item("typedef", found.group(1) or found.group(2), text, doc)
    if found := re.fullmatch(r"(.*?)(tutti_\w+)\((.*)\);", bare):
        result, name, parameters = found.groups()
        members = [(*split_type(p), "") for p in parameters.split(",") if p.strip() != "void"]
        return Item("function", name, text, doc, result.strip(), members)
    raise ValueError(f"not a declaration of tutti.h's style: {text}")


def _macro(directive: str, doc: str) -> Item | None:
    """A #define with a value; include guards have none."""
    found = re.fullmatch(r"#define (\w+)(?:\([^)]*\))?\s+(.+)", directive, re.DOTALL)
    if not found:
        return None
    value = one_line(found.group(2).replace("\\\n", " "))
    return Item("macro", found.group(1), directive, doc, members=[("", value, "")])


def read(text: str) -> tuple[str, list[Item]]:
    """The header's own comment, and its items."""
    items: list[Item] = []
    own, doc = "", ""
    for piece in _PIECE.finditer(text):
        if (comment := piece.group("comment")) is not None:
            if title := re.fullmatch(r" -{4} (.*?) -+ ", comment):
                items.append(Item("section", title.group(1), title.group(1)))
            elif comment.startswith("*"):
                own, doc = (own or plain(comment)), ("" if not own else plain(comment))
            elif "\n" in comment:
                items.append(Item("note", "", "", plain(comment)))
            continue
        if directive := piece.group("directive"):
            item = _macro(directive.strip(), doc)
        else:
            declaration = piece.group("declaration")
            item = _declaration(declaration, doc) if declaration else None
        if item:
            items.append(item)
        doc = ""
    return own, items

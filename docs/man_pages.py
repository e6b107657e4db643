"""Manual pages in man(7)'s language: section 3 from tutti.h, section 1 from the option table."""

import re
import textwrap

ERRORS = re.compile(r"\bErrors:\s*", re.DOTALL)


def escaped(text):
    """As roff reads it: nothing in it is a request or an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return "".join(c if ord(c) < 128 else f"\\[u{ord(c):04X}]" for c in text)


def line(text):
    """One input line of text: a leading period or quote would make it a request."""
    return re.sub(r"^([.'])", r"\\&\1", text)


def prose(text):
    """Text with `code` and calls in bold."""
    pieces = re.split(r"(`[^`]*`|\btutti_\w+\(\))", text)
    done = []
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            done.append(escaped(piece))
        elif piece.startswith("`"):
            done.append(f"\\fB{escaped(piece[1:-1])}\\fP")
        else:
            done.append(f"\\fB{escaped(piece[:-2])}\\fP(3)")
    return line("".join(done))


def paragraphs(text):
    return "\n.PP\n".join(prose(" ".join(part.split())) for part in re.split(r"\n\s*\n", text))


def verbatim(text):
    return ".nf\n" + "\n".join(line(escaped(row)) for row in text.splitlines()) + "\n.fi"


def synopsis(text):
    """A declaration, broken for a terminal's 80 columns less the indent."""
    first, rest = text.split("(", 1)
    return verbatim("#include <tutti/tutti.h>\n\n" + "\n".join(textwrap.wrap(
        f"{first}({rest}", 70, subsequent_indent="    ", break_on_hyphens=False)))


def head(name, section, version):
    return f'.TH "{name.upper()}" "{section}" "" "Tutti {version}" "Tutti"'


def version_of(items):
    number = int(next(i.members[0][1] for i in items if i.name == "TUTTI_VERSION"))
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


# ---- Section 3 -----------------------------------------------------------------------------------


def summary(doc):
    """The first clause of a contract."""
    clause = " ".join(re.split(r"[.:;](?:\s|$)", doc, maxsplit=1)[0].split())
    return prose(clause[0].lower() + clause[1:]).removeprefix("\\&")


def statuses(doc, calls):
    """The statuses that a contract names, and those of the calls whose errors it has, too."""
    text = (ERRORS.split(doc, 1) + [""])[1]
    named = re.findall(r"\bTUTTI_[A-Z_]+\b", text)
    also = re.findall(r"\b(?:as|of)\s+(tutti_\w+)\(\)", text)
    if not text:
        also += re.findall(r"^As\s+(tutti_\w+)\(\)", doc)
    for name in also:
        named += statuses(calls[name].doc, calls)
    return list(dict.fromkeys(named))


def call_page(call, section, items, calls):
    """`section`: the items of the call's section of the header."""
    description, errors = (ERRORS.split(call.doc, 1) + [""])[:2]
    meanings = {name: comment for i in items if i.kind == "enum" for name, _, comment in i.members}
    structs = {i.name: i for i in items if i.kind == "struct"}
    page = [head(call.name, 3, version_of(items)), ".SH NAME",
            f"{call.name} \\- {summary(call.doc)}", ".SH SYNOPSIS",
            synopsis(call.text), ".SH DESCRIPTION",
            paragraphs(description)]
    for kind, _, _ in call.members:
        name = kind.replace("const ", "").rstrip(" *")
        if name in structs:
            page += [f".SS {name}", paragraphs(structs[name].doc)]
            for its_type, field, comment in structs[name].members:
                space = "" if its_type.endswith("*") else " "
                page += [".TP", f"{escaped(its_type)}{space}\\fB{field}\\fP",
                         prose(comment or "set by the _INIT macro")]
    if call.result == "tutti_status":
        page += [".SH RETURN VALUE", "\\fBTUTTI_OK\\fP, or why the call failed; "
                 "\\fBtutti_error_text\\fP(3) tells the whole story."]
    named = [status for status in statuses(call.doc, calls) if meanings.get(status)]
    if named:
        page.append(".SH ERRORS")
        if errors:
            page.append(paragraphs(errors[0].upper() + errors[1:]))
        for status in named:
            page += [".TP", f"\\fB{status}\\fP", prose(meanings[status])]
    notes = [i.doc for i in section if i.kind == "note"]
    if notes:
        page += [".SH NOTES", "\n.PP\n".join(paragraphs(note) for note in notes)]
    others = [i.name for i in section if i.kind == "function" and i is not call]
    page += [".SH SEE ALSO", ",\n".join(f"\\fB{name}\\fP(3)" for name in others[:12]) + ","
             if others else "", "\\fBtutti\\fP(1)"]
    return "\n".join(part for part in page if part) + "\n"


def of_calls(items):
    """{file: page} of every call."""
    calls = {i.name: i for i in items if i.kind == "function"}
    pages, section = {}, []
    for number, item in enumerate(items):
        if item.kind == "section":
            rest = items[number + 1:]
            end = next((k for k, i in enumerate(rest) if i.kind == "section"), len(rest))
            section = rest[:end]
        if item.kind == "function":
            pages[f"{item.name}.3"] = call_page(item, section, items, calls)
    return pages


# ---- Section 1 -----------------------------------------------------------------------------------


def option(row):
    names = ", ".join(f"\\fB{escaped(name)}\\fP" for name in row["names"] if name[0] == "-")
    value = f"\\fI{escaped(row['value'])}\\fP" if row["value"] else ""
    text = prose(row["meaning"])
    words = ", ".join(f"\\fB{escaped(word)}\\fP" for word in row["words"])
    if words and "/" not in row["value"] and row["names"][0][0] == "-":
        text += f": {words}"
    if row["default"]:
        text += f". Default: {escaped(row['default'])}"
    return ["", ".TP", " ".join(part for part in (names, value) if part), text + "."]


def subcommand_page(row, version):
    name = f"tutti-{row['name']}"
    positional = " ".join(f"[\\fI{o['value']}\\fP]" for o in row["options"]
                          if o["names"][0][0] != "-")
    page = [head(name, 1, version), ".SH NAME", f"{name} \\- {prose(row['summary'])}",
            ".SH SYNOPSIS", f"\\fBtutti {row['name']}\\fP [\\fIoptions\\fP] {positional}"
            + escaped(row["program"])]
    page += [".SH OPTIONS"]
    for o in row["options"]:
        page += option(o)
    page += [".TP", "\\fB\\-h\\fP, \\fB\\-\\-help\\fP", "Print a summary of the options.",
             ".TP", "\\fB\\-\\-version\\fP", "Print the version.", *EXIT_STATUS,
             ".SH SEE ALSO", "\\fBtutti\\fP(1)"]
    return "\n".join(part.rstrip() for part in page if part) + "\n"


EXIT_STATUS = (".SH EXIT STATUS", ".TP", "0", "Success.", ".TP", "1", "The work failed.", ".TP",
               "2", "The command line is wrong; the message names the option and the value.")


def of_program(items, program):
    """{file: page} of the program and its subcommands."""
    version = version_of(items)
    page = [head("tutti", 1, version), ".SH NAME",
            "tutti \\- collective communication between ranks", ".SH SYNOPSIS",
            "\\fBtutti\\fP \\fIsubcommand\\fP [\\fIoptions\\fP]", ".SH SUBCOMMANDS"]
    for row in program["subcommands"]:
        page += [".TP", f"\\fBtutti\\-{row['name']}\\fP(1)", prose(row["summary"])]
    page += [".TP", "\\fBhelp\\fP [\\fIsubcommand\\fP]", "Print the subcommands, or one's options. "
             "With \\fB\\-\\-json\\fP, all of it for other programs.",
             ".SH VALUES", "K, M, G, KiB, MiB and GiB are 1024\\-based. MB is refused.",
             ".SH ENVIRONMENT"]
    for row in program["variables"]:
        page += [".TP", f"\\fB{row['name']}\\fP",
                 f"{prose(row['meaning'])}. Default: {escaped(row['default'])}."]
    page += [*EXIT_STATUS, ".SH SEE ALSO",
             ",\n".join(f"\\fBtutti\\-{row['name']}\\fP(1)" for row in program["subcommands"])
             + ",\n\\fBtutti_start\\fP(3)"]
    pages = {"tutti.1": "\n".join(page) + "\n"}
    for row in program["subcommands"]:
        pages[f"tutti-{row['name']}.1"] = subcommand_page(row, version)
    return pages

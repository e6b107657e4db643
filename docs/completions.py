"""Completions for bash, zsh and fish, from the option table: subcommands, options, and the words of
their values, also within lists (ring,…)."""

# Options of every subcommand, which the table does not list.
COMMON = ({"names": ["-h", "--help"], "value": "", "meaning": "print this help", "words": []},
          {"names": ["--version"], "value": "", "meaning": "print the version", "words": []})


def options(row):
    return [o for o in row["options"] if o["names"][0].startswith("-")] + list(COMMON)


def positionals(row):
    return [o for o in row["options"] if not o["names"][0].startswith("-")]


def is_file(option):
    return option["value"] == "FILE"


def is_list(option):
    return "…" in option["value"]


# ---- bash ----------------------------------------------------------------------------------------

BASH = """\
# bash completion for tutti

_tutti() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=
  if [[ $word == = ]]; then word=; fi
  if [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi # --option=value
  if [[ $COMP_CWORD -eq 1 || ($COMP_CWORD -eq 2 && $before == help) ]]; then
    words='@subcommands@'
    [[ $before == help ]] || words+=' help --help --version'
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    return
  fi
  case "${COMP_WORDS[1]} $before" in
@values@
    *)
      case "${COMP_WORDS[1]}" in
@options@
      esac
      ;;
  esac
}

# The last item of a list; the items before it stay.
_tutti_list() { # WORD WORDS
  local head=
  if [[ $1 == *,* ]]; then head=${1%,*},; fi
  mapfile -t COMPREPLY < <(compgen -P "$head" -W "$2" -- "${1##*,}")
}

_tutti_files() { # WORD
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

complete -F _tutti tutti
"""


def bash_value(row, option):
    """What completes the value of an option; nothing is right where none is known."""
    if is_file(option):
        return '_tutti_files "$word"'
    if not option["words"]:
        return "COMPREPLY=()"
    words = " ".join(option["words"])
    if is_list(option):
        return f"_tutti_list \"$word\" '{words}'"
    return f"mapfile -t COMPREPLY < <(compgen -W '{words}' -- \"$word\")"


def bash(subcommands):
    values, names = [], []
    for row in subcommands:
        for o in options(row):
            if o["value"]:
                pattern = " | ".join(f"'{row['name']} {name}'" for name in o["names"])
                values.append(f"    {pattern}) {bash_value(row, o)} ;;")
        words = [name for o in options(row) for name in o["names"]]
        names.append(f"        {row['name']})\n"
                     f"          words='{' '.join(words)}'\n"
                     + bash_arguments(row) +
                     "          ;;")
    return (BASH.replace("@subcommands@", " ".join(row["name"] for row in subcommands))
            .replace("@values@", "\n".join(values)).replace("@options@", "\n".join(names)))


def bash_arguments(row):
    """What completes a word that is no option's value."""
    if row["program"]:
        return ('          if [[ $word == -* ]]; then\n'
                '            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")\n'
                '          else\n'
                '            mapfile -t COMPREPLY < <(compgen -c -- "$word")\n'
                '          fi\n')
    more = " ".join(word for o in positionals(row) for word in o["words"])
    add = f"          [[ $word == -* ]] || words='{more}'\n" if more else ""
    return add + '          mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")\n'


# ---- zsh -----------------------------------------------------------------------------------------


def zsh_quoted(text):
    for c in "\\[]:":
        text = text.replace(c, "\\" + c)
    return text.replace("'", "'\\''")


def zsh_value(option):
    if not option["value"]:
        return ""
    words = " ".join(option["words"])
    action = ("_files" if is_file(option) else f"_values -s , word {words}" if words and
              is_list(option) else f"({words})" if words else " ")
    return f":{zsh_quoted(option['value'])}:{action}"


def zsh_option(option):
    names = option["names"]
    described = f"[{zsh_quoted(option['meaning'])}]{zsh_value(option)}"
    if len(names) == 1:
        return f"'{names[0]}{described}'"
    return f"'({' '.join(names)})'{{{','.join(names)}}}'{described}'"


def zsh(subcommands):
    lines = ["#compdef tutti", "", "_tutti() {", "  if ((CURRENT == 2)); then",
             "    local -a subcommands=("]
    lines += [f"      '{row['name']}:{zsh_quoted(row['summary'])}'" for row in subcommands]
    lines += ["      'help:print the subcommands, or the options of one'", "    )",
              "    _describe subcommand subcommands", "    return", "  fi",
              "  local subcommand=${words[2]}", "  shift words", "  ((CURRENT--))",
              "  case $subcommand in",
              f"    help) _values subcommand {' '.join(row['name'] for row in subcommands)} ;;"]
    for row in subcommands:
        specs = [zsh_option(o) for o in options(row)]
        specs += [f"'{number}{zsh_value(o)}'" for number, o in enumerate(positionals(row), 1)]
        if row["program"]:
            specs += ["'(-)1:program:_command_names -e'", "'*::arguments:_normal'"]
        lines += [f"    {row['name']})", "      _arguments -S \\"]
        lines += [f"        {spec} \\" for spec in specs[:-1]] + [f"        {specs[-1]}", "      ;;"]
    return "\n".join([*lines, "  esac", "}", "", '_tutti "$@"', ""])


# ---- fish ----------------------------------------------------------------------------------------


def fish_quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish_option(row, option):
    parts = [f"complete -c tutti -n '__fish_seen_subcommand_from {row['name']}'"]
    for name in option["names"]:
        parts.append(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}")
    if option["value"]:
        parts.append("-r -F" if is_file(option) else "-x")
    if option["words"]:
        words = " ".join(option["words"])
        parts.append(f"-a '(__fish_append , {words})'" if is_list(option) else f"-a '{words}'")
    return " ".join([*parts, "-d", fish_quoted(option["meaning"])])


def fish(subcommands):
    lines = ["# fish completion for tutti", "", "complete -c tutti -f"]
    first = "complete -c tutti -n __fish_use_subcommand -a"
    lines += [f"{first} {row['name']} -d {fish_quoted(row['summary'])}" for row in subcommands]
    lines.append(f"{first} help -d 'print the subcommands, or the options of one'")
    names = " ".join(row["name"] for row in subcommands)
    lines.append(f"complete -c tutti -n '__fish_seen_subcommand_from help' -a '{names}'")
    for row in subcommands:
        lines += ["", *(fish_option(row, o) for o in options(row))]
        seen = f"complete -c tutti -n '__fish_seen_subcommand_from {row['name']}'"
        lines += [f"{seen} -a '{' '.join(o['words'])}' -d {fish_quoted(o['value'])}"
                  for o in positionals(row) if o["words"]]
        if row["program"]:
            lines.append(f"{seen} -F -a '(__fish_complete_command)'")
    return "\n".join([*lines, ""])


def of_program(program):
    """{file: text}"""
    subcommands = program["subcommands"]
    return {"tutti": bash(subcommands), "_tutti": zsh(subcommands), "tutti.fish": fish(subcommands)}

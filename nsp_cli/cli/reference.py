"""The page of all commands and options: `python -m nsp_cli.cli.reference .github/docs/options.md`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from nsp_cli.cli.app import app

INTRODUCTION = """\
# Commands and options

This page lists the same as `nsp --help` and `nsp COMMAND --help`. It is generated from the program:
`python -m nsp_cli.cli.reference .github/docs/options.md`. Values in capitals are yours to fill in.
"""


def options_page() -> str:
    """The page as Markdown."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return "\n".join([INTRODUCTION, *_group("nsp", group)])


def _group(name: str, group: TyperGroup) -> Iterator[str]:
    yield f"## {name}\n\n{group.help}\n"
    yield from _tables(name, group)
    for command_name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _group(f"{name} {command_name}", command)
        elif isinstance(command, TyperCommand):
            yield from _command(f"{name} {command_name}", command)


def _command(name: str, command: TyperCommand) -> Iterator[str]:
    arguments = [each for each in command.params if isinstance(each, TyperArgument)]
    usage = " ".join([name, "[OPTIONS]", *(_usage(each) for each in arguments)])
    yield f"## {name}\n\n`{usage}`\n\n{command.help}\n"
    if arguments:
        yield "| argument | meaning |\n|---|---|"
        yield "".join(f"| {_code(each.metavar)} | {_cell(each.help)} |\n" for each in arguments)
    yield from _tables(name, command)
    if command.epilog:
        lines = command.epilog.strip().splitlines()
        yield "\n".join([f"{lines[0]}\n", *(f"  {line}" for line in lines[1:])]) + "\n"


def _usage(argument: TyperArgument) -> str:
    name = f"{argument.metavar}" if argument.required else f"[{argument.metavar}]"
    return name if argument.nargs == 1 else f"{name}..."


def _tables(name: str, command: TyperCommand | TyperGroup) -> Iterator[str]:
    """A table for each panel of a command's help page, in the order of the page."""
    options = [each for each in command.params if isinstance(each, TyperOption)]
    panels = list(dict.fromkeys(_panel(each) for each in options))
    first = ["Options"] if "Options" in panels else []
    order = [*first, *(panel for panel in panels if panel != "Options")]
    options.sort(key=lambda each: order.index(_panel(each)))
    context = typer.Context(command, info_name=name)
    for panel, members in groupby(options, _panel):
        yield f"| {panel} | meaning | default |\n|---|---|---|"
        yield "".join(_row(option, context) for option in members)


def _panel(option: TyperOption) -> str:
    return option.rich_help_panel or "Options"


def _row(option: TyperOption, context: typer.Context) -> str:
    names = ", ".join(sorted(option.opts, key=len, reverse=True))
    value = "" if option.is_flag else (option.display_type_rich(ctx=context) or "").strip("<>")
    least, most = (getattr(option, bound) for bound in ("min", "max"))
    bounds = f" From {least} to {most}." if most is not None else ""
    return f"| {_code(f'{names} {value}')} | {_cell(option.help)}{bounds} | {_cell(_default(option))} |\n"


def _default(option: TyperOption) -> str:
    if isinstance(option.show_default, str):
        return option.show_default
    if option.required:
        return "required"
    return "" if option.is_flag or option.default in (None, "") else str(option.default)


def _code(text: str | None) -> str:
    escaped = (text or "").strip().replace("|", r"\|")
    return f"`{escaped}`"


def _cell(text: str | None) -> str:
    """Text for a cell of a table: a bare | would end it, a bare * begin italics."""
    return (text or "").replace("|", r"\|").replace("*", r"\*")


if __name__ == "__main__":
    import sys

    Path(sys.argv[1]).write_text(options_page(), encoding="utf-8")

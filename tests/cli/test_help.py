"""Help pages: what they say, that they fit a terminal, and the dataclasses that their options come from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from nsp_cli.cli.app import app
from nsp_cli.cli.examples import EXAMPLES, _examples
from nsp_cli.cli.options.grouping import grouped
from nsp_cli.cli.reference import options_page

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]
WEIGHTS = sorted(get_command(app).commands["weights"].commands)  # type: ignore[attr-defined]
OPTIONS = Path(__file__).parents[2] / ".github" / "docs" / "options.md"
PAGES = ["", *COMMANDS, *(f"weights {name}" for name in WEIGHTS)]


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Option("--width")] = 3
    height: Annotated[int, typer.Option("--height")] = 4


@dataclass(frozen=True)
class NamedSize(Size):
    name: Annotated[str, typer.Option("--name")] = "none"


class TestGrouped:
    @pytest.fixture
    def invoke(self):
        given = []
        own = typer.Typer()

        @own.command()
        @grouped
        def draw(
            *,
            colour: Annotated[str, typer.Argument()],
            size: NamedSize,
            filled: Annotated[bool, typer.Option("--filled")] = False,
        ) -> None:
            given.append((colour, size, filled))

        def invoke(*arguments: str) -> tuple[object, ...]:
            result = CliRunner().invoke(own, arguments)
            assert result.exit_code == 0, result.output
            return given.pop()

        return invoke

    def test_fields_become_options_and_options_become_fields_again(self, invoke):
        assert invoke("red", "--height", "7", "--name", "wide", "--filled") == (
            "red",
            NamedSize(3, 7, "wide"),
            True,
        )

    def test_defaults_are_those_of_the_dataclass(self, invoke):
        assert invoke("red") == ("red", NamedSize(), False)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_its_terminal_and_cuts_nothing(run_nsp, monkeypatch, page, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    run = run_nsp(*page.split(), "--help")
    assert run.code == 0
    assert max(map(len, run.out.splitlines())) <= columns
    assert "…" not in run.out.replace("N,N,…", "").replace("3…8", "").replace("hf://…", "")


@pytest.mark.parametrize("page", PAGES)
def test_examples_are_commands_that_exist_on_one_line_each(run_nsp, monkeypatch, page):
    monkeypatch.setenv("COLUMNS", "80")
    out = run_nsp(*page.split(), "--help").out
    if (page or "nsp") not in EXAMPLES:
        assert page == "weights list"  # has nothing to add to its own name
        return
    lines = [line for line in out[out.index("Examples:") :].splitlines()[1:] if line.strip()]
    for line in lines:
        found = re.match(r"   nsp (\w+)", line)
        assert found, line
        assert found[1] in COMMANDS, line


@pytest.mark.parametrize("command", ["denoise", "upscale", "watch"])
def test_what_a_photographer_needs_comes_first(run_nsp, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "200")
    out = run_nsp(command, "--help").out
    titles = re.findall(r"─ ([A-Z][A-Za-z ]+) ─", out)
    assert titles == ["Arguments", "Options", "Photos", "Noise", "Result", "Camera RAW", "Run", "Machine"]
    first = out[out.index("─ Options ─") : out.index("─ Photos ─")]
    for option in ("--recursive", "--strength", "--output", "--format", "--overwrite"):
        assert option in first


def test_examples_line_up():
    text = _examples(("nsp denoise a.jpg", "One."), ("nsp denoise", "Two."))
    assert text.splitlines() == [
        "",
        "Examples:",
        "  nsp denoise a.jpg  One.",
        "  nsp denoise        Two.",
    ]


def test_the_page_of_options_is_what_the_program_says():
    assert OPTIONS.read_text(encoding="utf-8") == options_page(), "make docs writes it anew"


def test_the_page_names_every_command_and_option(run_nsp, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = OPTIONS.read_text(encoding="utf-8")
    for page in PAGES:
        section = text[text.index(f"## nsp {page}".rstrip() + "\n") :].split("\n## ")[0]
        options = re.findall(r"^│ \*? *(--[a-z0-9-]+)", run_nsp(*page.split(), "--help").out, re.MULTILINE)
        assert [option for option in options if option != "--help" and f"`{option}" not in section] == []

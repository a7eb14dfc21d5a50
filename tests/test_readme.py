"""What README says can be done, can be done."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nsp_cli.cli.runs import training
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.training.data.pairs import STRATEGIES
from nsp_cli.training.run.recipe import PAPER_RECIPE, PAPER_STEPS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
COMMANDS = (
    "denoise",
    "upscale",
    "watch",
    "preview",
    "compare",
    "inspect",
    "train",
    "distill",
    "evaluate",
    "doctor",
    "bench",
    "weights import",
    "weights pull",
)


@pytest.fixture
def help_texts(run_nsp, monkeypatch) -> dict[str, str]:
    monkeypatch.setenv("COLUMNS", "200")
    texts = {name: run_nsp(*name.split(), "--help").out for name in COMMANDS}
    return texts | {"": run_nsp("--help").out}


def test_every_option_named_exists(help_texts):
    own = re.sub(r"^.*(?:pip|make|python|torchrun) .*$", "", README, flags=re.MULTILINE)
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", own)):
        assert any(option in text for text in help_texts.values()), option


def test_table_names_every_option_of_denoise(help_texts):
    table = README[README.index("| option |") : README.index("**What survives.**")]
    for option in set(re.findall(r"--[a-z][a-z-]+", help_texts["denoise"])) - {"--help"}:
        assert f"`{option}" in table or f"{option}`" in table, option


def test_every_command_line_names_a_command(help_texts):
    for name in re.findall(r"^    nsp ([a-z]+(?: [a-z]+)?)", README, flags=re.MULTILINE):
        assert name in help_texts or name.split()[0] in ("weights", *COMMANDS), name


def test_files_linked_exist():
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (Path(__file__).parents[1] / target).exists(), target


def test_every_row_of_the_ablations_is_a_command_that_trains_what_it_says(run_nsp, monkeypatch, tmp_path):
    text = README[README.index("**Ablations**") :]
    command = re.search(r"`nsp (train [^`]*)`", text)
    assert command
    rows = re.findall(r"^\| ([^|]+) \| [\d.]+ \| `(--[^`]+)` \|$", text, flags=re.MULTILINE)
    assert len(rows) == 9
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(training, "run_training", lambda request, _device: asked.append(request))
    for name, options in rows:
        run = run_nsp(*command[1].split(), *options.split())
        assert run.code == 0, run.err
        request = asked.pop()
        said = {"n": 1, "t": 2} | {key: int(value) for key, value in re.findall(r"\b([nt]) = (\d)", name)}
        strategy = next((known for known in STRATEGIES if known in name), "consecutive")
        assert request.recipe == replace(PAPER_RECIPE, targets=said["n"], strategy=strategy), name
        assert request.start.config == DbsnConfig(t=said["t"]), name
        assert request.budget.steps == PAPER_STEPS


def test_python_example_runs():
    example = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert example
    names = {"pixels": np.zeros((20, 30, 3), np.uint8)}
    exec(example[1], names)
    assert names["clean"].shape == (20, 30, 3)

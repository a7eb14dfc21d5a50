"""What the README and the pages under .github/docs say can be done, can be done."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nsp_cli.cli.workflows import training
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.training.data.pairs import STRATEGIES
from nsp_cli.training.run.recipe import PAPER_RECIPE, PAPER_STEPS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / ".github" / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {page.name: page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*.md"))}
# Pages whose `--options` are those of nsp, and not of benchmarks beside them.
GUIDES = {"README": README} | {
    name: text for name, text in PAGES.items() if name not in ("README.md", "speed.md")
}
LINKING = [ROOT / "README.md", *ROOT.glob("weights/*.md"), *(ROOT / ".github").rglob("*.md")]
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
    "export",
    "doctor",
    "bench",
    "weights import",
    "weights pull",
)
MOST_WORDS = 1200


@pytest.fixture
def help_texts(run_nsp, monkeypatch) -> dict[str, str]:
    monkeypatch.setenv("COLUMNS", "200")
    texts = {name: run_nsp(*name.split(), "--help").out for name in COMMANDS}
    return texts | {"": run_nsp("--help").out}


def without_code(text: str) -> str:
    """A page without its fenced and indented blocks of code."""
    return re.sub(r"^ {4}.*$", "", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)


def test_the_readme_can_be_read_to_the_end():
    assert len(without_code(README).split()) <= MOST_WORDS


def test_every_option_named_exists(help_texts):
    for page, text in GUIDES.items():
        own = re.sub(
            r"^.*(?:(?:pip|make|python|torchrun|ray start|#SBATCH|kubectl) |f\"--).*$",
            "",
            text,
            flags=re.MULTILINE,
        )
        for option in set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", own)):
            assert any(option in text for text in help_texts.values()), (page, option)


def test_the_options_page_names_every_option_of_denoise(help_texts):
    for option in set(re.findall(r"--[a-z][a-z-]+", help_texts["denoise"])) - {"--help"}:
        assert option in PAGES["options.md"], option


def test_every_command_line_names_a_command(help_texts):
    for page, text in GUIDES.items():
        for name in re.findall(r"^    nsp ([a-z]+(?: [a-z]+)?)", text, flags=re.MULTILINE):
            assert name in help_texts or name.split()[0] in ("weights", *COMMANDS), (page, name)


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_linked_exist(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_headings_linked_exist(page):
    for target, heading in re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        linked = (page.parent / target if target else page).read_text(encoding="utf-8")
        titles = re.findall(r"^#+ (.+)$", linked, flags=re.MULTILINE)
        assert heading in {
            re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles
        }


def test_every_page_is_in_the_index():
    listed = set(re.findall(r"\]\(([\w/]+\.md)\)", PAGES["README.md"]))
    assert listed == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - {"README.md"}


def test_every_row_of_the_ablations_is_a_command_that_trains_what_it_says(run_nsp, monkeypatch, tmp_path):
    page = PAGES["datasets.md"]
    text = page[page.index("## Ablations") :]
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

"""What the pages under .github/docs show, runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.scenes import scene, to_8_bits, white_noise
from tests.test_architecture import OWNERS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / ".github" / "docs"
PACKAGE = ROOT / "nsp_cli"
PAGES = [ROOT / "README.md", DOCS.parent / "CONTRIBUTING.md", *DOCS.glob("*.md")]
ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_python_blocks_run_and_give_what_the_page_says(dtype):
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 5
    white = 1 if dtype is np.float32 else np.iinfo(dtype).max
    noisy = scene(64, 96) + white_noise((3, 64, 96), 12)
    pixels = (noisy.clamp(0, 1).permute(1, 2, 0).numpy() * white).astype(dtype)
    names = {"pixels": pixels.copy()}
    for block in blocks:
        exec(block, names)
    for name, scale in (("clean", 1), ("grainy", 1), ("smoother", 1), ("twice", 2)):
        assert names[name].shape == (64 * scale, 96 * scale, 3), name
        assert names[name].dtype == dtype, name
    assert (names["pixels"] == pixels).all()
    assert (names["untouched"] == pixels).all()
    assert (names["clean"] != pixels).any()
    assert "no-such-weights" in names["said"]


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_the_external_editor_script_replaces_the_copy_it_is_given(tmp_path):
    text = (DOCS / "editors" / "README.md").read_text(encoding="utf-8")
    script = re.search(r"^    (#!/bin/sh\n(?:    .*\n)+)", text, re.MULTILINE)
    assert script
    (tmp_path / "nsp").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nsp_cli "$@"\n')
    (tmp_path / "nsp").chmod(0o755)
    photo = tmp_path / "it's night.tif"
    Image.fromarray(to_8_bits(scene(64, 96) + white_noise((3, 64, 96), 12)).permute(1, 2, 0).numpy()).save(
        photo
    )
    before = photo.read_bytes()
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    subprocess.run(["sh", "-c", script[1], "nsp-edit", photo], env=environment, check=True)
    assert photo.read_bytes() != before
    assert sorted(path.name for path in tmp_path.glob("*.tif")) == ["it's night.tif"]


@pytest.mark.skipif(shutil.which("luac") is None, reason="no Lua compiler")
def test_the_darktable_script_is_lua():
    subprocess.run(["luac", "-p", DOCS / "editors" / "nsp.lua"], check=True)


def _map_of_the_house() -> list[str]:
    """Names on the architecture page's map, relative to nsp_cli; packages end in a slash."""
    block = re.search(r"^    nsp_cli/\n((?:    .*\n|\n)+)", ARCHITECTURE, re.MULTILINE)
    assert block
    names, parents = [], [""]
    for line in filter(str.strip, block[1].splitlines()):
        depth = (len(line) - len(line.lstrip())) // 2 - 3
        listed = re.split(r"  +", line.strip())[0].split()
        names += ["".join(parents[: depth + 1]) + name for name in listed]
        parents[depth + 1 :] = [listed[0]]
    return names


def test_the_map_names_what_is_there_and_every_package():
    tree = {f"{path.relative_to(PACKAGE).as_posix()}/" for path in PACKAGE.rglob("*") if _is_package(path)}
    tree |= {path.name for path in PACKAGE.glob("*.py")}
    assert sorted(_map_of_the_house()) == sorted(tree)


def test_the_table_of_libraries_is_what_the_imports_must_obey():
    rows = re.findall(r"^\| (`[^|]+`) \| (`[\w., `]+`) \|$", ARCHITECTURE, re.MULTILINE)
    listed = {
        name: set(re.findall(r"[\w.]+", owners))
        for names, owners in rows
        for name in re.findall(r"\w+", names)
    }
    assert listed == OWNERS


def _is_package(path: Path) -> bool:
    return (path / "__init__.py").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_that_pages_name_exist(page):
    ours = {"nsp_cli", "tests", "benchmarks", "weights", *(path.name for path in PACKAGE.iterdir())}
    words = re.findall(r"(?<![\w/.-])\.?[\w-]+(?:/[\w.-]+)+", page.read_text(encoding="utf-8"))
    for path in words:
        if path.split("/")[0] in ours:
            assert (PACKAGE / path).exists() or (ROOT / path).exists(), path

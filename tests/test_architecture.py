"""The shape of the house: imports point down, each library has one owner, only the top layer prints."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "nsp_cli"

# From top to bottom: a module imports only from rows below its own, or from its own part of a row.
ROWS = [
    {"__main__"},
    {"cli"},
    {"commands"},
    {"console"},
    {"doctor"},
    {"api", "publish"},
    {"report"},
    {"datasets"},
    {"judge", "batch", "bench", "evaluate", "plot"},
    {"noise_aware", "terminal"},
    {"recover", "back_projection"},
    {"training"},
    {"noise_bands", "noise_model"},
    {"restore", "noise"},
    {"flat_power", "block_dct", "tile_pixels", "tile_run"},
    {"weights"},
    {"hub"},
    {"manifest"},
    {"pth_import"},
    {"weights_file"},
    {"network_config"},
    {"photo"},
    {"networks"},
    {"tiling", "pixel_shuffle", "pixels", "metrics", "device"},
    {"errors", "wording", "checksum"},
]
OWNERS = {
    "typer": {"cli", "commands"},
    "rich": {"console"},
    "PIL": {"photo"},
    "imageio": {"photo"},
    "tifffile": {"photo"},
    "imagecodecs": {"photo"},
    "rawpy": {"photo"},
    "exiv2": {"photo"},
    "pi_heif": {"photo"},
    "huggingface_hub": {"hub"},
    "safetensors": {"weights_file"},
    "matplotlib": {"plot"},
    "jinja2": {"report"},
    "filelock": {"batch"},
    "platformdirs": {"training"},
    "scipy": {"datasets"},
    "h5py": {"datasets"},
    "triton": {"networks"},
}
SLOW_TO_IMPORT = {
    "torch",
    "rawpy",
    "exiv2",
    "pi_heif",
    "huggingface_hub",
    "imagecodecs",
    "tifffile",
    "imageio",
    "PIL",
    "numpy",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(module: Path) -> str:
    """Returns the row entry a module belongs to: its package below nsp_cli, or its own name."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(module: Path) -> Iterator[str]:
    """Yields every imported module, those inside functions too, but not those for type checkers."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", modules(), ids=lambda module: str(module.relative_to(PACKAGE)))
def test_imports_point_down(module):
    rank = {name: index for index, row in enumerate(ROWS) for name in row}
    own = part_of(module)
    if own == "__init__":
        return
    for name in imports(module):
        if name.startswith("nsp_cli."):
            other = name.split(".")[1]
            is_version = other.startswith("__")
            assert is_version or other == own or rank[other] > rank[own], f"{own} imports {other}"


@pytest.mark.parametrize("module", modules(), ids=lambda module: str(module.relative_to(PACKAGE)))
def test_each_library_has_one_owner(module):
    for name in imports(module):
        library = name.split(".")[0]
        assert part_of(module) in OWNERS.get(library, {part_of(module)}), f"{module.name} imports {library}"
        assert library != "click", "Typer brings its own"


@pytest.mark.parametrize("module", modules(), ids=lambda module: str(module.relative_to(PACKAGE)))
def test_only_the_top_layer_prints_or_exits(module):
    if part_of(module) in {"cli", "commands", "console", "__main__"}:
        return
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"print", "exit", "quit"}
        assert not (
            isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.exit", "os._exit", "sys.stdout"}
        )


def test_help_imports_nothing_slow():
    code = (
        "import sys; from nsp_cli.cli import main; code = main(['--help']); "
        f"slow = {SLOW_TO_IMPORT!r} & sys.modules.keys(); "
        "sys.exit(f'imported {slow}' if slow or code else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "denoise" in done.stdout

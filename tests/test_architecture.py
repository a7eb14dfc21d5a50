"""The shape of the house: imports point down, each library has one owner, only the top layer prints."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "nsp_cli"

# From top to bottom: a module imports only from rows below its own, or from its own part of a row. A part is
# a package or module; the longest name that fits counts, so that "photo.formats" is not "photo".
ROWS = [
    {"__main__"},
    {"cli"},
    {"cli.commands"},
    {"cli.runs"},
    {"cli.options", "cli.signals", "cli.console"},
    {"cli.terminal"},
    {"doctor"},
    {"api"},
    {"training.publish"},
    {"training.page"},
    {"training.judging"},
    {"training.blind_spot", "training.distillation"},
    {"training.run"},
    {"training.data"},
    {"training.simulation"},
    {"training.seeded_random"},
    {"report"},
    {"evaluation"},
    {"batch", "bench"},
    {"restoration"},
    {"noise", "tiling"},
    {"weights"},
    {"networks"},
    {"photo"},
    {"photo.check"},
    {"photo.formats"},
    {"photo.metadata"},
    {"photo.cicp", "photo.provenance"},
    {"photo.colour"},
    {"photo.photo", "photo.sniffing"},
    {"ops"},
    {"device", "files"},
    {"errors", "progress"},
]
OWNERS = {
    "typer": {"cli"},
    "rich": {"cli.console"},
    "PIL": {"photo"},
    "imageio": {"photo"},
    "tifffile": {"photo"},
    "imagecodecs": {"photo"},
    "rawpy": {"photo"},
    "exiv2": {"photo"},
    "pi_heif": {"photo"},
    "huggingface_hub": {"weights.hub"},
    "safetensors": {"weights.file"},
    "matplotlib": {"report.plot"},
    "jinja2": {"report"},
    "filelock": {"files"},
    "platformdirs": {"training.data"},
    "scipy": {"evaluation.datasets"},
    "h5py": {"evaluation.datasets"},
    "triton": {"networks.dbsn"},
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


def name_of(module: Path) -> str:
    """Dotted name of a module below nsp_cli."""
    return ".".join(module.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def part_of(name: str) -> str | None:
    """Part of a row that a dotted name belongs to; None for the package's own face."""
    return next((part for part in _heads(name) if any(part in row for row in ROWS)), None)


def _heads(name: str) -> Iterator[str]:
    """A dotted name, and what is left as it is cut from the end."""
    while name:
        yield name
        name = name.rpartition(".")[0]


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
    own = part_of(name_of(module))
    if own in {None, "cli"}:  # the package's and the command line's own faces show what lies below them
        return
    for name in imports(module):
        other = part_of(name.removeprefix("nsp_cli.")) if name.startswith("nsp_cli.") else None
        assert other in {None, own} or rank[other] > rank[own], f"{own} imports {name}"


@pytest.mark.parametrize("module", modules(), ids=lambda module: str(module.relative_to(PACKAGE)))
def test_each_library_has_one_owner(module):
    own = set(_heads(name_of(module)))
    for name in imports(module):
        library = name.split(".")[0]
        assert library not in OWNERS or own & OWNERS[library], f"{module.name} imports {library}"
        assert library != "click", "Typer brings its own"


@pytest.mark.parametrize("module", modules(), ids=lambda module: str(module.relative_to(PACKAGE)))
def test_only_the_command_line_prints_or_exits(module):
    if name_of(module).split(".")[0] in {"cli", "__main__"}:
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

"""The shape of the house: imports point down, each library has one owner, only the top layer prints."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "nsp_cli"

# From top to bottom: a module imports only from rows below its own, or from its own part of a row. A part is
# a package or module; the longest name that fits counts, so that "photo.formats" is not "photo".
ROWS = [
    {"__main__"},
    {"cli"},
    {"cli.commands"},
    {"cli.workflows"},
    {"cli.options", "cli.examples", "cli.signals", "cli.progress_bars"},
    {"cli.console"},
    {"cli.terminal"},
    {"doctor"},
    {"api"},
    {"training.publish"},
    {"training.verdict", "training.held_out_crops", "training.raw_judging"},
    {"training.page"},
    {"training.judging"},
    {"training.measures"},
    {"training.raw"},
    {"training.blind_spot", "training.distillation"},
    {"training.run"},
    {"training.data"},
    {"training.simulation"},
    {"training.seeded_random"},
    {"report"},
    {"evaluation"},
    {"batch", "bench", "export"},
    {"restoration"},
    {"noise", "tiling"},
    {"weights"},
    {"networks"},
    {"photo"},
    {"photo.check"},
    {"photo.formats"},
    {"photo.provenance"},
    {"photo.metadata"},
    {"photo.stated_colours", "photo.lab"},
    {"photo.built_profile", "photo.colour"},
    {"photo.photo", "photo.sniffing"},
    {"photo.mosaic"},
    {"ops", "cluster"},
    {"device", "files"},
    {"errors", "ops.progress", "resources"},
]
OWNERS = {
    "typer": {"cli"},
    "rich": {"cli.console", "cli.progress_bars"},
    "PIL": {"photo"},
    "imageio": {"photo"},
    "tifffile": {"photo"},
    "imagecodecs": {"photo"},
    "rawpy": {"photo"},
    "exiv2": {"photo"},
    "OpenImageIO": {"photo"},
    "pi_heif": {"photo"},
    "huggingface_hub": {"weights.hub"},
    "safetensors": {"weights.file"},
    "matplotlib": {"report.plot"},
    "jinja2": {"report"},
    "filelock": {"files"},
    "ray": {"cluster"},
    "fsspec": {"batch.systems"},
    "paramiko": {"batch.systems"},
    "platformdirs": {"training.data"},
    "psutil": {"resources"},
    "scipy": {"evaluation.datasets"},
    "h5py": {"evaluation.datasets"},
    "triton": {"networks.dbsn"},
    "onnx": {"export"},
    "onnxruntime": {"export"},
}
# What every file of a kind defines, for the registry of that kind to find.
IN_EACH = {"SPEC", "AUTHORS_FILES"}
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
    "ray",
    "fsspec",
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


@cache
def tree_of(module: Path) -> ast.Module:
    """Syntax tree of a module, without what is for type checkers alone."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    return tree


def imports(module: Path) -> Iterator[str]:
    """Yields every imported module, those inside functions too."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_point_down():
    rank = {name: index for index, row in enumerate(ROWS) for name in row}
    upwards = []
    for module in modules():
        own = part_of(name_of(module))
        if own in {None, "cli"}:  # the package's and the command line's own faces show what lies below them
            continue
        for name in imports(module):
            other = part_of(name.removeprefix("nsp_cli.")) if name.startswith("nsp_cli.") else None
            if other not in {None, own} and rank[other] <= rank[own]:
                upwards.append(f"{name_of(module)} imports {name}")
    assert not upwards, "\n".join(upwards)


def test_each_library_has_one_owner():
    foreign = []
    for module in modules():
        own = set(_heads(name_of(module)))
        for name in imports(module):
            library = name.split(".")[0]
            # Typer brings its own click.
            if library == "click" or (library in OWNERS and not own & OWNERS[library]):
                foreign.append(f"{name_of(module)} imports {name}")
    assert not foreign, "\n".join(foreign)


def test_only_the_command_line_prints_or_exits():
    speaking = [
        f"{name_of(module)}:{node.lineno} {ast.unparse(node)}"
        for module in modules()
        if name_of(module).split(".")[0] not in {"cli", "__main__"}
        for node in ast.walk(tree_of(module))
        if prints_or_exits(node)
    ]
    assert not speaking, "\n".join(speaking)


def prints_or_exits(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in {"print", "exit", "quit"}
    return isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.exit", "os._exit", "sys.stdout"}


def public_names(module: Path) -> Iterator[str]:
    """Yields what a module defines: classes, functions and constants without an underscore."""
    for node in tree_of(module).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names = [name]
            case ast.Assign(targets=targets):
                names = [
                    name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)
                ]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case _:
                names = []
        yield from (name for name in names if not name.startswith("_"))


def test_a_public_name_is_defined_once():
    """Except functions behind commands, which have the commands' names, and types of options."""
    places = defaultdict[str, set[str]](set)
    for module in modules():
        if not name_of(module).startswith(("cli.commands", "cli.options")):
            for name in public_names(module):
                places[name].add(name_of(module))
    doubles = {name: sorted(where) for name, where in places.items() if len(where) > 1}
    new = [f"{name}: {doubles[name]}" for name in doubles.keys() - IN_EACH]
    assert not new, "\n".join(new)


def test_help_imports_nothing_slow():
    code = (
        "import sys; from nsp_cli.cli import main; code = main(['--help']); "
        f"slow = {SLOW_TO_IMPORT!r} & sys.modules.keys(); "
        "sys.exit(f'imported {slow}' if slow or code else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "denoise" in done.stdout

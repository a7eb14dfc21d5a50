"""That a rebuild changes no result: what this tree writes is bit for bit what an earlier commit writes.

    python benchmarks/unchanged.py [--commit b22ec1f] [--tree PATH]

Both versions run as commands, each from its own checkout with its own weights, on the CPU with one thread
in float32. Tiles have a fixed size: by default it goes by the memory that happens to be free. Photos are the
project's sample, a 16-bit TIFF and a PNG with alpha made of it, and, where ../shared or $NSP_SHARED is at
hand, camera RAW and camera JPEGs. Exit code 1 if any file differs. Takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rawpy
import tifffile
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("NSP_SHARED", ROOT.parent / "shared"))
SAMPLE = ROOT / "tests" / "data" / "sample_noisy.jpg"
COMMIT = "b22ec1f"
RAWS = 3
CAMERAS = 5
SAME = "same"

_SETTINGS = ("--device", "cpu", "--precision", "float32", "--tile", "512")
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# A decoder that gives up returns black with a little noise; photos have 30 levels and more.
_BLACK = 8.0


@dataclass(frozen=True)
class Side:
    """One of the two versions.

    Attributes:
        name: What it is called in messages.
        checkout: Holds nsp_cli and weights.
        work: An empty folder of its own: working directory, cache and results.
    """

    name: str
    checkout: Path
    work: Path

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs Python so that it sees this version alone."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NSP_", "PYTHON"))}
        own = {
            "PYTHONPATH": str(self.checkout),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NSP_CACHE_DIR": str(self.work / "cache"),
            "HF_HUB_OFFLINE": "1",
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.work,  # with -m and -c Python looks there first, so it must be no checkout
            env=kept | own | dict.fromkeys(_ONE_THREAD, "1"),
            capture_output=True,
            text=True,
            check=False,
        )

    def answer(self, *arguments: str) -> str:
        """Returns what Python prints.

        Raises:
            SystemExit: It fails.
        """
        run = self.python(*arguments)
        if run.returncode:
            raise SystemExit(f"{self.name}: {' '.join(arguments)}: exit code {run.returncode}\n{run.stderr}")
        return run.stdout.strip()


@dataclass(frozen=True)
class Task:
    """A command with a network; takes all photos at once."""

    command: str
    network: str

    def run(self, side: Side, photos: list[Path]) -> Path:
        """Returns the folder of the results."""
        out = side.work / f"{self.command} {self.network}"
        model = () if self.network == "default" else ("-m", self.network)
        names = map(str, photos)
        side.answer(
            "-m", "nsp_cli", "--quiet", self.command, *_SETTINGS, *model, "-o", f"{out}{os.sep}", *names
        )
        return out


TASKS = [Task(command, network) for command in ("denoise", "upscale") for network in ("default", "nsp-light")]


def main() -> None:
    """Prints a line per photo and task, and the verdict."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commit", default=COMMIT, help="the earlier version")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the later one, as it lies there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nsp-unchanged-") as name:
        folder = Path(name).resolve()
        sides = both_sides(folder, arguments.commit, arguments.tree.resolve())
        verdicts = show_tasks(sides, all_photos(folder))
    count, differing = len(verdicts), sum(verdict != SAME for verdict in verdicts)
    if differing:
        print(f"{count} results, {differing} not equal to {arguments.commit}")
        raise SystemExit(1)
    print(f"{count} results, all equal bit for bit to {arguments.commit}")


def both_sides(folder: Path, commit: str, tree: Path) -> tuple[Side, Side]:
    """Checks out the earlier version; returns it and the later one."""
    checkout = folder / "earlier"
    # A clone, no worktree, so that nothing is written into this repository.
    git("clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(checkout))
    git("-C", str(checkout), "checkout", "--quiet", "--detach", commit)
    sides = Side(commit, checkout, folder / "a"), Side(str(tree), tree, folder / "b")
    for side in sides:
        side.work.mkdir()
        check_origin(side)
    return sides


def git(*arguments: str) -> None:
    """Runs git, which says itself what is wrong.

    Raises:
        SystemExit: It fails.
    """
    if subprocess.run(["git", *arguments], check=False).returncode:
        raise SystemExit(f"failed: git {' '.join(arguments)}")


def check_origin(side: Side) -> None:
    """Makes sure that a version runs from its own checkout and takes its own weights.

    Raises:
        SystemExit: It does not.
    """
    code = side.answer("-c", "import nsp_cli; print(nsp_cli.__file__)")
    listed = json.loads(side.answer("-m", "nsp_cli", "weights", "list", "--json"))
    used = {"nsp_cli": code} | {entry["name"]: entry["path"] for entry in listed}
    for name, path in used.items():
        folder = "nsp_cli" if name == "nsp_cli" else "weights"
        if path is None or Path(path).resolve().parent != side.checkout / folder:
            raise SystemExit(f"{side.name}: {name} comes from {path}, not from {side.checkout / folder}")


def all_photos(folder: Path) -> list[Path]:
    """Returns the photos; no two have the same name without ending."""
    photos = [SAMPLE, *made_photos(folder)]
    if not SHARED.is_dir():
        print(f"{SHARED} is not there: only the project's own photos")
        return photos
    return [*photos, *raw_photos(SHARED / "data" / "raw"), *camera_photos(SHARED / "data/train/cameras")]


def made_photos(folder: Path) -> list[Path]:
    """Writes the sample with 16 bits, the lower ones random, and with alpha; the same files every time."""
    pixels = np.asarray(Image.open(SAMPLE).convert("RGB"))
    lower = np.random.default_rng(0).integers(0, 256, pixels.shape, dtype=np.uint16)
    deep, transparent = folder / "sample_16_bits.tif", folder / "sample_alpha.png"
    tifffile.imwrite(deep, pixels.astype(np.uint16) * 256 + lower, photometric="rgb", metadata=None)
    alpha = np.linspace(0, 255, pixels.shape[1]).astype(np.uint8)
    alpha = np.broadcast_to(alpha, pixels.shape[:2])
    Image.fromarray(np.dstack([pixels, alpha])).save(transparent)
    return [deep, transparent]


def raw_photos(folder: Path) -> list[Path]:
    """Returns the smallest RAW files that can be developed."""
    by_size = sorted(folder.iterdir(), key=lambda path: (path.stat().st_size, path.name))
    developing = (path for path in by_size if develops(path))
    return [path for path, _ in zip(developing, range(RAWS), strict=False)]


def develops(path: Path) -> bool:
    """Tells whether a RAW file becomes a picture that is not black."""
    try:
        with rawpy.imread(str(path)) as raw:
            return bool(raw.postprocess(half_size=True).std() > _BLACK)
    except rawpy.LibRawError:
        return False


def camera_photos(folder: Path) -> list[Path]:
    """Returns each maker's smallest file, of the makers with the smallest ones; makers begin the names."""
    by_size = sorted(folder.glob("*.jpg"), key=lambda path: (path.stat().st_size, path.name))
    smallest: dict[str, Path] = {}
    for path in by_size:
        smallest.setdefault(path.name.partition("-")[0], path)
    return sorted(list(smallest.values())[:CAMERAS])


def show_tasks(sides: tuple[Side, Side], photos: list[Path]) -> list[str]:
    """Runs both versions side by side, prints how the results compare, and returns that.

    Raises:
        SystemExit: A command fails, or does not write one file per photo.
    """
    twins = [stem for stem, count in Counter(photo.stem for photo in photos).items() if count > 1]
    if twins:
        raise SystemExit(f"photos of the same name: {', '.join(twins)}")
    verdicts = []
    for task in TASKS:
        with ThreadPoolExecutor(len(sides)) as pool:
            before, after = pool.map(lambda side, task=task: task.run(side, photos), sides)
        rows = list(compare_folders(before, after))
        for name, verdict in rows:
            print(f"{name:32} {task.command:8} {task.network:10} {verdict}", flush=True)
        verdicts += [verdict for _, verdict in rows]
        if len(rows) < len(photos):
            raise SystemExit(f"{task.command}, {task.network}: {len(rows)} results of {len(photos)} photos")
    return verdicts


def compare_folders(before: Path, after: Path) -> Iterator[tuple[str, str]]:
    """Yields the name of each result and how it compares."""
    for name in sorted({path.name for folder in (before, after) for path in folder.iterdir()}):
        old, new = before / name, after / name
        if old.is_file() and new.is_file():
            yield name, compare_files(old, new)
        else:
            yield name, f"differs: only the {'earlier' if old.exists() else 'later'} version writes it"


def compare_files(old: Path, new: Path) -> str:
    """Returns that two files are the same, or where they begin to differ."""
    before, after = old.read_bytes(), new.read_bytes()
    if before == after:
        return SAME
    shorter = min(len(before), len(after))
    pairs = enumerate(zip(before, after, strict=False))
    first = next((index for index, (a, b) in pairs if a != b), shorter)
    place = f"from byte {first} on, of {len(before)} and {len(after)}"
    pixels = compare_pixels(decode(old), decode(new))
    return f"differs: {pixels}; files {place}" if pixels else f"pixels equal, file differs (metadata) {place}"


def decode(path: Path) -> NDArray[np.generic]:
    """Returns the pixels as they lie in the file, not by nsp's own reader."""
    if path.suffix == ".tif":
        return np.asarray(tifffile.imread(path))
    with Image.open(path) as image:
        return np.asarray(image)


def compare_pixels(before: NDArray[np.generic], after: NDArray[np.generic]) -> str:
    """Returns how many values differ, where first and how much; nothing if none does."""
    if (before.shape, before.dtype) != (after.shape, after.dtype):
        return f"{before.shape} {before.dtype} became {after.shape} {after.dtype}"
    places = np.argwhere(before != after)
    if not len(places):
        return ""
    row, column = places[0][:2]
    largest = np.abs(before.astype(np.int64) - after.astype(np.int64)).max()
    share = len(places) / before.size
    return f"{share:.2%} of pixel values, first in row {row}, column {column}, by at most {largest}"


if __name__ == "__main__":
    main()

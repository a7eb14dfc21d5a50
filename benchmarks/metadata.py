"""Counts which metadata photos keep when nsp writes them in each format. Pixels are not denoised.

python benchmarks/metadata.py FOLDER [--limit N]

"kept" metadata is in the file unchanged, "changed" was changed on purpose, and "no place" is what the format
cannot hold. With the extra nsp-cli[metadata], exiv2's keys follow, including the insides of maker notes.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nsp_cli.errors import NspError
from nsp_cli.photo import FORMAT_SUFFIXES, PHOTO_SUFFIXES, RAW_SUFFIXES, Photo, read_photo, write_photo
from nsp_cli.photo.check.allowed_changes import WrittenFile
from nsp_cli.photo.check.blocks import blocks_of_file
from nsp_cli.photo.check.inventory import inventory
from nsp_cli.photo.check.second_opinion import is_inside_note, listing, losses
from nsp_cli.photo.check.verify import compare_metadata, source_blocks
from nsp_cli.photo.metadata.blocks import KINDS

FORMATS = ("jpeg", "tiff", "png", "webp")
FATES = ("kept", "changed", "no place", "lost")
Counts = Counter[tuple[str, str]]


def by_nsp(photo: Photo, written: Path, file_format: str) -> Iterator[tuple[str, str]]:
    """Yields the kind of each fact in the source, and what became of it."""
    source = source_blocks(photo)
    assert source is not None
    with written.open("rb") as file:
        facts = inventory(blocks_of_file(file, file_format))
    result = compare_metadata(
        source,
        WrittenFile(facts, file_format, is_upright=True, is_transposed=source.is_transposed),
        photo.notes,
    )
    fates = zip(FATES, (result.kept, result.changed, result.left_out, result.lost), strict=True)
    yield from ((key.kind, fate) for fate, keys in fates for key in keys)


def by_exiv2(photo: Photo, written: Path, file_format: str) -> Iterator[tuple[str, str]]:
    """Yields the family of each exiv2 key and what became of it, or that exiv2 cannot read the result."""
    assert photo.source is not None
    before, after, lost = (
        listing(photo.source),
        listing(written),
        losses(photo.source, written, photo.format, file_format),
    )
    if before is None:
        return
    if after is None or lost is None:
        yield "not read by exiv2", "lost"
        return
    for key, values in before.items():
        is_placeless = key.startswith("Iptc.") and file_format in ("png", "webp")
        other = "lost" if key in lost else "no place" if is_placeless else "changed"
        fate = "kept" if after.get(key) == values else other
        yield "exiv2 maker notes" if is_inside_note(key) else f"exiv2 {key.partition('.')[0]}", fate


def main() -> None:
    """Prints a table for each format."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args()
    suffixes = PHOTO_SUFFIXES - RAW_SUFFIXES
    paths = sorted(path for path in arguments.folder.iterdir() if path.suffix.lower() in suffixes)
    counts: dict[str, Counts] = {name: Counter() for name in FORMATS}
    with tempfile.TemporaryDirectory() as folder:
        for path in paths[: arguments.limit]:
            photo = read_photo(path)
            for name in FORMATS:
                target = Path(folder) / f"{path.stem}{FORMAT_SUFFIXES[name]}"
                try:
                    write_photo(photo, target)
                except NspError as error:
                    print(f"{name}: {error.message}")
                    counts[name]["refused", "lost"] += 1
                    continue
                counts[name].update(by_nsp(photo, target, name))
                counts[name].update(by_exiv2(photo, target, name))
                target.unlink()
    for name in FORMATS:
        show(name, counts[name])


def show(name: str, counts: Counts) -> None:
    """Prints the counts for one format."""
    print(f"\n{name:22}", *(f"{fate:>9}" for fate in FATES))
    rest = sorted({kind for kind, _ in counts} - set(KINDS))
    for kind in (*KINDS, *rest):
        print(f"{kind:22}", *(f"{counts[kind, fate]:9}" for fate in FATES))


if __name__ == "__main__":
    main()

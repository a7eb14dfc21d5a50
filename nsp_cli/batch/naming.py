"""Names of results, decided before any work is done. No two results share a name."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from nsp_cli.batch.addresses import Address
from nsp_cli.batch.discover import Found
from nsp_cli.errors import InputError, OutputError
from nsp_cli.photo import FORMAT_SUFFIXES, WRITABLE_SUFFIXES, format_of, result_suffix

# What file systems allow, in bytes.
_LONGEST_NAME = 255


@dataclass(frozen=True)
class Job:
    """One photo and the file of its result.

    Attributes:
        source: File or address of the photo.
        target: File or address of the result.
        size: Bytes of a photo at an address, as far as they are known; else 0.
    """

    source: Path
    target: Path
    size: int = 0


def plan_jobs(
    photos: Sequence[Found], *, output: Path | None, ending: str, file_format: str | None = None
) -> list[Job]:
    """Decides where every photo's result goes.

    Beside the photo, a result is called `name<ending>.ext`. In another folder it keeps the photo's name and
    the folders that the photo was found in. If `output` names a file, the result is that file.
    `result_suffix` chooses the suffix. If two results would get the same name, also on file systems that
    do not tell A from a, both get the photo's suffix: `a-jpg.png`, `a-png.png`.

    Args:
        photos: The inputs.
        output: A folder, or for a single photo a file name with a known suffix. None means beside the photo.
        ending: Added to the name, such as "_denoised".
        file_format: A name in the registry of formats; None keeps the photo's suffix.

    Raises:
        OutputError: Several photos would go to a single file, `output` is neither a folder nor the name of
            a format that nsp writes, or a photo that was named is also a result.
        InputError: All photos found are results of earlier runs.
    """
    if output is not None and _names_a_file(output):
        if len(photos) > 1:
            raise OutputError(
                f"{output} is a single file, but there are {len(photos)} photos.", "Name a folder with -o."
            )
        if file_format not in (None, format_of(output)):
            raise OutputError(
                f"The suffix of {output} contradicts --format {file_format}.", "Leave --format out."
            )
        return [Job(photos[0].path, output, photos[0].size)]
    namer = _Namer(output, ending, file_format)
    photos = _without_results(photos, namer)
    if not photos:
        raise InputError(
            "All of these photos are results of nsp.", "Name the photos that they were made from."
        )
    return _with_own_names(photos, namer)


def _names_a_file(output: Path) -> bool:
    if output.is_dir() or not output.suffix:
        return False
    if isinstance(output, Address):  # nothing tells whether it is a folder, and a bucket may have a suffix
        return len(output.parts) > 2 and output.suffix.lower() in WRITABLE_SUFFIXES
    if output.suffix.lower() not in WRITABLE_SUFFIXES:
        raise OutputError(
            f"{output} is not a folder, and {output.suffix} is not a format that nsp writes.",
            f"Create the folder first, or use one of {', '.join(sorted(WRITABLE_SUFFIXES))}.",
        )
    return True


@dataclass(frozen=True)
class _Namer:
    output: Path | None
    ending: str
    file_format: str | None

    def target(self, photo: Found, tag: str = "") -> Path:
        path = photo.path
        suffix = FORMAT_SUFFIXES[self.file_format] if self.file_format else result_suffix(path)
        folder = path.parent if self.output is None else self.output / photo.below
        ending = self.ending if folder.resolve() == path.parent.resolve() else ""
        return folder / _fitting(path.stem, f"{tag}{ending}{suffix}")


def _fitting(stem: str, rest: str) -> str:
    """Joins a name. If it is too long for a file system, it is cut, and a checksum keeps it unique."""
    if len(os.fsencode(stem + rest)) <= _LONGEST_NAME:
        return stem + rest
    checksum = "-" + hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]
    room = _LONGEST_NAME - len(os.fsencode(checksum + rest))
    return os.fsencode(stem)[:room].decode("utf-8", "ignore") + checksum + rest


def _without_results(photos: Sequence[Found], namer: _Namer) -> list[Found]:
    """Leaves out results that an earlier run made from others of these photos.

    Raises:
        OutputError: Such a photo was named itself, so that it is unclear what the user means.
    """
    makers = {_key(namer.target(photo)): photo for photo in photos}

    def is_result(photo: Found) -> bool:
        return makers.get(_key(photo.path), photo) is not photo

    for photo in filter(is_result, photos):
        if photo.is_named:
            maker = makers[_key(photo.path)].path
            raise OutputError(
                f"{photo.path} is one of the photos, but the result of {maker} would go there.",
                "Leave one of the two out, or choose another folder with -o.",
            )
    return [photo for photo in photos if not is_result(photo)]


def _with_own_names(photos: Sequence[Found], namer: _Namer) -> list[Job]:
    plain = [namer.target(photo) for photo in photos]
    wanted = Counter(map(_key, plain))
    taken = {key for key, times in wanted.items() if times == 1}
    jobs = []
    for photo, target in zip(photos, plain, strict=True):
        if wanted[_key(target)] > 1:
            target = _free(photo, namer, taken)  # noqa: PLW2901 - the same target, renamed
            taken.add(_key(target))
        jobs.append(Job(photo.path, target, photo.size))
    return jobs


def _free(photo: Found, namer: _Namer, taken: set[str]) -> Path:
    tag = f"-{photo.path.suffix[1:].lower()}"
    tags = (tag if number == 1 else f"{tag}-{number}" for number in count(1))
    return next(target for target in (namer.target(photo, tag) for tag in tags) if _key(target) not in taken)


def _key(target: Path) -> str:
    # Many file systems do not tell A.jpg from a.jpg.
    return os.path.normcase(target.absolute()).lower()

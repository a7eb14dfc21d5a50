"""A page that shows photos before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from nsp_cli import __version__
from nsp_cli.files import write_text
from nsp_cli.noise.estimation import estimate_noise
from nsp_cli.ops.pixels import pixels_to_tensor, tensor_to_pixels
from nsp_cli.photo import Pixels, camera_facts, srgb_pixels
from nsp_cli.report.chart import draw_noise_curve
from nsp_cli.report.pages import render
from nsp_cli.report.pictures import REGION_SIDE, Packed, pack_within
from nsp_cli.report.regions import choose_regions
from nsp_cli.report.versions import Version
from nsp_cli.restoration.planning import RestorationPlan, plan_restoration
from nsp_cli.restoration.view import view_of

# Attachments in mails grow by a third; the usual limit is 25 MB.
MOST_MEGABYTES = 18.0
# Bytes; with less, a photo is only named.
_LEAST_ROOM = 40_000
# Bytes; with less, the noise curve is left out.
_CURVE_ROOM = 150_000
# Bytes for a photo's entry in the index and in the footer.
_AROUND = 1_500
_NO_ROOM = "no room on this page"


@dataclass(frozen=True, eq=False)
class PhotoComparison:
    """A photo and its results. The first version is the photo itself."""

    name: str
    versions: Sequence[Version]


@dataclass(frozen=True)
class NotShown:
    """A photo that the page cannot show, and the reason."""

    name: str
    reason: str


@dataclass
class PageSummary:
    """What a page contains.

    Attributes:
        size: Size of the file in bytes.
        summaries: For each photo on the page, a description of what is shown.
        not_shown: The other photos.
    """

    size: int = 0
    summaries: list[str] = field(default_factory=list)
    not_shown: list[NotShown] = field(default_factory=list)


def write_comparison(
    path: Path,
    comparisons: Iterable[PhotoComparison | NotShown],
    count: int,
    *,
    title: str,
    most_megabytes: float = MOST_MEGABYTES,
) -> PageSummary:
    """Writes one HTML file that needs no other files and no network. An existing file is replaced.

    Args:
        path: The page.
        comparisons: Photos; only one is in memory at a time.
        count: Number of photos. They share the room evenly; room that one does not use goes to the next.
        title: Title of the page.
        most_megabytes: Largest size of the file in millions of bytes. If it is small, whole photos are
            coarser, crops are fewer and smaller, curves are left out, and the last photos are only named.

    Raises:
        OutputError: The page cannot be written.
    """
    written = PageSummary()
    entries: list[_Entry] = []
    empty = _Entry(Packed({"name": ""}, 0), "", "")
    room = int(most_megabytes * 1e6) - len(_page(title, [empty], written, most_megabytes).encode())
    for index, comparison in enumerate(comparisons):
        share = room // max(1, min(count - index, room // _LEAST_ROOM))
        entry = (
            _entry(comparison, len(entries), share) if isinstance(comparison, PhotoComparison) else comparison
        )
        if isinstance(entry, _Entry) and entry.size > room:
            entry = NotShown(entry.name, _NO_ROOM)
        if isinstance(entry, NotShown):
            written.not_shown.append(entry)
            room -= 2 * len((entry.name + entry.reason).encode()) + 60
        else:
            entries.append(entry)
            written.summaries.append(entry.packed.data["summary"])
            room -= entry.size
    text = _page(title, entries, written, most_megabytes)
    write_text(path, text)
    written.size = path.stat().st_size
    return written


@dataclass(frozen=True)
class _Entry:
    packed: Packed
    html: str
    noise: str

    @property
    def name(self) -> str:
        return str(self.packed.data["name"])

    @property
    def size(self) -> int:
        return self.packed.size + len(self.html.encode()) + _AROUND


def _page(title: str, entries: Sequence[_Entry], written: PageSummary, most_megabytes: float) -> str:
    return render(
        "comparison.html.j2",
        title=title,
        entries=entries,
        not_shown=written.not_shown,
        most=f"{most_megabytes:g}",
        version=__version__,
    )


def _entry(comparison: PhotoComparison, number: int, room: int) -> _Entry | NotShown:
    if room < _LEAST_ROOM:
        return NotShown(comparison.name, _NO_ROOM)
    versions = comparison.versions
    plans = [_measured(version) for version in versions]
    pictures, colours = _alike(versions)
    named = {version.name: picture for version, picture in zip(versions, pictures, strict=True)}
    html = render(
        "photo.html.j2",
        number=number,
        name=comparison.name,
        shot=camera_facts(versions[0].photo).describe(),
        curve=_curve(versions, plans) if room > _CURVE_ROOM else "",
        versions=list(_facts(versions, plans, colours)),
    )
    regions = choose_regions(pictures[0], pictures[-1], REGION_SIDE)
    packed = pack_within(comparison.name, named, regions, room - len(html.encode()) - _AROUND)
    noise = " → ".join(_levels(plan) for plan in (plans[0], plans[-1]))
    return _Entry(packed, html, f"noise {noise}")


def _measured(version: Version) -> RestorationPlan:
    pixels = pixels_to_tensor(version.photo.seen_pixels)
    return plan_restoration(pixels, is_blind_spot=False, view=view_of(version.photo, pixels))


def _curve(versions: Sequence[Version], plans: Sequence[RestorationPlan]) -> str:
    seen = (
        plan.view.picture(pixels_to_tensor(version.photo.seen_pixels))
        for version, plan in zip(versions, plans, strict=True)
    )
    return draw_noise_curve([(v.name, estimate_noise(one)) for v, one in zip(versions, seen, strict=True)])


def _alike(versions: Sequence[Version]) -> tuple[list[Pixels], list[str]]:
    """Returns sRGB pixels of all versions in the size of the largest, and notes about their colours."""
    pictures, colours = zip(*(srgb_pixels(version.photo) for version in versions), strict=True)
    height, width = max(picture.shape[:2] for picture in pictures)
    return [_enlarged(picture, height, width) for picture in pictures], list(colours)


def _enlarged(picture: Pixels, height: int, width: int) -> Pixels:
    """Returns a picture enlarged by repeating pixels, so that nothing is smoothed."""
    if picture.shape[:2] == (height, width):
        return picture
    image = pixels_to_tensor(np.ascontiguousarray(picture))[None]
    enlarged = functional.interpolate(image.to(torch.uint8), size=(height, width), mode="nearest-exact")
    return np.ascontiguousarray(tensor_to_pixels(enlarged[0]))


def _levels(plan: RestorationPlan) -> str:
    luma, chroma = plan.levels
    return f"{luma:.1f}/{chroma:.1f}"


def _facts(
    versions: Sequence[Version], plans: Sequence[RestorationPlan], colours: Sequence[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields the name of each version, and facts about it by label."""
    for version, plan, colour in zip(versions, plans, colours, strict=True):
        photo = version.photo
        facts = {
            "file": version.file,
            "picture": f"{photo.width}×{photo.height}, {photo.bit_depth} bits, {photo.format}",
            "measured": plan.describe(),
            "colours": colour,
        }
        yield version.name, facts | _making(version, versions[0])


def _making(version: Version, before: Version) -> dict[str, str]:
    made = version.made
    if made is None:
        return {}
    settings = ", ".join(f"{name} {value}" for name, value in version.settings.items() if value is not None)
    is_of_it = "yes, by checksum" if made.source == before.sha256 else "no, of another file"
    return {
        "made by": f"nsp {made.version}",
        "settings": settings or made.settings,
        "weights": made.weights,
        "weights’ sha256": made.weights_sha256,
        f"made of {before.file}": is_of_it,
    }

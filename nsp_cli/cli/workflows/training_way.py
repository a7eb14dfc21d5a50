"""Which network nsp train adapts by default: that for pictures, or that for what Bayer sensors saw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

# RAW files to look into: a photo of a few cameras tells for the others, and each may take half a second.
_LOOKED_AT = 20


def find_way(folders: Sequence[Path]) -> tuple[bool, str]:
    """Whether all photos of some folders are camera RAW of Bayer sensors, and what to tell the user of it.

    What cannot be read does not count. Nothing is to be told of folders without camera RAW.

    Raises:
        InputError: A folder does not exist.
    """
    from nsp_cli.photo import RAW_SUFFIXES
    from nsp_cli.training.data.pool import find_each_once

    paths = find_each_once(folders)
    raws = [path for path in paths if path.suffix.lower() in RAW_SUFFIXES]
    others = [path for path in paths if path.suffix.lower() not in RAW_SUFFIXES]
    looked_at = others + raws[:: -(-len(raws) // _LOOKED_AT) or 1]
    reasons = {path: why for path in looked_at if (why := _why_not(path)) is not None}
    are_bayer = [path for path, why in reasons.items() if not why]
    missing = [f"{path} ({why})" for path, why in reasons.items() if why]
    if not are_bayer:
        return False, ""
    if not missing:
        return True, (
            "All photos are camera RAW of Bayer sensors, so nsp-raw is adapted to what the sensors saw. "
            "For nsp-fast and developed photos, add --from nsp-fast."
        )
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return False, (
        f"nsp-fast is adapted to developed photos, because not all are camera RAW of Bayer sensors: "
        f"{missing[0]}{more}. To adapt nsp-raw to the others alone, add --from nsp-raw."
    )


def _why_not(path: Path) -> str | None:
    """Why a photo is not camera RAW of a Bayer sensor; empty if it is, None if it cannot be read."""
    from nsp_cli.errors import InputError
    from nsp_cli.photo import why_no_mosaic

    try:
        return why_no_mosaic(path)
    except InputError:
        return None

"""Where a result comes from, in its XMP: so that a later run, or a person years later, can tell.

Stored as attributes of one rdf:Description of nsp's own, beside whatever the photo's packet says. It is
found again as Adobe meant XMP to be found, by scanning the file for it, whatever the file's format is.
"""

from __future__ import annotations

import dataclasses
import html
import mmap
import re
from dataclasses import dataclass, fields
from pathlib import Path
from xml.sax.saxutils import quoteattr

from nsp_cli.photo.photo import Photo

NAMESPACE, PREFIX = "urn:nsp-cli:provenance:1#", "nsp"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_EMPTY_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}"></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="w"?>'
).encode()
_OWN = re.compile(rb"<rdf:Description[^<>]*" + re.escape(NAMESPACE.encode()) + rb"[^<>]*/>")
_RDF_END = b"</rdf:RDF>"
# Of one description; a file that only claims to hold one must not cost time.
_LONGEST = 16_384


@dataclass(frozen=True)
class Provenance:
    """What made a result of which photo.

    Attributes:
        source: sha256 of the photo's file.
        weights: The weights' name.
        weights_sha256: Of the weights file.
        settings: Everything else that decides about the pixels and the file, as text.
        version: nsp's.
    """

    source: str
    weights: str
    weights_sha256: str
    settings: str
    version: str

    def is_repeated_by(self, other: Provenance, *, same_version: bool = False) -> bool:
        """Tells whether the other would make the same result; the weights' name does not count."""

        def key(one: Provenance) -> tuple[str, ...]:
            return (
                one.source,
                one.weights_sha256,
                one.settings,
                one.version if same_version else "",
            )

        return key(self) == key(other)


def with_provenance(photo: Photo, provenance: Provenance) -> Photo:
    """Returns the photo with the provenance in its XMP, in place of an older one.

    A packet that cannot be added to (not UTF-8, or no RDF) stays as it is, and a note says so.
    """
    packet = _OWN.sub(b"", photo.xmp or _EMPTY_PACKET)
    before, end, after = packet.rpartition(_RDF_END)
    if not end:
        return photo.with_notes("its XMP could not be added to; weights and settings are not recorded there")
    return dataclasses.replace(photo, xmp=before + _description(provenance) + end + after)


def _description(provenance: Provenance) -> bytes:
    values = "".join(
        f" {PREFIX}:{field.name}={quoteattr(getattr(provenance, field.name))}" for field in fields(Provenance)
    )
    return f'<rdf:Description rdf:about="" xmlns:rdf="{_RDF}" xmlns:{PREFIX}="{NAMESPACE}"{values}/>'.encode()


def read_provenance(path: Path) -> Provenance | None:
    """Finds what made a file; None where nsp did not, or where it does not say.

    Nothing is decoded: a file of 100 MB takes a few hundredths of a second.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            place = content.find(NAMESPACE.encode())
            found = content[max(0, place - 200) : place + _LONGEST] if place >= 0 else b""
    except (OSError, ValueError):  # gone, not to be read, or empty
        return None
    own = _OWN.search(found)
    return None if own is None else _parse(own[0].decode("utf-8", "replace"))


def _parse(description: str) -> Provenance | None:
    pairs = re.findall(PREFIX + r""":(\w+)=(?:"([^"]*)"|'([^']*)')""", description)
    values = {name: html.unescape(double or single) for name, double, single in pairs}
    names = [field.name for field in fields(Provenance)]
    return Provenance(**{name: values[name] for name in names}) if values.keys() >= set(names) else None

"""The origin of a result, recorded in its XMP for later runs, and for people years later.

It is stored as attributes of one rdf:Description of nsp's own, beside what the photo's packet says. nsp
finds it by scanning the file, whatever the format is: XMP packets are made to be found that way.
"""

from __future__ import annotations

import dataclasses
import html
import mmap
import re
from dataclasses import dataclass, fields
from pathlib import Path
from xml.sax.saxutils import quoteattr

from nsp_cli.photo.metadata.xmp import properties
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
# Bytes of one description. A file that only claims to hold one must not cost time.
_LONGEST = 16_384


@dataclass(frozen=True)
class Provenance:
    """The photo, the weights and the settings that a result was made from.

    Attributes:
        source: sha256 of the photo's file.
        weights: The weights' name.
        weights_sha256: sha256 of the weights file.
        settings: Everything else that affects the pixels and the file, as text.
        version: Version of nsp.
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

    A packet that cannot be added to (not well-formed, or no RDF) stays as it is, and a note says so.
    """
    packet = _OWN.sub(b"", photo.xmp or _EMPTY_PACKET)
    before, end, after = packet.rpartition(_RDF_END)
    if not end or not _is_sound(packet):
        return photo.with_notes("weights and settings are not recorded: they could not be added to its XMP")
    return dataclasses.replace(photo, xmp=before + _description(provenance) + end + after)


def _is_sound(packet: bytes) -> bool:
    """Tells whether a packet can be read; in a damaged one nobody would find an addition."""
    try:
        properties(packet)
    except ValueError:
        return False
    return True


def _description(provenance: Provenance) -> bytes:
    values = "".join(
        f" {PREFIX}:{field.name}={quoteattr(getattr(provenance, field.name))}" for field in fields(Provenance)
    )
    return f'<rdf:Description rdf:about="" xmlns:rdf="{_RDF}" xmlns:{PREFIX}="{NAMESPACE}"{values}/>'.encode()


def read_provenance(path: Path) -> Provenance | None:
    """Reads the provenance of a file; None if nsp did not make it, or if it holds none.

    Nothing is decoded: a file of 100 MB takes a few hundredths of a second.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            place = content.find(NAMESPACE.encode())
            found = content[max(0, place - 200) : place + _LONGEST] if place >= 0 else b""
    except (OSError, ValueError):  # missing, unreadable or empty
        return None
    own = _OWN.search(found)
    return None if own is None else _parse(own[0].decode("utf-8", "replace"))


def _parse(description: str) -> Provenance | None:
    pairs = re.findall(PREFIX + r""":(\w+)=(?:"([^"]*)"|'([^']*)')""", description)
    values = {name: html.unescape(double or single) for name, double, single in pairs}
    names = [field.name for field in fields(Provenance)]
    return Provenance(**{name: values[name] for name in names}) if values.keys() >= set(names) else None

"""Where the properties of an XMP packet are in its text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
# Lists of ancestors (Photoshop) have some 100,000 elements. Expat takes a minute for 500,000 attributes of
# one element, and some seconds for these.
_MOST_TAGS, _MOST_ATTRIBUTES = 2**19, 2**17
_TAG = re.compile(rb"<(?:\"[^\"]*\"|'[^']*'|[^>\"'])*>")
_ATTRIBUTE = re.compile(rb"(?<!\s)\s+([\w.-]+:[\w.-]+)\s*=\s*(?:\"[^\"]*\"|'[^']*')")


@dataclass
class Description:
    """One `rdf:Description` that holds properties: where they are, and what they need around them."""

    about: str
    namespaces: dict[str, str]  # prefixes in scope
    parts: list[tuple[int, int, bool]] = field(default_factory=list)  # start, end, is an attribute


def check_plausible(packet: bytes) -> None:
    """Refuses a document type, and more parts than any program writes, before a parser sees them.

    Raises:
        ValueError: It has one of both.
    """
    attributes = packet.count(b'="') + packet.count(b"='")
    if packet.count(b"<") > _MOST_TAGS or attributes > _MOST_ATTRIBUTES:
        raise ValueError(f"XMP of so many tags or {attributes} attributes is not plausible")
    # XMP has no document type, and entities declared in one could fill the memory.
    if b"<!" in packet.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        raise ValueError("XMP declares a document type")


def scan(packet: bytes) -> tuple[list[Description], int, int]:
    """Returns the descriptions, and where the content of the RDF element begins and ends.

    Raises:
        ValueError: The packet is damaged, or not in UTF-8, so that its bytes cannot be counted.
    """
    packet.decode("utf-8")
    check_plausible(packet)
    scanner = _Scanner(packet)
    try:
        scanner.run()
    except expat.ExpatError as error:
        raise ValueError(f"XMP is not well-formed: {error}") from error
    if not scanner.descriptions or scanner.last < 0:
        raise ValueError("XMP holds no properties")
    return scanner.descriptions, scanner.first, scanner.last


class _Scanner:
    """Finds where properties are, by the parser's own count of bytes."""

    def __init__(self, packet: bytes) -> None:
        self.packet = packet
        self.descriptions: list[Description] = []
        self.first = self.last = -1
        self._depth, self._rdf, self._start = 0, -1, 0
        self._scopes: list[tuple[int, str, str]] = []  # depth, prefix, address
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartNamespaceDeclHandler = self._declare
        self._parser.StartElementHandler = self._open
        self._parser.EndElementHandler = self._close

    def run(self) -> None:
        self._parser.Parse(self.packet, True)

    def _declare(self, prefix: str | None, address: str) -> None:
        if prefix:
            self._scopes.append((self._depth + 1, prefix, address))

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        place = self._parser.CurrentByteIndex
        if name == f"{RDF} RDF" and self._rdf < 0:
            self._rdf, self.first = self._depth, self._tag_end(place)
        elif self._rdf > 0 and self._depth == self._rdf + 1:
            scope = {prefix: address for _, prefix, address in self._scopes}
            description = Description(attributes.get(f"{RDF} about", ""), scope)
            self.descriptions.append(description)
            tag = self.packet[place : self._tag_end(place)]
            for match in _ATTRIBUTE.finditer(tag):
                if not match[1].startswith((b"xmlns:", b"rdf:", b"xml:")):
                    description.parts.append((place + match.start(), place + match.end(), True))
        elif self._rdf > 0 and self._depth == self._rdf + 2:
            self._start = place

    def _close(self, _name: str) -> None:
        place = self._parser.CurrentByteIndex
        if self._depth == self._rdf:
            self.last, self._rdf = place, 0
        elif self._rdf > 0 and self._depth == self._rdf + 2:
            self.descriptions[-1].parts.append((self._start, self._tag_end(place), False))
        self._scopes = [scope for scope in self._scopes if scope[0] < self._depth]
        self._depth -= 1

    def _tag_end(self, place: int) -> int:
        match = _TAG.match(self.packet, place)
        if match is None:
            raise ValueError("XMP has an unfinished tag")
        return match.end()

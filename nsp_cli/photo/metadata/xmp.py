"""XMP packets: what properties they hold, and how a JPEG's two parts become one packet and two again.

A JPEG segment ends at 64 KB; what exceeds it goes into an "extended" packet of its own, in portions.
Packets are cut and joined as text, so that every property stays as its program spelled it.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Iterable
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from nsp_cli.photo.metadata.xmp_scanning import RDF, Description, check_plausible, scan

_NOTE = "http://ns.adobe.com/xmp/note/"
# White space is matched from its start only: a long run would otherwise be tried from every place in it.
_POINTER = re.compile(
    rb"(?<!\s)\s+xmpNote:HasExtendedXMP\s*=\s*(?:\"(\w*)\"|'(\w*)')"
    rb"|<xmpNote:HasExtendedXMP\s*>\s*(\w*)\s*</xmpNote:HasExtendedXMP\s*>"
)
_QUALIFIED = re.compile(rb"([\w.-]+):([\w.-]+)")
_PADDING = re.compile(rb"(?<!\s)\s+(?=<\?xpacket end)")
_PORTION = struct.Struct(">32sII")  # of a JPEG's extended XMP: GUID, length of the whole, place in it
_DEEPEST = 200


def properties(packet: bytes) -> dict[str, str]:
    """Returns every property and part of one by its path, such as "{namespace}subject/{…}Bag/{…}li[0]".

    Raises:
        ValueError: The packet is not well-formed XMP.
    """
    found: dict[str, str] = {}
    for description in _rdf(packet):
        for name, value in description.attrib.items():
            if name != f"{{{RDF}}}about":
                found[name] = value
        for element in description:
            _flatten(element, element.tag, found)
    return found


def _rdf(packet: bytes) -> ElementTree.Element:
    check_plausible(packet)
    try:
        root = ElementTree.fromstring(packet.strip(b"\0 \r\n\t"))
    except ElementTree.ParseError as error:
        raise ValueError(f"XMP is not well-formed: {error}") from error
    rdf = root if root.tag == f"{{{RDF}}}RDF" else root.find(f".//{{{RDF}}}RDF")
    if rdf is None:
        raise ValueError("XMP holds no RDF")
    return rdf


def _flatten(element: ElementTree.Element, path: str, found: dict[str, str]) -> None:
    if path.count("/{") > _DEEPEST:
        raise ValueError("XMP is nested too deep")
    for name, value in element.attrib.items():
        found[f"{path}/@{name}"] = value
    if len(element) == 0:
        found[path] = (element.text or "").strip()
    seen: dict[str, int] = {}
    for child in element:
        place = seen[child.tag] = seen.get(child.tag, -1) + 1
        _flatten(child, f"{path}/{child.tag}[{place}]", found)


def joined(main: bytes | None, portions: list[bytes]) -> tuple[bytes | None, bool]:
    """Returns a JPEG's whole XMP as one packet, and whether its extended part is complete and in it.

    Args:
        main: The main packet.
        portions: The extended segments, without the address that begins them.
    """
    if not portions:
        return main, True
    if main is None:
        return None, False
    try:
        return _merged(main, _assembled(portions, _guid(main))), True
    except (ValueError, struct.error):
        return main, False


def _guid(main: bytes) -> bytes:
    match = _POINTER.search(main)
    if match is None:
        raise ValueError("the main packet names no extended one")
    return next(group for group in match.groups() if group is not None)


def _assembled(portions: list[bytes], guid: bytes) -> bytes:
    parts: dict[int, bytes] = {}
    total = 0
    for portion in portions:
        name, length, place = _PORTION.unpack_from(portion)
        if name == guid:
            parts[place], total = portion[_PORTION.size :], length
    whole = b"".join(parts[place] for place in sorted(parts))
    if len(whole) != total:
        raise ValueError("the extended packet is incomplete")
    return whole


def _merged(main: bytes, extension: bytes) -> bytes:
    """Puts the extension's descriptions after those of the main packet.

    Raises:
        ValueError: One of the packets is damaged, or a property did not arrive.
    """
    wanted = properties(main) | properties(extension)
    wanted.pop(f"{{{_NOTE}}}HasExtendedXMP", None)
    plain = _POINTER.sub(b"", main)
    _, _, end = scan(plain)
    _, first, last = scan(extension)
    merged = plain[:end] + extension[first:last] + plain[end:]
    found = properties(merged)
    if any(found.get(name) != value for name, value in wanted.items()):
        raise ValueError("the extended packet cannot be joined to the main one")
    return merged


def without(packet: bytes, names: tuple[str, ...]) -> bytes:
    """Returns a packet without the properties whose names, "{namespace}name", begin with one of these.

    Raises:
        ValueError: The packet is damaged.
    """
    return edited(packet, names, lambda _: b"")


def edited(packet: bytes, names: tuple[str, ...], edit: Callable[[bytes], bytes]) -> bytes:
    """Returns a packet with the text of properties as `edit` makes it.

    Args:
        packet: The packet.
        names: Beginnings of the properties' names, as for `without`.
        edit: Returns the new text of a property from that which it has.

    Raises:
        ValueError: The packet is damaged.
    """
    descriptions, _, _ = scan(packet)
    places = [
        (first, last)
        for each in descriptions
        for first, last, _ in each.parts
        if _name(packet[first:last], each.namespaces).startswith(names)
    ]
    return replaced(packet, sorted(places), edit)


def replaced(text: bytes, places: Iterable[tuple[int, int]], edit: Callable[[bytes], bytes]) -> bytes:
    """Returns a text with what is at some places, in their order, as `edit` makes it."""
    made, done = list[bytes](), 0
    for first, last in places:
        made += [text[done:first], edit(text[first:last])]
        done = last
    return b"".join((*made, text[done:]))


def _name(part: bytes, namespaces: dict[str, str]) -> str:
    """Returns the full name of a property from its text, an attribute or an element."""
    found = _QUALIFIED.search(part)
    if found is None:
        return ""
    prefix, name = found[1].decode(), found[2].decode()
    return f"{{{namespaces.get(prefix, '')}}}{name}"


def split(packet: bytes, limit: int) -> tuple[bytes, bytes | None]:
    """Cuts a packet so that its main part has at most `limit` bytes, the largest properties going first.

    Returns:
        The main packet, which names the other, and the extended one; None if all fits.

    Raises:
        ValueError: It cannot be cut to that size.
    """
    if len(packet) <= limit:
        return packet, None
    packet = _POINTER.sub(b"", _PADDING.sub(b"\n", packet))
    if len(packet) <= limit:
        return packet, None
    descriptions, _, end = scan(packet)
    parts = [(last - first, first, last) for each in descriptions for first, last, _ in each.parts]
    size, moved = len(packet) + len(_pointer(bytes(32), descriptions)), set()
    for length, first, last in sorted(parts, reverse=True):
        if size <= limit:
            break
        moved.add((first, last))
        size -= length
    if size > limit:
        raise ValueError("no property can be moved")
    extension = _extension(packet, descriptions, moved)
    guid = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper().encode()
    main = packet[:end] + _pointer(guid, descriptions) + packet[end:]
    return replaced(main, sorted(moved), lambda _: b""), extension  # all before the pointer


def portions(extension: bytes, size: int) -> list[bytes]:
    """Returns the portions of an extended packet, each of at most `size` bytes."""
    guid = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper().encode()
    step = size - _PORTION.size
    return [
        _PORTION.pack(guid, len(extension), place) + extension[place : place + step]
        for place in range(0, len(extension), step)
    ]


def _pointer(guid: bytes, descriptions: list[Description]) -> bytes:
    return _opened(descriptions[0].about, {"xmpNote": _NOTE}) + b' xmpNote:HasExtendedXMP="' + guid + b'"/>'


def _opened(about: str, namespaces: dict[str, str]) -> bytes:
    """Begins a description of our own. Its prefix for RDF is "rdf", even if the packet uses another."""
    names = {**namespaces, "rdf": RDF}
    declared = "".join(f" xmlns:{prefix}={quoteattr(address)}" for prefix, address in names.items())
    return f"<rdf:Description{declared} rdf:about={quoteattr(about)}".encode()


def _extension(packet: bytes, descriptions: list[Description], moved: set[tuple[int, int]]) -> bytes:
    body = b""
    for each in descriptions:
        parts = [part for part in each.parts if part[:2] in moved]
        if parts:
            attributes, elements = (
                b"".join(packet[first:last] for first, last, is_attribute in parts if is_attribute == wanted)
                for wanted in (True, False)
            )
            body += (
                _opened(each.about, each.namespaces) + attributes + b">" + elements + b"</rdf:Description>"
            )
    opening = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'.encode()
    return opening + body + b"</rdf:RDF></x:xmpmeta>"

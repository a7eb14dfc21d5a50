"""Reads nsp's pages as a browser would."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "img", "input", "br"}
# HTML lets these end by themselves.
OPEN_ENDED = {"p", "li", "dt", "dd", "option", "tr", "td", "th", "html"}


class Page(HTMLParser):
    """A page taken apart.

    Attributes:
        addresses: All that the page's elements point to.
        pictures: What the viewer is given.
        text: What is read, without scripts and styles.
        faults: Ends without a beginning and beginnings without an end.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.pictures: list[dict[str, Any]] = []
        self.text = ""
        self.faults: list[str] = []
        self._open: list[tuple[str, str]] = []
        self.source = text
        self.feed(text)
        self.close()
        self.faults += [tag for tag, _ in self._open if tag not in OPEN_ENDED]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [
            value or "" for name, value in attrs if name in {"src", "href", "srcset", "action"}
        ]
        if tag not in VOID:
            self._open.append((tag, given.get("class") or ""))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open[-1][0] in OPEN_ENDED and self._open[-1][0] != tag:
            self._open.pop()
        if not self._open or self._open.pop()[0] != tag:
            self.faults.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ("", "")
        if inside == ("script", "picture"):
            self.pictures.append(json.loads(data))
        elif inside[0] not in {"script", "style"}:
            self.text += data

    def is_self_contained(self) -> bool:
        """Tells whether nothing outside the page is named where a browser would fetch it."""
        style = re.findall(r"url\((?!#)|@import", self.source)
        return not style and all(address.startswith("data:") or not address for address in self.addresses)

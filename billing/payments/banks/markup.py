"""XML from a stranger: read one entry at a time, within limits, without document types, entities and the network.

A bomb needs one of three things: an entity (defusedxml refuses the document type that would define it), depth, or
sheer number. The last two are counted here, because the parser itself would build whatever fits into memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

DEPTH_MAX = 40
ENTRY_ELEMENTS_MAX = 500_000
"""A batch of ten thousand payments in one entry."""
OTHER_ELEMENTS_MAX = 1_000_000
"""In the whole file: headers, balances, parties."""


TAG_BYTES_MAX = 1024 * 1024
"""From one > to the next. The parser begins such a monster again with every piece that it is fed."""


class NotReadable(Exception):
    """The file is no such XML; the text says why."""


@dataclass(slots=True)
class _Walk:
    """Where the reader stands."""

    open: list[Element] = field(default_factory=list)
    wanted_depth: int = 0
    """Of the wanted element that is being read; 0 is outside any."""
    entry_elements: int = 0
    other_elements: int = 0

    def enter(self, element: Element, wanted: frozenset[str]) -> None:
        element.tag = str(element.tag).rpartition("}")[2]
        self.open.append(element)
        if not self.wanted_depth and element.tag in wanted:
            self.wanted_depth, self.entry_elements = len(self.open), 0
        if self.wanted_depth:
            self.entry_elements += 1
        else:
            self.other_elements += 1
        if len(self.open) > DEPTH_MAX:
            raise NotReadable(f"its elements are nested more than {DEPTH_MAX} deep")
        if self.entry_elements > ENTRY_ELEMENTS_MAX or self.other_elements > OTHER_ELEMENTS_MAX:
            raise NotReadable("has more elements than any statement")

    def leave(self, element: Element, containers: frozenset[str]) -> bool:
        """Whether the element that ends is one to hand out."""
        is_wanted = len(self.open) == self.wanted_depth
        self.open.pop()
        if is_wanted:
            self.wanted_depth = 0
        return is_wanted or (element.tag in containers and not self.wanted_depth)


def elements(data: bytes, containers: frozenset[str], wanted: frozenset[str]) -> Iterator[tuple[str, Element]]:
    """`("start", container)`, then each `("end", wanted)` inside it, and `("end", container)` with all the rest.

    Names come without their namespace. A wanted element is gone from its parent once the next one is asked for.
    """
    _require_short_tags(data)
    walk = _Walk()
    try:
        for event, element in iterparse(BytesIO(data), events=("start", "end"), forbid_dtd=True):
            if event == "start":
                walk.enter(element, wanted)
                if element.tag in containers and not walk.wanted_depth:
                    yield event, element
                continue
            if walk.leave(element, containers):
                yield event, element
                element.clear()
                if element.tag in wanted and walk.open:
                    walk.open[-1].remove(element)
    except ParseError as error:
        line, column = error.position
        raise NotReadable(f"not XML at line {line}, column {column + 1}: {error.msg}") from None
    except DefusedXmlException as error:
        kind = type(error).__name__.removesuffix("Forbidden")
        raise NotReadable(f"has a document type or entities ({kind}), which no bank writes") from None
    except (ValueError, LookupError) as error:
        raise NotReadable(f"is in an encoding that can't be read: {error}") from None


def _require_short_tags(data: bytes) -> None:
    window = TAG_BYTES_MAX // 2
    for start in range(0, len(data) - window, window):
        if data.find(b">", start, start + window) < 0:
            raise NotReadable("has a tag or a text longer than any in a statement")


def text(element: Element | None, *paths: str) -> str:
    """The text at the first path that has any; without a path, of the element itself."""
    if element is None:
        return ""
    if not paths:
        return (element.text or "").strip()
    return next((found for path in paths if (found := (element.findtext(path) or "").strip())), "")


def texts(element: Element | None, path: str) -> list[str]:
    return [] if element is None else [text(each) for each in element.iterfind(path) if text(each)]

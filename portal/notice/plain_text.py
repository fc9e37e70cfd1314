"""The words of a page as a person reads them: what an acknowledgement keeps. Pure."""

import re
from html.parser import HTMLParser

_BREAKS = frozenset({"h1", "h2", "p", "tr", "li", "table", "form", "button", "div", "ol"})
_CELLS = frozenset({"th", "td"})
_SPACES = re.compile(r"[ \t]*\n\s*|[ \t]{2,}")


class _Words(HTMLParser):
    """Collects the text of <main>, one line for each block, cells apart by a bar."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._is_inside = False
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_inside = self._is_inside or tag == "main"
        if tag == "img" and self._is_inside:
            self.parts.append(f"[{dict(attrs).get('alt') or ''}]")
        if tag in _BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "main":
            self._is_inside = False
        if tag in _CELLS:
            self.parts.append(" | ")
        if tag in _BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.parts.append(data.replace("\n", " "))


def plain_text(html: str) -> str:
    """The text of a page's <main>; the same page gives the same text."""
    words = _Words()
    words.feed(html)
    words.close()
    lines = (_SPACES.sub(" ", line).strip(" |") for line in "".join(words.parts).split("\n"))
    return "\n".join(line for line in lines if line)

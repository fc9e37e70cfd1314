"""What a worker process does: one typst compiler, kept, and document after document through it.

The compiler sees its template and its fonts and nothing else: no font of the machine, no package, no file.
"""

import json
import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, time
from multiprocessing.connection import wait
from pathlib import Path
from typing import Literal

import typst

from billing.invoicing.documents.document import Document
from billing.invoicing.documents.isdoc import isdoc
from billing.invoicing.documents.page import content

TEMPLATE = Path(__file__).parent / "templates" / "document.typ"
FONTS = Path(__file__).parent / "fonts"
PATIENCE_SECONDS = 20
"""A document takes some milliseconds; what takes longer than this hangs."""
_ARCHIVE: Literal["a-3a"] = "a-3a"
# PDF/A-3: fonts and meaning inside, readable after ten years, and another file (ISDOC) may be embedded.


@dataclass(frozen=True, slots=True)
class Look:
    """What the ISP chose about all documents."""

    logo: str = ""
    """SVG; empty: the seller's name stands there."""
    colour: str = "#0b4f8a"
    template: Path = TEMPLATE


class Typesetter:
    """A compiler, ready; the first document takes it longest."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._compiler = typst.Compiler(
            input=str(look.template), root=str(look.template.parent), font_paths=[str(FONTS)], ignore_system_fonts=True
        )

    def pdf(self, document: Document) -> bytes:
        """As PDF/A; where a name has a letter that no font of ours has, which PDF/A forbids, as a plain PDF.

        Raises `ValueError` with typst's own words when the template can't be set.
        """
        try:
            return self._compiled(document, _ARCHIVE)
        except typst.TypstError:
            pass
        try:
            return self._compiled(document, None)
        except typst.TypstError as error:
            raise ValueError(" ".join(error.diagnostic.split()) or error.message) from None

    def _compiled(self, document: Document, standard: Literal["a-3a"] | None) -> bytes:
        inputs = {
            "page": json.dumps(content(document)),
            "isdoc": isdoc(document).decode(),
            "logo": self._look.logo,
            "colour": self._look.colour,
        }
        # The PDF's own date is the document's and not the clock's, so that the same content gives the same bytes.
        issued_at = datetime.combine(document.issued_on, time(), UTC)
        pdf = self._compiler.compile(
            format="pdf",
            sys_inputs=inputs,
            pdf_standards=[standard] if standard else [],
            timestamp=int(issued_at.timestamp()),
        )
        assert isinstance(pdf, bytes)
        return pdf


_typesetter: Typesetter | None = None


def begin(look: Look) -> None:
    """Prepares a worker. Signals to the whole group are its parent's to answer; it ends with its parent."""
    global _typesetter
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    os.environ["RAYON_NUM_THREADS"] = "1"  # the pool is what uses the cores
    _typesetter = Typesetter(look)


def typeset(document: Document) -> bytes:
    """`Typesetter.pdf` of this worker; one that hangs is ended by its own alarm."""
    assert _typesetter is not None
    signal.alarm(PATIENCE_SECONDS)
    try:
        return _typesetter.pdf(document)
    finally:
        signal.alarm(0)


def _end_with(parent_sentinel: int) -> None:
    """A parent that was killed can tell nobody to stop."""
    wait([parent_sentinel])
    os._exit(0)

"""QR Platba: the payment as Czech banking applications scan it (SPAYD 1.0), and its picture.

Upper-case ASCII keeps the code in its alphanumeric mode, so it stays small enough for an old phone. `*` divides
attributes, so no value may bring one of its own: it is escaped, and `%` before it.
"""

import io
import re
import unicodedata
from datetime import date
from typing import TYPE_CHECKING

from billing.money import ZERO, Money

if TYPE_CHECKING:
    import segno

MESSAGE_CHARACTERS_MAX = 60
AMOUNT_MAX = Money(9_999_999_99)
"""AM has at most ten characters with the point."""

_SYMBOL = re.compile(r"[0-9]{1,10}")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}")
# Choosing the best of eight masks takes most of the time, and scanners read each of them.
_MASK = 2


def spayd(
    *,
    iban: str,
    amount: Money | None,
    currency: str,
    variable_symbol: str,
    specific_symbol: str = "",
    message: str = "",
    due_on: date | None = None,
) -> str:
    """The text of the QR code; without an amount (or with none that can be paid) the payer fills it in."""
    attributes = [
        ("ACC", _checked(_IBAN, "".join(iban.split()).upper(), "IBAN")),
        ("AM", str(amount) if amount is not None and ZERO < amount <= AMOUNT_MAX else ""),
        ("CC", _escaped(currency)),
        ("DT", f"{due_on:%Y%m%d}" if due_on else ""),
        ("MSG", _escaped(message, MESSAGE_CHARACTERS_MAX)),
        ("X-VS", _checked(_SYMBOL, variable_symbol, "variable symbol")),
        ("X-SS", _checked(_SYMBOL, specific_symbol, "specific symbol") if specific_symbol else ""),
    ]
    return "*".join(["SPD", "1.0", *(f"{name}:{value}" for name, value in attributes if value)])


def qr_svg(text: str) -> str:
    """The code as an SVG element to be put into a page; its size is the page's to say."""
    svg: str = _code(text).svg_inline(border=4, omitsize=True, svgclass="qr", lineclass=None)
    return svg


def qr_png(text: str) -> bytes:
    """The code as a picture to be attached to a mail."""
    picture = io.BytesIO()
    _code(text).save(picture, kind="png", scale=6, border=4)
    return picture.getvalue()


def _code(text: str) -> "segno.QRCode":
    import segno  # here: who orders a payment has a text, and seldom a picture of it

    return segno.make(text, error="m", mask=_MASK, micro=False)


def _checked(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(f"{value!r} is no {what}")
    return value


def _escaped(text: str, characters_max: int | None = None) -> str:
    """Upper-case ASCII without accents, one line, cut before it is escaped so that no escape is cut in two."""
    # What no letter of ASCII stands for is left out, and so are control characters.
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    printable = " ".join("".join(c if c.isprintable() else " " for c in ascii_text).split()).upper()
    return printable[:characters_max].rstrip().replace("%", "%25").replace("*", "%2A")

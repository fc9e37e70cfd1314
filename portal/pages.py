"""The pages of a zone as text: templates, the ISP's colours, and what every page has in common. Pure."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from billing.money import Money
from config.i18n import Language, Translator, translator
from config.settings import Settings

_TEMPLATES = Path(__file__).resolve().parent / "templates"
STATIC = Path(__file__).resolve().parent / "static"
_LIGHT_ENOUGH = 0.18
"""Relative luminance (WCAG 2.2) above which black text reads better on a colour than white."""

SECURITY_HEADERS = {
    "Server": "Hradlo",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Strict-Transport-Security": "max-age=31536000",
}
"""On every answer."""

Span = Literal["hour", "day", "month"]
_ROW: dict[Span, Literal["hour", "date"]] = {"hour": "hour", "day": "date"}
Section = tuple[str, str]
"""A path, and its name (a message id) in the navigation."""


class Pages:
    """Renders a zone's folder of templates, and those that all zones share, for one ISP."""

    def __init__(self, settings: Settings, zone: str, sections: Sequence[Section]) -> None:
        self._settings = settings
        self._environment = Environment(
            loader=FileSystemLoader([_TEMPLATES / zone, _TEMPLATES / "zone"]),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            isp=settings.isp, portal=settings.portal, sections=sections, version=self.version, has_logo=self.has_logo
        )

    @property
    def has_logo(self) -> bool:
        return self._settings.portal.logo is not None

    @cached_property
    def version(self) -> str:
        """Changes with the style, so that browsers may keep it for long."""
        content = b"".join(path.read_bytes() for path in sorted(STATIC.glob("portal.*"))) + self.brand_css.encode()
        return hashlib.sha256(content).hexdigest()[:12]

    @cached_property
    def brand_css(self) -> str:
        """The ISP's colour, and what is written on it."""
        colour = self._settings.portal.colour
        return (
            f":root {{ --brand: {colour}; --on-brand: {'#000' if luminance(colour) > _LIGHT_ENOUGH else '#fff'}; }}\n"
        )

    def render(self, template: str, language: Language, **values: Any) -> str:
        _ = translator(language)
        return self._environment.get_template(template).render(
            _=_,
            plural=_.plural,
            language=language,
            money=lambda amount: self._money(_, amount),
            price=lambda credit: _.price(credit.e4, self._settings.isp.currency),
            date=lambda day: unbroken(_.date(day)),
            at=lambda instant: self._at(_, instant),
            size=lambda count: data_size(_, count),
            size_in=lambda count, unit: data_size_in(_, count, unit),
            moment=lambda instant, span: self._moment(_, instant, span),
            moment_in_short=lambda instant, span: self._moment_in_short(_, instant, span),
            **values,
        )

    def _money(self, _: Translator, amount: Money) -> str:
        return _.money(amount.minor, self._settings.isp.currency)

    def _at(self, _: Translator, instant: datetime) -> str:
        return unbroken(_.datetime(instant, self._settings.zone))

    def _moment(self, _: Translator, instant: datetime, span: Span) -> str:
        """When an hour, a day or a month began, in a row of a table."""
        local = instant.astimezone(self._settings.zone)
        return unbroken(_.month(local.date()) if span == "month" else _.in_short(local, _ROW[span]))

    def _moment_in_short(self, _: Translator, instant: datetime, span: Span) -> str:
        """The same at the edge of a chart."""
        return unbroken(_.in_short(instant.astimezone(self._settings.zone), span))


def unbroken(text: str) -> str:
    """Keeps a date on one line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


_UNITS = {"TB": 10**12, "GB": 10**9, "MB": 10**6, "kB": 10**3, "B": 1}


def unit_of(count: int) -> str:
    """The unit in which people count so many bytes, in powers of ten."""
    return next((unit for unit, size in _UNITS.items() if count >= size), "B")


def data_size(_: Translator, count: int) -> str:
    """Bytes as people count them."""
    unit = unit_of(count)
    return f"{_.decimal(count / _UNITS[unit])}\N{NO-BREAK SPACE}{unit}"


def data_size_in(_: Translator, count: int, unit: str) -> str:
    """The number of a column whose head names the unit: always with one place, so that they stand in line."""
    return _.decimal(count / _UNITS[unit], places=0 if unit == "B" else 1)

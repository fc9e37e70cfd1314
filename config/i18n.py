"""What subscribers read, in their language.

English text is the message id; Czech stands in `locale/cs/LC_MESSAGES/hradlo.po`, read as it is at the first
use, so that no compiled artefact can be stale. Admin text (command line, logs, errors) is English only.

    _ = translator("cs")
    _("You owe {amount}.", amount=_.money(160_500, "CZK"))
    _.plural("{n} invoice", "{n} invoices", 3)

Templates get the translator as `_` and its `plural` under that name: extraction finds `_("…")`, `plural("…",
"…", n)` and `N_("…")` and nothing else. After adding text run `python -m config.messages`, then translate.
"""

import datetime as dt
import io
import re
from decimal import Decimal
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal

Language = Literal["cs", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

# Slovak speakers read Czech more easily than English.
_UNDERSTOOD_AS: dict[str, Language] = {"cs": "cs", "sk": "cs", "en": "en"}

_DATE = {"cs": "d. M. y", "en": "d MMMM y"}
_DATETIME = {"cs": "d. M. y H:mm", "en": "d MMMM y, HH:mm"}
_IN_SHORT = {
    "hour": {"cs": "d. M. H:mm", "en": "d MMM, HH:mm"},
    "day": {"cs": "d. M.", "en": "d MMM"},
    "date": {"cs": "d. M. y", "en": "d MMM y"},
    "month": {"cs": "M/y", "en": "MMM y"},
}
_MONEY = {"cs": None, "en": "¤¤\N{NO-BREAK SPACE}#,##0.00"}  # the code, not a sign few would know
_MINOR_PER_UNIT = 100
_PRICE = {"cs": "#,##0.00##\N{NO-BREAK SPACE}¤", "en": "¤¤\N{NO-BREAK SPACE}#,##0.00##"}
_PRICE_PER_UNIT = 10_000

_REMEMBERED = 10_000

# No browser sends more; a stranger's header is not worth more work.
_HEADER_LENGTH_MAX = 1000
_QUALITY = re.compile(r"q=([01](?:\.\d{0,3})?)")


class Translator:
    """Texts, dates and amounts in one language; call it with the English text."""

    def __init__(self, language: Language, catalogue: NullTranslations) -> None:
        self.language = language
        self._catalogue = catalogue
        self._locale = Locale.parse(language)

    def __call__(self, msgid: str, /, **params: object) -> str:
        """The text in this language, with its ``{name}`` places filled."""
        text = self._catalogue.gettext(msgid)
        return text.format(**params) if params else text

    def plural(self, one: str, many: str, n: int, /, **params: object) -> str:
        """The form that fits `n`, which fills ``{n}``."""
        return self._catalogue.ngettext(one, many, n).format(n=n, **params)

    def date(self, day: dt.date) -> str:
        return format_date(day, _DATE[self.language], locale=self._locale)

    def month(self, day: dt.date) -> str:
        return format_date(day, "LLLL y", locale=self._locale)

    def datetime(self, at: dt.datetime, zone: ZoneInfo) -> str:
        """An aware instant as a clock on the wall in `zone` shows it."""
        return format_datetime(at.astimezone(zone), _DATETIME[self.language], locale=self._locale)

    def in_short(self, local: dt.datetime, span: Literal["hour", "day", "date", "month"]) -> str:
        """When an hour, a day (as `date` with its year) or a month began, where there is little room."""
        return _moment(self.language, _IN_SHORT[span][self.language], local.replace(tzinfo=None))

    def money(self, minor: int, currency: str) -> str:
        """An amount of minor units, for example ``1 605,00 Kč``; never broken over two lines."""
        return _amount(self.language, minor, currency)

    def price(self, ten_thousandths: int, currency: str) -> str:
        """An amount of a call, with two to four places: ``1,21 Kč``, ``0,0105 Kč``."""
        amount = Decimal(ten_thousandths) / _PRICE_PER_UNIT
        return format_currency(amount, currency, _PRICE[self.language], self._locale, currency_digits=False)

    def decimal(self, number: float, *, places: int | None = None) -> str:
        """A number with at most one place, as people read it; or always with so many."""
        pattern = None if places is None else "#,##0." + "0" * places if places else "#,##0"
        return _decimal(self.language, round(number, 1 if places is None else places), pattern)


# A page of a year's data asks for some thousand of these, and for most of them again and again.


@lru_cache(maxsize=_REMEMBERED)
def _moment(language: Language, pattern: str, local: dt.datetime) -> str:
    return format_datetime(local, pattern, locale=language)


@lru_cache(maxsize=_REMEMBERED)
def _amount(language: Language, minor: int, currency: str) -> str:
    # currency_digits=False: two places whatever the currency, as the ledger keeps them.
    amount = Decimal(minor) / _MINOR_PER_UNIT
    return format_currency(amount, currency, _MONEY[language], language, currency_digits=False)


@lru_cache(maxsize=_REMEMBERED)
def _decimal(language: Language, number: float, pattern: str | None) -> str:
    return format_decimal(number, pattern, locale=language)


def N_(msgid: str) -> str:
    """Marks a text for translation where it stands; `_` translates it where it is shown."""
    return msgid


@cache
def translator(language: str) -> Translator:
    """The translator of a language code as stored with a customer; what nobody knows is English."""
    known = _UNDERSTOOD_AS.get(language.lower()[:2], "en")
    return Translator(known, _catalogue(known))


def catalogue_path(language: Language) -> Path:
    """Where the texts of a language stand."""
    return Path(__file__).parent / "locale" / language / "LC_MESSAGES" / "hradlo.po"


def negotiate(accept_language: str | None, default: Language) -> Language:
    """The best language for a browser's ``Accept-Language``; `default` when it asks for none that we have.

    Whatever a stranger sends there, the answer is a language.
    """
    best: Language = default
    best_quality = 0.0
    for entry in (accept_language or "")[:_HEADER_LENGTH_MAX].split(","):
        tag, _, parameter = entry.replace(" ", "").partition(";")
        language = _language_of(tag, default)
        quality = _quality(parameter)
        if language and quality > best_quality:
            best, best_quality = language, quality
    return best


def _language_of(tag: str, default: Language) -> Language | None:
    primary = tag.lower().replace("_", "-").partition("-")[0]
    return default if primary == "*" else _UNDERSTOOD_AS.get(primary)


def _quality(parameter: str) -> float:
    if not parameter:
        return 1.0
    match = _QUALITY.fullmatch(parameter.lower())
    return min(float(match[1]), 1.0) if match else 0.0


def _catalogue(language: Language) -> NullTranslations:
    path = catalogue_path(language)
    if not path.exists():  # English needs none: the message ids are English
        return NullTranslations()
    with path.open("rb") as file:
        texts: Any = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, texts)
    compiled.seek(0)
    return GNUTranslations(compiled)

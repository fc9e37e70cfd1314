"""The pages of the notice server, made from a `NoticeView` and a language. Pure: nothing is read or written here.

Each is one self-contained file without script. Their style is one text, so the Content-Security-Policy can name
it by its hash and allow nothing else.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import segno
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from billing.dunning.facts import Stage
from billing.dunning.notices import NoticeView
from billing.dunning.payment_order import PaymentOrder
from config.days import day_of
from config.i18n import N_, Language, translator
from config.settings import Settings
from portal.notice.plain_text import plain_text

_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
_STYLE = (_TEMPLATES / "notice.css").read_text(encoding="utf-8").strip()
_STYLE_SHA256 = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_OTHER: dict[Language, tuple[Language, str]] = {"cs": ("en", "English"), "en": ("cs", "Česky")}
_TOKEN_PLACE = "%%TOKEN%%"
_QR_SCALE = 6

SECURITY_HEADERS = {
    "Server": "Hradlo",
    "Cache-Control": "no-store",
    # form-action: browsers apply it to the redirect after the form, too, and that leads to the http page wanted.
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_SHA256}'; img-src data:; "
    "form-action 'self' http:; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # same-origin, not no-referrer: with that one, browsers send `Origin: null` with our own form.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every answer of our own pages. No HSTS: the notice lives on plain HTTP, and must."""

CHANGED = N_("Something has changed since you opened this page. Please read it once more.")
EXPIRED = N_("The page was open for a long time. Please read it once more.")

_ERRORS = {
    400: (N_("We did not understand that"), N_("Your browser sent something that we can't read.")),
    403: (
        N_("That did not work"),
        N_("We can't accept this confirmation: it did not come from the page that we showed to this connection."),
    ),
    404: (N_("There is no such page"), N_("The address may be mistyped.")),
    503: (N_("Please try again in a moment"), N_("We can't show you the page just now. Nothing is lost.")),
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page to be sent, and its words as they are kept with an acknowledgement."""

    html: str
    language: Language
    text: str = ""
    text_sha256: str = ""
    """Of the words and of the exact invoices behind them."""

    def with_token(self, token: str) -> str:
        return self.html.replace(_TOKEN_PLACE, token)


@dataclass(frozen=True, slots=True)
class Asking:
    """How a page is asked for."""

    language: Language
    base: str = ""
    """The path under which the notice lives; mostly empty."""
    wanted_token: str = ""
    wanted_url: str = ""
    """Where to go on to, once verified."""


class Pages:
    """Renders for one ISP."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["nobreak"] = _nobreak

    def of(self, view: NoticeView, asking: Asking, now: datetime, again: str = "") -> Page:
        """The page that fits where a contract stands; `again` says why it must be read once more."""
        if view.stage is Stage.SUSPENDED and view.line == "suspended":
            return self._suspended(view, asking)
        if view.stage is Stage.NOTICE:
            return self._notice(view, asking, again)
        return self._open(view, asking, now)

    def _notice(self, view: NoticeView, asking: Asking, again: str) -> Page:
        form = {"action": f"{asking.base}/acknowledge", "token": _TOKEN_PLACE, "wanted": asking.wanted_token}
        html = self._render(
            "notice.html",
            asking,
            face="notice",
            again=translator(asking.language)(again) if again else "",
            suspend_on=self._local_day(view.suspend_at),
            form=form if view.notice_id is not None else None,
            **self._payment(view),
        )
        text = plain_text(html)
        return Page(html, asking.language, text, _sha256(text, view))

    def _suspended(self, view: NoticeView, asking: Asking) -> Page:
        html = self._render(
            "suspended.html",
            asking,
            face="suspended",
            acknowledged_on=self._local_day(view.acknowledged_at),
            has_garden=bool(self._settings.enforcement.garden),
            **self._payment(view),
        )
        text = plain_text(html)
        return Page(html, asking.language, text, _sha256(text, view))

    def _open(self, view: NoticeView, asking: Asking, now: datetime) -> Page:
        today = day_of(now, self._settings.zone)
        promise = view.promise_until_on
        is_running = view.stage is Stage.ACKNOWLEDGED and view.suspend_at is not None and view.suspend_at > now
        html = self._render(
            "open.html",
            asking,
            face="open",
            is_opening=view.line != "open",
            is_late=view.stage is Stage.SUSPENDED,
            suspend_on=self._local_day(view.suspend_at) if is_running else None,
            promise_until_on=promise if promise and promise >= today else None,
            wanted_url=asking.wanted_url,
            **self._payment(view),
        )
        return Page(html, asking.language)

    def unknown(self, asking: Asking) -> Page:
        """For an address that is nobody's: polite, and without any data."""
        return Page(self._render("unknown.html", asking, face="unknown"), asking.language)

    def error(self, asking: Asking, status: int) -> Page:
        heading, explanation = _ERRORS.get(status, _ERRORS[400])
        _ = translator(asking.language)
        html = self._render(
            "error.html",
            asking,
            face="error",
            heading=_(heading),
            explanation=_(explanation),
            home=f"{asking.base}/",
        )
        return Page(html, asking.language)

    def _render(self, template: str, asking: Asking, **values: Any) -> str:
        _ = translator(asking.language)
        code, name = _OTHER[asking.language]
        wanted = f"&w={asking.wanted_token}" if asking.wanted_token else ""
        return self._environment.get_template(template).render(
            {
                "_": _,
                "plural": _.plural,
                "language": asking.language,
                "isp": self._settings.isp,
                "style": _STYLE,
                "again": "",
                "other_language": {"code": code, "name": name, "href": f"{asking.base}/?lang={code}{wanted}"},
                **values,
            }
        )

    def _payment(self, view: NoticeView) -> dict[str, Any]:
        isp = self._settings.isp
        order = PaymentOrder.of(isp, view.contract_number, tuple(i.number for i in view.invoices), view.debt)
        return {"view": view, "order": order, "picture": qr_picture(order.qr) if order.qr else ""}

    def _local_day(self, at: datetime | None) -> date | None:
        return day_of(at, self._settings.zone) if at else None


def _nobreak(text: str) -> str:
    """Keeps a date on one line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


@lru_cache(maxsize=4096)
def qr_picture(text: str) -> str:
    """A QR code as a data URI. PNG, because a phone can save it as a picture and open it in the bank's app."""
    png = BytesIO()
    segno.make(text, error="m", micro=False).save(png, kind="png", scale=_QR_SCALE, border=4)
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def _sha256(text: str, view: NoticeView) -> str:
    invoices = [[invoice.id, invoice.number, invoice.open.minor] for invoice in view.invoices]
    return hashlib.sha256(json.dumps([text, invoices]).encode()).hexdigest()

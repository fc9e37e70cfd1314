"""The mails by which the portal knows that somebody reads an address: links that work once. Pure."""

from html import escape

from billing.store.outbox import Draft
from config.i18n import Language, Translator, translator
from config.settings import Settings


def password_link(settings: Settings, email: str, language: Language, token: str, customer_number: str) -> Draft:
    """Lets the reader choose a new password."""
    _ = translator(language)
    return _draft(
        settings,
        "password_link",
        email,
        token,
        subject=_("Your new password for {name}", name=settings.isp.name),
        paragraphs=(
            _(
                "Somebody, probably you, asked for a new password for customer number {number}. Choose one here:",
                number=customer_number,
            ),
        ),
        link=f"{_base(settings)}/reset?t={token}",
        closing=(
            _lasts(_, settings),
            _("Was it not you? Then do nothing: the old password stays as it is."),
        ),
    )


def email_link(settings: Settings, email: str, language: Language, token: str, name: str) -> Draft:
    """Confirms a new address, sent to that address."""
    _ = translator(language)
    return _draft(
        settings,
        "email_link",
        email,
        token,
        subject=_("Please confirm your e-mail address"),
        paragraphs=(
            _(
                "{name} gave this address in the customer portal of {isp}. If it is yours, confirm it here:",
                name=name,
                isp=settings.isp.name,
            ),
        ),
        link=f"{_base(settings)}/confirm-email?t={token}",
        closing=(_lasts(_, settings), _("Do you know nothing about it? Then do nothing.")),
    )


def email_changed(settings: Settings, old_email: str, language: Language, new_email: str, token: str) -> Draft:
    """Tells the old address that another one takes its place."""
    _ = translator(language)
    return _draft(
        settings,
        "email_changed",
        old_email,
        token,
        subject=_("Your e-mail address was changed"),
        paragraphs=(
            _("From now on we write to {email} instead of this address.", email=new_email),
            _("Was it not you? Please call us at once."),
        ),
        link=_base(settings),
        closing=(),
    )


def _lasts(_: Translator, settings: Settings) -> str:
    return _.plural(
        "The link works once, within {n} minute.",
        "The link works once, within {n} minutes.",
        settings.portal.link_minutes,
    )


def _base(settings: Settings) -> str:
    return settings.isp.portal_url.rstrip("/")


def _draft(
    settings: Settings,
    kind: str,
    email: str,
    token: str,
    *,
    subject: str,
    paragraphs: tuple[str, ...],
    link: str,
    closing: tuple[str, ...],
) -> Draft:
    words = [*paragraphs, link, *closing, settings.isp.name]
    shown = [*(escape(text) for text in paragraphs), f'<a href="{escape(link)}">{escape(link)}</a>']
    shown += [escape(text) for text in (*closing, settings.isp.name)]
    body = "".join(f"<p>{text}</p>" for text in shown)
    return Draft(
        dedup_key=f"{kind}:{token[:16]}",
        contract_id=None,
        kind=kind,
        recipient=email,
        subject=subject,
        text="\n\n".join(words) + "\n",
        html=f'<!doctype html><html><body style="font:16px/1.5 sans-serif;max-width:36em">{body}</body></html>',
    )

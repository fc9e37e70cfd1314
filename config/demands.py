"""What one setting demands of another, and of the secrets: what no setting alone can be wrong about."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from holidays.utils import list_supported_countries

from config.bank_settings import FIO_TOKEN
from config.counting import counted
from config.errors import Problem

if TYPE_CHECKING:
    from config.settings import Settings

_SYMBOL_LENGTH_MAX = 10


def problems(settings: Settings) -> list[Problem]:
    """What one setting demands of another, and the secrets."""
    found = [settings.secret_problem("signing_key")]
    if ":" in settings.database.url.partition("://")[2].rpartition("@")[0]:
        found.append(Problem("[database] url", "has a password in it: make it the secret database_password"))
    found += _mail_problems(settings)
    found += _fio_problems(settings)
    found += _dunning_problems(settings)
    found += _invoicing_problems(settings)
    found += _voip_problems(settings)
    found += _exchange_problems(settings)
    if settings.dunning.spares_holidays and settings.isp.country not in list_supported_countries():
        message = "has no known public holidays: set dunning.spares_holidays = false"
        found.append(Problem("[isp] country", message))
    if settings.enforcement.driver == "nftables":
        found += _nftables_problems(settings)
    found += _routeros_problems(settings)
    if settings.captive_api.listen and not (settings.captive_api.certificate and settings.captive_api.key):
        found.append(Problem("[captive_api] certificate", "certificate and key are needed to listen"))
    if settings.captive_api.listen and not settings.captive_api.url.startswith("https://"):
        found.append(Problem("[captive_api] url", "must be an https:// address (RFC 8908 §4)"))
    return [problem for problem in found if problem]


class Doubt(NamedTuple):
    """What may be meant so; with its place and the remedy."""

    place: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message} {self.remedy}"


def doubts(settings: Settings) -> list[Doubt]:
    """What leaves subscribers without a way to pay."""
    found = []
    if not settings.isp.iban:
        message = "is empty: notice, mails and invoices name no account, so subscribers can't pay from them."
        found.append(Doubt("[isp] iban", message, 'Set it, like iban = "CZ65 0800 0000 1920 0014 5399".'))
    if settings.enforcement.driver == "dryrun":
        return found
    if not settings.enforcement.garden:
        message = (
            "is empty: from a suspended line neither a bank nor your portal is reached, so nobody can pay from it."
        )
        found.append(Doubt("[enforcement] garden", message, 'Set it, like garden = ["ib.bank.example"].'))
    if not settings.enforcement.resolvers:
        message = "is empty: a suspended line may ask no DNS server, so it does not find the bank either."
        found.append(Doubt("[enforcement] resolvers", message, 'Set it, like resolvers = ["10.0.0.1"].'))
    return found


def _dunning_problems(settings: Settings) -> list[Problem | None]:
    notice_days = settings.dunning.notice_days
    late = [str(days) for days in sorted(set(settings.dunning.reminder_days)) if days >= notice_days]
    if not late:
        return []
    message = f"{', '.join(late)} would never be sent: the notice comes after {counted(notice_days, 'day')}"
    return [Problem("[dunning] reminder_days", message)]


def _invoicing_problems(settings: Settings) -> list[Problem | None]:
    found: list[Problem | None] = []
    invoicing = settings.invoicing
    series = {
        "invoice": (invoicing.invoice_prefix, invoicing.invoice_digits),
        "credit_note": (invoicing.credit_note_prefix, invoicing.credit_note_digits),
    }
    for kind, (prefix, digits) in series.items():
        length = len(prefix.format(yy="26", yyyy="2026")) + digits
        if length > _SYMBOL_LENGTH_MAX:
            message = f"makes numbers of {length} digits; a specific symbol has at most {_SYMBOL_LENGTH_MAX}"
            found.append(Problem(f"[invoicing] {kind}_digits", message))
    if series["invoice"] == series["credit_note"]:
        found.append(Problem("[invoicing] credit_note_prefix", "must not make the numbers of invoices"))
    return found


def _mail_problems(settings: Settings) -> list[Problem | None]:
    found: list[Problem | None] = []
    if settings.mail.host and not settings.mail.sender:
        found.append(Problem("[mail] sender", "is needed when mail.host is set"))
    if settings.mail.username:
        if not settings.is_withheld("smtp_password"):
            found.append(settings.secret_problem("smtp_password"))
        if settings.mail.security == "none" and settings.mail.host not in ("localhost", "127.0.0.1", "::1"):
            found.append(Problem("[mail] security", "would send the password in clear: use starttls or tls"))
    return found


def _fio_problems(settings: Settings) -> list[Problem | None]:
    found = [_token_problem(settings, name) for name in settings.fio.tokens if not settings.is_withheld(name)]
    host = urlsplit(settings.fio.url).hostname
    if urlsplit(settings.fio.url).scheme != "https" and host not in ("localhost", "127.0.0.1", "::1"):
        found.append(Problem("[fio] url", "would send the token in clear: use https"))
    return found


def _token_problem(settings: Settings, name: str) -> Problem | None:
    problem = settings.secret_problem(name)
    if problem is None and not FIO_TOKEN.fullmatch(settings.secret(name)):
        message = "is no token of Fio (16 to 128 letters and digits): copy it from the internet banking, Settings, API"
        return Problem(f"secret {name}", message)
    return problem


def _voip_problems(settings: Settings) -> list[Problem | None]:
    """What nobody could ever buy; and the VoIP zone is told from the portal by its host name alone."""
    found: list[Problem | None] = []
    dear = [str(coupon) for coupon in settings.voip.coupons if coupon > settings.voip.monthly_cap > 0]
    if dear:
        found.append(Problem("[voip] coupons", f"{', '.join(dear)} can never be bought: monthly_cap is lower"))
    if not settings.voip.url:
        return found
    if not settings.portal.listen:
        found.append(Problem("[portal] listen", "is needed by [voip] url: both zones are on these sockets"))
    if urlsplit(settings.voip.url).netloc.lower() == urlsplit(settings.isp.portal_url).netloc.lower():
        found.append(Problem("[voip] url", "must have a host name of its own, not that of isp.portal_url"))
    return found


def _exchange_problems(settings: Settings) -> list[Problem | None]:
    if not settings.voip.exchange_listen or settings.is_withheld("voip_token"):
        return []
    return [settings.secret_problem("voip_token")]


def _nftables_problems(settings: Settings) -> list[Problem | None]:
    found: list[Problem | None] = []
    if not settings.enforcement.subscriber_interfaces:
        found.append(Problem("[enforcement] subscriber_interfaces", "is needed: where your subscribers are"))
    versions = [address.version for address in settings.notice.addresses]
    if not versions or len(versions) != len(set(versions)):
        found.append(Problem("[notice] addresses", "needs one IPv4 and/or one IPv6 address of this gateway"))
    return found


def _routeros_problems(settings: Settings) -> list[Problem | None]:
    found: list[Problem | None] = []
    if settings.enforcement.driver == "routeros" and not settings.routeros:
        found.append(Problem("[enforcement] driver", "is routeros, and there is no [[routeros]]"))
    sites = {settings.enforcement.site} if settings.enforcement.driver == "nftables" else set()
    own_ports = {int(endpoint.rpartition(":")[2]) for endpoint in settings.notice.listen}
    servers: set[tuple[str, int]] = set()
    for router in settings.routeros:
        place = f"[[routeros]] {router.site}"
        if router.site in sites:
            found.append(Problem(f"{place} site", "is the name of another one, too"))
        if (server := (str(router.notice_address), router.notice_port)) in servers:
            message = f"{router.notice_port} is another router's, too: the port tells them apart"
            found.append(Problem(f"{place} notice_port", message))
        if router.notice_port in own_ports:
            message = f"{router.notice_port} is a port of [notice] listen, where this gateway's own subscribers ask"
            found.append(Problem(f"{place} notice_port", message))
        if bool(router.authority) == bool(router.fingerprint):
            found.append(Problem(f"{place} fingerprint", "or authority is needed, one of the two: who answers there?"))
        if router.authority and not router.authority.is_file():
            found.append(Problem(f"{place} authority", f"{router.authority} is not there"))
        sites.add(router.site)
        servers.add(server)
    secrets = dict.fromkeys(router.secret for router in settings.routeros)
    return found + [settings.secret_problem(name) for name in secrets if not settings.is_withheld(name)]

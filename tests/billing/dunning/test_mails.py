"""The mails of dunning say what is owed, how to pay it and what happens next, in the customer's language."""

import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.dunning import mails
from billing.dunning.notices import ShownInvoice
from billing.dunning.payment_order import PaymentOrder, grouped_iban, local_account
from billing.letters.letter import Addressee
from billing.money import Money
from billing.store.outbox import Draft
from config.settings import Settings, parse

NBSP = "\N{NO-BREAK SPACE}"
BOZENA = Addressee(42, "1001", "Božena Němcová", "bozena@example.cz", "cs")
JANE = Addressee(43, "1002", "Jane Doe", "jane@example.com", "en")
OCTOBER = ShownInvoice(id=7, number="2026100123", due_on=date(2026, 10, 15), open=Money(802_50))
NOVEMBER = ShownInvoice(id=8, number="2026110456", due_on=date(2026, 11, 15), open=Money(802_50))
BOTH = (OCTOBER, NOVEMBER)
MORNING = datetime(2026, 12, 3, 23, 30, tzinfo=UTC)  # in Prague it is the 4th
SETTINGS = """
[isp]
name = "Údolní síť"
iban = "CZ6508000000192000145399"
phone = "+420 777 123 456"
email = "podpora@udolni.example"
portal_url = "https://portal.udolni.example"
[notice]
url = "http://10.0.0.1:8080"
"""


@pytest.fixture
def settings() -> Settings:
    return parse(SETTINGS)


def reminder(
    addressee: Addressee,
    settings: Settings,
    invoices: tuple[ShownInvoice, ...] = BOTH,
    notice_at: datetime | None = MORNING,
) -> Draft:
    written = mails.reminder(
        addressee, invoices, settings=settings, anchor_invoice_id=7, after_days=3, notice_at=notice_at
    )
    assert written is not None
    return written


def all_mails(addressee: Addressee, settings: Settings) -> list[Draft | None]:
    return [
        mails.reminder(addressee, BOTH, settings=settings, anchor_invoice_id=7, after_days=3, notice_at=MORNING),
        mails.notice(addressee, BOTH, settings=settings, notice_id=5, suspend_at=MORNING),
        mails.suspended(addressee, BOTH, settings=settings, since_at=MORNING),
        mails.restored(addressee, (), settings=settings, since_at=MORNING),
        mails.restored(addressee, BOTH, settings=settings, since_at=MORNING),
        mails.restored(addressee, BOTH, settings=settings, since_at=MORNING, promise_until_on=date(2026, 12, 20)),
    ]


def words(text: str) -> str:
    """The text on one line, as a reader takes it in."""
    return " ".join(text.split()).replace(NBSP, " ")


class _Visible(HTMLParser):
    """Collects what an HTML page shows, and its tags in order."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._is_hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._is_hidden = tag in ("style", "title")

    def handle_endtag(self, tag: str) -> None:
        self._is_hidden = False

    def handle_data(self, data: str) -> None:
        if not self._is_hidden:
            self.texts.append(data)


def visible(html: str) -> str:
    parser = _Visible()
    parser.feed(html)
    return words(" ".join(parser.texts))


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Visible()
    parser.feed(html)
    return parser.tags


# ── what a mail says ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_czech_reminder_says_everything_that_is_needed_to_pay(settings: Settings) -> None:
    draft = reminder(BOZENA, settings)

    assert draft.subject == f"Připomínka platby: 1{NBSP}605,00{NBSP}Kč po splatnosti"
    for shown in (words(draft.text), visible(draft.html)):
        for fact in (
            "evidujeme 2 faktury po splatnosti",
            "2026100123",
            "15. 10. 2026",
            "802,50 Kč",
            "2026110456",
            "1 605,00 Kč",
            "19-2000145399/0800",
            "CZ65 0800 0000 1920 0014 5399",
            "Variabilní symbol",
            "1001",
            "Božena Němcová",
            "+420 777 123 456",
            "podpora@udolni.example",
            "Údolní síť",
        ):
            assert fact in shown


def test_an_english_reminder_is_english_throughout(settings: Settings) -> None:
    draft = reminder(JANE, settings)

    assert draft.subject == f"Payment reminder: CZK{NBSP}1,605.00 overdue"
    assert "for 2 invoices of contract 1002" in words(draft.text)
    assert '<html lang="en">' in draft.html
    assert not set("ěščřžýáíéůúňťď") & set(draft.text.replace("Údolní síť", ""))


@pytest.mark.parametrize(
    ("count", "phrase"),
    [(1, "1 fakturu po splatnosti"), (3, "3 faktury po splatnosti"), (5, "5 faktur po splatnosti")],
)
def test_czech_counts_invoices_as_czech_does(count: int, phrase: str, settings: Settings) -> None:
    invoices = tuple(ShownInvoice(n, str(2026000 + n), date(2026, 10, 15), Money(100_00)) for n in range(count))

    assert phrase in words(reminder(BOZENA, settings, invoices).text)


def test_who_speaks_slovak_reads_czech_and_who_left_no_language_reads_the_isps(settings: Settings) -> None:
    for language in ("sk", ""):
        assert "Dobrý den," in reminder(Addressee(1, "1", "N", "n@example.cz", language), settings).text


def test_a_single_invoice_is_paid_with_its_own_specific_symbol(settings: Settings) -> None:
    one, two = reminder(BOZENA, settings, (OCTOBER,)), reminder(BOZENA, settings)

    assert "Specifický symbol: 2026100123" in one.text
    assert "*X-SS:2026100123" in one.qr_payment
    assert "Specifický symbol" not in two.text + two.html
    assert "X-SS" not in two.qr_payment


def test_the_qr_payment_says_what_the_text_says(settings: Settings) -> None:
    draft = reminder(BOZENA, settings)

    assert draft.qr_payment.startswith("SPD*1.0*ACC:CZ6508000000192000145399*AM:1605.00*CC:CZK*")
    assert draft.qr_payment.endswith("*X-VS:1001")
    assert ("img", "cid:qr") in [(tag, attributes.get("src")) for tag, attributes in tags(draft.html)]


def test_a_reminder_tells_from_which_local_day_the_notice_will_appear(settings: Settings) -> None:
    assert "začneme Vám od 4. 12. 2026 zobrazovat upozornění" in words(reminder(BOZENA, settings).text)


def test_a_debt_too_small_for_a_notice_is_not_threatened_with_one(settings: Settings) -> None:
    small = ShownInvoice(id=7, number="2026100123", due_on=date(2026, 10, 15), open=Money(99_99))
    draft = reminder(BOZENA, settings, (small,))

    assert "upozornění" not in draft.text
    assert "4. 12. 2026" not in words(draft.text)


def test_a_notice_leads_to_its_page_and_tells_the_grace_that_confirming_starts(settings: Settings) -> None:
    draft = mails.notice(BOZENA, BOTH, settings=settings, notice_id=5)

    assert draft is not None
    assert "Od potvrzení budete mít na zaplacení ještě 10 dní." in words(draft.text)
    assert "http://10.0.0.1:8080" in draft.text
    assert ("a", "http://10.0.0.1:8080") in [(tag, a.get("href")) for tag, a in tags(draft.html)]
    assert "nepotvrdíte ani nezaplatíte" not in draft.text


def test_a_notice_names_the_day_only_when_silence_alone_leads_to_suspension(settings: Settings) -> None:
    draft = mails.notice(BOZENA, BOTH, settings=settings, notice_id=5, suspend_at=MORNING)

    assert draft is not None
    assert "nepotvrdíte ani nezaplatíte, připojení dne 4. 12. 2026 pozastavíme" in words(draft.text)


def test_a_suspended_mail_tells_how_the_line_comes_back(settings: Settings) -> None:
    draft = mails.suspended(BOZENA, BOTH, settings=settings, since_at=MORNING)

    assert draft is not None
    assert draft.subject == f"Vaše připojení k{NBSP}internetu je pozastaveno"
    assert "dne 4. 12. 2026 jsme pozastavili připojení k internetu ke smlouvě č. 1001" in words(draft.text)
    assert "připojení se obnoví samo, ve dne i v noci" in words(draft.text)
    assert "https://portal.udolni.example" in draft.text


def test_who_owes_nothing_more_is_thanked_and_asked_for_nothing(settings: Settings) -> None:
    draft = mails.restored(BOZENA, (), settings=settings, since_at=MORNING)

    assert draft is not None
    assert "Nic po splatnosti už u Vás neevidujeme. Děkujeme!" in words(draft.text)
    assert "symbol" not in draft.text + draft.html
    assert draft.qr_payment == ""
    assert "cid:qr" not in draft.html


def test_who_is_restored_while_something_is_left_is_told_how_much(settings: Settings) -> None:
    draft = mails.restored(BOZENA, (OCTOBER,), settings=settings, since_at=MORNING)

    assert draft is not None
    assert "K zaplacení ještě zbývá 802,50 Kč." in words(draft.text)
    assert "Nic po splatnosti" not in draft.text
    assert "AM:802.50" in draft.qr_payment


def test_a_promise_is_repeated_to_who_was_restored_by_it(settings: Settings) -> None:
    draft = mails.restored(BOZENA, BOTH, settings=settings, since_at=MORNING, promise_until_on=date(2026, 12, 20))

    assert draft is not None
    assert "Se zbývající platbou počkáme do 20. 12. 2026" in words(draft.text)


def test_text_and_html_say_the_same(settings: Settings) -> None:
    for draft in all_mails(BOZENA, settings):
        assert draft is not None
        sentences = [words(part) for part in draft.text.split("\n\n") if words(part).endswith((".", "!"))]
        assert len(sentences) >= 3
        for sentence in sentences:
            if not sentence.startswith("-- "):
                assert sentence in visible(draft.html)


def test_an_isp_without_account_phone_and_portal_still_writes_a_whole_mail() -> None:
    bare = parse('[isp]\nname = "Síť"')
    draft = reminder(BOZENA, bare)

    assert draft.qr_payment == ""
    assert "IBAN" not in draft.text + draft.html
    assert "cid:qr" not in draft.html
    assert "Variabilní symbol: 1001" in draft.text
    assert "Telefon" not in draft.text


# ── the key of a mail ───────────────────────────────────────────────────────────────────────────────────────────


def test_each_mail_has_the_key_of_its_cause(settings: Settings) -> None:
    keys = [draft.dedup_key for draft in all_mails(BOZENA, settings)[:4] if draft]

    assert keys == [
        "reminder:42:7:3",
        "notice:5",
        "suspended:42:2026-12-03T23:30:00+00:00",
        "restored:42:2026-12-03T23:30:00+00:00",
    ]


@pytest.mark.parametrize("email", ["", "nemá", "a@example.cz\r\nBcc: victim@example.cz", "a@example.cz, b@example.cz"])
def test_nobody_without_a_usable_address_gets_a_draft(email: str, settings: Settings) -> None:
    assert all_mails(Addressee(42, "1001", "Božena", email, "cs"), settings) == [None] * 6


# ── strangers' text ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_cannot_bring_markup_of_its_own(settings: Settings) -> None:
    draft = reminder(Addressee(42, "1001", '<img src=x onerror="a()">', "a@example.cz", "cs"), settings)

    assert "<img src=x" not in draft.html
    assert "&lt;img src=x" in draft.html


@given(name=st.text(max_size=60), isp=st.text(min_size=1, max_size=60))
def test_whatever_people_are_called_subject_and_recipient_stay_on_one_line_and_the_page_keeps_its_tags(
    name: str, isp: str
) -> None:
    settings = parse(SETTINGS)
    settings = settings.model_copy(update={"isp": settings.isp.model_copy(update={"name": isp})})
    draft = reminder(Addressee(42, "1001", name, "a@example.cz", "cs"), settings)
    plain = reminder(Addressee(42, "1001", "N", "a@example.cz", "cs"), settings)

    assert len(draft.subject.splitlines()) == len(draft.recipient.splitlines()) == 1
    assert tags(draft.html) == tags(plain.html)
    assert len(draft.text.split("\n")) == len(plain.text.split("\n"))


# ── on paper and in the dark ────────────────────────────────────────────────────────────────────────────────────


def test_the_html_loads_nothing_from_anywhere(settings: Settings) -> None:
    for draft in all_mails(BOZENA, settings):
        assert draft is not None
        sources = [a[name] for _, a in tags(draft.html) for name in ("src", "background", "srcset") if name in a]
        assert set(sources) <= {"cid:qr"}
        assert "url(" not in draft.html
        assert "@import" not in draft.html
        assert "script" not in [tag for tag, _ in tags(draft.html)]


def test_the_html_knows_light_and_dark(settings: Settings) -> None:
    html = reminder(BOZENA, settings).html

    assert '<meta name="color-scheme" content="light dark">' in html
    assert "@media (prefers-color-scheme: dark)" in html


def test_lines_of_the_text_fit_an_old_mail_reader(settings: Settings) -> None:
    for draft in [*all_mails(BOZENA, settings), *all_mails(JANE, settings)]:
        assert draft is not None
        assert max(len(line) for line in draft.text.splitlines()) <= 78
        assert not re.search(r"\n{3,}", draft.text)


def test_amounts_and_dates_are_never_broken_over_two_lines(settings: Settings) -> None:
    draft = reminder(BOZENA, settings)

    assert f"1{NBSP}605,00{NBSP}Kč" in draft.text
    assert f"4.{NBSP}12.{NBSP}2026" in draft.text


# ── how to pay ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("iban", "account"),
    [
        ("CZ6508000000192000145399", "19-2000145399/0800"),
        ("CZ5508000000001234567899", "1234567899/0800"),
        ("SK3112000000198742637541", "19-8742637541/1200"),
        ("DE89370400440532013000", ""),
        ("", ""),
    ],
)
def test_an_account_is_written_as_its_country_writes_it(iban: str, account: str) -> None:
    assert local_account(iban) == account


def test_an_iban_is_grouped_by_four() -> None:
    assert grouped_iban("DE89370400440532013000") == "DE89 3704 0044 0532 0130 00"


def test_nothing_to_pay_makes_no_qr_payment(settings: Settings) -> None:
    assert PaymentOrder.of(settings.isp, "1001", (), Money(0)).qr == ""
    assert PaymentOrder.of(settings.isp, "1001", (), Money(-5)).qr == ""

"""Documents to be rendered: what an ISP issues on a good day, and what stretches the page."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from billing.invoicing.documents.document import Document, Line, Party, VatGroup
from billing.money import Money

SELLER = Party(
    name="Údolní síť s.r.o.",
    street="Nábřežní 1024/7",
    city="Týn nad Vltavou",
    postal_code="375 01",
    company_id="27082440",
    vat_id="CZ27082440",
    email="ucty@udolni.example",
    phone="+420 777 123 456",
    note="Společnost je zapsána v obchodním rejstříku vedeném Krajským soudem v Českých Budějovicích, oddíl C 12345.",
)
BUYER = Party(name="Božena Němcová", street="Ratibořice 1", city="Česká Skalice", postal_code="552 03", number="K-1001")
FIRM = Party(
    name="Žluťoučký kůň a příšerně úpěnlivé ďábelské ódy, zemědělské družstvo v likvidaci",
    street="Náměstí Československých legionářů na Dlouhém Předměstí 1234/56b",
    city="Brandýs nad Labem-Stará Boleslav",
    postal_code="250 01",
    company_id="00006947",
    vat_id="CZ00006947",
    number="K-2002",
)
IBAN = "CZ6508000000192000145399"


def line(
    text: str, gross: int, *, rate: int = 2100, category: str = "standard", quantity: int = 1, **more: object
) -> Line:
    """A line of so many haléře with VAT."""
    vat = round(gross * rate / (10000 + rate))
    return Line(
        text=text,
        quantity=quantity,
        unit_price=Money(gross // quantity),
        total=Money(gross),
        base=Money(gross - vat),
        vat=Money(vat),
        vat_category=category,
        vat_basis_points=rate,
        **more,  # type: ignore[arg-type]
    )


NOVEMBER = {"from_on": date(2026, 11, 1), "until_on": date(2026, 11, 30)}
INTERNET = line("Internet Domácnost 100/20 Mb/s", 59900, **NOVEMBER)
INSURANCE = line("Pojištění zařízení", 4900, rate=0, category="exempt", **NOVEMBER)
VOIP = line("Telefon – měsíční paušál", 7900, **NOVEMBER)
ROUTER = line("Wi-Fi router Mikrotik hAP ax²", 289000, serial_number="HD208YT3XQ9")


def invoice(lines: Sequence[Line] = (INTERNET,), **more: object) -> Document:
    """An invoice of these lines; any other field can be given."""
    groups: dict[tuple[str, int], tuple[Money, Money]] = {}
    for each in lines:
        key = (each.vat_category, each.vat_basis_points)
        base, vat = groups.get(key, (Money(), Money()))
        groups[key] = (base + each.base, vat + each.vat)
    made = Document(
        kind="invoice",
        number="2600000123",
        contract_number="1001",
        issued_on=date(2026, 11, 1),
        supplied_on=date(2026, 11, 1),
        due_on=date(2026, 11, 15),
        seller=SELLER,
        buyer=BUYER,
        lines=tuple(lines),
        vat_groups=tuple(VatGroup(*key, *sums) for key, sums in sorted(groups.items(), reverse=True)),
        base=Money.total(each.base for each in lines),
        vat=Money.total(each.vat for each in lines),
        total=Money.total(each.total for each in lines),
        currency="CZK",
        language="cs",
        iban=IBAN,
        bic="GIBACZPX",
    )
    return replace(made, **more)  # type: ignore[arg-type]


def credit_note(**more: object) -> Document:
    """A credit note for a part of the internet line."""
    taken_back = line("Internet Domácnost 100/20 Mb/s – výpadek služby", -11980, **NOVEMBER)
    told = {"kind": "credit_note", "number": "6600000007", "corrects_number": "2600000123"}
    return invoice([taken_back], **{**told, "why": "Výpadek služby od 3. do 8. listopadu 2026", **more})


def without_vat(**more: object) -> Document:
    """An invoice of a seller who is not registered for VAT."""
    seller = replace(
        SELLER, name="Jan Novák – síť pro Lhotu", vat_id="", note="Fyzická osoba zapsaná v živnostenském rejstříku."
    )
    plain = line("Internet Vesnice 30/5 Mb/s", 35000, rate=0, **NOVEMBER)
    return invoice([plain], seller=seller, **more)


def of_many_lines(count: int, **more: object) -> Document:
    """An invoice that may need more pages than one."""
    lines = [
        line(f"Přípojka č. {n}, Internet Firma 300/100 Mb/s, provozovna Horní Lhota", 72600 + n, **NOVEMBER)
        for n in range(1, count + 1)
    ]
    return invoice(lines, buyer=FIRM, **more)

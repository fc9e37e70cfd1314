"""How one contract's debt is to be paid: account, symbols, amount, and the same as a QR payment. Pure."""

from dataclasses import dataclass
from typing import Self

from billing.money import Money
from billing.payments.banks.account import plain
from billing.payments.spayd import spayd
from config.settings import Isp


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """What a payer copies into the bank's form; `qr` is the same for the phone."""

    account: str
    """As the ISP's country writes it, e.g. ``19-2000145399/0800``; empty where there is no such form."""
    iban: str
    """In groups of four; empty when the ISP has set none."""
    variable_symbol: str
    specific_symbol: str
    """The invoice, when there is exactly one: the payment can't be taken for another."""
    amount: Money
    qr: str
    """SPAYD text; empty without an account or an amount."""

    @classmethod
    def of(cls, isp: Isp, contract_number: str, invoice_numbers: tuple[str, ...], amount: Money) -> Self:
        specific_symbol = invoice_numbers[0] if len(invoice_numbers) == 1 else ""
        return cls(
            account=local_account(isp.iban),
            iban=grouped_iban(isp.iban),
            variable_symbol=contract_number,
            specific_symbol=specific_symbol,
            amount=amount,
            qr=_qr(isp, contract_number, specific_symbol, amount),
        )


def _qr(isp: Isp, contract_number: str, specific_symbol: str, amount: Money) -> str:
    if not isp.iban or amount.minor <= 0:
        return ""
    return spayd(
        iban=isp.iban,
        amount=amount,
        currency=isp.currency,
        variable_symbol=contract_number,
        specific_symbol=specific_symbol,
        message=f"{isp.name} {contract_number}",
    )


def grouped_iban(iban: str) -> str:
    """An IBAN in groups of four, as people read it aloud."""
    return " ".join(iban[start : start + 4] for start in range(0, len(iban), 4))


def local_account(iban: str) -> str:
    """The Czech and Slovak form of an account, ``prefix-number/bank``; empty for other countries."""
    account = plain(iban)
    return account if "/" in account else ""

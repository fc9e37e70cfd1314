"""camt messages that never were, put together from their parts."""

MESSAGES = {
    "Stmt": ("camt.053.001", "BkToCstmrStmt"),
    "Rpt": ("camt.052.001", "BkToCstmrAcctRpt"),
    "Ntfctn": ("camt.054.001", "BkToCstmrDbtCdtNtfctn"),
}
ACCOUNT = "CZ6508000000192000145399"
PAYER = "CZ9455000000001011038930"


def balance(code: str, amount: str, day: str = "2026-11-03", currency: str = "CZK") -> str:
    sign, amount = ("DBIT", amount[1:]) if amount.startswith("-") else ("CRDT", amount)
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='{currency}'>{amount}</Amt>"
        f"<CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def symbols(*references: str) -> str:
    """As ČBA wants them: one Strd each."""
    each = "".join(f"<Strd><CdtrRefInf><Ref>{text}</Ref></CdtrRefInf></Strd>" for text in references)
    return f"<RmtInf>{each}</RmtInf>"


def details(amount: str = "", ref: str = "", inside: str = "", charges: str = "", currency: str = "CZK") -> str:
    sign, amount = ("DBIT", amount[1:]) if amount.startswith("-") else ("CRDT", amount)
    stated = f"<Amt Ccy='{currency}'>{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>" if amount else ""
    own = f"<AcctSvcrRef>{ref}</AcctSvcrRef>" if ref else ""
    return f"<TxDtls><Refs>{own}</Refs>{stated}{charges}{inside}</TxDtls>"


def entry(amount: str, inside: str = "", *, ref: str = "", status: str = "<Sts>BOOK</Sts>", before: str = "") -> str:
    sign, amount = ("DBIT", amount[1:]) if amount.startswith("-") else ("CRDT", amount)
    own = f"<AcctSvcrRef>{ref}</AcctSvcrRef>" if ref else ""
    return (
        f"<Ntry><Amt Ccy='CZK'>{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>{before}{status}"
        f"<BookgDt><Dt>2026-11-03</Dt></BookgDt><ValDt><Dt>2026-11-03</Dt></ValDt>{own}"
        f"<NtryDtls>{inside}</NtryDtls></Ntry>"
    )


def report(
    *parts: str, old: str | None = "0", new: str | None = None, kind: str = "Stmt", name: str = "S-2026-11"
) -> str:
    """A statement; `old` and `new` None leave the balance out."""
    balances = balance("OPBD", old, "2026-11-02") if old is not None else ""
    balances += balance("CLBD", new) if new is not None else ""
    return (
        f"<{kind}><Id>{name}</Id><LglSeqNb>9</LglSeqNb><CreDtTm>2026-11-03T20:00:00+01:00</CreDtTm>"
        f"<Acct><Id><IBAN>{ACCOUNT}</IBAN></Id><Ccy>CZK</Ccy></Acct>{balances}{''.join(parts)}</{kind}>"
    )


def message(*reports: str, kind: str = "Stmt", version: str = "02") -> bytes:
    namespace, root = MESSAGES[kind]
    return (
        f"<?xml version='1.0' encoding='UTF-8'?><Document xmlns='urn:iso:std:iso:20022:tech:xsd:{namespace}.{version}'>"
        f"<{root}><GrpHdr><MsgId>M</MsgId></GrpHdr>{''.join(reports)}</{root}></Document>"
    ).encode()


def day(*entries: str, new: str, old: str = "0", version: str = "02") -> bytes:
    return message(report(*entries, old=old, new=new), version=version)

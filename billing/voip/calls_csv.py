"""A number's calls as CSV, for a customer's or an admin's spreadsheet."""

import csv
import io
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from billing.voip.tables import VoipCall

COLUMNS = ("started_at", "direction", "caller", "called", "destination", "seconds", "price", "charged")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_csv(calls: Iterable[VoipCall], zone: ZoneInfo) -> str:
    """One call a line; instants in the zone, amounts with a decimal point in units of the currency."""
    text = io.StringIO()
    written = csv.writer(text)
    written.writerow(COLUMNS)
    for call in calls:
        written.writerow(
            [
                f"{call.started_at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
                "in" if call.is_incoming else "out",
                _harmless(call.caller),
                _harmless(call.called),
                _harmless(call.destination),
                call.billed_seconds,
                call.price,
                call.charged,
            ]
        )
    return text.getvalue()


def _harmless(text: str) -> str:
    """What a stranger's telephone wrote must be no formula of a spreadsheet; a plain number stays as it is."""
    is_number = text.removeprefix("+").isdigit()
    return f"'{text}" if text.startswith(_FORMULA_STARTS) and not is_number else text

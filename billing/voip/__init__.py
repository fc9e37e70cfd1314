"""Telephone numbers with prepaid credit: what a call costs, topping up, live authorisation, call records.

    typed number ──► numbers ──► called number ──► decks, rating ──► price
    exchange asks ─► holds (authorize) ──► call record ──► settling (record_calls) ──► credit

`docs/voip.md` tells it in whole; `operations.py` has what an admin and the VoIP zone do.
"""

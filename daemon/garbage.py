"""How Python looks for garbage: rarely, because what Hradlo holds is seldom that."""

import gc

ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000
"""A full look at 100,000 contracts makes a million objects that stay, and so do a large bank file and the imports of a
command. Python looks for garbage among them at every 700th, and that is a quarter to half of the time."""


def collect_rarely() -> None:
    """Sets the garbage collector up for a program that holds many objects for long: every command does so."""
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS, 20, 100)

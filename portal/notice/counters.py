"""What the notice server did, as numbers that only grow: metrics instead of a log line for each request."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Since the start of this process."""

    redirects: int = 0
    """Page loads and probes that were sent to the notice."""
    refusals: int = 0
    """Short answers to what is no page."""
    pages: int = 0
    """Pages of our own that were served."""
    acknowledgements: int = 0
    acknowledgements_refused: int = 0
    limited: int = 0
    """Requests above the rate of their source."""
    malformed: int = 0
    connections_refused: int = 0
    """Above the number of their source."""
    connections_expired: int = 0
    """Their request was not whole in time."""

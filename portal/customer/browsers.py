"""What a browser is called by people. It says what it is itself, so this is for recognising one's own. Pure."""

_PROGRAMS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
"""In this order: most claim to be Chrome or Safari, too."""
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "Chromebook"),
    ("Linux", "Linux"),
)
_LENGTH_MAX = 60


def browser_name(user_agent: str) -> str:
    """For example `Firefox, Windows`; of one that is neither, the beginning of what it said."""
    named = [_first(user_agent, known) for known in (_PROGRAMS, _SYSTEMS)]
    return ", ".join(name for name in named if name) or user_agent[:_LENGTH_MAX]


def _first(user_agent: str, known: tuple[tuple[str, str], ...]) -> str:
    return next((name for mark, name in known if mark in user_agent), "")

"""A number with its word, in the English of the command line, the logs and the admin's mails.

What subscribers read is translated, and has the plurals of their language: `config.i18n`.
"""


def counted(number: int, one: str, many: str = "") -> str:
    """``1 line``, ``2 lines``; `many` where an s at the end is not enough: ``payments wait``."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"

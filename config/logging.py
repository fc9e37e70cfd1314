"""Log lines: one structured line for each unit of work, to standard error.

A unit of work (a request, a reconcile round, an import, a mail) ends with exactly one line that carries all
that is worth knowing about it as keys; lower layers return reports and do not log. People at a terminal get
text, everything else gets JSON. What libraries log by the standard `logging` goes the same way.

Whatever is called a secret is never written, wherever it hides in the line.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

from config.errors import HIDDEN, without_password

Format = Literal["auto", "json", "text"]

_SECRET_KEY = re.compile(r"password|passwd|token|secret|authorization|cookie|signing_key|nonce", re.IGNORECASE)

_MULTILINE = ("exception", "stack")

# Their ordinary lines are one for each request or statement; ours say the same with what matters.
_TALKATIVE = ("aiohttp.access", "aiosqlite", "alembic", "asyncio", "mail.log", "sqlalchemy")


def configure(log_format: Format = "auto", stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Sets logging up for this process; may be called again with other arguments."""
    stream = stream or sys.stderr
    is_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,  # loggers are made at import, before the settings are read
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(is_text, stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def redact(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Hides every value whose key names a secret, at any depth, and passwords in addresses."""
    return {key: _redacted(key, value) for key, value in line.items()}


def _redacted(key: object, value: Any) -> Any:
    if isinstance(key, str) and _SECRET_KEY.search(key):
        return HIDDEN
    if isinstance(value, str):
        return without_password(value)
    if isinstance(value, Mapping):
        return {inner: _redacted(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(None, item) for item in value]
    return value


def _shared() -> list[Processor]:
    """What happens to our own and to the libraries' lines alike."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
    ]


def _formatter(is_text: bool, has_colors: bool) -> logging.Formatter:
    render: list[Processor]
    if is_text:
        # A plain traceback: the pretty one prints local variables, secrets among them.
        plain = structlog.dev.plain_traceback
        console = structlog.dev.ConsoleRenderer(colors=has_colors, exception_formatter=plain, timestamp_key="at")
        render = [_printable, console]
    else:
        render = [structlog.processors.JSONRenderer(default=str)]
    # The traceback becomes text before the redaction, so that it is searched as well.
    render = [structlog.processors.format_exc_info, redact, *render]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(), structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )


def _printable(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Escapes control characters, so that what a stranger sent can't move the admin's cursor."""
    return {
        key: "\n".join(map(_escaped, value.split("\n"))) if key in _MULTILINE else _escaped(value)
        for key, value in line.items()
    }


def _escaped(value: Any) -> Any:
    return repr(value)[1:-1] if isinstance(value, str) and not value.isprintable() else value

"""Writes the settings down for people, from the classes in `config.settings`, so that no text can be stale.

`python -m config.example` renews `config/hradlo.toml` (the commented example) and `docs/settings.md`; a test
holds both equal to what is rendered here. `write` makes a new file for `hradlo init`.
"""

import json
import textwrap
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from config.errors import NotAllowed
from config.section import Section
from config.settings import Settings, parse, tables

Values = Mapping[str, Mapping[str, object]]
"""Chosen values: table, key, value."""

_ROOT = Path(__file__).resolve().parent.parent
EXAMPLE_PATH = _ROOT / "config" / "hradlo.toml"
DOCUMENT_PATH = _ROOT / "docs" / "settings.md"
_WIDTH = 100

_EXAMPLE_HEAD = """\
# Hradlo's settings. A line that begins with #key = shows the default; remove the # to change it.
# Units stand at the end of names. `hradlo check-config` lists every mistake with its place.
"""

_DOCUMENT_HEAD = """\
# Settings

All settings of `hradlo.toml`, rendered from `config/settings.py` by `python -m config.example`. Every one has a
default that is safe to start with, except where your network must be named. Units stand at the end of names,
amounts are in units of `isp.currency`, hours are in `isp.timezone`. An unknown key is an error.

Secrets never stand in this file. Each is a file of its own in `secrets.directory`, or a systemd credential of
the same name: `signing_key` (made by `hradlo init`), `smtp_password` (needed with `mail.username`), `database_password`
(of PostgreSQL), `voip_token` (needed with `voip.exchange_listen`), and what `fio.tokens` and the `secret` of each
`[[routeros]]` name.
"""


def example(values: Values | None = None) -> str:
    """The commented file; what `values` names is set, all else shows its default."""
    parts = (
        _repeated_table(name, section) if is_repeated else _table(name, section(), values or {})
        for name, section, is_repeated in tables()
    )
    return "\n".join([_EXAMPLE_HEAD, *parts])


def document() -> str:
    """`docs/settings.md`."""
    return "\n".join([_DOCUMENT_HEAD, *(_chapter(*table) for table in tables())])


def write(path: Path, values: Values) -> None:
    """Writes a new settings file; raises `SettingsError` for wrong values, `NotAllowed` where one stands."""
    for name, keys in values.items():
        for key in keys:
            if key not in type(getattr(Settings(), name)).model_fields:
                raise ValueError(f"[{name}] {key} is not a setting")
    text = example(values)
    parse(text, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise NotAllowed(f"{path} exists already.", "Edit it, or move it away first.") from error


def toml(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(toml(item) for item in value)}]"
    if isinstance(value, (int, Decimal)):
        return str(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _table(name: str, section: Section, values: Values) -> str:
    lines = [*_comment(type(section).__doc__), f"[{name}]", ""]
    for key, field in type(section).model_fields.items():
        lines += [*_comment(_help(field)), _line(key, getattr(section, key), field, values.get(name, {})), ""]
    return "\n".join(lines)


def _repeated_table(name: str, section: type[Section]) -> str:
    """A table that may stand there several times, and does not at all by default: the whole of it is a comment."""
    lines = [*_comment(section.__doc__), f"# [[{name}]]", ""]
    for key, field in section.model_fields.items():
        shown = field.examples[0] if field.examples else field.default
        lines += [*_comment(_help(field)), f"# {key} = {toml(shown)}", ""]
    return "\n".join(lines)


def _line(key: str, default: object, field: FieldInfo, chosen: Mapping[str, object]) -> str:
    if key in chosen:
        return f"{key} = {toml(chosen[key])}"
    shown = (field.examples or [""])[0] if default is None else default
    return f"#{key} = {toml(shown)}"


def _help(field: FieldInfo) -> str:
    parts = [field.description or ""]
    if allowed := _allowed(field):
        parts.append(f"({allowed})")
    if field.default is None:
        parts.append("Not set by default; for example:")
    return " ".join(parts)


def _allowed(field: FieldInfo) -> str:
    """``1 to 365`` or ``a | b``; empty when the type says it all."""
    if get_origin(field.annotation) is Literal:
        return " | ".join(get_args(field.annotation))
    bounds: dict[type, Any] = {type(item): item for item in field.metadata}
    least = bounds[Ge].ge if Ge in bounds else None
    most = bounds[Le].le if Le in bounds else None
    if most is not None:
        return f"{least} to {most}"
    return f"{least} or more" if least is not None else ""


def _comment(text: str | None) -> list[str]:
    return textwrap.wrap(text or "", _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _chapter(name: str, section: type[Section], is_repeated: bool) -> str:
    lines = [
        f"## [[{name}]]" if is_repeated else f"## [{name}]",
        "",
        section.__doc__ or "",
        "",
        "| Setting | Default | Allowed | Meaning |",
        "|---|---|---|---|",
    ]
    for key, field in section.model_fields.items():
        cells = (f"`{key}`", _default(field), _allowed(field), field.description or "")
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join([*lines, ""])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    return "not set" if field.default is None else f"`{toml(field.default)}`"


if __name__ == "__main__":
    EXAMPLE_PATH.write_text(example(), encoding="utf-8")
    DOCUMENT_PATH.write_text(document(), encoding="utf-8")

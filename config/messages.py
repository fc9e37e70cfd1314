"""Keeps the Czech catalogue equal to the texts in the code: `python -m config.messages`.

Adds what is new with an empty translation, drops what nobody uses any more, and lists what a person must
still translate. A test runs the same check, so that no subscriber meets half a translation.
"""

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from config.i18n import catalogue_path

_ROOT = Path(__file__).resolve().parent.parent
_ROOMS = ("config", "billing", "enforcement", "portal", "daemon")
_KEYWORDS: dict[str, tuple[int, ...] | None] = {"_": None, "N_": None, "plural": (1, 2)}
_METHODS = {".py": "python", ".html": "jinja2.ext:babel_extract", ".txt": "jinja2.ext:babel_extract"}
_ADOPTED = datetime(2026, 11, 23, tzinfo=UTC)  # gettext's header wants a date; Git knows the true ones
_PLACE = re.compile(r"{(\w+)}")


def extracted(root: Path = _ROOT) -> Catalog:
    """Every text that code and templates ask for."""
    texts = _empty()
    for path in _sources(root):
        for _, msgid, _, _ in extract_from_file(_METHODS[path.suffix], path, keywords=_KEYWORDS):
            texts.add(msgid)
    return texts


def stored(path: Path) -> Catalog:
    """The catalogue as it stands in the file; empty when there is none."""
    if not path.exists():
        return _empty()
    with path.open("rb") as file:
        return read_po(file, locale="cs")


def problems(wanted: Catalog, present: Catalog) -> list[str]:
    """What is missing, not translated, no longer used, or fills other places than the English."""
    found = [f"missing: {message.id}" for message in _messages(wanted) if _key(message) not in present]
    for message in _messages(present):
        forms = _forms(message.string)
        if _key(message) not in wanted:
            found.append(f"unused: {message.id}")
        elif not all(forms) or message.fuzzy or len(forms) != (present.num_plurals if message.pluralizable else 1):
            found.append(f"not translated: {message.id}")
        elif any(_places(form) != _places(*_forms(message.id)) for form in forms):
            found.append(f"other places in braces: {message.id}")
    return found


def update(wanted: Catalog, path: Path) -> None:
    """Writes the catalogue with exactly the wanted texts, keeping the translations that it has."""
    present = stored(path)
    for message in _messages(wanted):
        kept = present.get(_key(message))
        if kept is not None and kept.pluralizable == message.pluralizable:
            message.string = kept.string
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, wanted, width=110, no_location=True, sort_output=True)


def main() -> int:
    """Updates the Czech catalogue; 1 when something is left to translate."""
    path = catalogue_path("cs")
    wanted = extracted()
    update(wanted, path)
    left = problems(wanted, stored(path))
    print("\n".join([*left, f"{len(wanted)} texts, {len(left)} to do in {path}"]))
    return 1 if left else 0


def _empty() -> Catalog:
    comment = "# Czech texts of Hradlo. `python -m config.messages` adds and drops; a person translates."
    return Catalog(
        locale="cs", header_comment=comment, project="Hradlo", version="1", last_translator="Hradlo's developers",
        language_team="Czech", msgid_bugs_address="see SECURITY.md and README.md", fuzzy=False,
        creation_date=_ADOPTED, revision_date=_ADOPTED,
    )  # fmt: skip


def _sources(root: Path) -> Iterator[Path]:
    for room in _ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix == ".py" or (path.suffix in _METHODS and "templates" in path.parts):
                yield path


def _messages(catalogue: Catalog) -> list[Message]:
    return [message for message in catalogue if message.id]


def _key(message: Message) -> str:
    """A catalogue finds a plural message by its singular."""
    return _forms(message.id)[0]


def _forms(text: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    return (text or "",) if isinstance(text, str) or text is None else tuple(text)


def _places(*forms: str) -> set[str]:
    """The ``{names}`` that any of the forms fills."""
    return {name for form in forms for name in _PLACE.findall(form)}


if __name__ == "__main__":
    sys.exit(main())

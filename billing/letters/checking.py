"""The check of an admin's own mail templates, before a mail needs them: every mistake with its file and line.

Three looks at each file: its grammar; the names that it uses; and a letter of each sort laid out with it, which finds
what only shows when it runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType

from jinja2 import Environment, TemplateSyntaxError, meta, nodes

from billing.letters.layout import KINDS, LETTER, SUFFIXES
from billing.letters.letter import Addressee, Letter, Link, shown
from billing.letters.templating import own_environment
from billing.money import Money
from config.errors import Problem
from config.i18n import LANGUAGES
from config.settings import Settings

FILES = tuple(f"{name}.{suffix}" for name in (LETTER, *KINDS) for suffix in SUFFIXES)


@dataclass(frozen=True, slots=True)
class _Sample:
    number: str
    due_on: date
    open: Money


def template_problems(settings: Settings) -> list[Problem]:
    """What is wrong with the files in `mail.templates`; nothing when there is no such directory set."""
    directory = settings.mail.templates
    if directory is None:
        return []
    if not directory.is_dir():
        return [Problem("[mail] templates", f"{directory} is no directory that can be read")]
    environment = own_environment(directory)
    paths = sorted(path for path in directory.iterdir() if path.suffix.removeprefix(".") in SUFFIXES)
    used: set[str] = set()
    problems: list[Problem] = []
    for path in paths:
        problems += _problems_of(environment, path, settings, used)
    strangers = [path for path in paths if path.name not in FILES and path.name not in used]
    known = ", ".join(f"{name}.html" for name in (LETTER, *KINDS))
    return problems + [Problem(str(path), f"is used by no mail: names are {known}, or .txt") for path in strangers]


def _problems_of(environment: Environment, path: Path, settings: Settings, used: set[str]) -> list[Problem]:
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return [Problem(str(path), f"can't be read as UTF-8 text: {error}")]
    try:
        tree = environment.parse(source, path.name, str(path))
    except TemplateSyntaxError as error:
        return [Problem(f"{path} line {error.lineno}", error.message or "is no template")]
    used |= {name for name in meta.find_referenced_templates(tree) if name}
    if path.name not in FILES:
        return []  # a part of another one: what it may name, only that one says
    return [*_unknown_names(tree, path)] or _failures(environment, path, settings)


def _unknown_names(tree: nodes.Template, path: Path) -> Iterator[Problem]:
    known = set(_samples_shown()[0])
    for name in sorted(meta.find_undeclared_variables(tree) - known):
        lines = [node.lineno for node in tree.find_all(nodes.Name) if node.name == name]
        yield Problem(
            f"{path} line {min(lines, default=1)}", f"{name} is not known; there are {', '.join(sorted(known))}"
        )


def _failures(environment: Environment, path: Path, settings: Settings) -> list[Problem]:
    for names in _samples_shown(settings):
        try:
            environment.get_template(path.name).render(names)
        except Exception as error:  # whatever a template may do wrong
            return [Problem(f"{path}{_line_in(path, error.__traceback__)}", f"{error}")]
    return []


def _line_in(path: Path, trace: TracebackType | None) -> str:
    """Jinja shows its own frames as lines of the template."""
    line = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" line {line}" if line else ""


def _samples_shown(settings: Settings | None = None) -> list[dict[str, object]]:
    """A letter that has everything and one that has least, in each language."""
    settings = settings or Settings()
    link = Link("Portal", "https://portal.example", "https://portal.example")
    full = Letter(
        "calm",
        "Subject",
        "Title",
        ("Lead",),
        "Pay",
        ("Next",),
        link,
        "Closing",
        ("When", "Price"),
        (("1 March", "1.20"),),
    )
    least = Letter("good", "Subject", "Title", ("Lead",))
    invoice = _Sample("2600000123", date(2026, 11, 15), Money(599_00))
    found: list[dict[str, object]] = []
    for language in LANGUAGES:
        addressee = Addressee(1, "1001", "Jana Nová", "jana@example.com", language)
        for letter, count in ((full, 2), (full, 1), (least, 0)):
            found.append(shown(letter, addressee, [invoice] * count, settings))
    return found

"""What the documents say is there: files that they link to, commands and options that they name."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from daemon.cli import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_LINK = re.compile(r'(?:\]\(|<img src=")(?!\w+:)([^)"#\s]+)')


def code(text: str) -> Iterator[str]:
    """Lines of code blocks, and code within a sentence."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    indented = re.findall(r"^ {4}(?! *\|).*$", text, re.M)
    for line in (*"\n".join(fenced).splitlines(), *indented, *re.findall(r"`([^`\n]+)`", text)):
        if line.strip().startswith("hradlo "):
            yield line.strip()


@cache
def program() -> Any:
    return typer.main.get_command(app)


def mistake(line: str) -> str:
    """What of a command line is not there; empty when all is."""
    command, words = program(), line.split()[1:]
    while words and hasattr(command, "commands") and words[0][0].isalpha():
        if words[0] not in command.commands:
            return words[0]
        command = command.commands[words.pop(0)]
    known = {"--help"}.union(*((*each.opts, *each.secondary_opts) for each in command.params))
    named = (word.strip("[].,:") for word in words if re.match(r"\[?--\w", word))
    return " ".join(word for word in named if word not in known)


def test_every_link_within_the_documents_leads_to_a_file() -> None:
    dead = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in DOCUMENTS
        for link in _LINK.findall(document.read_text(encoding="utf-8"))
        if not (document.parent / link).exists()
    ]

    assert dead == []


def test_the_readme_leads_to_every_document() -> None:
    linked = set(_LINK.findall((ROOT / "README.md").read_text(encoding="utf-8")))

    assert {str(document.relative_to(ROOT)) for document in DOCUMENTS} - linked == {"README.md"}


def test_every_command_and_option_that_a_document_names_is_there() -> None:
    found = [
        (str(document.relative_to(ROOT)), line)
        for document in DOCUMENTS
        for line in code(document.read_text(encoding="utf-8"))
    ]
    wrong = [f"{name}: {line}" for name, line in found if mistake(line)]

    assert len(found) > 100
    assert wrong == []


@pytest.mark.parametrize("line", ["hradlo brakes show", "hradlo brake shows", "hradlo plan --jsn"])
def test_a_command_that_is_not_there_would_be_noticed(line: str) -> None:
    assert mistake(line)

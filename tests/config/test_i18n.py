"""What subscribers read: negotiation, formats, and a catalogue without holes."""

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from config import messages
from config.i18n import LANGUAGES, catalogue_path, negotiate, translator

PRAGUE = ZoneInfo("Europe/Prague")


def test_czech_says_every_text_that_code_and_templates_ask_for() -> None:
    assert messages.problems(messages.extracted(), messages.stored(catalogue_path("cs"))) == []


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("cs-CZ,cs;q=0.9,en;q=0.8", "cs"),
        ("en-US,en;q=0.9,cs;q=0.8", "en"),
        ("sk-SK,sk;q=0.9", "cs"),
        ("de-DE,de;q=0.9,en;q=0.5,cs;q=0.4", "en"),
        ("en;q=0.2, cs;q=0.7", "cs"),
        ("en;q=0, cs;q=0.1", "cs"),
        ("CS", "cs"),
        ("cs_CZ", "cs"),
    ],
)
def test_the_best_understood_language_is_chosen(header: str, expected: str) -> None:
    assert negotiate(header, "en") == expected


@pytest.mark.parametrize(
    "header", [None, "", "de", "*", ";;;,,,", "cs;q=abc", "cs;q=9", "cs;q=0", "q=1", "\x00", "cs" * 5000]
)
def test_a_header_that_asks_for_nothing_we_have_gets_the_default(header: str | None) -> None:
    assert negotiate(header, "en") == "en"
    assert negotiate(header, "cs") == "cs"


@given(st.text(alphabet=st.sampled_from("csenkq=0.1;,*- \t\u0661\x00é"), max_size=60) | st.text(max_size=200))
def test_junk_in_the_header_is_never_an_error(header: str) -> None:
    assert negotiate(header, "cs") in LANGUAGES


def test_dates_read_as_people_write_them() -> None:
    assert translator("cs").date(date(2027, 3, 5)) == "5. 3. 2027"
    assert translator("en").date(date(2027, 3, 5)) == "5 March 2027"


def test_instants_are_shown_in_the_isps_zone() -> None:
    at = datetime(2027, 7, 1, 22, 5, tzinfo=UTC)

    assert translator("cs").datetime(at, PRAGUE) == "2. 7. 2027 0:05"
    assert translator("en").datetime(at, PRAGUE) == "2 July 2027, 00:05"


def test_amounts_keep_their_hundredths_and_never_break_over_two_lines() -> None:
    assert translator("cs").money(160_500, "CZK") == "1\xa0605,00\xa0Kč"
    assert translator("cs").money(-1, "CZK") == "-0,01\xa0Kč"
    assert translator("en").money(123_450, "CZK") == "CZK\xa01,234.50"
    assert translator("en").money(123_450, "JPY") == "JPY\xa01,234.50"


def test_places_are_filled_with_what_a_stranger_wrote_as_it_stands() -> None:
    assert translator("en")("Hello {name}.", name="{name.__class__}") == "Hello {name.__class__}."


def test_a_text_without_places_may_hold_braces() -> None:
    assert translator("en")("a {b} c") == "a {b} c"


def test_plurals_fill_their_number() -> None:
    _ = translator("en")

    assert [_.plural("{n} day", "{n} days", n) for n in (1, 2)] == ["1 day", "2 days"]


def test_an_unknown_language_is_english_and_slovak_is_czech() -> None:
    assert [translator(code).language for code in ("cs", "cs-CZ", "sk", "en", "de", "")] == [
        "cs",
        "cs",
        "cs",
        "en",
        "en",
        "en",
    ]


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    (tmp_path / "portal" / "templates").mkdir(parents=True)
    (tmp_path / "portal" / "texts.py").write_text(
        'x = _("Pay {amount}.", amount=1)\ny = _.plural("{n} invoice", "{n} invoices", 2)\nz = N_("later")\n'
    )
    (tmp_path / "portal" / "templates" / "page.html").write_text(
        '{{ _("Hello") }} {{ plural("{n} day", "{n} days", n) }}'
    )
    return tmp_path


def test_texts_are_found_in_python_and_in_templates(rooms: Path) -> None:
    found = {message.id for message in messages.extracted(rooms) if message.id}

    assert found == {"Pay {amount}.", ("{n} invoice", "{n} invoices"), "later", "Hello", ("{n} day", "{n} days")}


def test_an_update_keeps_translations_and_drops_what_nobody_asks_for(rooms: Path, tmp_path: Path) -> None:
    path = tmp_path / "cs" / "hradlo.po"
    path.parent.mkdir()
    path.write_text('msgid "Hello"\nmsgstr "Ahoj"\n\nmsgid "Gone"\nmsgstr "Pryč"\n')

    messages.update(messages.extracted(rooms), path)

    written = messages.stored(path)
    assert written["Hello"].string == "Ahoj"
    assert "Gone" not in written
    assert "not translated: later" in messages.problems(messages.extracted(rooms), written)


def test_holes_of_every_kind_are_named(rooms: Path, tmp_path: Path) -> None:
    path = tmp_path / "holes.po"
    path.write_text(
        'msgid "Pay {amount}."\nmsgstr "Zaplaťte {castka}."\n\n#, fuzzy\nmsgid "later"\nmsgstr "později"\n\n'
        'msgid "{n} day"\nmsgid_plural "{n} days"\nmsgstr[0] "{n} den"\nmsgstr[1] "{n} dny"\n\n'
        'msgid "Gone"\nmsgstr "Pryč"\n'
    )
    with path.open("rb") as file:
        present = read_po(file, locale="cs")

    assert messages.problems(messages.extracted(rooms), present) == [
        "missing: Hello",
        "missing: ('{n} invoice', '{n} invoices')",
        "other places in braces: Pay {amount}.",
        "not translated: later",
        "not translated: ('{n} day', '{n} days')",
        "unused: Gone",
    ]

"""The example file and the settings page say what the code says."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import example
from config.errors import NotAllowed, SettingsError
from config.settings import Settings, parse, tables

RENEW = "run `python -m config.example` and look at the difference"


def test_the_example_file_is_what_the_settings_say() -> None:
    assert example.EXAMPLE_PATH.read_text(encoding="utf-8") == example.example(), RENEW


def test_the_settings_page_is_what_the_settings_say() -> None:
    assert example.DOCUMENT_PATH.read_text(encoding="utf-8") == example.document(), RENEW


def test_every_setting_is_explained() -> None:
    silent = [
        f"[{name}] {key}"
        for name, section, _ in tables()
        for key, field in section.model_fields.items()
        if not field.description
    ]

    assert silent == []
    assert all(section.__doc__ for _, section, _ in tables())


def test_the_example_as_it_stands_is_all_defaults() -> None:
    assert parse(example.example()) == Settings()


def test_the_defaults_it_shows_are_the_defaults() -> None:
    shown = "\n".join(line.removeprefix("#") for line in example.example().splitlines() if not line.startswith("# "))
    unset = ("certificate", "key", "watch_folder", "logo", "templates", "calls_folder")
    settings = parse("\n".join(line for line in shown.splitlines() if not line.startswith(unset)))

    assert settings == Settings()


def test_a_written_file_holds_the_chosen_values_and_explains_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "hradlo.toml"

    example.write(path, {"isp": {"name": 'Síť "U nás"'}, "notice": {"addresses": ("10.0.0.1",)}})

    text = path.read_text(encoding="utf-8")
    assert parse(text).isp.name == 'Síť "U nás"'
    assert [str(address) for address in parse(text).notice.addresses] == ["10.0.0.1"]
    assert "#grace_days = 10" in text


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "hradlo.toml"
    path.write_text("# mine")

    with pytest.raises(NotAllowed):
        example.write(path, {})

    assert path.read_text() == "# mine"


def test_wrong_values_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "hradlo.toml"

    with pytest.raises(SettingsError):
        example.write(path, {"dunning": {"grace_days": 0}})
    with pytest.raises(ValueError, match="is not a setting"):
        example.write(path, {"dunning": {"grace": 1}})

    assert not path.exists()


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80), st.integers(0, 10**9))
def test_any_text_and_amount_comes_back_as_it_went(name: str, minor: int) -> None:
    debt = Decimal(minor) / 100

    settings = parse(
        example.example({"isp": {"name": name}, "dunning": {"minimum_debt": debt, "spares_holidays": False}})
    )

    assert settings.isp.name == name
    assert settings.dunning.minimum_debt_minor == minor
    assert settings.dunning.spares_holidays is False

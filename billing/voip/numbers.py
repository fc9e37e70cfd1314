"""Telephone numbers as people and exchanges write them, and what kind of number that is. Pure.

What is peculiar to a country is data: its numbering plan comes from `phonenumbers`, its short numbers (emergency,
helplines, enquiries) from `short_numbers/COUNTRY.toml`. One function, `called`, reads what is typed on the price
page, what an exchange asks about and what a call record says, so the three can't disagree.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import phonenumbers

_FOLDER = Path(__file__).parent / "short_numbers"
_SCHEME = re.compile(r"(?:sips?|tel):", re.IGNORECASE)
_TRUNK_ZERO = re.compile(r"(?<=\d)[\s\u00a0]*\(0\)")
_SEPARATORS = str.maketrans("", "", " \u00a0\u2009\u202f\t-\u2010\u2011\u2012\u2013./()")
_DIALLED = re.compile(r"\+?[0-9]{2,20}", re.ASCII)
_INTERNATIONAL = re.compile(r"[1-9][0-9]{4,14}", re.ASCII)
_COUNTRY_CODE_DIGITS_MAX = 3
SHORT_DIGITS_MAX = 6


class Nature(StrEnum):
    """What kind of number it is, as far as prices care."""

    ORDINARY = "ordinary"
    EMERGENCY = "emergency"
    """Always passes, always free."""
    FREE = "free"
    PREMIUM = "premium"


class Called(NamedTuple):
    """A number that can be called."""

    digits: str
    """International, without +; of a short number as it is dialled."""
    nature: Nature = Nature.ORDINARY
    is_short: bool = False
    country_code: str = ""

    def __str__(self) -> str:
        return self.digits if self.is_short else f"+{self.digits}"


@dataclass(frozen=True, slots=True)
class ShortNumber:
    """A line of a country's table."""

    pattern: re.Pattern[str]
    kind: str
    """`emergency`, `free` or `paid`."""
    names: Mapping[str, str]
    """By language."""
    example: str


def called(text: str, country: str) -> Called:
    """Reads a number; raises `ValueError` that says what is wrong. `country` (ISO) is where it is dialled."""
    dialled = _cleaned(text)
    plan = _plan(country)
    if not dialled.startswith("+"):
        short = short_number(dialled, country)
        if short is not None:
            return Called(dialled, _nature_of_short(short), is_short=True, country_code=plan.code)
    digits = _international(dialled, plan, text)
    home_short = digits.removeprefix(plan.code) if digits.startswith(plan.code) else ""
    # an exchange that makes everything international makes +420112 of 112
    short = short_number(home_short, country) if home_short else None
    if short is not None:
        return Called(home_short, _nature_of_short(short), is_short=True, country_code=plan.code)
    if not _INTERNATIONAL.fullmatch(digits):
        raise ValueError(f"{text!r} is no telephone number: {len(digits)} digits are too few or too many")
    return _with_nature(digits, plan)


def number(text: str, country: str) -> str:
    """A subscriber's own number as it is stored, +420601123456; raises `ValueError`."""
    found = called(text, country)
    if found.is_short:
        raise ValueError(f"{text!r} is a short number; nobody has it as their own")
    if not phonenumbers.is_valid_number(phonenumbers.parse(str(found))):
        raise ValueError(f"{text!r} is no valid telephone number: write it like +420 601 123 456")
    return str(found)


def is_emergency(text: str, country: str) -> bool:
    """Whether that is an emergency number, however an exchange writes it. Never raises; asks no database."""
    try:
        return called(text, country).nature is Nature.EMERGENCY
    except ValueError:
        return False


def short_number(digits: str, country: str) -> ShortNumber | None:
    """What the country's table says about a number as it is dialled."""
    if len(digits) > SHORT_DIGITS_MAX:
        return None
    return next((each for each in short_numbers(country) if each.pattern.fullmatch(digits)), None)


def shown(text: str, country: str) -> str:
    """A number for people's eyes, +420 601 123 456; what is none stays as it is written."""
    try:
        found = called(text, country)
        if found.is_short:
            return found.digits
        parsed = phonenumbers.parse(str(found))
    except (ValueError, phonenumbers.NumberParseException):
        return text
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


@cache
def short_numbers(country: str) -> tuple[ShortNumber, ...]:
    """The country's table; where there is none, the emergency numbers that `phonenumbers` knows."""
    path = _FOLDER / f"{country.lower()}.toml"
    if not path.is_file():
        metadata = phonenumbers.PhoneMetadata.short_metadata_for_region(country)
        pattern = metadata.emergency.national_number_pattern if metadata and metadata.emergency else None
        return (ShortNumber(re.compile(pattern or "112", re.ASCII), "emergency", {}, "112"),)
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["number"]
    return tuple(
        ShortNumber(re.compile(row["pattern"], re.ASCII), row["kind"], row["name"], row["example"]) for row in rows
    )


def country_code(country: str) -> str:
    """The digits of its numbers in international form, 420."""
    return _plan(country).code


def examples(country: str) -> list[str]:
    """A number of each kind that a deck must think of beside ordinary ones: premium, and each priced short number."""
    premium = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.PREMIUM_RATE)
    found = [phonenumbers.format_number(premium, phonenumbers.PhoneNumberFormat.E164)] if premium else []
    return found + [each.example for each in short_numbers(country) if each.kind == "paid"]


class _Plan(NamedTuple):
    """How numbers are dialled in a country."""

    code: str
    is_abroad: re.Pattern[str]
    """What stands before an international number: 00, 011 …"""
    trunk: str
    national: re.Pattern[str]
    premium: re.Pattern[str] | None
    toll_free: re.Pattern[str] | None


@cache
def _plan(country: str) -> _Plan:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(country)
    if metadata is None:
        raise ValueError(f"there is no numbering plan of {country}")
    return _Plan(
        str(metadata.country_code),
        re.compile(metadata.international_prefix or "00", re.ASCII),
        metadata.national_prefix or "",
        _pattern(metadata.general_desc) or re.compile(r"\d{4,14}", re.ASCII),
        _pattern(metadata.premium_rate),
        _pattern(metadata.toll_free),
    )


def _pattern(description: phonenumbers.PhoneNumberDesc | None) -> re.Pattern[str] | None:
    text = description.national_number_pattern if description else None
    return re.compile(text, re.ASCII) if text else None


def _cleaned(text: str) -> str:
    if _DIALLED.fullmatch(text):  # as exchanges write it; a hundred thousand a second come through here
        return text
    plain = _SCHEME.sub("", text.strip(), count=1).partition("@")[0].partition(";")[0]
    dialled = _TRUNK_ZERO.sub("", plain).translate(_SEPARATORS)
    if not _DIALLED.fullmatch(dialled):
        raise ValueError(f"{text!r} is no telephone number: only digits, spaces and a leading + belong there")
    return dialled


def _international(dialled: str, plan: _Plan, text: str) -> str:
    if dialled.startswith("+"):
        return dialled[1:]
    abroad = plan.is_abroad.match(dialled)
    if abroad:
        return dialled[abroad.end() :]
    for national in (dialled, dialled.removeprefix(plan.trunk)):
        if plan.national.fullmatch(national):
            return plan.code + national
    if dialled.startswith(plan.code) and plan.national.fullmatch(dialled[len(plan.code) :]):
        return dialled
    raise ValueError(f"{text!r} is no telephone number here: write numbers abroad with + or 00")


def _with_nature(digits: str, home: _Plan) -> Called:
    is_home = digits.startswith(home.code)
    plan = home if is_home else _foreign_plan(digits[:_COUNTRY_CODE_DIGITS_MAX])
    if plan is None:
        return Called(digits)
    national = digits[len(plan.code) :]
    if plan.premium and plan.premium.fullmatch(national):
        return Called(digits, Nature.PREMIUM, country_code=plan.code)
    # free for callers at home only: from abroad it is a call like any other
    if is_home and plan.toll_free and plan.toll_free.fullmatch(national):
        return Called(digits, Nature.FREE, country_code=plan.code)
    return Called(digits, Nature.ORDINARY, country_code=plan.code)


@lru_cache(maxsize=1000)
def _foreign_plan(first_digits: str) -> _Plan | None:
    for length in range(1, _COUNTRY_CODE_DIGITS_MAX + 1):
        region = phonenumbers.region_code_for_country_code(int(first_digits[:length] or "0"))
        if region not in ("ZZ", "001"):
            return _plan(region)
    return None


def _nature_of_short(short: ShortNumber) -> Nature:
    return {"emergency": Nature.EMERGENCY, "free": Nature.FREE}.get(short.kind, Nature.ORDINARY)

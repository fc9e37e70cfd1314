"""Numbers as people type them and exchanges write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.voip.numbers import Nature, called, is_emergency, number, short_numbers, shown


@pytest.mark.parametrize(
    "text",
    ["601123456", "601 123 456", "+420 601 123 456", "00420601123456", "420601123456", "+420-601-123-456",
     " 601\u00a0123\u00a0456 ", "tel:+420601123456", "sip:601123456@pbx.example.cz;user=phone", "(601) 123 456"],
)  # fmt: skip
def test_one_number_is_the_same_however_it_is_typed(text: str) -> None:
    assert str(called(text, "CZ")) == "+420601123456"


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("+49 (0)30 123456", "CZ", "+4930123456"),
        ("0049 30 123456", "CZ", "+4930123456"),
        ("030 123456", "DE", "+4930123456"),
        ("011 49 30 123456", "US", "+4930123456"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("02 1234 5678", "SK", "+421212345678"),
        ("+39 06 1234567", "CZ", "+39061234567"),
    ],
)
def test_numbers_are_dialled_as_their_country_dials(text: str, country: str, expected: str) -> None:
    assert str(called(text, country)) == expected


@pytest.mark.parametrize(
    "text", ["", "abc", "+", "1", "19 99", "0", "00", "+420", "601123", "60112345678901234567890", "112x", "٦٠١١٢٣٤٥٦"]
)
def test_what_is_no_number_is_refused_with_what_was_typed(text: str) -> None:
    with pytest.raises(ValueError, match="is no telephone number"):
        called(text, "CZ")


@pytest.mark.parametrize("text", ["112", "150", "155", "156", "158", "1 1 2", "+420112", "00420 158", "sip:112@pbx"])
def test_an_emergency_number_is_known_however_an_exchange_writes_it(text: str) -> None:
    assert called(text, "CZ").nature is Nature.EMERGENCY
    assert is_emergency(text, "CZ")


@pytest.mark.parametrize("text", ["1121", "0112", "+49112", "112112112", "", "x", "1188", "601123456"])
def test_nothing_else_is_an_emergency(text: str) -> None:
    assert not is_emergency(text, "CZ")


@pytest.mark.parametrize(
    ("text", "nature"),
    [
        ("800123456", Nature.FREE),
        ("116111", Nature.FREE),
        ("+49 800 1234567", Nature.ORDINARY),
        ("906123456", Nature.PREMIUM),
        ("976123456", Nature.PREMIUM),
        ("+49 900 1123456", Nature.PREMIUM),
        ("1188", Nature.ORDINARY),
        ("14111", Nature.ORDINARY),
        ("601123456", Nature.ORDINARY),
    ],
)
def test_what_kind_of_number_it_is(text: str, nature: Nature) -> None:
    """Toll-free numbers abroad are not free from here."""
    assert called(text, "CZ").nature is nature


def test_a_country_without_a_table_knows_its_emergency_numbers_all_the_same() -> None:
    assert is_emergency("911", "US")
    assert is_emergency("112", "SK")
    assert not is_emergency("155", "US")


@given(st.text(max_size=30))
def test_no_text_at_all_makes_the_question_for_emergencies_fail(text: str) -> None:
    assert is_emergency(text, "CZ") in (True, False)


@given(st.text(alphabet="+0123456789 -()/.@:;siptel", max_size=30))
def test_what_is_read_is_read_the_same_again(text: str) -> None:
    try:
        found = called(text, "CZ")
    except ValueError:
        return

    assert called(str(found), "CZ") == found


def test_each_short_number_of_the_table_is_an_example_of_itself_and_named_in_both_languages() -> None:
    for short in short_numbers("CZ"):
        assert short.pattern.fullmatch(short.example)
        assert set(short.names) == {"cs", "en"}


def test_ones_own_number_must_be_valid_and_no_short_one() -> None:
    assert number("910 123 456", "CZ") == "+420910123456"
    with pytest.raises(ValueError, match="short number"):
        number("1188", "CZ")
    with pytest.raises(ValueError, match="no valid telephone number"):
        number("+420 10123456", "CZ")


def test_a_number_is_shown_with_spaces() -> None:
    texts = ("601123456", "0049 30 123456", "1188", "anonymous", "")

    assert [shown(text, "CZ") for text in texts] == ["+420 601 123 456", "+49 30 123456", "1188", "anonymous", ""]

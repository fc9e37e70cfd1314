"""The same account, however it is written."""

import pytest

from billing.payments.banks.account import from_internal, is_valid, plain, same_account


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("19-2000145399/0800", "19-2000145399/0800"),
        ("000019-2000145399/0800", "19-2000145399/0800"),
        ("0000192000145399", "19-2000145399"),
        ("0000001000000005", "1000000005"),
        ("000000-0000000051 / 2010", "51/2010"),
        ("CZ65 0800 0000 1920 0014 5399", "19-2000145399/0800"),
        ("0000000000000000", ""),
        ("0000000000000000/0000", ""),
        ("de89 3704 0044 0532 0130 00", "DE89370400440532013000"),
        ("", ""),
    ],
)
def test_an_account_has_one_plain_form(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    ("configured", "in_statement"),
    [
        ("19-2000145399/0800", "0000192000145399"),
        ("19-2000145399", "000019-2000145399/0800"),
        ("CZ6508000000192000145399", "19-2000145399/0800"),
        ("CZ65 0800 0000 1920 0014 5399", "0000192000145399"),
        ("0019-2000145399/0800", "CZ6508000000192000145399"),
        ("1000000005", "0000001000000005"),
        ("SK31 1200 0000 1987 4263 7541", "19-8742637541/1200"),
        ("DE89370400440532013000", "de89 3704 0044 0532 0130 00"),
    ],
)
def test_an_account_is_the_same_in_every_spelling(configured: str, in_statement: str) -> None:
    assert same_account(configured, in_statement)
    assert same_account(in_statement, configured)


@pytest.mark.parametrize(
    ("configured", "in_statement"),
    [
        ("19-2000145399/0800", "2000145399/0800"),
        ("19-2000145399/0800", "19-2000145399/2010"),
        ("CZ6508000000192000145399", "19-2000145399/2010"),
        ("1000000005", "1000000006"),
        ("DE89370400440532013000", "DE89370400440532013001"),
        ("CZ6508000000192000145399", "DE89370400440532013000"),
        ("", ""),
        ("", "0000000000000000"),
        ("0/0800", "0000000000000000"),
        ("", "1000000005"),
    ],
)
def test_another_account_is_never_the_same(configured: str, in_statement: str) -> None:
    assert not same_account(configured, in_statement)
    assert not same_account(in_statement, configured)


def test_the_internal_order_of_digits_is_put_back() -> None:
    assert from_internal("9394200015000019") == "0000192000145399"


def test_a_mistyped_digit_fails_the_check_of_the_banks() -> None:
    assert is_valid("0000192000145399")
    assert not is_valid("0000192000145398")
    assert not is_valid("0000182000145399")
    assert not is_valid("0" * 16)

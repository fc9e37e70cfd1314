"""What may stand in customers.csv."""

import pytest

from billing.customers.rules import read_customers
from config.errors import InputRejected

HEADER = "customer_number,name,email,phone,street,city,postal_code,language,password\n"


def problems_of(*lines: str) -> list[str]:
    with pytest.raises(InputRejected) as refusal:
        read_customers((HEADER + "\n".join(lines)).encode(), "customers.csv").require_good()
    return [str(problem) for problem in refusal.value.problems]


def test_a_customer_needs_a_number_and_a_name_only() -> None:
    sheet = read_customers(f"{HEADER}K-1,Jana,,,,,,,\n".encode(), "customers.csv")

    sheet.require_good()
    (row,) = sheet.rows
    assert (row.number, row.name, row.email, row.language, row.password) == ("K-1", "Jana", "", None, "")


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (",Jana,,,,,,,", "customer_number"),
        ("K 1,Jana,,,,,,,", "customer_number"),
        ("123456789012345678901,Jana,,,,,,,", "customer_number"),
        ("1,,,,,,,,", "name"),
        ("1,Jana,jana,,,,,,", "email"),
        ('1,Jana,"a@example.com, b",,,,,,', "email"),
        ("1,Jana,Jana <a@example.com>,,,,,,", "email"),
        ('1,Jana,"a@example.com\nBcc: b@example.com",,,,,,', "email"),
        ("1,Jana,,,,,,de,", "language"),
        ("1,Jana,,,,,,,short", "password"),
    ],
)
def test_a_bad_cell_is_refused_where_it_stands(line: str, place: str) -> None:
    assert problems_of(line)[0].startswith(f"line 2, column {place}: ")


def test_a_refused_password_is_not_repeated_in_the_message() -> None:
    assert "secret7" not in problems_of("1,Jana,,,,,,,secret7")[0]


def test_a_customer_number_stands_in_a_file_once() -> None:
    assert problems_of("1,Jana,,,,,,,", "1,Petr,,,,,,,") == ["line 3, column customer_number: is the same as in line 2"]


def test_a_row_does_not_show_its_password() -> None:
    (row,) = read_customers(f"{HEADER}1,Jana,,,,,,,correct horse\n".encode(), "customers.csv").rows

    assert "correct horse" not in repr(row)


@pytest.mark.parametrize("cell", ["a@x.cz, b@x.cz", "a@x.cz;b@x.cz", "a@x.cz b@x.cz", ", a@x.cz ;; b@x.cz,"])
def test_of_several_addresses_the_first_gets_the_mail_and_the_others_are_known(cell: str) -> None:
    (row,) = read_customers(f'{HEADER}1,Jana,"{cell}",,,,,,\n'.encode(), "customers.csv").rows

    assert (row.email, row.more_emails) == ("a@x.cz", ("b@x.cz",))

"""`?` words: which rows a `print` answers (MikroTik manual, "API": Queries). A little stack machine."""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from tests.routeros.refusal import Refused

Row = Mapping[str, str]
Predicate = Callable[[Row], bool]
_OPERATIONS = re.compile(r"\d+|[!&|.]")


def compiled(words: Sequence[str]) -> Predicate:
    """A test of a row; the words come without their leading question mark. No words: every row."""
    steps = [_step(word) for word in words]

    def matches(row: Row) -> bool:
        stack: list[bool] = []
        for step in steps:
            step(row, stack)
        return all(stack)

    matches({})  # refuses at once what can mean nothing
    return matches


_Step = Callable[[Row, list[bool]], None]


def _step(word: str) -> _Step:
    if word.startswith("#"):
        operations = _operations(word[1:])
        return lambda _, stack: _operate(operations, stack)
    test = _test(word)
    return lambda row, stack: stack.append(test(row))


def _test(word: str) -> Predicate:
    if word.startswith("-"):
        return _lacks(word[1:])
    sign = word[0] if word[:1] in ("<", ">", "=") else ""
    name, equals, value = word[len(sign) :].partition("=")
    if not equals:
        return lambda row: name in row
    if sign in ("<", ">"):
        return lambda row: name in row and _compare(row[name], value) == (-1 if sign == "<" else 1)
    return lambda row: row.get(name) == value


def _lacks(name: str) -> Predicate:
    return lambda row: name not in row


def _compare(left: str, right: str) -> int:
    """-1, 0 or 1: as numbers where both are, as addresses where both are, else as text."""
    with suppress(ValueError):
        return _sign(int(left) - int(right))
    with suppress(ValueError):
        first, second = ipaddress.ip_address(left), ipaddress.ip_address(right)
        return _sign(int(first) - int(second))
    return (left > right) - (left < right)


def _sign(difference: int) -> int:
    return (difference > 0) - (difference < 0)


def _operations(text: str) -> list[str]:
    found = _OPERATIONS.findall(text)
    if "".join(found) != text:
        raise Refused(f"invalid query operation {text}", 1)
    return found


def _operate(operations: Sequence[str], stack: list[bool]) -> None:
    try:
        for position, operation in enumerate(operations):
            if operation.isdigit():
                is_last = position == len(operations) - 1
                chosen = stack[-1 - int(operation)]
                stack[:] = [chosen] if is_last else [*stack, chosen]
            elif operation == ".":
                if position and not operations[position - 1].isdigit():
                    stack.append(stack[-1])
            elif operation == "!":
                stack.append(not stack.pop())
            else:
                right, left = stack.pop(), stack.pop()
                stack.append(left and right if operation == "&" else left or right)
    except IndexError:
        raise Refused("query stack underflow", 1) from None

"""Queries against a slow and obvious model, and the manual's own examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routeros.queries import compiled
from tests.routeros.refusal import Refused

ROWS = [{"a": a, "b": b} for a in ("1", "2", "10") for b in ("x", "y")] + [{"a": "1"}, {"b": "x"}, {}]
leaves = st.sampled_from(["a", "-a", "b", "-b", "a=1", "=a=2", "b=x", "<a=2", ">a=2", "a=", "c=1"])


def truth(leaf: str, row: dict[str, str]) -> bool:
    """What a leaf says of a row, spelled out."""
    said = {
        "a": "a" in row,
        "-a": "a" not in row,
        "b": "b" in row,
        "-b": "b" not in row,
        "a=1": row.get("a") == "1",
        "=a=2": row.get("a") == "2",
        "b=x": row.get("b") == "x",
        "<a=2": "a" in row and int(row["a"]) < 2,
        ">a=2": "a" in row and int(row["a"]) > 2,
        "a=": row.get("a") == "",
        "c=1": False,
    }
    return said[leaf]


trees = st.recursive(
    leaves,
    lambda inner: st.one_of(st.tuples(st.sampled_from("&|"), inner, inner), st.tuples(st.just("!"), inner)),
    max_leaves=8,
)


def words(tree: object) -> list[str]:
    """In the order in which a stack machine wants them."""
    if isinstance(tree, str):
        return [tree]
    assert isinstance(tree, tuple)
    return [word for part in tree[1:] for word in words(part)] + [f"#{tree[0]}"]


def meaning(tree: object, row: dict[str, str]) -> bool:
    if isinstance(tree, str):
        return truth(tree, row)
    assert isinstance(tree, tuple)
    parts = [meaning(part, row) for part in tree[1:]]
    return {"&": all(parts), "|": any(parts), "!": not parts[0]}[tree[0]]


@given(st.lists(trees, max_size=3))
def test_a_query_means_what_its_tree_means_and_what_is_left_is_anded(several: list[object]) -> None:
    matches = compiled([word for tree in several for word in words(tree)])

    for row in ROWS:
        assert matches(row) == all(meaning(tree, row) for tree in several)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (["a=1", "a=2", "#|"], ["1", "1", "2", "2", "1"]),
        (["a=1", "a=2", "#|!"], ["10", "10", None, None]),
        (["a=1", "#!"], ["2", "2", "10", "10", None, None]),
        (["a=1", "b=x", "#1"], ["1", "1", "1"]),  # an index at the end: only that value remains
        (["a=1", "b=x", "#1.&&"], ["1"]),  # an index, then more: a copy of that value is pushed
        ([">a=9"], ["10", "10"]),  # as numbers, not as text
    ],
)
def test_operations_on_the_stack(query: list[str], expected: list[str | None]) -> None:
    assert [row.get("a") for row in ROWS if compiled(query)(row)] == expected


@pytest.mark.parametrize("query", [["#&"], ["a", "#|"], ["#7"], ["a", "#?"], ["#."]])
def test_a_query_that_means_nothing_is_refused(query: list[str]) -> None:
    if query == ["#."]:
        assert compiled(query)({})  # after nothing, a dot copies nothing
        return
    with pytest.raises(Refused):
        compiled(query)({"a": "1"})

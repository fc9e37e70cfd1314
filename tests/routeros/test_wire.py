"""Words and sentences: every length, any pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routeros.wire import Decoder, WireError, encode, encode_length

BORDERS = [0x7F, 0x80, 0x3FFF, 0x4000, 0x1F_FFFF, 0x20_0000]
sentences = st.lists(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5), max_size=5)


def test_a_length_of_200_is_two_bytes() -> None:
    assert encode_length(200).hex() == "80c8"


@pytest.mark.parametrize(
    ("length", "prefix"),
    [
        (0x7F, "7f"),
        (0x80, "8080"),
        (0x3FFF, "bfff"),
        (0x4000, "c04000"),
        (0x1F_FFFF, "dfffff"),
        (0x20_0000, "e0200000"),
        (0xFFF_FFFF, "efffffff"),
        (0x1000_0000, "f010000000"),
    ],
)
def test_each_form_of_a_length_begins_where_the_one_before_ends(length: int, prefix: str) -> None:
    assert encode_length(length).hex() == prefix


@pytest.mark.parametrize("length", BORDERS)
def test_a_word_of_any_length_comes_back(length: int) -> None:
    word = b"x" * length

    assert Decoder().feed(encode([word])) == [[word]]


@given(sentences, st.data())
def test_sentences_cut_anywhere_come_back_whole(given_sentences: list[list[bytes]], data: st.DataObject) -> None:
    stream = b"".join(encode(words) for words in given_sentences)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    decoder = Decoder()

    heard = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        heard += decoder.feed(stream[begin:end])

    assert heard == given_sentences


def test_an_empty_sentence_is_no_sentence() -> None:
    assert Decoder().feed(b"\0\0" + encode([b"/quit"]) + b"\0") == [[b"/quit"]]


@pytest.mark.parametrize("first", [0xF8, 0xFB, 0xFF])
def test_nobody_reads_on_after_a_control_byte(first: int) -> None:
    with pytest.raises(WireError, match="control byte"):
        Decoder().feed(bytes([first]))


def test_a_sentence_longer_than_allowed_is_refused_before_it_has_arrived() -> None:
    with pytest.raises(WireError, match="too long"):
        Decoder(100).feed(encode_length(101))


@given(st.binary(max_size=200))
def test_rubbish_is_sentences_or_an_error(rubbish: bytes) -> None:
    try:
        heard = Decoder().feed(rubbish)
    except WireError:
        return
    assert all(word for words in heard for word in words)

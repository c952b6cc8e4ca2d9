"""Long output: bounded, its beginning and end kept, the rest counted."""

from __future__ import annotations

import pytest

from hermes_lab.engines.shortened import ShortenedText

pytestmark = pytest.mark.requirement("TOOL-8")


def shortened(content: bytes, limit: int, block: int) -> str:
    text = ShortenedText(limit)
    for start in range(0, len(content), block):
        text.feed(content[start : start + block])
    text.feed(b"", final=True)
    return text.text()


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_output_up_to_the_limit_is_kept_whole(block: int) -> None:
    assert shortened(b"x" * 100, 100, block) == "x" * 100


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_longer_output_says_exactly_how_much_is_missing(block: int) -> None:
    content = b"a" * 40 + b"-" * 23 + b"z" * 60
    notice = "\n\n... [OUTPUT TRUNCATED - 23 chars omitted out of 123 total] ...\n\n"
    assert shortened(content, 100, block) == "a" * 40 + notice + "z" * 60


@pytest.mark.parametrize("block", [1, 2, 3])
def test_a_character_that_is_split_between_two_reads_stays_one_character(block: int) -> None:
    assert shortened("häß€".encode(), 100, block) == "häß€"


def test_bytes_that_are_no_text_are_shown_as_replacement_characters() -> None:
    assert shortened(b"a\xff\xe2", 100, 10) == "a\ufffd\ufffd"

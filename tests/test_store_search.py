"""Search by words that a user types."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Draft, Memory


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory.db") as opened:
        yield opened


@pytest.fixture
def filled(memory: Memory) -> Memory:
    memory.add(
        [
            Draft("Who leads the British government?", "Keir Starmer", tags=("politics",)),
            Draft("Where are Siemens' companies based?", "Berlin", note="Keir asked"),
            Draft("東京都知事は誰ですか", "小池百合子"),
            Draft("What does 🎉 mean?", "a party", tags=("Emoji!",)),
            Draft("Is C++ faster than C?", "100% of the time_"),
        ]
    )
    return memory


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("government", [1]),
        ("GOVERN", [1]),
        ("government british", [1]),
        ("keir", [1, 2]),
        ("keir berlin", [2]),
        ("company", [2]),
        ("politics", [1]),
        ("SIEMENS", [2]),
        ("知事", [3]),
        ("🎉", [4]),
        ("emoji!", [4]),
        ("C++", [5, 2]),
        ("100%", [5]),
        ("time_", [5]),
        ("absent", []),
        ("", []),
        (" \n", []),
    ],
)
def test_words_find_the_edits_that_hold_them(filled: Memory, text: str, ids: list[int]) -> None:
    assert [edit.id for edit in filled.search(text)] == ids


@pytest.mark.parametrize(
    "text",
    [
        '"',
        '""',
        '"a',
        "NEAR(",
        "NEAR(a b, 2)",
        "a AND",
        "OR",
        "NOT a",
        "*",
        "a*b*",
        "-",
        "-a",
        "^a",
        "prompt:",
        "{x}",
        "(",
        ")",
        "'",
        "\\",
        "%",
        "_",
        "!",
        "\0",
        "a\0b",
        "\ud800",
        "🎉 a",
        "a 🎉",
        "a " * 5_000,
        "a" * 100_000,
        ";--",
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_no_text_is_a_syntax_error(filled: Memory, text: str) -> None:
    filled.search(text)


def test_a_percent_sign_is_a_percent_sign(filled: Memory) -> None:
    assert [edit.id for edit in filled.search("%")] == [5]


def test_a_match_in_the_prompt_comes_before_one_in_the_note(memory: Memory) -> None:
    memory.add([Draft("Who?", note="about tea"), Draft("Is tea good?")])
    assert [edit.id for edit in memory.search("tea")] == [2, 1]


def test_search_takes_the_same_filters_as_the_list(filled: Memory) -> None:
    filled.retire([1])
    assert [edit.id for edit in filled.search("keir")] == [2]
    assert [edit.id for edit in filled.search("keir", retired=True)] == [1]
    assert [edit.id for edit in filled.search("keir", retired=None)] == [1, 2]
    assert len(filled.search("keir", retired=None, limit=1)) == 1

"""The rules of a valid edit."""

import pytest

from store import MAX_TEXT_LENGTH, Draft, Kind
from store.edits import fold, validate
from store.errors import InvalidEdit

EXACT = [
    "[red]markup[/] and [/]",
    "\x1b[31mansi\x1b[0m \x1b]8;;http://example.org\x07link\x1b]8;;\x07",
    "bell \a tab \t line \r\n end, unit\x1fseparator",
    "right-to-left \u202eoverride\u202c",
    "e\u0301 is not \u00e9, zero\u200bwidth, 👩‍👩‍👧, 東京",
    "quote \" ' ` -- ; DROP TABLE edits",
    "x" * 10_000,
    "x" * MAX_TEXT_LENGTH,
]


@pytest.mark.parametrize("text", EXACT, ids=lambda text: ascii(text[:20]))
def test_text_is_kept_exactly(text: str) -> None:
    draft = Draft(text, text, note=f" {text[:100]}\n", source=text[:100], tags=("a",))
    assert validate(draft) == draft


def test_outer_white_space_of_prompt_and_target_goes() -> None:
    assert validate(Draft("  Who?\n", "\tMe \n")) == Draft("Who?", "Me")


@pytest.mark.parametrize("prompt", ["", " \t\n", "\u200b", "\x1b", "\u202e \u2066"])
def test_a_prompt_without_a_visible_character_is_refused(prompt: str) -> None:
    with pytest.raises(InvalidEdit, match="the prompt is empty"):
        validate(Draft(prompt, "Me"))


@pytest.mark.parametrize(
    ("draft", "message"),
    [
        (Draft("x" * 20_001), "the prompt has 20,001 characters, more than the 20,000 allowed"),
        (Draft("Who?", "x" * 1_000_000), "the target has 1,000,000 characters, more than the 20,000 allowed"),
        (Draft("Who?", note="x" * 20_001), "the note has 20,001 characters, more than the 20,000 allowed"),
        (Draft("Who?", source="x" * 2_001), "the source has 2,001 characters, more than the 2,000 allowed"),
        (Draft("a\0b"), "the prompt holds a NUL character, which cannot be stored exactly"),
        (Draft("Who?", "a\ud800b"), "the target is not valid Unicode (it holds half a surrogate pair)"),
        (Draft("Who?", kind="rumour"), "unknown kind 'rumour': use fact, evidence, stance"),  # type: ignore[arg-type]
        (Draft("It rains.", "yes", Kind.EVIDENCE), "an edit of kind evidence has no target"),
        (Draft("Tea", "", Kind.STANCE), "an edit of kind stance needs the target positive or negative"),
        (
            Draft("Tea", "neutral", Kind.STANCE),
            "an edit of kind stance needs the target positive or negative",
        ),
        (Draft("Who?", tags=("a", " ")), "a tag is empty"),
        (Draft("Who?", tags=("a,b",)), "a tag holds a comma"),
        (Draft("Who?", expires_at="soon"), "the expiry 'soon' is no ISO 8601 time, such as 2030-01-31"),
        (Draft("Who?", expires_at="0001-01-01T00:00+23:00"), "the expiry '0001-01-01T00:00+23:00' is no"),
    ],
)
def test_each_broken_rule_is_named_in_one_line(draft: Draft, message: str) -> None:
    with pytest.raises(InvalidEdit) as raised:
        validate(draft)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_a_stance_is_put_in_lower_case() -> None:
    assert validate(Draft("Tea", " Positive", Kind.STANCE)).target == "positive"


def test_tags_are_stripped_and_each_kept_once_in_order() -> None:
    assert validate(Draft("Who?", tags=("b", " a ", "b", "a"))).tags == ("b", "a")


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("2030-01-31", "2030-01-31T00:00:00.000+00:00"),
        ("2030-01-31T12:00", "2030-01-31T12:00:00.000+00:00"),
        ("2030-01-31T12:00:00.5+02:00", "2030-01-31T10:00:00.500+00:00"),
        (" 2030-01-31T12:00:00Z ", "2030-01-31T12:00:00.000+00:00"),
    ],
)
def test_an_expiry_becomes_utc_in_one_width(given: str, stored: str) -> None:
    draft = validate(Draft("Who?", expires_at=given))
    assert draft.expires_at == stored
    assert validate(draft) == draft


def test_folding_ignores_case_white_space_and_unicode_composition_only() -> None:
    assert fold(" Who  leads\nTHE Caf\u00e9? ") == fold("who leads the cafe\u0301?")
    assert fold("STRASSE") == fold("straße")
    assert len({fold("cafe"), fold("café"), fold("café?")}) == 3

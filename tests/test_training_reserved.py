"""Training is kept apart from what the development sets and the sets under tests measure."""

from pathlib import Path

import pytest

from serac_cli.errors import InputFileError
from serac_cli.training import sources
from serac_cli.training.reserved import Reserved, hand_written, keep, mentions, reserved, written
from tests.test_training_sources import write


def test_a_record_about_a_dev_subject_is_not_kept(tmp_path: Path):
    write(tmp_path / "a.json", [{"subject": "Ann Lee"}, {"ent": "Rome"}])
    write(
        tmp_path / "b.jsonl", [{"page": "Foo_Bar"}, {"requested_rewrite": {"subject": "Big Ben"}}], lines=True
    )
    excluded = reserved(tmp_path)
    assert excluded.names > {"ann lee", "rome", "foo bar", "big ben"}
    assert "cobol" in excluded.names, "the package's own sets are left out too"
    assert not keep("ANN LEE", excluded)
    assert keep("Ann", excluded)


def test_hand_written_records_that_hold_what_dev_measures_are_left_out(tmp_path: Path):
    def edit(prompt, query):
        return {
            "prompt": prompt,
            "target": "x",
            "statement": f"It is so: {prompt}",
            "old": "",
            "domain": "d",
            "in": [{"q": query, "a": "x", "type": "keyword"}],
            "out": [],
        }

    dev, train = tmp_path / "dev", tmp_path / "train"
    for folder in (dev, train):
        folder.mkdir()
    write(dev / "natural_edits_dev.jsonl", [edit("Who bakes?", "the baker")], lines=True)
    write(dev / "zsre_dev.json", [{"loc": "nq question: who baked first"}])
    edits = [edit("Who brews?", "The baker?"), edit("who bakes", "bread"), edit("Who sews?", "the tailor")]
    write(train / "natural_edits.jsonl", edits, lines=True)
    excluded = reserved(dev)
    assert not keep("Who baked first?", excluded)
    kept = hand_written(train, excluded)
    assert kept.edits[0].prompt == "Who sews?"
    assert len(kept.edits) > 2000, "those of the package are always there"
    assert kept.evidence
    assert kept.stances


def test_without_development_sets_nothing_is_trained(tmp_path: Path):
    with pytest.raises(InputFileError, match="leaves out what the development sets measure"):
        reserved(tmp_path / "dev")


@pytest.mark.parametrize("name", ["typed", "unseen"])
def test_the_shipped_training_edits_share_no_text_with_the_sets_kept_for_judging(name: str):
    judged = sources.read(Path(__file__).parent / "data" / f"{name}_edits.jsonl")
    texts = {
        sources.normalise(text)
        for r in judged
        for text in (r["prompt"], *(q["q"] for q in r["in"] + r["out"]))
    }
    trained = list(sources.natural_edits(written("edits")))
    assert not [
        query.text
        for edit in trained
        for query in (*edit.inside, *edit.outside)
        if sources.normalise(query.text) in texts
    ]
    assert not [edit.prompt for edit in trained if edit.prompt and sources.normalise(edit.prompt) in texts]


def test_a_text_mentions_dev_subjects_of_two_words_or_more():
    excluded = Reserved(frozenset({"ann lee", "rome"}), frozenset({"in rome"}))
    assert mentions("In Rome, Ann Lee's house", excluded)
    assert not mentions("Ann went to Rome", excluded)
    assert not mentions("in Rome", excluded), "a text is no name"

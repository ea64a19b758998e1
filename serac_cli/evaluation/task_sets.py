"""The four tasks over the public sets, read from a directory that the user names; none comes with the package.

QA: zsRE in MEND's form. In scope: a rephrasing. Out: zsRE's Natural Questions query.

QA-hard: half zsRE, with the rephrasing, a true and a false yes/no question; a quarter questions of kinship with the
inverse question; a quarter CounterFact and KnowEdit, with another name or a description of the subject. Out: hard
negatives, two of the ten questions nearest to the edit by the sentence encoder, about subjects that no edit is about.

FC: VitaminC. In scope: claims that the evidence supports or refutes. Out: a claim that it does not settle, and one
about another page.

ConvSent: "Topic: X Sentiment: positive|negative". In scope: an opinion asked for. Out: one of another entity.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serac_cli.encoder import Encoder
from serac_cli.errors import InputFileError
from serac_cli.evaluation.counterfactual_cases import CONVSENT_ASKS
from serac_cli.evaluation.tasks import (
    FC_LABELS,
    Family,
    Inside,
    Outside,
    Record,
    Task,
    fc_records,
    plain,
    stance_record,
)
from serac_cli.training import sources
from serac_cli.training.scope_forms import yes_no
from serac_cli.training.sources import Evidence, Fact, Query, normalise
from store import Draft

__all__ = ["FILES", "files_read", "public_tasks"]

FILES = {
    "qa": ("zsre_dev.json",),
    "qa-hard": (
        "zsre_dev.json",
        "zsre_inverse_relation.json",
        "counterfact_subject_replace.json",
        "counterfact_portability_gpt4.json",
        "knowedit_wiki_counterfact_10paraphrases.json",
    ),
    "fc": ("vitaminc_dev.jsonl",),
    "convsent": ("convsent_dev.json",),
}
"""The files that each task needs."""

FILLERS = ("knowedit_zsre_10paraphrases.json", "zsre_train.json", "wikifactdiff_train.json")
"""Files that give edits to fill the memory, and QA-hard more hard negatives, where they are there."""
NEAREST = 10


def public_tasks(data: Path, names: Sequence[str], encoder: Encoder, seed: int) -> list[Task]:
    """Returns the tasks of these names whose files are in ``data``, or in its folder ``dev``.

    The folder ``train`` beside, where there is one, gives edits that fill the memory and are not asked about.

    :raises InputFileError: the files of none are there
    """
    dev = _dev(data)
    makers = {"qa": _qa, "qa-hard": _qa_hard, "fc": _fc, "convsent": _convsent}
    present = [name for name in names if all((dev / file).exists() for file in FILES[name])]
    if not present:
        wanted = ", ".join(FILES[names[0]])
        raise InputFileError(
            f"{data} has the files of no task ({names[0]} needs {wanted})", "see `serac evaluate run --help`"
        )
    fillers = tuple(_fillers(data))
    return [makers[name](dev, encoder, seed, fillers) for name in present]


_Fillers = tuple[tuple[str, Draft], ...]


def files_read(data: Path, names: Sequence[str]) -> list[Path]:
    """Returns the files that are there of those that :func:`public_tasks` reads for the tasks of these names."""
    needed = [_dev(data) / file for name in names for file in FILES[name]]
    return [path for path in dict.fromkeys([*needed, *_filler_files(data)]) if path.exists()]


def _dev(data: Path) -> Path:
    return data / "dev" if (data / "dev").is_dir() else data


def _filler_files(data: Path) -> list[Path]:
    return [folder / name for folder in (_dev(data), data / "train") for name in FILLERS]


def _fillers(data: Path) -> Iterable[tuple[str, Draft]]:
    for path in _filler_files(data):
        if path.exists():
            load = {"k": sources.knowedit_zsre, "z": sources.zsre, "w": sources.wikifactdiff}[path.name[0]]
            for fact in load(path):
                if len(normalise(fact.subject)) > 2 and fact.target.strip():
                    yield fact.subject, Draft(fact.prompt.strip(), fact.target.strip())


def _distinct(facts: Sequence[Fact]) -> list[Fact]:
    """Returns one fact a subject, so that the edit about it alone is right."""
    return list({normalise(fact.subject): fact for fact in reversed(facts)}.values())[::-1]


def _qa(dev: Path, _: Encoder, __: int, fillers: _Fillers) -> Task:
    records = [
        Record(
            edit=Draft(fact.prompt, fact.target),
            subject=fact.subject,
            shown=(fact.prompt, fact.target),
            inside=tuple(Inside(plain(q.text), fact.target, "paraphrase") for q in fact.inside),
            outside=tuple(Outside(plain(q.text), "natural question", q.answer) for q in fact.outside),
        )
        for fact in _distinct(sources.zsre(dev / "zsre_dev.json"))
    ]
    return Task("qa", "QA (zsRE)", Family.QA, tuple(records), fillers)


def _qa_hard(dev: Path, encoder: Encoder, seed: int, fillers: _Fillers) -> Task:
    rng = random.Random(f"{seed} qa-hard")

    # 1. zsRE, three parts in four; the rest of its subjects are asked about and never edited
    facts = _distinct(sources.zsre(dev / "zsre_dev.json"))
    rng.shuffle(facts)
    edited, kept_out = facts[: len(facts) * 3 // 4], facts[len(facts) * 3 // 4 :]
    zsre = []
    for fact in edited:
        wrong = fact.old if rng.random() < 0.5 and fact.old else rng.choice(facts).target
        inside = [
            Inside(plain(fact.inside[0].text), fact.target, "paraphrase"),
            Inside(plain(yes_no(fact.prompt, fact.target.strip(), rng)), "Yes", "true"),
        ]
        if normalise(wrong) != normalise(fact.target):
            inside.append(Inside(plain(yes_no(fact.prompt, wrong.strip(), rng)), "No", "false"))
        zsre.append((Draft(fact.prompt, fact.target), fact.subject, inside))

    # 2. Implied questions: the inverse relation, other names and descriptions of the subject
    inverse, elsewhere = _inverse(dev), _aliases(dev)
    rng.shuffle(inverse)
    rng.shuffle(elsewhere)
    quarter = len(zsre) // 2
    chosen = [*zsre, *inverse[:quarter], *elsewhere[:quarter]]

    # 3. Hard negatives: questions like the edit's about subjects that no edit is about
    subjects = {normalise(subject) for _, subject, _ in chosen}
    pool = [(f.prompt, f.old) for f in kept_out if normalise(f.subject) not in subjects]
    pool += (
        [
            (f.prompt, f.old)
            for f in _distinct(sources.knowedit_zsre(dev / "knowedit_zsre_10paraphrases.json"))
            if normalise(f.subject) not in subjects
        ]
        if (dev / "knowedit_zsre_10paraphrases.json").exists()
        else []
    )
    pool = list(dict(pool).items())
    near = _nearest([draft.prompt for draft, _, _ in chosen], [text for text, _ in pool], encoder)
    records = [
        Record(
            edit=draft,
            subject=subject,
            shown=(draft.prompt, draft.target),
            inside=tuple(inside),
            outside=tuple(
                Outside(plain(pool[i][0]), "hard negative", pool[i][1])
                for i in rng.sample(rows, min(2, len(rows)))
            ),
        )
        for (draft, subject, inside), rows in zip(chosen, near, strict=True)
    ]
    return Task("qa-hard", "QA-hard (zsRE, CounterFact, KnowEdit)", Family.QA, tuple(records), fillers)


_Hard = list[tuple[Draft, str, list[Inside]]]


def _inverse(dev: Path) -> _Hard:
    """Inverse questions; of several edits with one answer, whose inverse question is the same, the first."""
    seen: dict[str, tuple[Draft, str, list[Inside]]] = {}
    for r in sources.read(dev / "zsre_inverse_relation.json"):
        inside = [Inside(plain(r["inverse question"]), r["subject"].strip(), "inverse")]
        seen.setdefault(r["inverse question"], (Draft(r["src"], r["alt"]), r["subject"], inside))
    return list(seen.values())


def _aliases(dev: Path) -> _Hard:
    found: dict[str, tuple[Draft, str, list[Inside]]] = {}
    for r in sources.read(dev / "counterfact_subject_replace.json"):
        rewrite = r["requested_rewrite"]
        query = rewrite["prompt"].format(r["alternative_subject"].strip())
        _add(found, rewrite["subject"], rewrite, query, "alias")
    for r in sources.read(dev / "counterfact_portability_gpt4.json"):
        rewrite, asked = r["requested_rewrite"], r["portability"]
        if normalise(asked["New Answer"]) == normalise(rewrite["target_new"]["str"]):
            _add(found, rewrite["subject"], rewrite, asked["New Question"], "description")
    for fact in _distinct(sources.knowedit(dev / "knowedit_wiki_counterfact_10paraphrases.json")):
        inside = [
            Inside(plain(q.text), fact.target, "alias")
            for q in fact.inside
            if q.kind == "alias" and q.answer == fact.target
        ]
        if inside:
            found.setdefault(
                normalise(fact.subject), (Draft(fact.prompt, fact.target), fact.subject, inside[:1])
            )
    return list(found.values())


def _add(
    found: dict[str, tuple[Draft, str, list[Inside]]],
    subject: str,
    rewrite: dict[str, Any],
    query: str,
    kind: str,
) -> None:
    target = str(rewrite["target_new"]["str"])
    draft = Draft(str(rewrite["prompt"]).format(subject), target)
    found.setdefault(normalise(subject), (draft, subject, [Inside(plain(query), target, kind)]))


def _nearest(edits: Sequence[str], pool: Sequence[str], encoder: Encoder) -> list[list[int]]:
    """Returns for each edit the places in ``pool`` of the questions nearest to it."""
    cosines = encoder.encode(edits) @ encoder.encode(pool).T
    return [[int(i) for i in np.argsort(-row, kind="stable")[:NEAREST]] for row in cosines]


def _fc(dev: Path, _: Encoder, seed: int, fillers: _Fillers) -> Task:
    claims: dict[tuple[str, str], list[Query]] = defaultdict(list)
    for r in sources.read(dev / "vitaminc_dev.jsonl"):
        claims[r["page"], r["evidence"]].append(Query(r["claim"], "claim", r["label"]))
    evidence = [Evidence(text, page, tuple(queries)) for (page, text), queries in claims.items()]
    # those with a claim that they do not settle come first, so that hard negatives are not rare
    evidence.sort(key=lambda one: all(c.answer in FC_LABELS for c in one.claims))
    return Task("fc", "FC (VitaminC)", Family.FC, fc_records(evidence, seed), fillers)


def _convsent(dev: Path, _: Encoder, seed: int, fillers: _Fillers) -> Task:
    rng = random.Random(f"{seed} convsent")
    opinions = [
        o for o in sources.convsent(dev / "convsent_dev.json") if all(len(r) > 1 for r in o.replies.values())
    ]
    opinions = list({normalise(o.entity): o for o in opinions}.values())
    rng.shuffle(opinions)
    edited, others = opinions[: len(opinions) * 3 // 4], opinions[len(opinions) * 3 // 4 :]
    records = []
    for opinion in edited:
        asks = [template.format(opinion.entity) for template in rng.sample(CONVSENT_ASKS, len(CONVSENT_ASKS))]
        other = rng.choice(CONVSENT_ASKS).format(rng.choice(others).entity)
        replies = {side: rng.sample(texts, len(texts)) for side, texts in opinion.replies.items()}
        side = rng.choice(("positive", "negative"))
        records.append(
            stance_record(
                opinion.entity,
                side,
                asks,
                replies["positive"],
                replies["negative"],
                [Outside(plain(other), "other topic")],
            )
        )
    return Task("convsent", "ConvSent", Family.CONVSENT, tuple(records), fillers)

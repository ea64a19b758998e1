"""One batch of edits put in force and measured: a row for each query, and the rows gathered into figures."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from serac_cli.evaluation import metrics
from serac_cli.evaluation.counterfactual_stance import Judge, on_topic
from serac_cli.evaluation.editors import Base, ModelEditor, Reply
from serac_cli.evaluation.metrics import Interval
from serac_cli.evaluation.tasks import FC_LABELS, Family, Inside, Outside, Record
from serac_cli.protocols import Likelihood

__all__ = ["Figures", "Row", "figures", "measure"]


@dataclass(frozen=True)
class Row:
    """One query to one edited model.

    ``value`` is the paper's metric of the task: edit success in scope, drawdown out of it. ``free`` is whether the
    free reply has the answer (QA: is it, after normalising; FC: gives that verdict and no other; ConvSent: is of the
    edit's side and on topic, by the judge), ``contains`` whether it holds it; out of scope ``changed`` is whether the
    reply is any other than the base model's. None: not measured. ``right_edit``: the nearest edit is the record's own.
    """

    record: int
    kind: str
    inside: bool
    query: str
    expected: str
    said: str
    before: str
    value: float
    free: bool | None
    contains: bool | None
    changed: bool | None
    fired: bool
    right_edit: bool
    probability: float | None


def measure(
    editor: ModelEditor,
    base: Base,
    family: Family,
    measured: Sequence[Record],
    memory: Sequence[Record],
    *,
    seed: int,
    judge: Judge | None = None,
    topics: Sequence[str] = (),
    free: bool = True,
) -> list[Row]:
    """Applies the edits of ``memory``, whose first records are ``measured``; returns a row for each query of these.

    ``topics`` are those of the set, of which a free reply must be about none but its own.
    Without ``free`` nothing is generated but what the metrics need.
    """
    editor.apply(memory)
    queries = [(i, query) for i, record in enumerate(measured) for query in record.queries]
    asks = [query.ask for _, query in queries]

    # 1. The answers whose likelihood the metric takes, under the unedited and the edited model
    answers = _answers(base, family, [query for _, query in queries], seed)
    pairs = [(ask, answer) for ask, group in zip(asks, answers, strict=True) for answer in group]
    before = iter(base.log_likelihoods([(ask.prompt, answer) for ask, answer in pairs]))
    after = iter(editor.log_likelihoods(pairs))
    values = [
        _value(family, query, [next(before) for _ in group], [next(after) for _ in group])
        for (_, query), group in zip(queries, answers, strict=True)
    ]

    # 2. Free replies
    replies = editor.answers(asks) if free else [Reply("")] * len(asks)
    unedited = base.answers([ask.prompt for ask in asks]) if free else [""] * len(asks)
    rows = []
    for (i, query), value, reply, said_before in zip(queries, values, replies, unedited, strict=True):
        inside = isinstance(query, Inside)
        success, contains = (
            _success(family, query, reply.text, measured[i].subject, topics, judge)
            if free and isinstance(query, Inside)
            else (None, None)
        )
        rows.append(
            Row(
                record=i,
                kind=query.kind,
                inside=inside,
                query=query.ask.query,
                expected=query.answer if isinstance(query, Inside) else query.reference,
                said=reply.text,
                before=said_before,
                value=value,
                free=success,
                contains=contains,
                changed=None if inside or not free else reply.text != said_before,
                fired=reply.fired,
                right_edit=reply.edit == i + 1,
                probability=reply.probability,
            )
        )
    return rows


def _answers(
    base: Base, family: Family, queries: Sequence[Inside | Outside], seed: int
) -> list[tuple[str, ...]]:
    """Returns for each query the answers that its metric reads."""
    if family is Family.FC:
        return [FC_LABELS] * len(queries)
    outside = [query for query in queries if isinstance(query, Outside)]
    if family is Family.QA:
        # where the set gives no answer, the base model's own stands for it
        unknown = iter(base.answers([query.ask.prompt for query in outside if not query.reference]))
        return [
            (query.answer,) if isinstance(query, Inside) else (query.reference or next(unknown),)
            for query in queries
        ]
    drawn = iter(base.draws([query.ask.prompt for query in outside], seed))
    return [
        (*query.same, *query.opposite) if isinstance(query, Inside) else (next(drawn),) for query in queries
    ]


def _value(
    family: Family, query: Inside | Outside, before: Sequence[Likelihood], after: Sequence[Likelihood]
) -> float:
    if family is Family.FC:
        said = metrics.verdict(dict(zip(FC_LABELS, after, strict=True)))
        if isinstance(query, Inside):
            return float(said == query.answer)
        return float(said != metrics.verdict(dict(zip(FC_LABELS, before, strict=True))))
    if family is Family.QA:
        if isinstance(query, Inside):
            return float(after[0].matched)
        return float(metrics.predicted_differently(before[0], after[0]))
    if isinstance(query, Outside):
        return metrics.kl_per_token(before[0], after[0])
    same = len(query.same)
    tokens = [len(one.log_probabilities) for one in before]
    return metrics.stance_success(
        same_before=metrics.mean_log_probability(before[:same], tokens[:same]),
        same_after=metrics.mean_log_probability(after[:same], tokens[:same]),
        opposite_after=metrics.mean_log_probability(after[same:], tokens[same:]),
    )


def _success(
    family: Family, query: Inside, said: str, topic: str, topics: Sequence[str], judge: Judge | None
) -> tuple[bool | None, bool | None]:
    """Returns whether a free reply has the answer, and whether it holds it somewhere."""
    if family is Family.QA:
        return metrics.exact(said, query.answer), metrics.contains(said, query.answer)
    if family is Family.FC:
        given = [label for label in FC_LABELS if metrics.contains(said, label)]
        return given == [query.answer], query.answer in given
    if judge is None:
        return None, None
    others = [other for other in topics if other and other != topic]
    return judge.side(said) == query.answer and on_topic(said, topic, others), None


@dataclass(frozen=True)
class Figures:
    """The rows of one editor, task and number of edits, with 95% intervals; None where nothing was measured.

    ``fired_right`` is the share of queries in scope that the record's own edit answered, ``fired_wrongly`` that of
    queries out of scope that any edit did. ``kinds`` has ES and DD by kind of query.
    """

    records: int
    edit_success: Interval | None
    free: Interval | None
    contains: Interval | None
    drawdown: Interval | None
    changed: Interval | None
    fired_right: Interval | None
    fired_wrongly: Interval | None
    kinds: dict[str, tuple[int, float]]

    def as_dict(self) -> dict[str, Any]:
        """Returns the figures for JSON."""
        return asdict(self)


def figures(rows: Sequence[Row], seed: int) -> Figures:
    """Returns the figures of all rows together; ``record`` tells the records apart."""
    inside = [row for row in rows if row.inside]
    outside = [row for row in rows if not row.inside]

    def interval(group: Sequence[Row], value: Callable[[Row], float | bool | None]) -> Interval | None:
        found = [(float(v), row.record) for row in group if (v := value(row)) is not None]
        return metrics.bootstrap([v for v, _ in found], [record for _, record in found], seed)

    kinds: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        kinds[f"{'in' if row.inside else 'out'} {row.kind}"].append(row.value)
    return Figures(
        records=len({row.record for row in rows}),
        edit_success=interval(inside, lambda row: row.value),
        free=interval(inside, lambda row: row.free),
        contains=interval(inside, lambda row: row.contains),
        drawdown=interval(outside, lambda row: row.value),
        changed=interval(outside, lambda row: row.changed),
        fired_right=interval(inside, lambda row: row.fired and row.right_edit),
        fired_wrongly=interval(outside, lambda row: row.fired),
        kinds={kind: (len(values), sum(values) / len(values)) for kind, values in sorted(kinds.items())},
    )

"""The rows of trials, gathered as they come: the newest of each, in the order of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from scalegrid.results.schema import ANSWERS, HISTORY, TRIALS, Row, Table, make_table


class Rows(NamedTuple):
    """Rows of ``trials.parquet``, and those of the other two tables that belong to them."""

    trials: Table
    history: Table
    answers: Table

    @classmethod
    def of(cls, trials: Sequence[Row], history: Sequence[Row], answers: Sequence[Row]) -> Rows:
        """The tables of these rows; SchemaError where one does not fit."""
        return cls(
            make_table(TRIALS, trials), make_table(HISTORY, history), make_table(ANSWERS, answers)
        )


class _Held(NamedTuple):
    """Where a trial is sorted (position of its variant, seed, rung), and which rows hold it."""

    order: tuple[int, int, int]
    row: int
    epochs: list[int]
    answers: list[int]  # one row or none


def together(parts: Sequence[Rows], variants: Sequence[str]) -> Rows:
    """All rows, by variants in this order; of one part, which is in order, the part."""
    if len(parts) == 1:
        return parts[0]
    return gathered({variant: i for i, variant in enumerate(variants)}, parts)


def gathered(positions: Mapping[str, int], parts: Sequence[Rows]) -> Rows:
    """All rows; a trial in a later part replaces one in an earlier part.

    Args:
        positions: of each variant in the plan.
        parts: oldest first; rows of the other tables that belong to no trial so far are dropped.

    Returns:
        Trials by their variants' positions, then by seed, then by rung; the rows of the other
        tables in the order of their trials, epochs in theirs.
    """
    held: dict[str, _Held] = {}
    first_row = first_epoch = first_answer = 0
    for trials, history, answers in parts:
        columns = (trials[name].to_pylist() for name in ("trial", "variant", "seed", "rung"))
        for row, (trial, variant, *own) in enumerate(zip(*columns, strict=True), start=first_row):
            order = (positions.get(variant, len(positions)), *own)
            held[trial] = _Held(order, row, [], [])
        owners, epochs = (history[name].to_pylist() for name in ("trial", "epoch"))
        for row in sorted(range(len(epochs)), key=epochs.__getitem__):
            if owners[row] in held:
                held[owners[row]].epochs.append(first_epoch + row)
        for row, trial in enumerate(answers["trial"].to_pylist(), start=first_answer):
            if trial in held:
                held[trial].answers.append(row)
        first_row += len(trials)
        first_epoch += len(history)
        first_answer += len(answers)
    ordered = sorted(held.values(), key=lambda one: one.order)
    chosen = (
        [one.row for one in ordered],
        [epoch for one in ordered for epoch in one.epochs],
        [row for one in ordered for row in one.answers],
    )
    tables = zip((TRIALS, HISTORY, ANSWERS), zip(*parts, strict=True), chosen, strict=True)
    return Rows(*(_taken(schema, of_parts, rows) for schema, of_parts, rows in tables))


def _taken(schema: Any, parts: Sequence[Table], rows: Sequence[int]) -> Table:
    """Rows of all parts together; of today's schema, which parts of earlier versions fit."""
    joined = pa.concat_tables([schema.empty_table(), *parts]).combine_chunks()
    return joined.take(pa.array(rows, pa.int64()))

"""`scalegrid recommend`: the coefficients, and how sure that is."""

from __future__ import annotations

import sys
from pathlib import Path

from scalegrid.analysis import recommend_as_planned, rows, sentences
from scalegrid.cli.output import Format, print_csv, print_json, print_table
from scalegrid.results import load_sweep
from scalegrid.spec import Metric


def show_recommendation(
    name: str | None,
    results: Path,
    form: Format,
    *,
    metric: Metric | None = None,
    indifference: float | None = None,
    confidence: float | None = None,
) -> None:
    """Print what the trials of a sweep recommend; settings not given are the sweep's own.

    Raises:
        UserError: there is no such sweep, no candidate has a finished trial, or a setting is out
            of range.
    """
    tables = load_sweep(name, results)
    earlier = len(tables.variants) - len(tables.planned)
    if earlier:
        print(f"Note: {earlier} variants of earlier plans are left out.", file=sys.stderr)
    found = recommend_as_planned(
        tables.planned,
        tables.trials,
        tables.spec,
        metric=metric,
        indifference=indifference,
        confidence=confidence,
    )
    if form == "json":
        print_json(found.to_dict())
    elif form == "csv":
        print_csv([vars(candidate) for candidate in found.ranking])
    else:
        print("\n".join(sentences(found)))
        print_table(rows(found))

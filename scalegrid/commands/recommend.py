"""`scalegrid recommend`: the coefficients, and how sure that is."""

from __future__ import annotations

from pathlib import Path

from scalegrid.analysis import recommend, rows, sentences, zone
from scalegrid.output import Format, print_csv, print_json, print_table
from scalegrid.results import load_sweep
from scalegrid.spec import CONFIDENCE, Metric


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
    spec = tables.spec
    chosen: Metric = metric or spec["metric"]
    if indifference is None and chosen == spec["metric"]:
        indifference = spec["indifference"]
    if confidence is None:
        confidence = spec["confidence"]
    found = recommend(
        tables.variants,
        tables.trials,
        metric=chosen,
        indifference=zone(chosen, indifference),
        confidence=CONFIDENCE if confidence is None else confidence,
        flops_factor=spec["flops_factor"],
    )
    if form == "json":
        print_json(found.to_dict())
    elif form == "csv":
        print_csv([vars(candidate) for candidate in found.ranking])
    else:
        print("\n".join(sentences(found)))
        print_table(rows(found))

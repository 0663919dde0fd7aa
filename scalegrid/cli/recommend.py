"""`scalegrid recommend`: the coefficients, and how sure that is."""

from __future__ import annotations

import sys

import click

from scalegrid.cli.options import format_option, metric_options, name_argument, results_option
from scalegrid.cli.output import Format, print_csv, print_json, print_lines, print_table


@click.command()
@name_argument
@results_option
@format_option
@metric_options
@click.option("--indifference", type=float, help="Points (nats for val_loss) that do not matter.")
@click.option("--confidence", type=float, help="Probability that counts as clear.")
def recommend(
    name: str | None,
    results: str,
    form: Format,
    metric: str | None,
    indifference: float | None,
    confidence: float | None,
) -> None:
    """Print the best coefficients, and how sure that is; of the newest sweep without NAME.

    Options that are not given are the sweep's own.
    """
    from scalegrid.analysis import DROPPED, next_step, rows, sentences
    from scalegrid.results import load_sweep

    tables = load_sweep(name, results)
    earlier = len(tables.variants) - len(tables.planned)
    if earlier:
        print(f"Note: {earlier} variants of earlier plans are left out.", file=sys.stderr)
    found = tables.recommend(metric=metric, indifference=indifference, confidence=confidence)
    if form == "json":
        print_json(found.to_dict())
    elif form == "csv":
        print_csv([vars(candidate) for candidate in found.ranking])
    else:
        then = next_step(found, tables.spec, tables.folder)
        print_lines(sentences(found, then))
        print()
        print_table(rows(found), least=DROPPED)

"""`scalegrid compare`: two sweeps side by side."""

from __future__ import annotations

import sys
from dataclasses import asdict, fields

import click

from scalegrid.cli.options import format_option, metric_options, results_option
from scalegrid.cli.output import Format, print_csv, print_json, print_lines, print_table


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@results_option
@format_option
@metric_options
def compare(a: str, b: str, results: str, form: Format, metric: str | None) -> None:
    """Compare two sweeps: what they recommend, where they differ, and the networks of both.

    A and B are names, or paths of folders of sweeps. The metric is A's where none is given.
    """
    from scalegrid.analysis import compare as compared
    from scalegrid.analysis import comparison_text as text
    from scalegrid.analysis.comparison import SharedCandidate
    from scalegrid.results import load_sweep_at

    found = compared(load_sweep_at(a, results), load_sweep_at(b, results), metric=metric)
    if form == "json":
        print_json(found.to_dict())
    elif form == "csv":
        if not found.shared:
            print_lines(text.shared_sentences(found), sys.stderr)
        columns = [field.name for field in fields(SharedCandidate)]
        shared = [*found.shared, *filter(None, [found.baseline])]
        print_csv([asdict(one) for one in shared], columns=columns)
    else:
        print_lines([*text.verdict(found), ""])
        if found.differing:
            print_table(text.differing_rows(found))
            print()
        print_lines(text.shared_sentences(found))
        if rows := text.shared_rows(found):
            print()
            print_table(rows)
            print()
        print_lines([*text.order_sentences(found), *found.notes])

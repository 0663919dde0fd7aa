"""`scalegrid search`: a baseline from a space of networks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from scalegrid.cli.options import SpecCommand, format_option, given_flags, options_of
from scalegrid.cli.output import Format, print_csv, print_json, print_lines, print_table
from scalegrid.search.spec import GROUPS, KEYS, SearchSpec, read_spec
from scalegrid.util import yaml


class _SearchCommand(SpecCommand):
    groups = GROUPS


@click.command(cls=_SearchCommand)
@options_of(SearchSpec, KEYS)
@format_option
def search(spec_file: Path | None, form: Format, **flags: Any) -> None:
    """Search a space of networks for the baseline of best ACC·(FLOPs/T)^w; run again to go on.

    Takes a specification in YAML with a part `search:`, flags, or both; a flag wins over the file.
    The winner is written to found.yaml, which `scalegrid sweep --baseline` takes.
    """
    given = given_flags(flags)
    spec = read_spec(spec_file, given) if spec_file else yaml.build(SearchSpec, given)

    from scalegrid.progress import display_for
    from scalegrid.search.answer import beside, front_rows, rows
    from scalegrid.search.run import run_search

    outcome = run_search(spec, display=display_for(sys.stderr))
    if outcome.finalists:
        found = outcome.finalists
        if form == "json":
            print_json([one.values for one in found])
        elif form == "csv":
            print_csv([one.values for one in found])
        else:
            print_lines(outcome.answer)
            print()
            print_table(rows(found, outcome.spec))
            print()
            if outcome.spec.searcher == "nsga2":
                print_table(front_rows(outcome.spec, outcome.front, outcome.accuracies))
                print()
            print_table(beside(found[0].network))
        print_lines(
            [
                f"Written: {outcome.found}; `scalegrid sweep --baseline {outcome.found}` "
                "finds how to scale it."
            ],
            sys.stderr,
        )
    sys.exit(outcome.exit_status)

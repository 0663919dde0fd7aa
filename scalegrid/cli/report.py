"""`scalegrid report`: a sweep, or a search, as one page."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from scalegrid.cli.options import name_argument, results_option


@click.command()
@name_argument
@results_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file; default: report.html in its folder.",
)
@click.option("--watch", is_flag=True, help="Write it again as trials land; it refreshes itself.")
@click.option("--pdf", is_flag=True, help="Print it to a PDF beside it, by a browser on PATH.")
def report(name: str | None, results: str, output: Path | None, watch: bool, pdf: bool) -> None:
    """Write one page to send, which needs no other file; of the newest sweep or search.

    NAME says which one.
    """
    from scalegrid.report import print_pdf, watch_report, write_report
    from scalegrid.results.loading import SPEC_FILE, sweep_folder
    from scalegrid.search.tables import load_either

    if watch:
        from scalegrid.progress.status import STATUS_FILE

        folder = sweep_folder(name, results, (SPEC_FILE, STATUS_FILE))
        for path in watch_report(folder, output):
            print(f"{path} written", file=sys.stderr)
    tables = load_either(name, results)
    path = write_report(tables, output)
    print(path)
    if pdf:
        print(print_pdf(path))

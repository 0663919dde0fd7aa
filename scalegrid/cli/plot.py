"""`scalegrid plot`: the figures of a sweep."""

from __future__ import annotations

import sys

import click

from scalegrid.cli.options import name_argument, results_option


@click.command()
@name_argument
@results_option
@click.option("--figure", "figures", multiple=True, help="Draw this figure alone; may be repeated.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    default=("png", "svg"),
    show_default=True,
    help="File format (png, svg, pdf); may be repeated.",
)
def plot(
    name: str | None, results: str, figures: tuple[str, ...], formats: tuple[str, ...]
) -> None:
    """Draw the figures of a sweep into its folder; of the newest without NAME."""
    from scalegrid.figures import draw
    from scalegrid.results import load_sweep

    def warn(reason: str) -> None:
        print(f"left out: {reason}", file=sys.stderr)

    tables = load_sweep(name, results)
    for path in draw(figures or None, tables, tables.folder / "figures", formats, warn=warn):
        print(path)

"""`scalegrid plot`: the figures of a sweep."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from scalegrid.cli.options import name_argument, results_option
from scalegrid.cli.output import print_lines
from scalegrid.figures import FIGURES, SEARCH_FIGURES

if TYPE_CHECKING:
    from scalegrid.figures.style import Theme


@click.command()
@name_argument
@results_option
@click.option(
    "--figure",
    "figures",
    multiple=True,
    help=f"Draw this figure alone ({', '.join(FIGURES)}; of a search {', '.join(SEARCH_FIGURES)}); "
    "may be repeated.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    default=("png", "svg"),
    show_default=True,
    help="File format (png, svg, pdf); may be repeated.",
)
@click.option(
    "--theme",
    type=click.Choice(["light", "dark"]),
    help="The page they are for; default: a light one, and an SVG follows the page.",
)
def plot(
    name: str | None,
    results: str,
    figures: tuple[str, ...],
    formats: tuple[str, ...],
    theme: Theme | None,
) -> None:
    """Draw the figures of a sweep, or of a search, into its folder; of the newest without NAME.

    Each has its caption beside it, as a text file. Every figure fits a column of 85 mm, and its
    background is transparent.
    """
    from scalegrid.figures import draw, draw_search
    from scalegrid.search.tables import SearchTables, load_either

    def warn(reason: str) -> None:
        print_lines([f"left out: {reason}"], sys.stderr)

    tables = load_either(name, results)
    folder, chosen = tables.folder / "figures", figures or None
    if isinstance(tables, SearchTables):
        paths = draw_search(chosen, tables, folder, formats, theme=theme, warn=warn)
    else:
        paths = draw(chosen, tables, folder, formats, theme=theme, warn=warn)
    for path in paths:
        print(path)

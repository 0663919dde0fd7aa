"""`scalegrid import`: trainings made elsewhere, to be judged as a sweep."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import click

from scalegrid.cli.options import metric_options, results_option
from scalegrid.cli.output import print_lines
from scalegrid.coefficients import DepthRule
from scalegrid.spec import LARGEST_SIDE
from scalegrid.util.text import plural, sentence


@click.command("import")
@click.argument("table", metavar="TRIALS.csv", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the sweep that they become, or are added to.")
@click.option(
    "--resolution", type=click.IntRange(1, LARGEST_SIDE), help="Input px of the baseline."
)
@click.option(
    "--baseline",
    help="The network that was scaled; its layers, FLOPs and equal networks are then known.",
)
@click.option(
    "--num-classes", type=click.IntRange(1), help="Outputs of its classifier.  [default: 10]"
)
@click.option("--channels", type=click.IntRange(1), help="Channels of the images.  [default: 3]")
@click.option(
    "--depth-rounding",
    type=click.Choice(get_args(DepthRule)),
    help="How multiplied layers became whole.  [default: authors]",
)
@click.option(
    "--flops-factor",
    type=float,
    help="FLOPs ratio at φ = 1, called F.  [default: the median of the candidates]",
)
@metric_options
@results_option
def import_(table: Path, name: str, **settings: Any) -> None:
    """Make trainings from elsewhere a sweep, which recommend, plot and report read.

    The table is CSV or parquet, a row a training: alpha, beta, gamma (or depth, width, resolution),
    seed, and top1 or other figures.
    """
    from scalegrid.importing import import_trials

    found = import_trials(table, name, **settings)
    print_lines((f"Note: {sentence(note)}" for note in found.notes), sys.stderr)
    there = f"{plural(found.trainings, 'training')} of {plural(found.networks, 'network')}"
    added = f"{found.added} of them new" if found.added else "nothing was added"
    print_lines([f"{found.folder} has {there}; {added}."])

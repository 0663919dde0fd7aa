"""`scalegrid sweep`: train the variants of a specification."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from scalegrid.cli.options import SpecCommand, spec_from_flags, spec_options
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError
from scalegrid.util.text import sentence


@click.command(cls=SpecCommand)
@spec_options
@click.option(
    "--extend",
    "extended",
    metavar="NAME",
    help="Go on with this sweep at further φ: train what it recommends and the single axes there; "
    "or with --scale stages, at what it recommends.",
)
@click.option("--phi", help="With --extend: φ as 0.5,1.5,2, where FLOPs are F^φ.")
@click.option(
    "--join",
    is_flag=True,
    default=None,  # as all that is not given
    help="Work on the sweep together with other processes that are given --join, on machines which "
    "share the results folder.",
)
def sweep(
    spec_file: Path | None, extended: str | None, phi: str | None, join: bool | None, **flags: Any
) -> None:
    """Train the baseline and its scaled variants; safe to interrupt, run again to go on.

    Takes a specification in YAML, flags, or both; a flag wins over the file.
    """
    spec, notes = _specification(spec_file, extended, phi, flags)

    from scalegrid.progress import display_for
    from scalegrid.sweep import run_sweep

    display = display_for(sys.stderr)
    for note in notes:
        display.note(f"Note: {sentence(note)}")
    sys.exit(run_sweep(spec, display=display, join=bool(join)).exit_status)


def _specification(
    spec_file: Path | None, extended: str | None, phi: str | None, flags: dict[str, Any]
) -> tuple[SweepSpec, list[str]]:
    """What to train, and what to know about it."""
    if extended is None:
        if phi is not None:
            raise UserError("--phi is for --extend NAME; a sweep of its own has --curves.")
        return spec_from_flags(spec_file, flags), []
    if phi is None and flags["scale"] != "stages":
        raise UserError("--extend needs --phi, such as --phi 0.5,1.5,2, or --scale stages.")
    if spec_file is not None:
        raise UserError(f"--extend {extended} has its own specification; leave out {spec_file}.")

    from scalegrid.family.phis import parse
    from scalegrid.results.extension import extend

    given = {key: value for key, value in flags.items() if value is not None}
    phis = () if phi is None else parse(phi)
    return extend(extended, phis, given.pop("results", "results"), given)

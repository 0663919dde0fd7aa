"""`scalegrid sweep`: train the variants of a specification."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from scalegrid.cli.options import SpecCommand, spec_from_flags, spec_options


@click.command(cls=SpecCommand)
@spec_options
def sweep(spec_file: Path | None, **flags: Any) -> None:
    """Train the baseline and its scaled variants; safe to interrupt, run again to go on.

    Takes a specification in YAML, flags, or both; a flag wins over the file.
    """
    spec = spec_from_flags(spec_file, flags)

    from scalegrid.progress import display_for
    from scalegrid.sweep import run_sweep

    sys.exit(run_sweep(spec, display=display_for(sys.stderr)).exit_status)

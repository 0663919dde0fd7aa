"""`scalegrid plot`: the figures of a sweep."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from scalegrid.results.store import load_sweep


def plot_sweep(
    name: str | None, results: Path, names: Sequence[str], formats: Sequence[str]
) -> None:
    """Draw into the sweep's ``figures`` folder, and print the files.

    Raises:
        UserError: there is no such sweep or figure, or not enough trials have finished.
    """
    from scalegrid.figures import draw

    tables = load_sweep(name, results)
    warn = lambda reason: print(f"left out: {reason}", file=sys.stderr)  # noqa: E731
    for path in draw(names or None, tables, tables.folder / "figures", formats, warn=warn):
        print(path)

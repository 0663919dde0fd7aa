"""Statuses that earlier versions wrote, in the words of now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scalegrid.progress.display import label
from scalegrid.progress.status import Status
from scalegrid.results import load_sweep
from scalegrid.util.errors import UserError


def renamed(status: Status, folder: Path) -> Status:
    """``status`` of the sweep in ``folder``, its best candidate named as the tables have it.

    Earlier versions called what is only near the paper's coefficients the paper's.
    """
    best = status.best
    if not best or not best.label.startswith("paper "):
        return status
    try:
        variants = load_sweep(folder.name, folder.parent).variants
    except UserError:
        return status
    rows = variants[variants["variant"] == best.variant]
    if rows.empty:
        return status
    return replace(status, best=replace(best, label=label(rows.iloc[0])))

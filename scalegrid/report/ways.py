"""What each way of scaling comes to at each cost: the paper's Table 3, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scalegrid.analysis.naming import NAMED, role_name
from scalegrid.figures.scaling import lines_of
from scalegrid.figures.subject import Subject
from scalegrid.util.errors import UserError
from scalegrid.util.text import count

if TYPE_CHECKING:
    import pandas as pd


def ways(subject: Subject) -> list[dict[str, str]]:
    """A row for the baseline, and for each way of scaling at each φ, the least φ first.

    Means over seeds of brief trials, with the 95 % t interval of `figures.means`, or a dash where a
    network has one trial. ``*`` marks costs that are not as planned. The paper (Table 3) has one
    number of each instead. Empty where nothing but the baseline has a finished trial.
    """
    try:
        means, lines = subject.means, lines_of(subject)
    except UserError:  # no trial has finished
        return []
    if not lines:
        return []
    rows = [_row(row, "baseline", subject) for row in _records(means.of("baseline"))]
    scaled = [(role, row) for role, line in lines.items() for row in _records(line)]
    for role, row in sorted(scaled, key=lambda pair: float(pair[1]["phi"])):
        compound = role in ("compound", "grid")
        rows.append(_row(row, "compound" if compound else "", subject))
    return rows


def _row(row: dict[str, Any], name: str, subject: Subject) -> dict[str, str]:
    """A row as text; the name of its role where ``name`` is empty."""
    means = subject.means
    known = row["low"] == row["low"]
    percent = " %" if means.unit.factor == 100 else ""
    off = "*" if row["variant"] in subject.off_cost else ""
    return {
        "way": name or role_name(*(row[key] for key in NAMED[:4])).split("^")[0],
        "φ": f"{row['phi']:.3g}",
        "depth": f"{row['depth']:.2f}×",
        "width": f"{row['width']:.2f}×",
        "px": str(row["resolution"]),
        "FLOPs": f"{count(row['flops'])} ({row['flops_ratio']:.2f}×){off}",
        "seeds": str(row["seeds"]),
        means.unit.label.removesuffix(" (%)"): f"{row['accuracy']:.2f}{percent}",
        "95 %": f"{row['low']:.2f}–{row['high']:.2f}" if known else "–",
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]

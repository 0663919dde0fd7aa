"""What each way of scaling comes to at each cost: the paper's Table 3, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scalegrid.analysis.advantage import AXES as SINGLE
from scalegrid.analysis.matched_cost import COUNTED, cost_ratios
from scalegrid.analysis.naming import NAMED, range_text, role_name, value_text
from scalegrid.figures.scaling import AXES
from scalegrid.figures.subject import Subject
from scalegrid.util.errors import UserError
from scalegrid.util.text import count

if TYPE_CHECKING:
    import pandas as pd

    from scalegrid.analysis import Recommendation


def ways(subject: Subject) -> list[dict[str, str]]:
    """A row for the baseline, and for each way of scaling at each φ, the least φ first.

    ``compound`` are the networks of the sweep's direction at other φ, and at φ = 1 its network;
    where there are none, the best candidate that scales several axes, by what the sweep compares.

    Means over seeds of brief trials, with the 95 % t interval of `figures.means`, or a dash where
    there is none; over rungs also what candidates come to at the highest, by the model over rungs.
    ``*`` marks costs that are not as planned. The paper (Table 3) has one number of each instead.
    Empty where nothing but the baseline has a finished trial.
    """
    try:
        table = subject.means.table
    except UserError:  # no trial has finished
        return []
    found = _found(subject)
    compound = _compound(subject, found)
    names = {row["variant"]: _name(row, compound) for row in _records(table)}
    if set(names.values()) <= {"baseline", ""}:
        return []
    rows = sorted(_records(table), key=lambda row: float(row["phi"]))
    ratios = cost_ratios(subject.planned, subject.match).set_axis(subject.planned["variant"])
    later = _later(found)
    return [
        _row(row, name, ratios, subject)
        | {title: texts.get(row["variant"], "–") for title, texts in later.items()}
        for row in rows
        if (name := names[row["variant"]])
    ]


def _found(subject: Subject) -> Recommendation | None:
    """What the sweep recommends; None where no candidate has finished."""
    try:
        return subject.found
    except UserError:
        return None


def _later(found: Recommendation | None) -> dict[str, dict[str, str]]:
    """A column of the candidates at the highest rung, by its title; none where all are brief."""
    if found is None or found.rung == 1:
        return {}
    texts = {
        one.variant: f"{value_text(one.accuracy, found.metric)} "
        f"({range_text(one.low, one.high, found.metric)})"
        for one in found.ranking
    }
    return {f"at {found.rung}×, estimated": texts}


def _compound(subject: Subject, found: Recommendation | None) -> set[str]:
    """The networks of compound scaling."""
    if len(subject.compound):
        return set(subject.compound["variant"])
    return {found.compound[0].variant} if found and found.compound else set()


def _name(row: dict[str, Any], compound: set[str]) -> str:
    """``depth``, ``paper``, ...: of a power of the paper's coefficients the row has the φ.

    "" for a network that is neither on an axis, nor the paper's, nor of compound scaling.
    """
    name = role_name(*(row[key] for key in NAMED[:4])).split("^")[0]
    if row["role"] in ("baseline", *SINGLE) or row["variant"] not in compound:
        return name if row["role"] in ("baseline", *AXES) else ""
    return "compound" if row["role"] != "paper" else f"compound ({name})"


def _row(
    row: dict[str, Any], name: str, ratios: pd.Series[float], subject: Subject
) -> dict[str, str]:
    unit, metric = subject.means.unit, subject.mean_metric
    mean, low, high = (row[key] / unit.factor for key in ("accuracy", "low", "high"))
    plain = COUNTED[subject.match] == "FLOPs"
    off = "*" if row["variant"] in subject.off_cost else ""
    return {
        "way": name,
        "φ": f"{row['phi']:.3g}",
        "depth": f"{row['depth']:.2f}×",
        "width": f"{row['width']:.2f}×",
        "px": str(row["resolution"]),
        "FLOPs": f"{count(row['flops'])} ({row['flops_ratio']:.2f}×){off if plain else ''}",
        **({} if plain else {COUNTED[subject.match]: f"{ratios[row['variant']]:.2f}×{off}"}),
        "seeds": str(row["seeds"]),
        unit.label.removesuffix(" (%)"): value_text(mean, metric),
        "95 %": range_text(low, high, metric) if low == low else "–",
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]

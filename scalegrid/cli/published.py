"""What others have published, beside a family: for `scalegrid family --fit` and `--compare`."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from scalegrid.cli.output import Format, print_csv, print_json, print_lines, print_table
from scalegrid.coefficients import Coefficients, DepthRule
from scalegrid.util.text import coefficient, count

if TYPE_CHECKING:
    import pandas as pd

    from scalegrid.family.fit import Fit, Member


_LEAST = (
    *("params", "released params", "dropout", "layers", "released layers", "printed, B"),
    *("by FLOPs", "top-1"),
)
"""Columns that a narrow terminal does without, the first first."""


def show_fit(name: str, form: Format) -> None:
    """Print the coefficients that the authors of a published family in effect used."""
    from scalegrid.family.fit import fit

    found = fit(name)
    if form == "csv":
        print_csv([_fields(member) for member in found.members])
    elif form == "json":
        print_json(
            {**asdict(found), "members": [_fields(member) for member in found.members]}
            | {"shares": found.shares._asdict(), "coefficients": found.coefficients._asdict()}
        )
    else:
        print_lines(_said(found))
        print()
        print_table([_row(member) for member in found.members])


def _said(found: Fit) -> list[str]:
    a, b, c = (coefficient(value, 2) for value in found.coefficients)
    depth, width, resolution = (f"{share:.2f}" for share in found.shares)
    return [
        f"{found.family} grows as by α = {a}, β = {b}, γ = {c} for twice the FLOPs: shares of "
        f"depth {depth}, width {width} and resolution {resolution}. Its sizes are "
        f"{100 * found.residual:.1f} % of their doublings away from that line (above 10 %, no one "
        "triple describes them well).",
        f"Source: {found.source}",
    ]


def _fields(member: Member) -> dict[str, object]:
    return {
        **member._asdict(),
        "scaling": member.scaling._asdict(),
        "shares": member.shares._asdict(),
    }


def _row(member: Member) -> dict[str, str]:
    shares = {axis: _number(share) for axis, share in member.shares._asdict().items()}
    return {
        "size": member.name,
        "px": str(member.resolution),
        "FLOPs": count(member.flops),
        "φ": f"{member.phi:.2f}",
        **shares,
        "φ of (1.2, 1.1, 1.15)": _number(member.phi_paper),
    }


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def show_comparison(
    coefficients: Coefficients, phis: list[float], rule: DepthRule, form: Format
) -> None:
    """Print EfficientNet by a formula, beside the models that were released.

    As a table, the other networks of Table 2 are below; otherwise they are apart
    (`show_references`).
    """
    from scalegrid.family.compare_published import compare_published

    table = compare_published(coefficients, phis, rule)
    if form != "table":
        _print_rows(table, form)
        return
    print_table([_pair(row) for _, row in table.iterrows()], least=_LEAST)
    print()
    print_lines(
        [
            "Printed: Table 2 of arXiv 1905.11946v5. The φ of a released model is where the "
            "formula is nearest to its multipliers, and where it has its FLOPs.",
            "",
            "The other networks of Table 2:",
        ]
    )
    show_references(form)


def show_references(form: Format) -> None:
    """Print the networks of Table 2 that are no EfficientNets, as counted or as published."""
    from scalegrid.family.compare_published import reference_rows

    table = reference_rows()
    if form == "table":
        rows = [_reference(row) for _, row in table.iterrows()]
        print_table(rows, least=("printed, M", "printed, B"))
    else:
        _print_rows(table, form)


def _print_rows(table: pd.DataFrame, form: Format) -> None:
    """As JSON, a list of rows, or as CSV."""
    if form == "csv":
        rows: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
        print_csv(rows)
    else:
        print_json(table.astype(object).where(table.notna(), None).to_dict("records"))


def _reference(row: pd.Series[Any]) -> dict[str, str]:
    """A network: its cost as counted, or as printed in billions and millions."""
    counted = row["cost"] == "counted"
    printed = {"flops": 1e9 * row["printed_flops"], "params": 1e6 * row["printed_params"]}
    flops, params = (row[key] if counted else value for key, value in printed.items())
    return {
        "model": row["model"],
        "px": _text(row["px"], "d"),
        "FLOPs": _text(flops, "count"),
        "params": _text(params, "count"),
        "cost": row["cost"],
        "printed, B": _text(row["printed_flops"], "g"),
        "printed, M": _text(row["printed_params"], "g"),
        "top-1": _text(row["printed_top1"], ".1f"),
    }


def _pair(row: pd.Series[Any]) -> dict[str, str]:
    shown = {"φ": _text(row["phi"], "g"), "model": _text(row["model"], "")}
    for side, mark in (("formula", ""), ("release", "released ")):
        axes = [_text(row[f"{side}_{axis}"], ".2f") for axis in ("depth", "width")]
        shown |= {
            f"{mark}d, w, px": ", ".join([*axes, _text(row[f"{side}_px"], "d")]),
            f"{mark}layers": _text(row[f"{side}_layers"], "d"),
            f"{mark}FLOPs": _text(row[f"{side}_flops"], "count"),
            f"{mark}params": _text(row[f"{side}_params"], "count"),
        }
    return shown | {
        "printed, B": _text(row["printed_flops"], "g"),
        "top-1": _text(row["printed_top1"], ".1f"),
        "dropout": _text(row["dropout"], ".1f"),
        "its φ": _text(row["phi_multipliers"], ".1f"),
        "by FLOPs": _text(row["phi_flops"], ".1f"),
    }


def _text(value: Any, form: str) -> str:
    """A cell; a dash where the table has none."""
    import pandas as pd

    if pd.isna(value):
        return "–"
    return count(int(value)) if form == "count" else format(value, form)

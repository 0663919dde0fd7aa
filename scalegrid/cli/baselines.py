"""`scalegrid baselines`: what can be scaled, and the layer table of one baseline."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

from scalegrid import baselines
from scalegrid.cli.output import Format, print_csv, print_json, print_table
from scalegrid.util.errors import UserError
from scalegrid.util.text import count


def list_baselines(form: Format) -> None:
    """Print every baseline with its cost at the authors' resolution, 1,000 classes."""
    listing = baselines.listing()
    if form != "table":
        _print_records([row._asdict() for row in listing], form)
        return
    print_table(
        [
            {
                "family": row.family,
                "name": row.name,
                "resolution": _or_dash(row.resolution),
                "FLOPs": "–" if row.flops is None else count(row.flops),
                "parameters": "–" if row.params is None else count(row.params),
            }
            for row in listing
        ]
    )
    print(
        "Also: timm/NAME for a model of timm, the path of a YAML block definition, and\n"
        "package.module:factory for a network of your own."
    )


def show_layers(name: str, resolution: int | None, form: Format) -> None:
    """Print the layer table of a baseline as the paper's Table 1.

    Raises:
        UserError: there is no such baseline, or it cannot take the resolution.
    """
    with redirect_stdout(sys.stderr):  # one's own network may print; the table is to be alone
        baseline = baselines.get(name)
        side = baseline.resolution if resolution is None else resolution
        if side < baseline.total_stride:
            raise UserError(
                f"--resolution {side} px is too small for {name}: its strides need at least "
                f"{baseline.total_stride} px."
            )
        rows = [row._asdict() for row in baselines.layer_table(baseline, resolution=side)]
    if form == "table":
        print_table(rows)
    else:
        _print_records(rows, form)


def _print_records(records: Sequence[dict[str, Any]], form: Format) -> None:
    if form == "json":
        print_json(records)
    else:
        print_csv(records)


def _or_dash(value: int | None) -> str:
    return "–" if value is None else str(value)

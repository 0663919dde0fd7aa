"""`scalegrid baselines`: what can be scaled, and the layer table of one baseline."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import click

from scalegrid.baselines import get, layer_table, listing
from scalegrid.cli.options import format_option, name_argument
from scalegrid.cli.output import Format, print_csv, print_json, print_table
from scalegrid.util.errors import UserError
from scalegrid.util.text import count, percent


@click.command()
@name_argument
@click.option("--resolution", type=int, help="Input side in px; default: the authors' own.")
@click.option("--timm", is_flag=True, help="List the models of timm, and which can be scaled.")
@format_option
def baselines(name: str | None, resolution: int | None, timm: bool, form: Format) -> None:
    """List what can be scaled, or show the layer table of one baseline."""
    if timm and (name, resolution) != (None, None):
        raise UserError("--timm lists the models of timm; leave out NAME and --resolution.")
    if timm:
        rows = _timm_models()
    elif name is not None:
        rows = _layers(name, resolution)
    elif resolution is not None:
        raise UserError("--resolution is for the layer table of one baseline; give its NAME.")
    else:
        rows = [row._asdict() for row in listing()]
    if form == "json":
        print_json(rows)
    elif form == "csv":
        print_csv(rows)
    elif timm:
        _print_timm(rows)
    elif name is not None:
        print_table(rows)
    else:
        _print_listing(rows)


def _layers(name: str, resolution: int | None) -> list[dict[str, Any]]:
    """The layer table of a baseline as the paper's Table 1."""
    with redirect_stdout(sys.stderr):  # a user's network may print
        baseline = get(name)
        side = baseline.resolution if resolution is None else resolution
        if side < baseline.total_stride:
            raise UserError(
                f"--resolution {side} px is too small for {name}: its strides need at least "
                f"{baseline.total_stride} px."
            )
        return [row._asdict() for row in layer_table(baseline, resolution=side)]


def _timm_models() -> list[dict[str, Any]]:
    """One row a model of timm; takes some seconds, most of them for importing timm."""
    if sys.stderr.isatty():
        print("reading the settings of timm's models …", file=sys.stderr)
    from scalegrid.baselines.timm_models import timm_listing

    return [row._asdict() for row in timm_listing()]


def _print_timm(rows: Sequence[dict[str, Any]]) -> None:
    """How many can be scaled, and all names by constructor, the largest groups first."""
    scalable = sum(row["scalable"] for row in rows)
    share = percent(scalable / len(rows))
    print(f"{scalable:,} of timm's {len(rows):,} models ({share}) can be scaled, as timm/NAME:")
    for can in (True, False):
        groups: dict[tuple[str, str], list[str]] = {}
        for row in rows:
            if row["scalable"] == can:
                key = (row["constructor"], row["reason"])
                groups.setdefault(key, []).append(row["name"].removeprefix("timm/"))
        if not can:
            print("Others cannot:")
        print_table(
            [
                {"class": constructor, "models": len(names)}
                | ({} if can else {"reason": reason})
                | {"names": ", ".join(names)}
                for (constructor, reason), names in sorted(
                    groups.items(), key=lambda group: -len(group[1])
                )
            ]
        )


def _print_listing(rows: Sequence[dict[str, Any]]) -> None:
    """Every baseline with its cost at the authors' resolution, 1,000 classes."""

    def shown(number: int | None) -> str:
        return "–" if number is None else count(number)

    print_table(
        [
            {
                "family": row["family"],
                "name": row["name"],
                "resolution": "–" if row["resolution"] is None else str(row["resolution"]),
                "FLOPs": shown(row["flops"]),
                "parameters": shown(row["params"]),
            }
            for row in rows
        ]
    )
    print(
        "Also: timm/NAME for a model of timm (--timm lists them), the path of a YAML block\n"
        "definition, and package.module:factory for your own network."
    )

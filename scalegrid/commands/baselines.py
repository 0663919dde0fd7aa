"""`scalegrid baselines`: what can be scaled, and the layer table of one baseline."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scalegrid import baselines, cost
from scalegrid.errors import UserError
from scalegrid.output import Format, count, print_csv, print_json, print_table

_IMAGENET_CLASSES = 1000


def list_baselines(form: Format) -> None:
    """Print every built-in baseline with its cost at the authors' resolution, 1000 classes."""
    records = [_record(name) for name in baselines.names()]
    _print(records, form, flops=count, params=count)


def show_layers(name: str, resolution: int | None, form: Format) -> None:
    """Print the layer table of a baseline as the paper's Table 1.

    Raises:
        UserError: there is no such baseline, or it cannot take the resolution.
    """
    baseline = baselines.get(name)
    px = resolution or baseline.resolution
    if px < baseline.total_stride:
        raise UserError(
            f"--resolution {px} px is too small for {name}: its strides need at least "
            f"{baseline.total_stride} px."
        )
    records = []
    for stage, row in enumerate(baseline.layout(1.0, 1.0), start=1):
        records.append({"stage": stage, **asdict(row), "resolution": px})
        px = -(-px // row.stride)
    order = ("stage", "operator", "kernel", "stride", "resolution", "channels", "layers")
    _print([{key: record[key] for key in order} for record in records], form)


def _record(name: str) -> dict[str, Any]:
    baseline = baselines.get(name)
    measured = cost.measure(
        cost.skeleton(baseline, 1.0, 1.0, _IMAGENET_CLASSES), baseline.resolution
    )
    return {
        "name": name,
        "resolution": baseline.resolution,
        "brief resolution": baseline.brief_resolution,
        "total stride": baseline.total_stride,
        "flops": measured.flops,
        "params": measured.params,
    }


def _print(records: list[dict[str, Any]], form: Format, **shown: Any) -> None:
    if form == "json":
        print_json(records)
    elif form == "csv":
        print_csv(records)
    else:
        print_table(
            [{k: shown[k](v) if k in shown else v for k, v in record.items()} for record in records]
        )

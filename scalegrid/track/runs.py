"""From the tables of a sweep to runs of a tracker: one a trial, and one of the sweep itself."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from scalegrid.progress.display import label
from scalegrid.results import Stored
from scalegrid.results.schema import Row
from scalegrid.spec import SweepSpec
from scalegrid.util.files import digest

Setting = str | int | float | bool

_VARIANT = (
    *("variant", "role", "phi", "alpha", "beta", "gamma", "depth", "width", "resolution"),
    *("layers", "channels", "flops", "flops_ratio", "params", "activations", "memory"),
)
_TRIAL = ("trial", "seed", "rung", "learning_rate", "device", "threads", "versions")
_FINAL = (
    *("top1", "top5", "balanced", "train_loss", "val_loss"),
    *("epochs", "images", "images_per_second", "seconds", "figures"),
)


class Point(NamedTuple):
    """The numbers of an epoch (from 1), and when it ended in seconds since 1970, UTC."""

    epoch: int
    time: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Run:
    """What a tracker is sent: settings, a curve, final numbers, pictures.

    ``id`` is a trial's, or of the sweep; a tracker has one run of an id at most. ``start`` and
    ``end`` are seconds since 1970, UTC. ``error`` says why a trial failed. What a table lacks (null
    or NaN) is missing here.
    """

    id: str
    name: str
    kind: str  # trial or sweep
    config: Mapping[str, Setting]
    history: Sequence[Point]
    final: Mapping[str, float]
    start: float
    end: float
    error: str | None = None
    figures: Sequence[Path] = ()

    @property
    def status(self) -> str:
        """``finished`` or ``failed``."""
        return "failed" if self.error else "finished"


def versions(stored: Stored) -> dict[str, str]:
    """The id of each run of a sweep, and what changes when there is something new to send.

    A trial whose worker was killed is trained again under the same id; figures show all trials.
    """
    columns = (stored.trials[name].to_pylist() for name in ("trial", "finished_at"))
    trials = {trial: str(moment) for trial, moment in zip(*columns, strict=True)}
    if not trials:
        return {}
    planned = stored.variants["variant"].to_pylist()[: stored.planned_count]
    shown = [trials, planned, stored.spec.model_dump(mode="json")]
    return {**trials, _sweep_id(stored): digest(shown)}


def trial_runs(stored: Stored, wanted: Collection[str]) -> Iterator[Run]:
    """The runs of those trials whose ids are wanted, in the order of the table."""
    variants = {row["variant"]: row for row in stored.variants.to_pylist()}
    trials, history = (
        table.filter(pc.is_in(table["trial"], pa.array(list(wanted), pa.string())))
        for table in (stored.trials, stored.history)
    )
    epochs: dict[str, list[Row]] = {}
    for row in history.to_pylist():
        epochs.setdefault(row["trial"], []).append(row)
    common = _settings(
        {
            "baseline": stored.spec.baseline,
            **_what_trains(stored.spec),
        }
    )
    for row in trials.to_pylist():
        yield _trial_run(row, variants[row["variant"]], epochs.get(row["trial"], []), common)


def _what_trains(spec: SweepSpec) -> dict[str, Any]:
    """The data and the recipe, or the trainer."""
    if spec.trainer is not None:
        return {"trainer": spec.trainer, "epochs": spec.epochs}
    return {"data": spec.data, **spec.recipe.model_dump(mode="json")}


def sweep_run(stored: Stored, figures: Sequence[Path]) -> Run:
    """The run of the sweep itself: its specification, how many trials it has, its figures."""
    trials = stored.trials.to_pylist()
    failed = sum(row["status"] == "failed" for row in trials)
    return Run(
        id=_sweep_id(stored),
        name=stored.folder.name,
        kind="sweep",
        config=_settings(stored.spec.model_dump(mode="json")),
        history=(),
        final={"finished": len(trials) - failed, "failed": failed},
        start=min(row["finished_at"].timestamp() - row["seconds"] for row in trials),
        end=max(row["finished_at"].timestamp() for row in trials),
        figures=figures,
    )


def _sweep_id(stored: Stored) -> str:
    baseline = stored.variants["variant"][0].as_py()
    return digest([stored.folder.name, baseline, stored.data])


def _trial_run(row: Row, variant: Row, epochs: Sequence[Row], common: Mapping[str, Setting]) -> Run:
    described: Any = SimpleNamespace(**variant)
    rung = f" rung {row['rung']}" if row["rung"] > 1 else ""
    end = row["finished_at"].timestamp()
    # Backwards from the end: the last epoch ends with the trial.
    later = accumulate((epoch["seconds"] for epoch in reversed(epochs[1:])), initial=0.0)
    moments = [end - seconds for seconds in later][::-1]
    return Run(
        id=row["trial"],
        name=" ".join(f"{label(described)} seed {row['seed']}{rung}".split()),
        kind="trial",
        config={**common, **_settings({**_taken(variant, _VARIANT), **_taken(row, _TRIAL)})},
        history=[
            Point(epoch["epoch"], moment, _numbers(epoch, leave_out=("trial", "epoch")))
            for epoch, moment in zip(epochs, moments, strict=False)
        ],
        final=_numbers(_taken(row, _FINAL)),
        start=end - row["seconds"],
        end=end,
        error=row["error"],
    )


def _taken(row: Row, keys: Sequence[str]) -> dict[str, Any]:
    return {key: row[key] for key in keys}


def _numbers(row: Row, leave_out: Sequence[str] = ()) -> dict[str, float]:
    """The numbers that there are."""
    numbers = {**row, **dict(row.get("figures") or ())}
    leave_out = (*leave_out, "figures")
    return {k: v for k, v in numbers.items() if k not in leave_out and math.isfinite(v)}


def _settings(values: Row) -> dict[str, Setting]:
    """The settings that there are, lists as text."""
    found: dict[str, Setting] = {}
    for key, value in values.items():
        if isinstance(value, list | tuple):
            found[key] = ", ".join(map(str, value))
        elif value is not None and value == value:
            found[key] = value
    return found

"""How fast trials are on this machine: by its trials, or by what was measured before.

A rate is the seconds that one worker, while all work, takes per activation (see
`scalegrid.progress.estimate`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scalegrid.executors import Placement
from scalegrid.plan import Plan, trial_works
from scalegrid.speed.kept import keep, kept_file
from scalegrid.util.processor import processor


def rate_of(trials: Sequence[Mapping[str, Any]], plan: Plan, placement: Placement) -> float | None:
    """The rate of finished trials on this kind of device and as many threads; None without any.

    Trials at higher rungs are left out: how much of them was recalled is not in their rows.
    Trials on another processor say nothing of this one; those that do not name theirs count.
    """
    unnamed = placement.devices[0].split(":")[0]
    kind = f"cpu, {processor()}," if unnamed == "cpu" else unnamed
    timed = [
        row
        for row in trials
        if row["status"] == "finished"
        and row["rung"] == 1
        and row["threads"] == placement.threads
        and (row["device"] == unnamed or f"{row['device']},".startswith(kind))
    ]
    if not timed:
        return None
    works = trial_works(plan)
    seconds = sum(row["seconds"] for row in timed)
    return float(seconds / sum(works[row["variant"]] for row in timed))


def stored_rate(plan: Plan, placement: Placement) -> float | None:
    """The last measured rate of this kind of training on this machine; None if there is none."""
    try:
        rate = json.loads(kept_file("rates", plan, placement).read_bytes())
    except (OSError, ValueError):
        return None
    return rate if isinstance(rate, float) and 0 < rate < float("inf") else None


def remember_rate(plan: Plan, placement: Placement, rate: float) -> None:
    """Keep ``rate`` beside the caches; where that is impossible it is measured again next time."""
    keep(kept_file("rates", plan, placement), json.dumps(rate))

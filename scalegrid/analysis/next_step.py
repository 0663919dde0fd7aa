"""What to run next, where a sweep has not decided."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalegrid.analysis.recommendation import Recommendation
from scalegrid.analysis.wording import outlook
from scalegrid.spec import CONFIDENCE
from scalegrid.util.text import duration

_LONGER = 4
"""Times the epochs, where no number of trials like these would do."""


def next_step(found: Recommendation, spec: Mapping[str, Any], folder: Path) -> list[str]:
    """A sentence and a command that would probably decide it; nothing if it is decided.

    Args:
        found: what the sweep recommends.
        spec: the keys of its ``sweep.yaml``.
        folder: where it is.
    """
    if found.trials_needed == 0:
        return []
    again = ["scalegrid", "sweep", str(folder / "sweep.yaml")]
    if Path(spec.get("results", "results")) != folder.parent:
        again += ["--results", str(folder.parent)]
    if found.trials_needed is not None:
        return [outlook(found), _command(again + _more_trials(found, spec))]
    if found.images_needed is not None:
        more = ["--name", f"{folder.name}-images", "--val-images", str(found.images_needed)]
        return [outlook(found), _command(again + more)]
    time = found.pace.seconds(_LONGER * found.pace.trials)
    cost = f", {duration(time)} for as many trials at this sweep's pace," if time else ""
    epochs = _LONGER * int(spec.get("epochs", 1))
    more = ["--name", f"{folder.name}-{epochs}-epochs", "--epochs", str(epochs)]
    return [f"{outlook(found)} Longer ones{cost} may.", _command(again + more)]


def _more_trials(found: Recommendation, spec: Mapping[str, Any]) -> list[str]:
    """Flags by which a sweep goes on as a race, to as many trials as nine of ten cases need."""
    more = found.trials_most or found.trials_needed or 0
    flags = ["--max-trials", str(found.pace.trials + more)]
    if spec.get("allocation") == "uniform":
        flags += ["--allocation", "racing"]
    if spec.get("max_hours") is not None:
        seconds = (found.pace.busy or 0.0) + (found.pace.seconds(more) or 0.0)
        hours = max(float(spec["max_hours"]), seconds / 3600)
        flags += ["--max-hours", f"{math.ceil(10 * hours) / 10:g}"]
    planned = spec.get("confidence")
    if found.confidence != (CONFIDENCE if planned is None else planned):
        flags += ["--confidence", f"{found.confidence:g}"]
    return flags


def _command(words: list[str]) -> str:
    return f"  {shlex.join(words)}"

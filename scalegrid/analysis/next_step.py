"""What to run next, where a sweep has not decided."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scalegrid.analysis.candidates import zone
from scalegrid.analysis.recommendation import Recommendation
from scalegrid.analysis.wording import LONGER, outlook
from scalegrid.metric import measure, metric_flags
from scalegrid.spec import CONFIDENCE, IMPORTED
from scalegrid.util.text import duration, results_flag


def next_step(found: Recommendation, spec: Mapping[str, Any], folder: Path) -> list[str]:
    """A sentence and a command that would probably decide it; nothing if it is decided.

    Args:
        found: what the sweep recommends.
        spec: the keys of its ``sweep.yaml``.
        folder: where it is.
    """
    if found.trials_needed == 0:
        return []
    if spec.get("trainer") == IMPORTED:
        return [outlook(found), f"  {going_on(spec, folder)}"]
    from scalegrid.data import EMBEDDED  # late, since what reads tables does without the data

    judged = _judged(found, spec)
    if found.trials_needed is not None:
        return [outlook(found), f"  {going_on(spec, folder, _more_trials(found, spec) + judged)}"]
    if found.images_needed is not None:
        count, beyond = found.images_needed
        if beyond or spec.get("data") not in EMBEDDED:
            return [outlook(found)]
        images = ["--name", f"{folder.name}-images", "--val-images", str(count)]
        return [outlook(found), f"  {going_on(spec, folder, images + judged)}"]
    time = found.pace.seconds(LONGER * found.pace.trials)
    cost = f", {duration(time)} for as many trials at this sweep's pace," if time else ""
    epochs = LONGER * int(spec.get("epochs", 1))
    more = ["--name", f"{folder.name}-{epochs}-epochs", "--epochs", str(epochs)]
    if spec.get("max_hours") is not None:
        more += ["--max-hours", f"{LONGER * float(spec['max_hours']):g}"]
    return [
        f"{outlook(found)} Longer ones{cost} may.",
        f"  {going_on(spec, folder, more + judged)}",
    ]


def going_on(spec: Mapping[str, Any], folder: Path, flags: Sequence[str] = ()) -> str:
    """The command that goes on with the sweep in ``folder``, to be pasted into a shell.

    Trainings that are made elsewhere are added, from a table that only the user knows.
    """
    if spec.get("trainer") == IMPORTED:
        at = results_flag(folder.parent)
        return shlex.join(["scalegrid", "import", "TRIALS.csv", "--name", folder.name, *at])
    at = results_flag(folder.parent, spec.get("results", "results"))
    return shlex.join(["scalegrid", "sweep", str(folder / "sweep.yaml"), *at, *flags])


def _more_trials(found: Recommendation, spec: Mapping[str, Any]) -> list[str]:
    """Flags by which a sweep goes on as a race, to as many trials as nine of ten cases need."""
    more = found.trials_most or found.trials_needed or 0
    each = len(found.verdict.rungs) if found.verdict else 1
    flags = ["--max-trials", str(found.pace.trials + each * more)]
    if found.failing is not None and found.failing.kept:  # no race gets beyond that
        upto = [str(rung) for rung in spec["rungs"] if rung <= found.rung]
        flags += ["--rungs", ",".join(upto)]
    if spec.get("allocation") == "uniform":
        flags += ["--allocation", "racing"]
    if spec.get("max_hours") is not None:
        seconds = (found.pace.busy or 0.0) + (found.pace.seconds(more) or 0.0)
        hours = max(float(spec["max_hours"]), seconds / 3600)
        flags += ["--max-hours", f"{math.ceil(10 * hours) / 10:g}"]
    planned = spec.get("confidence")
    if found.confidence != (CONFIDENCE if planned is None else planned):
        flags += ["--confidence", repr(float(found.confidence))]
    return flags


def _judged(found: Recommendation, spec: Mapping[str, Any]) -> list[str]:
    """Flags for what was compared and which difference does not matter, if not the sweep's own."""
    metric, planned = found.metric, spec.get("metric", "top1")
    flags = [] if metric == planned else metric_flags(metric)
    own = spec.get("indifference") if metric == planned else None
    if not math.isclose(found.indifference, zone(metric, own)):
        flags += ["--indifference", f"{measure(metric).scale * found.indifference:.12g}"]
    return flags

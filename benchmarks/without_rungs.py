"""What a race without rungs would have cost and said: ``python -m benchmarks.without_rungs``.

A race over rungs has trials of the first rung, and one without rungs asks for such trials alone. So
a finished one can be told those that it asks for, one after the other, as long as they are there.
docs/fidelity.md has what it says of study 1.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from benchmarks.selection_worlds import PUBLISHED
from benchmarks.timing import publish, read_options
from scalegrid.allocation import make_allocator
from scalegrid.analysis.recommend import recommend
from scalegrid.results import SweepTables, load_sweep, read_stored
from scalegrid.rounds import tell

STUDY = "study-nano"
WORKERS = 2


class Without(NamedTuple):
    """How a race without rungs ends: its trials, hours of two cores, leader, and certainty."""

    trials: int
    hours: float
    leader: str
    certainty: float


def main() -> None:
    """Print the table, and write it as parquet."""
    options = read_options("without_rungs", __doc__)
    publish("without_rungs", [without_rungs(load_sweep(STUDY, PUBLISHED))._asdict()], options.out)


def without_rungs(tables: SweepTables) -> Without:
    """Race over the trials of rung 1, two at a time; KeyError where one is asked for that lacks."""
    stored = read_stored(tables.folder)
    assert stored is not None
    spec = stored.spec.model_copy(update={"rungs": (1,), "max_hours": None})
    variants = tables.variants[(tables.variants["phi"] == 1) | (tables.variants["phi"] == 0)]
    rows = variants.sort_values("activations", ascending=False, kind="stable").to_dict("records")
    ratios = {row["variant"]: row["flops_ratio"] for row in rows}
    brief = tables.trials[tables.trials["rung"] == 1]
    made = {(row["variant"], row["seed"]): row for row in brief.to_dict("records")}
    race, running, told = make_allocator(spec, rows), deque[tuple[str, int]](), []
    while True:
        while len(running) < WORKERS and (ask := race.ask()) is not None:
            running.append((ask.variant, ask.seed))
        if not running:
            break
        row = made[running.popleft()]
        told.append(row["trial"])
        tell(race, row, spec, ratios[row["variant"]], stored.answered.get(row["trial"]))
    used = brief[brief["trial"].isin(told)]
    found = recommend(variants, used, answers=stored.answered)
    best = found.best
    hours = used["seconds"].sum() / 3600 / WORKERS
    return Without(len(told), hours, best.variant, best.probability_within_indifference)


if __name__ == "__main__":
    main()

"""Before a sweep: the learning rate at which its baseline learns best, by a few brief trainings.

One rate is then used for all variants. The trainings are those of the sweep's own recipe, at other
rates; they are kept in ``rates.parquet``, so that a killed search goes on where it was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scalegrid.allocation import RateSearch
from scalegrid.executors import KILLED
from scalegrid.plan import Plan, make_trial
from scalegrid.results.rows import trial_row
from scalegrid.util.errors import UserError
from scalegrid.util.text import duration

if TYPE_CHECKING:
    from scalegrid.data import CachedData
    from scalegrid.executors import Executor
    from scalegrid.progress import Display
    from scalegrid.results import Store
    from scalegrid.results.schema import Row
    from scalegrid.training.trial import Trial

SEED = 0
"""Of all trainings of a search, so that they differ by their rate alone."""

_WAIT = 1.0  # seconds for events, so that an interruption is noticed


def tuned(plan: Plan, data: CachedData, store: Store, executor: Executor, display: Display) -> Plan:
    """The plan with the learning rate at which its baseline has the lowest validation loss.

    Args:
        plan: whose learning rate the search starts from.
        data: the cached images.
        store: keeps every training as it ends, and knows those of an earlier run.
        executor: where they run.
        display: what a person sees.

    Raises:
        UserError: the baseline cannot be trained at any rate.
    """
    search = RateSearch(plan.spec.learning_rate)
    rows = {row["trial"]: row for row in store.rates if not str(row["error"]).startswith(KILLED)}
    display.note(
        f"Finding the learning rate: {plan.spec.baseline} is trained at three rates or more, "
        f"around {plan.spec.learning_rate:g}."
    )
    running: dict[str, Trial] = {}

    def fill() -> None:
        while len(running) < executor.capacity and (rate := search.ask()) is not None:
            trial = _trial(plan, data, rate)
            if row := rows.get(trial.trial):
                _tell(search, row, display)
                continue
            running[trial.trial] = trial
            executor.submit(trial)

    fill()
    while running:
        for event in executor.collect(timeout=_WAIT):
            if isinstance(event, tuple):  # an epoch has ended
                continue
            row = trial_row(
                running.pop(event.trial), plan.variants[0], event, plan.source.num_train
            )
            store.add_rate(row)
            _tell(search, row, display)
        fill()
    try:
        best = search.best
    except ValueError:
        raise UserError(
            f"{plan.spec.baseline} cannot be trained at any learning rate from "
            f"{min(search.losses):.2g} to {max(search.losses):.2g}: "
            f"{store.rates[-1]['error']}; choose another recipe."
        ) from None
    display.note(f"The learning rate is {best:g}.")
    return replace(plan, spec=plan.spec.model_copy(update={"learning_rate": best}))


def _trial(plan: Plan, data: CachedData, rate: float) -> Trial:
    recipe = plan.recipe.model_copy(update={"learning_rate": rate})
    return make_trial(plan, plan.variants[0], SEED, data, recipe)


def _tell(search: RateSearch, row: Row, display: Display) -> None:
    rate, finished = row["learning_rate"], row["status"] == "finished"
    search.tell(rate, row["val_loss"] if finished else None)
    outcome = f"failed: {row['error']}"
    if finished:
        outcome = f"loss {row['val_loss']:.3f}, top-1 {100 * row['top1']:.1f} %"
    display.note(f"learning rate {rate:.3g}: {outcome}, {duration(row['seconds'])}")

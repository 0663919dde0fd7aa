"""Before a sweep: the learning rate at which its networks learn best, by a few brief trainings.

The baseline's rate is found, and if asked for how the best rate changes with depth, width and
resolution. The trainings are those of the sweep's own recipe, at other rates; they are kept in
``rates.parquet``, so that a killed search goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scalegrid.allocation import RateSearch
from scalegrid.analysis.rates import Exponent, rate_exponents
from scalegrid.coefficients import Scaling
from scalegrid.executors import stopped, was_killed
from scalegrid.plan import Plan, Variant, make_trial
from scalegrid.progress.status import State, Status, write_status
from scalegrid.results.rows import trial_row
from scalegrid.util.errors import UserError
from scalegrid.util.text import duration, plural

if TYPE_CHECKING:
    from scalegrid.data import CachedData
    from scalegrid.executors import Executor
    from scalegrid.progress import Display
    from scalegrid.results import Store
    from scalegrid.results.schema import Row
    from scalegrid.training.trial import Trial

SEED = 0
"""Of all trainings of a search, so that they differ by their network and rate alone."""

_WAIT = 1.0  # seconds for events, so that an interruption is noticed

_AXES = Scaling._fields


@dataclass(frozen=True)
class Tuning:
    """What the trainings of a search need.

    ``plan`` has the rate that the search starts from, ``data`` are the cached images, ``store``
    keeps every training as it ends and knows those of an earlier run, ``executor`` is where they
    run, and ``display`` what a person sees.
    """

    plan: Plan
    data: CachedData
    store: Store
    executor: Executor
    display: Display

    def tuned(self) -> Plan:
        """The plan with the learning rate at which its baseline has the lowest validation loss.

        Where rates are checked, with the exponents by which the variants' best rates differ.

        Raises:
            UserError: the baseline cannot be trained at any rate, or a worker was killed.
        """
        try:
            return self._tuned()
        except BaseException:
            self._show("stopped")
            raise

    def _tuned(self) -> Plan:
        spec, baseline = self.plan.spec, self.plan.variants[0]
        axes = ", and each axis alone likewise" if spec.rates == "check" else ""
        self.display.note(
            f"Finding the learning rate: {spec.baseline} is trained at three rates or more, "
            f"around {spec.learning_rate:g}{axes}; the estimate of time leaves that out."
        )
        if spec.rates == "check" and any(spec.rate_exponents):
            self.display.note("The rate exponents that were given are replaced by those found.")
        [search] = self._search([baseline], spec.learning_rate)
        try:
            best = search.best
        except ValueError:
            raise UserError(
                f"{spec.baseline} cannot be trained at any learning rate from "
                f"{min(search.losses):.2g} to {max(search.losses):.2g}: "
                f"{self.store.rates[-1]['error']}; choose another recipe."
            ) from None
        self.display.note(f"The learning rate is {best:g}.")
        found: dict[str, object] = {"learning_rate": best}
        if spec.rates == "check":
            found["rate_exponents"] = self._exponents(search, best)
        return replace(self.plan, spec=spec.model_copy(update=found))

    def _exponents(self, baseline: RateSearch, best: float) -> tuple[float, ...]:
        """How the best rate changes with each axis, by networks scaled along it alone."""
        _, *corners = self.plan.searched
        if not corners:
            self.display.note(
                "No network of the plan is scaled along one axis alone: one rate is used for all."
            )
            return (0.0, 0.0, 0.0)
        self.display.note(
            f"Checking whether {' or '.join(one.role for one in corners)} alone wants another rate."
        )
        searches = self._search(corners, baseline.top)
        losses = {
            self.plan.scaling(corner): search.losses
            for corner, search in zip(corners, searches, strict=True)
        }
        exponents = rate_exponents(baseline.losses, losses)
        for corner in corners:
            axis = _AXES.index(corner.role)
            if exponent := exponents[axis]:
                multiplier = self.plan.scaling(corner)[axis]
                self.display.note(_said(corner.role, best, multiplier, exponent))
        return tuple(round(one.value, 2) if one else 0.0 for one in exponents)

    def _search(self, variants: Sequence[Variant], centre: float) -> list[RateSearch]:
        """Searches around ``centre``, one a variant, that have ended."""
        searches = {one.variant: RateSearch(centre) for one in variants}
        networks = {one.variant: one for one in variants}
        made = {row["trial"]: row for row in self.store.rates if not was_killed(row["error"])}
        running: dict[str, Trial] = {}

        def asked() -> list[Trial]:
            """The next trainings, as many as there is room for; those made before are told."""
            wanted: list[Trial] = []
            for variant, search in searches.items():
                while len(running) + len(wanted) < self.executor.capacity:
                    if (rate := search.ask()) is None:
                        break
                    trial = self._trial(networks[variant], rate)
                    if trial.trial in made:
                        self._tell(search, networks[variant], made[trial.trial])
                    else:
                        wanted.append(trial)
            return wanted

        while True:
            for trial in asked():
                running[trial.trial] = trial
                self.executor.submit(trial)
            if not running:
                return list(searches.values())
            self._show("running")
            for event in self.executor.collect(timeout=_WAIT):
                if isinstance(event, tuple):  # an epoch has ended
                    continue
                trial = running.pop(event.trial)
                if event.stops:
                    raise stopped(event, self.plan.source)
                network = networks[trial.variant]
                row = trial_row(trial, network, event, self.plan.source.num_train)
                self.store.add_rate(row)
                if was_killed(row["error"]):
                    raise UserError(
                        f"a training at the learning rate {row['learning_rate']:g} was ended from "
                        f"outside: {row['error']}; run the same command again to go on, with fewer "
                        "--workers if memory is short."
                    )
                self._tell(searches[trial.variant], network, row)

    def _show(self, state: State) -> None:
        """Keep the status file up to date for other processes."""
        spec, made = self.plan.spec, len(self.store.rates)
        doing = f"the learning rate is searched, {plural(made, 'training')} made"
        now = time.time()
        status = Status(str(spec.name), state, 0, 0, 0, doing=doing, updated_at=now)
        write_status(spec.folder, status)

    def _trial(self, variant: Variant, rate: float) -> Trial:
        recipe = self.plan.recipe.model_copy(update={"learning_rate": rate})
        return make_trial(self.plan, variant, SEED, self.data, recipe)

    def _tell(self, search: RateSearch, variant: Variant, row: Row) -> None:
        rate, finished = row["learning_rate"], row["status"] == "finished"
        search.tell(rate, row["val_loss"] if finished else None)
        outcome = f"failed: {row['error']}"
        if finished:
            outcome = f"loss {row['val_loss']:.3f}, top-1 {100 * row['top1']:.1f} %"
        name = variant.role if variant.role == "baseline" else f"{variant.role} alone"
        self.display.note(f"{name} at {rate:.3g}: {outcome}, {duration(row['seconds'])}")


def _said(axis: str, rate: float, multiplier: float, exponent: Exponent) -> str:
    """``depth alone: 0.17 instead of 0.25 (depth^-0.55 ± 0.20), …``."""
    own = rate * multiplier**exponent.value
    return (
        f"{axis} alone: {own:.2g} instead of {rate:.2g} ({axis}^{exponent.value:.2f} ± "
        f"{exponent.error:.2f}), a loss lower by {exponent.gain:.4f}"
    )

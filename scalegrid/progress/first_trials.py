"""What the first trials say against further ones: a baseline or a trainer that is of no use."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite, nan

from scalegrid.allocation import FIRST_SEEDS
from scalegrid.analysis import Learning, has_metric
from scalegrid.executors import was_killed
from scalegrid.metric import measure
from scalegrid.plan import Plan
from scalegrid.results.schema import Row
from scalegrid.training.trainer import KNOWN
from scalegrid.util.errors import UserError

_GIVE_UP = 4
"""Trials that all fail before a trainer is given up; the largest networks come first."""


class FirstTrials:
    """The trials that decide whether there is any use in others; it keeps no more than these.

    Args:
        plan: the sweep's plan.
        made: rows of the trials made so far.
    """

    def __init__(self, plan: Plan, made: Iterable[Row]) -> None:
        self._plan = plan
        self._alone = True  # whether the baseline has trials, and nothing else has
        self._firsts: list[Row] = []  # of the baseline
        self._useless = 0  # trials that failed by themselves; no longer counted once one finished
        self._finished = False
        self._last: Row | None = None  # that failed so
        self._measured = False  # whether one finished with the metric
        self._lacking: Row | None = None  # one that finished without it, if none did with it
        for row in made:
            self.take(row)

    def take(self, row: Row) -> None:
        """A trial has ended."""
        spec, finished = self._plan.spec, row["status"] == "finished"
        if row["variant"] != self._plan.variants[0].variant:
            self._alone = False
            self._firsts.clear()
        elif self._alone and row["seed"] in FIRST_SEEDS and row["rung"] == 1:
            self._firsts.append(row)
        if spec.trainer is None:
            return
        if finished:
            self._measured = self._measured or has_metric(row, spec.metric)
            self._lacking = None if self._measured else row
        self._finished = self._finished or finished
        if not finished and not was_killed(row["error"]):
            self._useless, self._last = self._useless + 1, row

    @property
    def problem(self) -> str | None:
        """Why no other variant need be trained; None if there is a use in it, or it is not known.

        Raises:
            UserError: the workers of all the baseline's first trials were killed.
        """
        if self._plan.spec.trainer is not None:
            return self._of_trainer()
        return self._of_baseline() if self._plan.spec.check_learning else None

    def _of_baseline(self) -> str | None:
        """One that diverged counts as guessing; a killed worker says nothing."""
        if len(self._firsts) < len(FIRST_SEEDS):
            return None
        guessing = self._plan.source.guessing
        top1 = [
            row["top1"] if row["status"] == "finished" else guessing
            for row in self._firsts
            if not was_killed(row["error"])
        ]
        if not top1:
            raise UserError(
                "the baseline's first trials failed, and nothing else was trained: "
                f"{self._firsts[-1]['error']}; run the same command to try them "
                "again, with fewer --workers if memory is short."
            )
        return Learning(top1, guessing).problem

    def _of_trainer(self) -> str | None:
        """It lacks the metric, or fails every time."""
        spec = self._plan.spec
        if (row := self._lacking) is not None:
            own = [name for name in KNOWN if isfinite(row.get(name, nan))]
            return (
                f"{spec.trainer} gives {', '.join([*own, *dict(row['figures'] or ())])}, and no "
                f"{measure(spec.metric).column} to compare by; run the same command with --metric "
                "NAME, and --maximize or --minimize, to go on: what is trained is kept"
            )
        if self._last is None or self._finished or self._useless < _GIVE_UP:
            return None
        return (
            f"{spec.trainer} has failed in all of its {self._useless} trials "
            f"({self._last['error']}); mend it, and run it under another --name, or after "
            f"deleting {spec.folder}"
        )

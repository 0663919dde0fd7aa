"""The checkpoints of a sweep: its workers write them, and none stays that no rung can want.

To lose one costs time alone: a trial that finds none trains from its start.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from scalegrid.allocation import Line
from scalegrid.executors import was_killed
from scalegrid.plan import Plan
from scalegrid.plan.rungs import GB, Sized, all_checkpoints_bytes, checkpoint_bytes
from scalegrid.results.schema import Row
from scalegrid.spec import Recipe, SweepSpec
from scalegrid.training.trial import Trial, trial_id
from scalegrid.util import disk
from scalegrid.util.errors import UserError
from scalegrid.util.files import remove_partial_files

CHECKPOINTS = "checkpoints"
"""The folder of them, in that of their sweep."""


class Planned(Protocol):
    """What may be trained at higher rungs: a plan, or the finalists of a search."""

    @property
    def spec(self) -> SweepSpec:
        """The specification."""

    @property
    def variants(self) -> Sequence[Sized]:
        """The networks."""

    def recipe_of(self, variant: Any, /) -> Recipe:
        """How one of them is trained."""


class KeptCheckpoints:
    """The folder ``checkpoints`` of a sweep, as a process that runs the sweep sees it.

    A trial may leave a checkpoint there while all together are no larger than they may be. Made
    before any trial runs, it deletes what killed workers have left unfinished, and of checkpoints
    that are too large together the oldest.

    Args:
        plan: what is trained; where its trials do not continue, nothing is ever kept.
        data: the fingerprint of its images.
        shared: whether other heads keep theirs there; then what is unknown here stays.
    """

    def __init__(self, plan: Planned, data: str, *, shared: bool = False) -> None:
        self._spec, self._data, self._shared = plan.spec, data, shared
        self._folder = plan.spec.folder / CHECKPOINTS
        self._variants = {one.variant: one for one in plan.variants}
        self._recipes = {one.variant: plan.recipe_of(one) for one in plan.variants}
        self._sizes: dict[str, float] = {}  # by line, of those that have a checkpoint, or will
        self._lent: set[str] = set()  # lines of this process
        self.killed: set[Line] = set()
        """Lines whose last trial was killed, see `heard`."""
        if shared:
            return
        remove_partial_files(self._folder)
        for path in sorted(self._folder.glob("*"), key=lambda path: -path.stat().st_mtime):
            if self._has_room(size := path.stat().st_size):
                self._sizes[_line_of(path)] = size
            else:
                _remove(path)

    def lend(self, trial: Trial, wanted: Set[Line]) -> Trial:
        """The trial with the folder, to keep its checkpoint there if it is wanted and has room."""
        spec, line = self._spec, (trial.variant, trial.seed)
        if not spec.continues:
            return trial
        size = checkpoint_bytes(self._variants[trial.variant], spec)
        keep = trial.rung < spec.rungs[-1] and line in wanted
        if keep and self._shared:
            self._sizes = _sizes(self._folder) | self._sizes
        keep = keep and (trial.line in self._sizes or self._has_room(size))
        if keep:
            self._lent.add(trial.line)
            self._sizes.setdefault(trial.line, size)
        return replace(trial, checkpoints=str(self._folder), keep=keep)

    def heard(self, row: Row) -> None:
        """A trial has ended: if it was killed the next run makes it again, so its file stays."""
        if was_killed(row["error"]):
            self.killed.add((row["variant"], row["seed"]))

    def tidy(self, wanted: Set[Line]) -> None:
        """Delete the files of lines that are not wanted (any more), nor were killed."""
        kept = wanted | self.killed
        lines = {trial_id(v, seed, self._data, self._recipes[v]) for v, seed in kept}
        over = self._lent - lines
        self._sizes = {line: size for line, size in self._sizes.items() if line in lines}
        self._lent &= lines
        for path in self._folder.glob("*"):
            if _line_of(path) in over if self._shared else _line_of(path) not in lines:
                _remove(path)

    def _has_room(self, size: float) -> bool:
        return sum(self._sizes.values()) + size <= GB * self._spec.keep_checkpoints


def check_disk(plan: Plan) -> None:
    """Refuse to begin where the disk has too little room for the checkpoints that may be kept.

    Raises:
        UserError: saying how much is missing, and what to do.
    """
    spec = plan.spec
    needed = min(all_checkpoints_bytes(plan.variants, spec), GB * spec.keep_checkpoints)
    there = _sizes(spec.folder / CHECKPOINTS).values()
    above = next(one for one in (spec.folder, *spec.folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(above).free + sum(there)
    if needed > free:
        raise UserError(
            f"checkpoints may need {needed / GB:.2g} GB, and the disk of {spec.folder} has "
            f"{free / GB:.2g} GB free; free some, or give a smaller --keep-checkpoints, by which "
            "trials without one start again at their next rung."
        )


def remove_checkpoints(folder: Path) -> None:
    """Delete all checkpoints of the sweep in ``folder``, with their folder, if there is one."""
    disk.remove_tree(folder / CHECKPOINTS)


def _sizes(folder: Path) -> dict[str, float]:
    """Bytes by line, of the files that there are."""
    found: dict[str, float] = {}
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):  # another head has removed it
            found[_line_of(path)] = path.stat().st_size
    return found


def _remove(path: Path) -> None:
    with suppress(OSError):  # it takes up room, and nothing worse
        disk.remove(path)


def _line_of(path: Path) -> str:
    """The line that a file belongs to, finished (``LINE-RUNG.…``) or not (``.LINE-RUNG.…``)."""
    return path.name.lstrip(".").split("-")[0]

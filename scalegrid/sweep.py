"""The run: ask the allocator for trials, hand them to the executor, tell the store.

A sweep can be stopped or killed at any moment and run again: whatever has a row in the table is
done. Of failed trials, those whose worker was killed are tried again when the sweep is run again,
since that says nothing about the trial; those that diverged or raised would do so once more, and
stay as they are.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil
from operator import itemgetter
from pathlib import Path
from types import FrameType
from typing import Any

from scalegrid import baselines
from scalegrid.allocation import Allocator, Ask, make_allocator
from scalegrid.analysis import value
from scalegrid.cost.closedform import check_closed_form
from scalegrid.data import EMBEDDED, CachedData, Source, prepare
from scalegrid.executors.base import Executor
from scalegrid.executors.local import KILLED, LocalExecutor
from scalegrid.executors.placement import Placement, placement_for
from scalegrid.plan import Plan, make_plan
from scalegrid.plan.resolve import check_recipe, open_data, resolve, resolve_recipe, results_folder
from scalegrid.progress.display import Display, Ended, Silence, closing_note, opening_note
from scalegrid.progress.estimate import Pace
from scalegrid.progress.rate import limit_note, machine_rate, plan_works, rate_file
from scalegrid.progress.status import State, Status, write_status
from scalegrid.progress.tracker import Tracker
from scalegrid.results.rows import history_rows, label, trial_row, variant_rows
from scalegrid.results.store import Store, Stored, check_data, check_settings, read_stored
from scalegrid.spec import ALLOCATION_KEYS, EXTENDABLE_KEYS, SweepSpec
from scalegrid.training.trial import Outcome, Trial, trial_id
from scalegrid.util.errors import UserError
from scalegrid.util.processes import available_cores

MakeExecutor = Callable[[Placement], Executor]
Row = Mapping[str, Any]

_JUDGING = ("metric", "indifference", "confidence")  # keys that say how results are looked at
_HEARTBEAT = 1.0  # seconds between updates of the display and the status file


@dataclass(frozen=True)
class SweepOutcome:
    """How a run of a sweep ended.

    ``trained`` trials ended in this run. Of all trials of the planned variants, ``finished`` have
    finished and ``failed`` have failed.
    """

    name: str
    folder: Path
    trained: int = 0
    finished: int = 0
    failed: int = 0
    interrupted: bool = False

    @property
    def exit_status(self) -> int:
        """What the command line exits with: 130 interrupted, 3 some trials failed, else 0."""
        if self.interrupted:
            return 130
        return 3 if self.failed else 0


def run_sweep(
    spec: SweepSpec,
    *,
    display: Display | None = None,
    make_executor: MakeExecutor | None = None,
) -> SweepOutcome:
    """Train what a specification asks for and is not in the results yet.

    Ctrl-C and SIGTERM stop it within a few seconds; running it again goes on.

    Args:
        spec: the specification, as the user gave it.
        display: what to show; nothing by default.
        make_executor: where trials run; by default in worker processes of this machine. It is
            called before the images are read, so that the executor may be closed without having
            had a trial. If given, the machine's speed is not measured beforehand.

    Raises:
        UserError: the specification, the data or the results folder do not allow it; nothing has
            been written then.
    """
    display = display or Silence()
    try:
        spec = resolve(spec)
        with _stoppable():
            return _run(spec, display, make_executor)
    except KeyboardInterrupt:
        display.note("Interrupted before any training; run the same command to start again.")
        return SweepOutcome(str(spec.name), results_folder(spec), interrupted=True)
    finally:
        display.close()


def _run(spec: SweepSpec, display: Display, make_executor: MakeExecutor | None) -> SweepOutcome:
    folder = results_folder(spec)
    stored = read_stored(folder)
    if stored is not None:
        check_settings(stored, spec, folder)
        _check_network(stored, spec, folder)
        if spec.data != EMBEDDED:
            check_data(stored, spec, open_data(spec).fingerprint, folder)
        # The common case first, since it does not need torch.
        if _same_plan(stored.spec, spec) and _resume(spec, stored.planned, stored).allocator.done:
            return _already_finished(spec, stored.planned, stored, display)
    placement = placement_for(spec)
    check_recipe(spec)
    source = open_data(spec)
    plan = make_plan(spec, baselines.get(spec.baseline), source.num_classes)
    if stored is not None:
        check_data(stored, spec, source.fingerprint, folder)
        planned = variant_rows(plan)
        if _resume(spec, planned, stored).allocator.done:
            return _already_finished(spec, planned, stored, display)
    with Store(folder) as store:
        return _train(_Job(spec, plan, source, placement), store, display, make_executor)


def _train(
    job: _Job, store: Store, display: Display, make_executor: MakeExecutor | None
) -> SweepOutcome:
    """The part of a run for which no other process may use the results folder."""
    spec, plan, source = job.spec, job.plan, job.source
    planned = variant_rows(plan)
    # Again, now that no other process can change it.
    resumed = _resume(spec, planned, read_stored(store.folder))
    remaining = resumed.allocator.remaining()
    executor = (make_executor or _local)(_needed(job, remaining))
    try:  # workers take seconds to start: all that is left to do beforehand is done meanwhile
        check_closed_form(baselines.get(spec.baseline), source.num_classes, plan.resolution)
        tracker = _tracker(job, resumed, None if make_executor else executor)
        data = prepare(
            source,
            [variant.resolution for variant in plan.variants],
            workers=available_cores(),
            progress=display.preparing,
        )
        notes = (*plan.notes, limit_note(spec, plan), data.note)
        for note in filter(None, notes):
            display.note(f"Note: {note.rstrip('.')}.")
        display.note(opening_note(tracker.status("running", remaining), racing=spec.racing))
        store.create_or_check(spec, planned, source.fingerprint)
        outcome = _Loop(job, data, store, resumed.allocator, tracker, executor, display).go()
    finally:
        executor.cancel()
    if tracker.pace.measured is not None and make_executor is None:
        rate_file(spec, plan.variants[0], job.placement).write(tracker.pace.measured)
    return outcome


@dataclass(frozen=True)
class _Job:
    """What a sweep trains, and where."""

    spec: SweepSpec
    plan: Plan
    source: Source
    placement: Placement

    @property
    def works(self) -> dict[str, float]:
        """The `estimate.trial_work` of a trial of each variant."""
        return plan_works(self.spec, self.plan, self.source)


@dataclass(frozen=True)
class _Resumed:
    """An allocator that knows the trials made so far, and their rows."""

    allocator: Allocator
    rows: list[Row]


def _resume(spec: SweepSpec, planned: Sequence[Row], stored: Stored | None) -> _Resumed:
    """Rebuild the allocator over the rows of the planned variants from the trials made."""
    ratios = {row["variant"]: row["flops_ratio"] for row in planned}
    hours_before = 0.0
    rows = [
        row
        for row in (stored.trials.to_pylist() if stored else [])
        if row["variant"] in ratios and not _worth_another_try(row)
    ]
    if spec.max_hours is not None:
        hours_before = sum(row["seconds"] for row in rows) / 3600 / placement_for(spec).workers
    allocator = make_allocator(
        spec,
        # Dearest first: the end does not wait for one long trial, and memory trouble shows early.
        sorted(planned, key=itemgetter("activations"), reverse=True),
        hours_before=hours_before,
    )
    for row in rows:
        worth = _worth(row, spec, ratios[row["variant"]])
        allocator.tell(row["variant"], row["seed"], worth)
    return _Resumed(allocator, rows)


def _worth(row: Row, spec: SweepSpec, flops_ratio: float) -> float | None:
    """What a trial's row tells an allocator, by the sweep's metric; None if it failed."""
    if row["status"] != "finished":
        return None
    return float(value(row, spec.metric, flops_ratio / spec.flops_factor))


def _top1(row: Row) -> float | None:
    return row["top1"] if row["status"] == "finished" else None


def _worth_another_try(row: Row) -> bool:
    return row["status"] == "failed" and str(row["error"]).startswith(KILLED)


def _check_network(stored: Stored, spec: SweepSpec, folder: Path) -> None:
    """Raise UserError if the definition of one's own network is not what the sweep began with."""
    if spec.baseline in baselines.BUILT_IN:
        return
    network = baselines.get(spec.baseline)
    identity = baselines.network_id(network, network.layout(1.0, 1.0), int(spec.resolution or 0))
    if stored.variants.column("variant")[0].as_py() != identity:
        raise UserError(
            f"{spec.baseline} has changed since the sweep in {folder} was started; choose another "
            "--name, or undo the change."
        )


def _same_plan(old: SweepSpec, new: SweepSpec) -> bool:
    keys = (EXTENDABLE_KEYS - ALLOCATION_KEYS) | {"data"}
    return all(getattr(old, key) == getattr(new, key) for key in keys)


def _already_finished(
    spec: SweepSpec, planned: Sequence[Row], stored: Stored, display: Display
) -> SweepOutcome:
    folder = results_folder(spec)
    judging = stored.spec.model_copy(update={key: getattr(spec, key) for key in _JUDGING})
    if judging != stored.spec:  # nothing to train, but `recommend` is to go by it
        with Store(folder) as store:
            store.create_or_check(judging, stored.planned, stored.data)
    ids = {row["variant"] for row in planned}
    rows = [row for row in stored.trials.to_pylist() if row["variant"] in ids]
    failed = sum(row["status"] == "failed" for row in rows)
    trials = f"{len(rows)} trials" + (f", {failed} of them failed" if failed else "")
    display.note(f"{spec.name} is finished already: {trials}, in {folder}; nothing was trained.")
    return SweepOutcome(str(spec.name), folder, finished=len(rows) - failed, failed=failed)


def _needed(job: _Job, remaining: Mapping[str, float]) -> Placement:
    """No more workers than there are trials; a race may have more than it seems now."""
    workers = job.placement.workers
    useful = workers if job.spec.racing else ceil(sum(remaining.values()))
    return replace(job.placement, workers=max(1, min(workers, useful)))


def _tracker(job: _Job, resumed: _Resumed, measured_by: Executor | None) -> Tracker:
    """A tracker that knows the trials made so far and how long such trials take.

    If none were made, ``measured_by`` finds out, if given.
    """
    works, place = job.works, job.placement
    kind = place.devices[0].split(":")[0]
    timed = [
        row
        for row in resumed.rows
        if row["status"] == "finished"
        and row["threads"] == place.threads
        and row["device"].startswith(kind)
    ]
    if timed:
        rate: float | None = sum(row["seconds"] for row in timed) / sum(
            works[row["variant"]] for row in timed
        )
    elif measured_by is not None:
        first = job.plan.variants[0]
        rate = machine_rate(job.spec, first, job.source.num_classes, place, measured_by)
    else:
        rate = None
    labels = {variant.variant: label(variant) for variant in job.plan.variants}
    tracker = Tracker(str(job.spec.name), labels, works, Pace(rate), place.workers)
    for row in resumed.rows:
        tracker.count(row["variant"], _top1(row))
    return tracker


def _local(place: Placement) -> Executor:
    return LocalExecutor(place.workers, place.devices, place.threads)


class _Loop:
    """Ask, submit, collect, tell, store, until nothing is left."""

    def __init__(
        self,
        job: _Job,
        data: CachedData,
        store: Store,
        allocator: Allocator,
        tracker: Tracker,
        executor: Executor,
        display: Display,
    ) -> None:
        self._spec, self._source, self._data = job.spec, job.source, data
        self._recipe = resolve_recipe(job.spec, job.source)
        self._variants = {variant.variant: variant for variant in job.plan.variants}
        self._store, self._allocator, self._tracker = store, allocator, tracker
        self._executor, self._display = executor, display
        self._running: dict[str, Trial] = {}
        self._trained = 0
        self._last_beat = 0.0

    def go(self) -> SweepOutcome:
        """Run to the end, or to the interruption."""
        state: State = "finished"
        try:
            self._fill()
            while self._running:
                self._beat()
                self._take()
        except KeyboardInterrupt:
            _ignore_interruptions()
            state = "interrupted"
        remaining = Counter(self._allocator.remaining())
        remaining.update(self._tracker.stop())
        status = self._tracker.status(state, remaining, self._allocator.certainty)
        write_status(self._store.folder, status)
        self._display.note(closing_note(status, self._store.folder))
        return SweepOutcome(
            name=status.name,
            folder=self._store.folder,
            trained=self._trained,
            finished=status.finished,
            failed=status.failed,
            interrupted=state == "interrupted",
        )

    def _fill(self) -> None:
        """Give every idle worker a trial."""
        while len(self._running) < self._executor.capacity:
            ask = self._allocator.ask()
            if ask is None:
                return
            trial = self._trial(ask)
            self._running[trial.trial] = trial
            self._tracker.start(trial)
            self._executor.submit(trial)

    def _trial(self, ask: Ask) -> Trial:
        variant = self._variants[ask.variant]
        return Trial(
            trial=trial_id(ask.variant, ask.seed, self._data.fingerprint, self._recipe),
            variant=ask.variant,
            seed=ask.seed,
            baseline=self._spec.baseline,
            depth=variant.depth,
            width=variant.width,
            resolution=variant.resolution,
            data=self._data,
            recipe=self._recipe,
            fast_depthwise=self._spec.fast_depthwise,
            compile=self._spec.compile,
            threads=self._spec.threads,
        )

    def _take(self) -> None:
        """Wait for events, and deal with all there are."""
        ended: list[tuple[Trial, Outcome]] = []
        for event in self._executor.collect(timeout=_HEARTBEAT):
            if isinstance(event, Outcome):
                ended.append((self._running.pop(event.trial), event))
            else:
                self._tracker.epoch(*event)
        rows = [
            trial_row(trial, self._variants[trial.variant], outcome, self._source.num_train)
            for trial, outcome in ended
        ]
        for row in rows:
            ratio = self._variants[row["variant"]].flops_ratio
            self._allocator.tell(row["variant"], row["seed"], _worth(row, self._spec, ratio))
        # First, so that the workers have something to do while this process writes.
        self._fill()
        self._store.add(rows, [row for _, outcome in ended for row in history_rows(outcome)])
        for row, (_, outcome) in zip(rows, ended, strict=True):
            self._report(row, outcome)

    def _report(self, row: Row, outcome: Outcome) -> None:
        self._trained += 1
        self._tracker.end(outcome)
        name = label(self._variants[row["variant"]])
        ended = Ended(name, row["seed"], _top1(row), outcome.error, outcome.seconds)
        self._display.ended(ended, self._status("running"))

    def _status(self, state: State) -> Status:
        allocator = self._allocator
        return self._tracker.status(state, allocator.remaining(), allocator.certainty)

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._last_beat >= _HEARTBEAT:
            self._last_beat = now
            status = self._status("running")
            write_status(self._store.folder, status)
            self._display.update(status)


def _ignore_interruptions() -> None:
    """Let a second Ctrl-C wait for the first; what is left takes a second or two."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM stops like Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop), signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])

"""The run: resolve, plan, lock, check, replay; then train round after round until done (`rounds`).

A sweep can be stopped or killed at any moment and run again: a trial that has a row in the table is
done. A failed trial whose worker was killed is tried again on the next run, since that says nothing
about the trial; a trial that diverged or raised would do so again, and stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from math import ceil
from operator import itemgetter
from pathlib import Path

from scalegrid import baselines
from scalegrid.allocation import Allocator, make_allocator
from scalegrid.analysis import has_metric
from scalegrid.data import EMBEDDED, CachedData, prepare, since
from scalegrid.executors import (
    SPOOL,
    MakeExecutor,
    Placement,
    decoders,
    executor_for,
    keeping_format,
    placement_for,
    remove_spool,
    was_killed,
)
from scalegrid.figures import draw
from scalegrid.plan import Plan, make_plan, open_data, resolve
from scalegrid.progress import Display, Progress, Silence
from scalegrid.progress.hours import check_hours, within_hours
from scalegrid.progress.status import read_status, write_finished
from scalegrid.results import Store, Stored, read_stored
from scalegrid.results.checkpoints import CHECKPOINTS, check_disk, remove_checkpoints
from scalegrid.results.heads import Heads
from scalegrid.results.joined import JoinedStore
from scalegrid.results.journal import journals
from scalegrid.results.rows import variant_rows
from scalegrid.results.schema import Row
from scalegrid.rounds import Rounds, SweepOutcome, tell
from scalegrid.spec import CANDIDATE_KEYS, IMAGE_KEYS, JUDGING_KEYS, SweepSpec
from scalegrid.speed import (
    can_be_timed,
    chosen,
    count_is_open,
    known_count,
    probed,
    rate_of,
    remember_rate,
    stored_rate,
    trials_at_once,
)
from scalegrid.track import Tracking
from scalegrid.training.devices import number_format
from scalegrid.tuning import Tuning
from scalegrid.util.errors import UserError
from scalegrid.util.files import partial_files
from scalegrid.util.processes import stoppable
from scalegrid.util.text import plural


def run_sweep(
    spec: SweepSpec,
    *,
    display: Display | None = None,
    make_executor: MakeExecutor | None = None,
    measure_rate: bool = True,
    join: bool = False,
) -> SweepOutcome:
    """Train what a specification asks for and is not in the results yet.

    Ctrl-C, SIGTERM and SIGHUP stop it within a few seconds; running it again goes on.

    Args:
        spec: the specification, as the user gave it.
        display: what a person sees, such as `display_for()`; nothing by default.
        make_executor: where trials run, if not where ``spec.executor`` says. It is called before
            the images are read, so an executor may be closed without a trial.
        measure_rate: whether the workers first train a few steps on noise, where the speed of this
            machine is unknown: for the estimate of time, and to choose a precision and kernels
            where they are left open.
        join: whether other processes that join, on this machine or others which see the folder, may
            work on the sweep too. The first to come starts it; no trial is made twice.

    Raises:
        UserError: the specification, the data or the results folder do not allow it, and nothing
            has been written; or the baseline cannot be trained, or its trainings were killed.
    """
    display = display or Silence()
    try:
        given, spec = spec, resolve(spec)
        if join and spec.executor == "slurm":
            raise UserError("--executor slurm has one head, whose jobs are many; leave out --join.")
        joining = Heads(spec.folder, display.note) if join else nullcontext()
        with stoppable(), joining as heads:
            stored = read_stored(spec.folder)
            if stored is not None:
                spec = spec.going_on(given, stored.spec)
                check_hours(spec)
            with Tracking(spec.track, spec.folder, display, draw) as tracking:
                make = make_executor or executor_for(spec)
                outcome = _run(spec, stored, heads, display, tracking, make, measure_rate)
                others = heads is not None and not heads.depart()
                stopped = outcome.interrupted or not (others or tracking.finish())
                return replace(outcome, interrupted=stopped)
    except KeyboardInterrupt:
        display.note("Interrupted before the first trial; run the same command to go on.")
        return SweepOutcome(str(spec.name), spec.folder, interrupted=True)
    finally:
        display.close()


def _store(folder: Path, heads: Heads | None) -> Store:
    return Store(folder) if heads is None else JoinedStore(heads)


def _run(
    spec: SweepSpec,
    stored: Stored | None,
    heads: Heads | None,
    display: Display,
    tracking: Tracking,
    make_executor: MakeExecutor,
    measure_rate: bool,
) -> SweepOutcome:
    if stored is not None and (finished := _without_plan(spec, stored, heads, display)):
        return finished
    placement = placement_for(spec)
    if stored is None:
        spec = keeping_format(spec, placement)
    if measure_rate and count_is_open(spec, placement):
        check_hours(spec)
        spec = _counted(make_plan(spec), placement, make_executor, display)
        placement = placement_for(spec)
    if heads is not None:
        heads.workers = placement.workers
    plan = (
        make_plan(spec)
        if spec.hours is None or stored
        else _for_hours(spec, placement, make_executor, measure_rate)
    )
    spec, planned = plan.spec, variant_rows(plan)
    changed: tuple[str, ...] = ()
    if stored is not None:
        source, changed = since(plan.source, stored.data)
        plan = replace(plan, source=source)
        stored.check(spec, planned[0]["variant"], source.fingerprint, changed)
        if finished := _finished_already(spec, planned, stored, heads, display):
            return finished
        if heads is not None and not heads.leads:
            _check_alike(heads, stored, spec, planned)
    check_disk(plan)
    with _store(spec.folder, heads) as store:  # from here on no process but heads writes there
        if store.stored:
            store.stored.check(spec, planned[0]["variant"], plan.source.fingerprint, changed)
        made = _trials_made(planned, store.stored)
        _check_format(spec, placement, made)
        allocator = _replay(spec, planned, made, store.stored, store.rates, store.elsewhere)
        executor = make_executor(_needed(placement, spec, allocator))
        try:  # workers take seconds to start, and what is left to prepare is prepared meanwhile
            plan.check_costs()
            rate = rate_of(made, plan, placement)
            measure_rate = measure_rate and spec.trainer is None  # the built-in training's
            if rate is None and measure_rate:
                plan, rate = probed(plan, placement, executor, choose=store.stored is None)
            if note := _format_found(spec, plan, rate):
                display.note(note)
            progress = Progress(
                plan, allocator, made, display, placement.workers, rate, store.status_file
            )
            data = _data(plan, display)
            progress.open(store.lock.note, data.note)
            allocator.start()
            if spec.rates != "same" and store.stored is None:
                plan = Tuning(plan, data, store, executor, display).tuned()
            store.start(plan.spec, planned, plan.source.fingerprint, plan.source.skipped)
            rounds = Rounds(plan, data, store, made, allocator, executor, progress, tracking)
            outcome = rounds.to_the_end()
        finally:
            executor.cancel()
    if measure_rate and progress.pace.measured is not None:
        remember_rate(plan, placement, progress.pace.measured)
    return outcome


def _counted(
    plan: Plan, placement: Placement, make_executor: MakeExecutor, display: Display
) -> SweepSpec:
    """The plan's specification with the number of trials that a GPU trains at once."""
    if known_count(plan, placement) is None:
        display.note("How many trials a GPU trains best at once is found first, in half a minute.")
    count = trials_at_once(plan, placement, make_executor)
    if count is None:
        display.note("Steps could not be timed here, so a GPU trains one trial at once.")
    elif count > 1:
        display.note(f"{count} trials at once on each GPU (--trials-per-device).")
    return plan.spec.model_copy(update={"trials_per_device": count})


def _for_hours(
    spec: SweepSpec, placement: Placement, make_executor: MakeExecutor, measure_rate: bool
) -> Plan:
    """The plan for so many hours, at the speed of this machine; it is measured if not known."""

    def rate(plan: Plan) -> float | None:
        known = stored_rate(chosen(plan, placement), placement)
        if known is not None or not (measure_rate and can_be_timed(spec)):
            return known
        executor = make_executor(placement)
        try:
            return probed(plan, placement, executor).rate
        finally:
            executor.cancel()

    return within_hours(spec, make_plan, rate, placement)


def _data(plan: Plan, display: Display) -> CachedData:
    """The images at the plan's resolutions; none where a trainer has its own."""
    source = plan.source
    if plan.spec.trainer is not None:
        nothing = Path(), source.fingerprint, source.num_classes, ()
        return CachedData(*nothing, channels=source.channels)
    return prepare(
        source,
        [variant.resolution for variant in plan.variants],
        workers=decoders(plan.spec),
        progress=display.preparing,
    )


def _without_plan(
    spec: SweepSpec, stored: Stored, heads: Heads | None, display: Display
) -> SweepOutcome | None:
    """The outcome where stored tables alone show that nothing is left to train; needs no torch.

    None where another plan is asked for: then a new plan decides. A network that is not built in
    may have changed, so its id is computed, which may need torch.

    Raises:
        UserError: settings, data or the network are not those of the stored sweep.
    """
    stored.check_settings(spec)
    known = spec.trainer is None and spec.data in EMBEDDED and _images(spec) == _images(stored.spec)
    source = None if known else open_data(spec)
    changed: tuple[str, ...] = ()
    if source is not None:
        source, changed = since(source, stored.data)
    baseline, network = baselines.get(spec.baseline), stored.planned[0]["variant"]
    if baseline.origin != "built-in":
        layout = baseline.layout(1.0, 1.0)
        channels = source.channels if source else spec.channels or 3
        network = baselines.network_id(baseline, layout, int(spec.resolution or 0), channels)
    stored.check(spec, network, source.fingerprint if source else stored.data, changed)
    keys = CANDIDATE_KEYS | IMAGE_KEYS
    if any(getattr(stored.spec, key) != getattr(spec, key) for key in keys):
        return None
    return _finished_already(spec, stored.planned, stored, heads, display)


def _images(spec: SweepSpec) -> tuple[object, ...]:
    return tuple(getattr(spec, key) for key in sorted(IMAGE_KEYS))


def _finished_already(
    spec: SweepSpec,
    planned: Sequence[Row],
    stored: Stored,
    heads: Heads | None,
    display: Display,
) -> SweepOutcome | None:
    """Where nothing is left to train: keep the settings that `recommend` goes by, and say so.

    None if only the baseline has trials and is checked: then its data say whether it has learnt.
    """
    made = _trials_made(planned, stored)
    if spec.check_learning and {row["variant"] for row in made} == {planned[0]["variant"]}:
        return None
    elsewhere = 0 if heads is None else heads.elsewhere
    if not _replay(spec, planned, made, stored, elsewhere=elsewhere).done:
        return None
    judging = stored.spec.model_copy(update={key: getattr(spec, key) for key in JUDGING_KEYS})
    leads = heads is None or heads.leads
    if heads is not None and not leads:
        _check_alike(heads, stored, judging, stored.planned)
    elif judging != stored.spec:
        with _store(spec.folder, heads) as store:
            now = store.stored or stored
            store.start(judging, now.planned, now.data, now.skipped)
    ids = {row["variant"] for row in planned}
    rows = [row for row in stored.trials.to_pylist() if row["variant"] in ids]
    failed = sum(not has_metric(row, spec.metric) for row in rows)
    if leads and _left_over(spec.folder):
        with suppress(UserError), _store(spec.folder, heads) as store:
            now = store.stored or stored
            store.start(judging, now.planned, now.data, now.skipped)
            remove_checkpoints(spec.folder)
            remove_spool(spec.folder)
            write_finished(spec.folder, len(rows) - failed, failed)
    trials = plural(len(rows), "trial") + (f", {failed} of them failed" if failed else "")
    ended, then = "is finished already", ""
    if untried := ids.difference(row["variant"] for row in rows):
        ended = f"has reached its limit with {plural(len(untried), 'variant')} untrained"
        then = _larger_limit(spec, len(rows), len(untried))
    display.note(f"{spec.name} {ended}: {trials}, in {spec.folder}; nothing was trained{then}.")
    return SweepOutcome(str(spec.name), spec.folder, finished=len(rows) - failed, failed=failed)


def _larger_limit(spec: SweepSpec, made: int, untried: int) -> str:
    """By what a race that has reached its limit goes on to variants that are untried."""
    if spec.max_trials is not None and made >= spec.max_trials:
        return f"; give --max-trials {made + untried * spec.seeds} to train them"
    for flag, hours in (("--hours", spec.hours), ("--max-hours", spec.max_hours)):
        if hours is not None:
            return f"; give more {flag} than {hours:g} to train them"
    return ""


def _check_alike(heads: Heads, stored: Stored, spec: SweepSpec, planned: Sequence[Row]) -> None:
    """Raise UserError where others run the sweep with other settings, or have died doing so."""
    try:
        stored.check_alike(spec, planned)
    except UserError:
        heads.take_lock()
        try:
            alive = heads.known_to_live()  # who died on another machine is not known at once
        finally:
            heads.lock.release()
        if alive:
            raise
        raise UserError(
            f"the others in {heads.folder} have died; run the same command again."
        ) from None


def _format_found(spec: SweepSpec, plan: Plan, rate: float | None) -> str | None:
    """What a user should know of the number format that was found, if it was left open."""
    if spec.precision == plan.spec.precision:
        return None
    if plan.spec.precision == "bf16":
        return "Trials train in bfloat16, which is faster here (--precision)."
    return None if rate else "Steps could not be timed here, so trials train in float32."


def _check_format(spec: SweepSpec, placement: Placement, made: Sequence[Row]) -> None:
    """Raise UserError where trials here would be in another number format than those before."""
    before = {row["number_format"] for row in made} - {None}
    if not before or spec.executor != "local" or spec.trainer is not None:
        return
    device = placement.devices[0]
    now = number_format(spec.precision, device)
    if before != {now}:
        raise UserError(
            f"{spec.folder} holds trials in {min(before)}, and on {device} they would be in {now}; "
            "go on with the --device and precision of before, or choose another --name."
        )


def _left_over(folder: Path) -> bool:
    """Whether a run of a finished sweep was stopped at its very end, or runs now."""
    status = read_status(folder)
    unsaid = status is not None and status.state != "finished"
    left = [
        *journals(folder),
        *partial_files(folder),
        *folder.glob(CHECKPOINTS),
        *folder.glob(SPOOL),
    ]
    return unsaid or bool(left)


def _trials_made(planned: Sequence[Row], stored: Stored | None) -> list[Row]:
    """Rows of trials of planned variants, in the table's order, less those to be tried again."""
    ids = {row["variant"] for row in planned}
    return [
        row
        for row in (stored.trials.to_pylist() if stored else [])
        if row["variant"] in ids and not was_killed(row["error"])
    ]


def _replay(
    spec: SweepSpec,
    planned: Sequence[Row],
    made: Sequence[Row],
    stored: Stored | None,
    searched: Sequence[Row] = (),
    elsewhere: int = 0,
) -> Allocator:
    """An allocator that knows the trials made so far, and how long they and a search took.

    On as many workers as now: those here and ``elsewhere``.
    """
    hours = 0.0
    if spec.max_hours is not None:
        seconds = sum(row["seconds"] for row in [*made, *searched])
        hours = seconds / 3600 / (placement_for(spec).workers + elsewhere)
    allocator = make_allocator(
        spec,
        # Longest first: the end does not wait for one long trial, and memory trouble shows early.
        sorted(planned, key=itemgetter("activations"), reverse=True),
        hours_before=hours,
    )
    ratios = {row["variant"]: row["flops_ratio"] for row in planned}
    answers = stored.answered if stored and spec.racing else {}  # nothing else looks at them
    for row in made:
        tell(allocator, row, spec, ratios[row["variant"]], answers.get(row["trial"]))
    return allocator


def _needed(placement: Placement, spec: SweepSpec, allocator: Allocator) -> Placement:
    """No more workers than there are trials; a race may have more than it expects now."""
    left = ceil(sum(allocator.remaining().values()))
    useful = placement.workers if spec.racing else left
    return replace(placement, workers=max(1, min(placement.workers, useful)))

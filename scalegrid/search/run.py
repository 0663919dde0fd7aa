"""The run of a search: resolve, lock, check, replay; then sample and train, race, and write.

It can be stopped or killed at any moment and run again, as a sweep: a trial that has a row is done,
and what is sampled next follows from the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from scalegrid.allocation import Line
from scalegrid.analysis.learning import LEAST_GAIN, Learning
from scalegrid.analysis.observations import Flags
from scalegrid.baselines.definition import Definition
from scalegrid.data import CachedData, Source, prepare, since
from scalegrid.executors import (
    Executor,
    MakeExecutor,
    OneFormat,
    decoders,
    executor_for,
    keeping_format,
    placement_for,
    stopped,
    was_killed,
)
from scalegrid.plan import open_data
from scalegrid.progress import Display, Silence
from scalegrid.progress.display import closing_note
from scalegrid.progress.progress import HEARTBEAT
from scalegrid.results.checkpoints import KeptCheckpoints, remove_checkpoints
from scalegrid.results.rows import answer_rows, history_rows, trial_row
from scalegrid.results.schema import Row
from scalegrid.results.store import write_text
from scalegrid.search.answer import FOUND_FILE, Finalist, finalists_of, front, sentences
from scalegrid.search.finals import Finals, most_raced
from scalegrid.search.networks import SEED, Job, Maker, Network
from scalegrid.search.progress import SearchProgress
from scalegrid.search.resolve import going_on, resolved
from scalegrid.search.sampling import ATTEMPTS, Sampling
from scalegrid.search.searcher import Searcher, Suggestion
from scalegrid.search.space import Counted, Space, read_space
from scalegrid.search.spec import SearchSpec
from scalegrid.search.store import SearchStore
from scalegrid.training.trial import Outcome, Trial
from scalegrid.util import yaml
from scalegrid.util.errors import UserError
from scalegrid.util.processes import ignore_interruptions, stoppable
from scalegrid.util.text import percent, plural

_FIRST = 8
"""Networks after which a search is given up where all have failed, or none has learnt."""


@dataclass(frozen=True)
class SearchOutcome:
    """How a run of a search ended.

    ``trained`` trials ended in this run. ``finalists`` are the winner and its rivals, ``answer``
    what is said of them; there are none where the search was interrupted. ``front`` are the
    networks that none beats in accuracy and cost at once. ``networks`` are all that were sampled,
    ``accuracies`` those of their one training, by id.
    """

    name: str
    folder: Path
    spec: SearchSpec
    networks: tuple[Network, ...] = ()
    trained: int = 0
    failed: int = 0
    finalists: tuple[Finalist, ...] = ()
    answer: tuple[str, ...] = ()
    front: tuple[Network, ...] = ()
    accuracies: Mapping[str, float] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def found(self) -> Path:
        """The winner's file."""
        return self.folder / FOUND_FILE

    @property
    def exit_status(self) -> int:
        """130: interrupted; 3: some trials failed; else 0."""
        return 130 if self.interrupted else 3 if self.failed else 0


def run_search(
    spec: SearchSpec,
    *,
    display: Display | None = None,
    make_executor: MakeExecutor | None = None,
) -> SearchOutcome:
    """Sample and train what a specification asks for and is not in the results yet; find the best.

    Ctrl-C, SIGTERM and SIGHUP stop it within a few seconds; running it again goes on.

    Args:
        spec: the specification, as the user gave it.
        display: what a person sees; nothing by default.
        make_executor: where trials run, if not where ``spec.executor`` says.

    Raises:
        UserError: the specification, the space, the data or the results folder do not allow it;
            or all networks fail to train.
    """
    display = display or Silence()
    try:
        with stoppable():
            return _run(spec, display, make_executor or executor_for(spec))
    except KeyboardInterrupt:
        display.note("Interrupted before the first trial; run the same command to go on.")
        return SearchOutcome(spec.name or "", Path(spec.results), spec, interrupted=True)
    finally:
        display.close()


def _run(given: SearchSpec, display: Display, make_executor: MakeExecutor) -> SearchOutcome:
    space, placement = read_space(given.space), placement_for(given)
    Searcher("random", {}, 0)  # which needs Optuna
    source = open_data(given)
    spec = resolved(given, space, source, placement.workers)
    with SearchStore(spec.folder) as store:
        made: list[Row] = []
        if (found := store.found) is not None:
            source, changed = since(source, found.data)
            if spec.ahead != found.spec.ahead:
                display.note(
                    f"Note: --ahead stays {found.spec.ahead}, with which this search began, since "
                    "it decides which networks follow."
                )
            spec = going_on(given, spec, found.spec)
            found.check(spec, space, source.fingerprint, changed)
            made = [row for row in found.trials.to_pylist() if not was_killed(row["error"])]
        else:
            spec = keeping_format(spec, placement)
        maker = Maker(spec, space, source)
        if found is None:
            _check_target(spec, space, source, maker)
        store.begin(spec, space, source.fingerprint)
        networks = [maker.read(row) for row in store.networks]
        sampling = Sampling(spec, space, maker, networks, made, store.add_network)
        progress = SearchProgress(spec, display, placement.workers)
        for row in made:
            progress.count(sampling.network(row["variant"]), row)
        trainer = _Trainer(spec, source, maker, store, progress, made, make_executor)
        outcome = SearchOutcome(str(spec.name), spec.folder, spec)
        try:
            display.note(f"{space.name}: {space.size:,} networks; {spec.objective}.")
            finals = trainer.search(sampling)
            trainer.race(finals)
        except KeyboardInterrupt:
            ignore_interruptions()  # a second Ctrl-C waits for the first; a second or two is left
            status = progress.close("interrupted")
            if not trainer.made:
                raise
            display.note(closing_note(status, spec.folder))
            return replace(outcome, interrupted=True)
        except UserError as error:
            progress.close("stopped", str(error))
            raise
        finally:
            trainer.close()
        finalists = finalists_of(spec, finals.variants, trainer.made, trainer.answers)
        progress.found(finalists[0])
        outcome = replace(
            outcome,
            networks=tuple(sampling.networks),
            trained=trainer.trained,
            failed=progress.close("finished").failed,
            finalists=tuple(finalists),
            answer=tuple(sentences(spec, space, finalists, sampling.networks)),
            front=tuple(front(sampling.networks, sampling.accuracies)),
            accuracies=sampling.accuracies,
        )
        write_text(outcome.found, _found_text(outcome))
        if not any(was_killed(row["error"]) for row in trainer.made):
            remove_checkpoints(spec.folder)
        return outcome


class _Part(Protocol):
    """A part of a search: what is trained next, and what that came to."""

    @property
    def left(self) -> int:
        """The most trainings that may be asked for yet."""

    @property
    def certainty(self) -> float | None:
        """How sure a race is of its leader; None without one."""

    @property
    def wanted(self) -> Set[Line]:
        """The networks and seeds that may be trained at a higher rung yet."""

    def ask(self) -> Job | None:
        """The next training; None when that waits for others, or there is none."""

    def tell(self, network: Network, row: Row, flags: Flags | None, /) -> None:
        """Take in a trial that has ended, with the answers that are known."""


class _Trainer:
    """Trains what the parts of a search ask for, and stores it."""

    def __init__(
        self,
        spec: SearchSpec,
        source: Source,
        maker: Maker,
        store: SearchStore,
        progress: SearchProgress,
        made: Sequence[Row],
        make_executor: MakeExecutor,
    ) -> None:
        self._spec, self._source, self._maker = spec, source, maker
        self._store, self._progress = store, progress
        self._make_executor = make_executor
        self._executor: Executor | None = None
        self._data: CachedData | None = None
        self.made, self.trained = list(made), 0
        self.answers: dict[str, Flags] = dict(store.found.answered) if store.found else {}
        self._format = OneFormat(made)

    def search(self, sampling: Sampling) -> Finals:
        """Train all that is sampled; the race of the best.

        Raises:
            UserError: no network can be trained, or none learns.
        """
        self._check_first()
        self._train(sampling, later=most_raced(self._spec))
        if sampling.exhausted:
            self._progress.note(
                f"no other network of {self._spec.space} is within the window, so that the search "
                f"ends after {plural(len(sampling.networks), 'network')}"
            )
        if not sampling.best:
            why = self.made[-1]["error"] if self.made else "none is within the window"
            raise UserError(
                f"no network of {self._spec.space} could be trained: {why}; choose another recipe, "
                "or another --window."
            )
        best = sampling.best[: self._spec.finalists]
        return Finals(self._spec, best, self.made, self.answers)

    def race(self, finals: Finals) -> None:
        """Train finalists until it is decided which is best, or the limit is reached."""
        self._train(finals, KeptCheckpoints(finals, self._source.fingerprint))

    def close(self) -> None:
        """Stop what runs."""
        if self._executor is not None:
            self._executor.cancel()

    def _train(
        self, part: _Part, checkpoints: KeptCheckpoints | None = None, later: int = 0
    ) -> None:
        """Ask, submit, collect, store and tell, until nothing is asked for and nothing runs.

        ``later`` trainings may follow.
        """
        running: dict[str, tuple[Trial, Network]] = {}

        def fill() -> None:
            if checkpoints is not None:
                checkpoints.tidy(part.wanted)
            while self._executor is None or len(running) < self._executor.capacity:
                job = part.ask()
                self._progress.left = part.left + later + (job is not None)
                self._progress.certainty = part.certainty
                if job is None:
                    return
                executor, data = self._ready()
                trial = self._format.wanted(self._maker.trial(job, data))
                if checkpoints is not None:
                    trial = checkpoints.lend(trial, part.wanted)
                running[trial.trial] = trial, job.network
                self._progress.started(trial, job.network)
                executor.submit(trial)

        fill()
        while running:
            self._progress.show()
            executor, _ = self._ready()
            ended: list[Outcome] = []
            unusable: list[Outcome] = []  # for an image, or a device
            for event in executor.collect(timeout=HEARTBEAT):
                if not isinstance(event, Outcome):
                    self._progress.epoch(*event)
                else:
                    event = self._format.checked(event)
                    (unusable if event.stops else ended).append(event)
            own = [running.pop(outcome.trial) for outcome in ended]
            for (network, row), outcome in zip(self._stored(own, ended), ended, strict=True):
                flags = outcome.answers.flags if outcome.answers else None
                if flags is not None and row["seed"] != SEED:
                    self.answers[outcome.trial] = flags
                if checkpoints is not None:
                    checkpoints.heard(row)
                part.tell(network, row, flags)
                self._progress.ended(network, row)
            if unusable:
                raise stopped(unusable[0], self._source)
            self._check_first()
            fill()

    def _stored(
        self, own: Sequence[tuple[Trial, Network]], ended: Sequence[Outcome]
    ) -> list[tuple[Network, Row]]:
        """Store trials that have ended together; their networks and rows."""
        rows = [
            trial_row(trial, network, outcome, self._source.num_train)
            for (trial, network), outcome in zip(own, ended, strict=True)
        ]
        self._store.add(
            rows,
            [row for outcome in ended for row in history_rows(outcome)],
            [row for outcome in ended for row in answer_rows(outcome)],
        )
        self.made += rows
        self.trained += len(rows)
        return [(network, row) for (_, network), row in zip(own, rows, strict=True)]

    def _ready(self) -> tuple[Executor, CachedData]:
        """The workers and the images, from the first trial on."""
        if self._executor is None or self._data is None:
            placement = placement_for(self._spec)
            useful = min(placement.workers, self._progress.left)
            self._executor = self._make_executor(replace(placement, workers=useful))
            self._data = prepare(
                self._source,
                [int(self._spec.resolution or 0)],
                workers=decoders(self._spec),
                progress=self._progress.display.preparing,
            )
            self._progress.open(self._store.lock.note, *self._source.notes, self._data.note)
        return self._executor, self._data

    def _check_first(self) -> None:
        """Raise UserError where the first networks all fail, or none of them learns."""
        if len(self.made) < _FIRST:
            return
        top1 = [row["top1"] for row in self.made if row["status"] == "finished"]
        if not top1:
            raise UserError(
                f"the first {_FIRST} networks all failed to train: {self.made[-1]['error']}; "
                "choose another recipe under another --name, or fewer --workers if memory is short."
            )
        spec, guessing = self._spec, self._source.guessing
        if spec.check_learning and Learning([max(top1)], guessing).gain < LEAST_GAIN:
            raise UserError(
                f"none of the first {_FIRST} networks has learnt: the best top-1 is "
                f"{percent(max(top1))}, and guessing gives {percent(guessing)}; try, under another "
                f"--name, another --learning-rate or --epochs {2 * spec.epochs}, or go on with "
                "--no-check-learning."
            )


def _check_target(spec: SearchSpec, space: Space, source: Source, maker: Maker) -> None:
    """Raise UserError where no network of the space is within the window of costs.

    Of a latency the networks of least and most FLOPs are measured, which need not be the ends.
    """
    objective, target = spec.objective, spec.objective.target
    kind: Counted = "params" if target.kind == "params" else "flops"
    reach = space.reach(source.num_classes, source.channels, kind)
    least, most = (maker.cost(maker.define(Suggestion(point))) for point in reach)
    low, high = objective.bounds
    near = f"no network of {space.name} is near --target {spec.target}"
    if high < least or low > most:
        raise UserError(
            f"{near}: its networks have from {target.shown(least)} to {target.shown(most)}, and "
            f"those from {target.shown(low)} to {target.shown(high)} are trained; choose another "
            "--target or --window."
        )
    if Sampling(spec, space, maker, (), ()).ask() is None:
        raise UserError(
            f"{near}: of {ATTEMPTS:,} that were suggested none has from {target.shown(low)} to "
            f"{target.shown(high)}; choose another --target or --window."
        )


def _found_text(outcome: SearchOutcome) -> str:
    """The winner's file: a definition, below what it is."""
    definition = Definition.model_validate_json(outcome.finalists[0].network.definition)
    heading = [f"By scalegrid search {outcome.name}.", *outcome.answer]
    return "".join(f"# {line}\n" for line in heading) + yaml.dump(definition)

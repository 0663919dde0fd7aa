"""The run of a search: resolve, lock, check, replay; then sample and train, race, and write.

It can be stopped or killed at any moment and run again, as a sweep: a trial that has a row is done,
and what is sampled next follows from the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from scalegrid.analysis.learning import LEAST_GAIN, Learning
from scalegrid.baselines.definition import Definition
from scalegrid.data import CachedData, Source, prepare, since
from scalegrid.executors import (
    Executor,
    MakeExecutor,
    decoders,
    executor_for,
    placement_for,
    stopped,
    was_killed,
)
from scalegrid.plan import open_data
from scalegrid.progress import Display, Silence
from scalegrid.progress.progress import HEARTBEAT
from scalegrid.results.rows import answer_rows, history_rows, trial_row
from scalegrid.results.schema import Row
from scalegrid.results.store import write_text
from scalegrid.search.answer import Finalist, finalists_of, front, sentences
from scalegrid.search.finals import Finals, most_raced
from scalegrid.search.networks import SEED, Maker, Network
from scalegrid.search.progress import SearchProgress
from scalegrid.search.resolve import resolved
from scalegrid.search.sampling import Sampling
from scalegrid.search.searcher import Searcher, Suggestion
from scalegrid.search.space import Counted, Space, read_space
from scalegrid.search.spec import SearchSpec
from scalegrid.search.store import SearchStore
from scalegrid.training.trial import Outcome, Trial
from scalegrid.util import yaml
from scalegrid.util.errors import UserError
from scalegrid.util.processes import ignore_interruptions, stoppable
from scalegrid.util.text import percent, plural, sentence

FOUND_FILE = "found.yaml"
"""The winner as a baseline, in the folder of the search."""

_FIRST = 8
"""Networks after which a search is given up where all have failed, or none has learnt."""

Job = tuple[Network, int]
"""A network to train, and a seed."""


@dataclass(frozen=True)
class SearchOutcome:
    """How a run of a search ended.

    ``trained`` trials ended in this run. ``finalists`` are the winner and its rivals, none where
    the search was interrupted; ``front`` are the networks that none beats in accuracy and cost at
    once. ``networks`` are all that were sampled, ``accuracies`` those of their one training, by id.
    """

    name: str
    folder: Path
    spec: SearchSpec
    space: Space
    networks: tuple[Network, ...] = ()
    trained: int = 0
    failed: int = 0
    finalists: tuple[Finalist, ...] = ()
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
    finally:
        display.close()


def _run(spec: SearchSpec, display: Display, make_executor: MakeExecutor) -> SearchOutcome:
    space, placement = read_space(spec.space), placement_for(spec)
    Searcher("random", {}, 0)  # which needs Optuna
    source = open_data(spec)
    spec = resolved(spec, space, source, placement.workers)
    with SearchStore(spec.folder) as store:
        made: list[Row] = []
        if (found := store.found) is not None:
            source, _ = since(source, found.data)
            spec = spec.model_copy(update={"ahead": found.spec.ahead})
            found.check(spec, space, source.fingerprint)
            made = [row for row in found.trials.to_pylist() if not was_killed(row["error"])]
        else:
            _check_target(spec, space, source)
        store.begin(spec, space, source.fingerprint)
        maker = Maker(spec, space, source)
        sampling = Sampling(spec, space, maker, map(maker.read, store.networks), made)
        progress = SearchProgress(spec, display, placement.workers)
        for row in made:
            progress.count(sampling.network(row["variant"]), row)
        trainer = _Trainer(spec, source, maker, store, progress, made, make_executor)
        outcome = SearchOutcome(str(spec.name), spec.folder, spec, space)
        try:
            display.note(f"{space.name}: {space.size:,} networks; {spec.objective}.")
            finals = trainer.search(sampling)
            trainer.race(finals)
        except KeyboardInterrupt:
            ignore_interruptions()  # a second Ctrl-C waits for the first; a second or two is left
            status = progress.close("interrupted")
            display.note(
                f"Interrupted: {status.ended} trials are done, and kept in {spec.folder}; run the "
                "same command again to go on."
            )
            return replace(outcome, interrupted=True)
        except UserError:
            progress.close("stopped")
            raise
        finally:
            trainer.close()
        outcome = replace(
            outcome,
            networks=tuple(sampling.networks),
            trained=trainer.trained,
            failed=progress.close("finished").failed,
            finalists=tuple(finalists_of(spec, finals.finalists, trainer.made)),
            front=tuple(front(sampling.networks, sampling.accuracies)),
            accuracies=sampling.accuracies,
        )
        write_text(outcome.found, _found_text(outcome))
        return outcome


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

    def search(self, sampling: Sampling) -> Finals:
        """Train all that is sampled; the race of the best.

        Raises:
            UserError: no network can be trained, or none is within the window.
        """

        def ask() -> Job | None:
            known = len(sampling.networks)
            network = sampling.ask()
            if len(sampling.networks) > known:
                self._store.add_network(sampling.networks[-1])
            self._progress.left = sampling.left + most_raced(self._spec)
            return None if network is None else (network, SEED)

        self._check_first()
        self._progress.left = sampling.left + most_raced(self._spec)
        self._train(ask, sampling.tell)
        if sampling.exhausted:
            self._progress.display.note(
                f"Note: no other network of {self._spec.space} is within the window, so that the "
                f"search ends after {plural(len(sampling.networks), 'network')}."
            )
        if not sampling.best:
            raise UserError(
                f"no network of {self._spec.space} could be trained: "
                f"{self.made[-1]['error'] if self.made else 'none is within the window'}; choose "
                "another recipe, --window or --target."
            )
        return Finals(self._spec, sampling.best[: self._spec.finalists], self.made)

    def race(self, finals: Finals) -> None:
        """Train finalists until it is decided which is best, or the limit is reached."""

        def ask() -> Job | None:
            job = finals.ask()
            self._progress.left = 0 if job is None else finals.left
            self._progress.certainty = finals.certainty
            return job

        self._train(ask, finals.tell)

    def close(self) -> None:
        """Stop what runs."""
        if self._executor is not None:
            self._executor.cancel()

    def _train(self, ask: Callable[[], Job | None], tell: Callable[[Network, Row], None]) -> None:
        """Ask, submit, collect, store and tell, until nothing is asked for and nothing runs."""
        running: dict[str, tuple[Trial, Network]] = {}

        def fill() -> None:
            while self._executor is None or len(running) < self._executor.capacity:
                if (job := ask()) is None:
                    return
                network, seed = job
                executor, data = self._ready()
                trial = self._maker.trial(network, seed, data)
                running[trial.trial] = trial, network
                self._progress.started(trial, network)
                executor.submit(trial)

        fill()
        while running:
            self._progress.show()
            executor, _ = self._ready()
            for event in executor.collect(timeout=HEARTBEAT):
                if not isinstance(event, Outcome):
                    self._progress.epoch(*event)
                    continue
                trial, network = running.pop(event.trial)
                if event.image:
                    raise stopped(event, self._source)
                row = trial_row(trial, network, event, self._source.num_train)
                self._store.add([row], history_rows(event), answer_rows(event))
                self.made.append(row)
                self.trained += 1
                tell(network, row)
                self._progress.ended(network, row)
                self._check_first()
            fill()

    def _ready(self) -> tuple[Executor, CachedData]:
        """The workers and the images, from the first trial on."""
        if self._executor is None or self._data is None:
            self._executor = self._make_executor(placement_for(self._spec))
            display = self._progress.display
            self._data = prepare(
                self._source,
                [int(self._spec.resolution or 0)],
                workers=decoders(self._spec),
                progress=display.preparing,
            )
            for note in filter(None, (*self._source.notes, self._data.note)):
                display.note(f"Note: {sentence(note)}")
            self._progress.open()
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


def _check_target(spec: SearchSpec, space: Space, source: Source) -> None:
    """Raise UserError where no network of the space is within the window of costs.

    Of a latency the networks of least and most FLOPs are measured, which need not be the ends.
    """
    objective, maker = spec.objective, Maker(spec, space, source)
    target = objective.target
    kind: Counted = "params" if target.kind == "params" else "flops"
    reach = space.reach(source.num_classes, source.channels, kind)
    least, most = (maker.cost(maker.define(Suggestion(point))) for point in reach)
    low, high = objective.bounds
    if high < least or low > most:
        raise UserError(
            f"no network of {space.name} is near --target {spec.target}: its networks have from "
            f"{target.shown(least)} to {target.shown(most)}, and those from {target.shown(low)} to "
            f"{target.shown(high)} are trained; choose another --target or --window."
        )


def _found_text(outcome: SearchOutcome) -> str:
    """The winner's file: a definition, below what it is."""
    winner = outcome.finalists[0]
    definition = Definition.model_validate_json(winner.network.definition)
    heading = sentences(outcome.spec, outcome.space, outcome.finalists, outcome.networks)
    comments = "".join(f"# {line}\n" for line in [f"By scalegrid search {outcome.name}.", *heading])
    return comments + yaml.dump(definition)

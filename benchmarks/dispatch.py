"""How many trials a second a sweep can start: ``python -m benchmarks.dispatch``.

The training is a stand-in that does nothing, or sleeps 50 ms. A sweep's rate is compared with that
of its bare engine: worker processes of this machine, which a loop of five lines keeps busy; actors
of a Ray that is started here; an array of Slurm's jobs that each train their share, without a head.
(``python tests/slurm_cluster.py python -m benchmarks.dispatch --engine slurm`` brings a Slurm of
one node, as root.) The engine ``join`` is as many heads on one sweep as there are workers, each
with one of them.

Beside it is what the head process does itself: its processor time for each trial, and its memory
after a tenth of the trials and at the end. Each row is a process of its own; starts do not count.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import stand_ins
from benchmarks.timing import bounded, options_parser, publish
from scalegrid.data import CachedData
from scalegrid.executors import Event, Executor, LocalExecutor
from scalegrid.plan import make_trial
from scalegrid.results import load_sweep
from scalegrid.spec import SweepSpec
from scalegrid.training.attempt import attempt, find
from scalegrid.training.trial import Outcome, Trial

VARIANTS = 10
BARE_TRIALS = 1000
"""Trials of a bare engine at most; its rate does not depend on how many there are."""
TRAIN = "benchmarks.stand_ins:pause"
PAUSES = (0.0, 0.05)  # seconds of a trial


@dataclass
class Watched:
    """An executor that notes the time, the processor time and the memory as trials end."""

    executor: Executor
    count: int
    marks: list[tuple[int, float, float, float]] = field(default_factory=list)
    ended: int = 0

    @property
    def capacity(self) -> int:
        """That of the executor."""
        return self.executor.capacity

    def submit(self, trial: Trial) -> None:
        """Pass it on."""
        self.executor.submit(trial)

    def collect(self, timeout: float | None = None) -> list[Event]:
        """Pass it on, and note the first trial, a tenth and the last."""
        events = self.executor.collect(timeout)
        before = self.ended
        self.ended += sum(isinstance(event, Outcome) for event in events)
        if self.ended > before:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            now = self.ended, time.time(), time.process_time(), memory
            seen = sum(before >= mark for mark in (1, self.count // 10))
            self.marks[seen:] = [now]
        return events

    def abandon(self) -> None:
        """Pass it on."""
        self.executor.abandon()

    def cancel(self) -> None:
        """Pass it on."""
        self.executor.cancel()

    def row(self) -> dict[str, float]:
        """Trials per second after the first, ms of the head's processor for each, and MiB."""
        (first, began, cpu, _), (_, _, _, tenth), (last, ended, spent, memory) = self.marks
        count = last - first
        return {
            "trials/s": count / (ended - began),
            "head ms a trial": 1000 * (spent - cpu) / count,
            "head MiB at a tenth": tenth,
            "at the end": memory,
        }


def bare(results: Path, trials: int, workers: int) -> dict[str, float]:
    """Worker processes alone."""
    waiting = _trials(results, trials)[::-1]
    executor = Watched(_workers(results, workers), trials)
    for _ in range(min(workers, trials)):
        executor.submit(waiting.pop())
    while executor.ended < trials:
        for event in executor.collect():
            if isinstance(event, Outcome) and waiting:
                executor.submit(waiting.pop())
    executor.cancel()
    return executor.row()


def bare_ray(_results: Path, trials: int, workers: int) -> dict[str, float]:
    """Actors that pause, each with its next call as soon as it has answered."""
    from scalegrid.executors.on_ray import Cluster

    cluster = Cluster()
    ray, pause = cluster.ray, float(os.environ[stand_ins.SECONDS])

    class Pausing:
        def train(self) -> None:
            time.sleep(pause)

    actors = [ray.remote(Pausing).remote() for _ in range(workers)]
    ray.get([actor.train.remote() for actor in actors])
    began = time.perf_counter()
    running = {actor.train.remote(): actor for actor in actors}
    for _ in range(trials - workers):
        [done], _ = ray.wait(list(running), num_returns=1)
        actor = running.pop(done)
        ray.get(done)
        running[actor.train.remote()] = actor
    ray.get(list(running))
    seconds = time.perf_counter() - began
    cluster.close()
    return {"trials/s": trials / seconds}


def bare_slurm(results: Path, trials: int, workers: int) -> dict[str, float]:
    """An array of jobs that each train their share."""
    import submitit

    array = submitit.SlurmExecutor(results / "jobs")
    array.update_parameters(time=60)
    shares = [_trials(results, trials)[i::workers] for i in range(workers)]
    jobs = array.map_array(train_share, shares)
    while not all(job.paths.result_pickle.exists() for job in jobs):
        time.sleep(1)  # Slurm need not be asked, which may have no accounting
    return {"trials/s": sum(job.result() for job in jobs)}


def train_share(trials: Sequence[Trial]) -> float:
    """Train one after the other; how many a second, after the first."""
    train = find(TRAIN)
    attempt(train, trials[0])
    began = time.perf_counter()
    for trial in trials[1:]:
        attempt(train, trial)
    return (len(trials) - 1) / (time.perf_counter() - began)


def swept(
    make: Callable[[Path, int], Executor], results: Path, trials: int, workers: int
) -> dict[str, float]:
    """A sweep on an engine, with its tables and its status."""
    watched = Watched(make(results, workers), trials)
    stand_ins.run(results, VARIANTS, trials // VARIANTS, lambda _placement: watched)
    made = load_sweep(None, results).trials
    assert len(made) == made["trial"].nunique() == trials
    return watched.row()


def joined(results: Path, trials: int, workers: int) -> dict[str, float]:
    """A sweep of several heads; trials count from when all have made one."""
    heads = [_start("head", trials, 1, ["--results", str(results)]) for _ in range(workers)]
    rows = [_row(head) for head in heads]
    made = load_sweep(None, results).trials
    assert len(made) == made["trial"].nunique() == trials
    ends = made["finished_at"].map(lambda moment: moment.timestamp())
    began = max(row.pop("began") for row in rows)
    rate = (ends > began).sum() / (ends.max() - began)
    return {"trials/s": float(rate), **{key: max(row[key] for row in rows) for key in rows[0]}}


def head(results: Path, trials: int, workers: int) -> dict[str, float]:
    """One of several heads."""
    watched = Watched(_workers(results, workers), trials // 2)
    stand_ins.run(results, VARIANTS, trials // VARIANTS, lambda _placement: watched, join=True)
    row = watched.row()
    del row["trials/s"]
    return {"began": watched.marks[0][1], **row}


def _trials(results: Path, count: int) -> list[Trial]:
    plan = stand_ins.large_plan(VARIANTS)
    data = CachedData(results, plan.source.fingerprint, plan.source.num_classes, ())
    variants = plan.variants[:VARIANTS]
    return [
        make_trial(plan, variants[i % VARIANTS], i // VARIANTS, data, plan.recipe_of(variants[0]))
        for i in range(count)
    ]


def _workers(_results: Path, workers: int) -> Executor:
    return LocalExecutor(workers, function=TRAIN)


def _actors(_results: Path, workers: int) -> Executor:
    from scalegrid.executors.node import Job
    from scalegrid.executors.on_ray import Cluster, RayExecutor

    need = {"CPU": 1.0, "GPU": 0.0}
    return RayExecutor(Cluster(), workers, need, Job(folder=os.getcwd(), function=TRAIN))


def _jobs(results: Path, workers: int) -> Executor:
    from scalegrid.executors.on_slurm import SlurmJobs
    from scalegrid.executors.spool_executor import SpoolExecutor

    jobs = SlurmJobs(SweepSpec(results=str(results), name="jobs"), ["cpu"], 1, TRAIN)
    return SpoolExecutor(jobs.spool, jobs, workers)


WAYS: dict[str, Callable[[Path, int, int], dict[str, float]]] = {
    **{"bare": bare, "local": partial(swept, _workers), "join": joined, "head": head},
    **{"bare ray": bare_ray, "ray": partial(swept, _actors)},
    **{"bare slurm": bare_slurm, "slurm": partial(swept, _jobs)},
}
BARE = {"local": "bare", "join": "bare", "ray": "bare ray", "slurm": "bare slurm"}
"""What each engine is compared with."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write parquet."""
    options = _parser().parse_args(arguments)
    if options.one:
        with tempfile.TemporaryDirectory() as name:
            results = options.results or Path(name)
            row = WAYS[options.one](results, options.trials, options.workers)
        print(json.dumps(row))
        return
    trials = 200 if options.quick else options.trials
    rows: list[dict[str, Any]] = []
    for engine, pause in itertools.product(options.engine or ("local", "join"), PAUSES):
        alone, shown = (
            _row(_start(way, count, options.workers, pause=pause))
            for way, count in ((BARE[engine], min(trials, BARE_TRIALS)), (engine, trials))
        )
        rates = alone.pop("trials/s"), shown.pop("trials/s")
        rows.append(
            {
                "engine": engine,
                "ms of a trial": 1000 * pause,
                "workers": options.workers,
                "trials": trials,
                "bare trials/s": rates[0],
                "trials/s": rates[1],
                "share": rates[1] / rates[0],
                **shown,
            }
        )
    publish("dispatch", rows, options.out)


def _start(
    way: str, trials: int, workers: int, more: Sequence[str] = (), pause: float | None = None
) -> subprocess.Popen[str]:
    """A process that measures one way; without ``pause`` it is that of this one."""
    numbers = ["--trials", str(trials), "--workers", str(workers)]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.dispatch", "--one", way, *numbers, *more],
        env=os.environ if pause is None else {**os.environ, stand_ins.SECONDS: str(pause)},
        stdout=subprocess.PIPE,
        text=True,
    )


def _row(process: subprocess.Popen[str]) -> dict[str, float]:
    """What it has measured."""
    said, _ = process.communicate()
    assert process.returncode == 0
    row: dict[str, float] = json.loads(said.splitlines()[-1])
    return row


def _parser() -> argparse.ArgumentParser:
    parser = options_parser("dispatch", __doc__)
    parser.add_argument("--trials", type=bounded(int, 1), default=10_000)
    parser.add_argument("--workers", type=bounded(int, 1), default=2)
    parser.add_argument(
        "--engine", choices=list(BARE), action="append", help="local and join by default"
    )
    parser.add_argument("--results", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--one", choices=list(WAYS), help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()

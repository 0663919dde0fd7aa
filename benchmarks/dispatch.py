"""How many trials a second a sweep can start: ``python -m benchmarks.dispatch``.

The training is a stand-in that does nothing, or sleeps 50 ms. A sweep's rate is compared with that
of its bare engine: worker processes of this machine, which a loop of five lines keeps busy; or an
array of Slurm's jobs that each train their share, without a head. (``python tests/slurm_cluster.py
python -m benchmarks.dispatch --engine slurm`` brings a Slurm of one node, as root.)
Beside it is what the head process does itself: its processor time for each trial, and its memory
after a tenth of the trials and at the end. Each row is a process of its own; starts do not count.
"""

from __future__ import annotations

import argparse
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
from benchmarks.timing import options_parser, publish
from scalegrid.data import CachedData
from scalegrid.executors import Event, Executor, LocalExecutor
from scalegrid.executors.on_slurm import SlurmJobs
from scalegrid.executors.spool_executor import SpoolExecutor
from scalegrid.plan import make_trial
from scalegrid.results import load_sweep
from scalegrid.spec import SweepSpec
from scalegrid.training.attempt import attempt, find
from scalegrid.training.trial import Outcome, Trial

VARIANTS = 10
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
        """Pass it on, and note the first trial, a tenth and all."""
        events = self.executor.collect(timeout)
        before = self.ended
        self.ended += sum(isinstance(event, Outcome) for event in events)
        for mark in (1, self.count // 10, self.count):
            if before < mark <= self.ended:
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                self.marks.append((self.ended, time.perf_counter(), time.process_time(), memory))
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
    waiting = list(reversed(_trials(results, trials)))
    executor = Watched(_workers(results, workers), trials)
    for _ in range(min(workers, trials)):
        executor.submit(waiting.pop())
    while executor.ended < trials:
        for event in executor.collect():
            if isinstance(event, Outcome) and waiting:
                executor.submit(waiting.pop())
    executor.cancel()
    return executor.row()


def bare_slurm(results: Path, trials: int, workers: int) -> dict[str, float]:
    """An array of jobs that each train their share."""
    import submitit  # here, since other engines do without

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


def swept(results: Path, trials: int, workers: int, engine: str = "local") -> dict[str, float]:
    """A sweep on an engine, with its tables and its status."""
    make = _workers if engine == "local" else _jobs
    watched = Watched(make(results, workers), trials)
    stand_ins.run(results, VARIANTS, trials // VARIANTS, lambda _placement: watched)
    made = load_sweep(None, results).trials
    assert len(made) == made["trial"].nunique() == trials
    return watched.row()


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


def _jobs(results: Path, workers: int) -> Executor:
    jobs = SlurmJobs(SweepSpec(results=str(results), name="jobs"), ["cpu"], 1, TRAIN)
    return SpoolExecutor(jobs.spool, jobs, workers)


WAYS: dict[str, dict[str, Callable[[Path, int, int], dict[str, float]]]] = {
    "local": {"bare": bare, "sweep": swept},
    "slurm": {"bare": bare_slurm, "sweep": partial(swept, engine="slurm")},
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write parquet."""
    options = _parser().parse_args(arguments)
    if options.one:
        with tempfile.TemporaryDirectory() as name:
            way = WAYS[options.engine][options.one]
            row = way(Path(name), options.trials, options.workers)
        print(json.dumps(row))
        return
    trials = 200 if options.quick else options.trials
    rows: list[dict[str, Any]] = []
    for pause in PAUSES:
        measured = partial(_measured, options.engine, trials, options.workers, pause)
        found = {way: measured(way) for way in WAYS[options.engine]}
        rates = found["bare"].pop("trials/s"), found["sweep"].pop("trials/s")
        rows.append(
            {
                "engine": options.engine,
                "ms of a trial": 1000 * pause,
                "workers": options.workers,
                "trials": trials,
                "bare trials/s": rates[0],
                "trials/s": rates[1],
                "share": rates[1] / rates[0],
                **found["sweep"],
            }
        )
    publish("dispatch", rows, options.out)


def _measured(engine: str, trials: int, workers: int, pause: float, way: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.dispatch", "--one", way, "--engine", engine]
    ran = subprocess.run(
        [*command, "--trials", str(trials), "--workers", str(workers)],
        env={**os.environ, stand_ins.SECONDS: str(pause)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    row: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return row


def _parser() -> argparse.ArgumentParser:
    parser = options_parser("dispatch", __doc__)
    parser.add_argument("--engine", choices=list(WAYS), default="local")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--one", choices=["bare", "sweep"], help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()

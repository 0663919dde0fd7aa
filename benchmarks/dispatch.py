"""How many trials a second a sweep can start: ``python -m benchmarks.dispatch``.

The training is a stand-in that does nothing, or sleeps 50 ms. A sweep's rate is compared with that
of its bare engine, which is kept busy by a loop of five lines: worker processes of this machine, or
with ``--engine ray`` actors of a Ray that is started here. Beside it is what the head process does
itself: its processor time for each trial, and its memory after a tenth of the trials and at the
end. Each row is a process of its own; starts do not count.
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
from pathlib import Path
from typing import Any

from benchmarks import stand_ins
from benchmarks.timing import options_parser, publish
from scalegrid.data import CachedData
from scalegrid.executors import Executor, LocalExecutor
from scalegrid.executors.base import Event
from scalegrid.plan import make_trial
from scalegrid.results import load_sweep
from scalegrid.training.trial import Outcome, Trial

VARIANTS = 10
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


def bare(results: Path, trials: int, workers: int, engine: str) -> dict[str, float]:
    """The engine alone."""
    if engine == "ray":
        return _bare_ray(trials, workers)
    plan = stand_ins.large_plan(VARIANTS)
    data = CachedData(results, plan.source.fingerprint, plan.source.num_classes, ())
    variants = plan.variants[:VARIANTS]
    waiting = [
        make_trial(plan, variants[i % VARIANTS], i // VARIANTS, data, plan.recipe_of(variants[0]))
        for i in reversed(range(trials))
    ]
    executor = Watched(_workers(workers, engine), trials)
    for _ in range(min(workers, trials)):
        executor.submit(waiting.pop())
    while executor.ended < trials:
        for event in executor.collect():
            if isinstance(event, Outcome) and waiting:
                executor.submit(waiting.pop())
    executor.cancel()
    return executor.row()


def _bare_ray(trials: int, workers: int) -> dict[str, float]:
    """Actors of Ray that pause, each with its next call as soon as it has answered."""
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


def swept(results: Path, trials: int, workers: int, engine: str) -> dict[str, float]:
    """A sweep on the same engine, with its tables and its status."""
    watched = Watched(_workers(workers, engine), trials)
    stand_ins.run(results, VARIANTS, trials // VARIANTS, lambda _placement: watched)
    made = load_sweep(None, results).trials
    assert len(made) == made["trial"].nunique() == trials
    return watched.row()


def _workers(workers: int, engine: str) -> Executor:
    function = "benchmarks.stand_ins:pause"
    if engine == "local":
        return LocalExecutor(workers, function=function)
    from scalegrid.executors.node import Job
    from scalegrid.executors.on_ray import Cluster, RayExecutor

    need = {"CPU": 1.0, "GPU": 0.0}
    return RayExecutor(Cluster(), workers, need, Job(folder=os.getcwd(), function=function))


WAYS: dict[str, Callable[[Path, int, int, str], dict[str, float]]] = {"bare": bare, "sweep": swept}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write parquet."""
    options = _parser().parse_args(arguments)
    if options.one:
        with tempfile.TemporaryDirectory() as name:
            row = WAYS[options.one](Path(name), options.trials, options.workers, options.engine)
        print(json.dumps(row))
        return
    trials = 200 if options.quick else options.trials
    rows: list[dict[str, Any]] = []
    for pause in PAUSES:
        found = {way: _measured(way, trials, options, pause) for way in WAYS}
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


def _measured(way: str, trials: int, options: argparse.Namespace, pause: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.dispatch", "--one", way]
    command += ["--engine", options.engine, "--workers", str(options.workers)]
    ran = subprocess.run(
        [*command, "--trials", str(trials)],
        env={**os.environ, stand_ins.SECONDS: str(pause)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    row: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return row


def _parser() -> argparse.ArgumentParser:
    parser = options_parser("dispatch", __doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--one", choices=list(WAYS), help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()

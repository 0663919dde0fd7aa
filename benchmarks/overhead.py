"""The time of a sweep that is not training: ``python -m benchmarks.overhead``.

Three tables: the wall time of sweeps whose trials take a known time (none, or some seconds of a
core), the store's time to add a trial as its tables grow, and the commands that read a sweep of
10,000 trials. Sweeps are fresh processes, from the start of the interpreter to its end, with warm
caches.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import stand_ins
from benchmarks.timing import in_turn, median_range, publish, read_options, stopwatch
from scalegrid.analysis import recommend
from scalegrid.results import Store, load_sweep
from scalegrid.results.rows import variant_rows
from scalegrid.util.processes import available_cores

TRIAL = 10.0
"""Seconds of a trial at which overhead may take 5 % of the time."""

LARGE = 10_000
_SHARE, _PATIENCE = 0.05, 10.0  # the targets
_VARIANTS, _LARGE_VARIANTS = 10, 20
_MANY_VARIANTS = 200
_ADDITIONS = 15  # to a table of each size


def main() -> None:
    """Measure, print, write parquet."""
    options = read_options("overhead", __doc__)
    quick = options.quick
    sizes = (1, 10, 100) if quick else (1, 10, 100, 1000)
    busy = ((10, 1.0),) if quick else ((1, 3.0), (10, 3.0), (100, 3.0))
    sweeps = [(trials, 0.0) for trials in sizes] + list(busy)
    publish("overhead-sweep", sweep_rows(sweeps, rounds=1 if quick else 3), options.out)
    tables = (0, 1000, LARGE) if quick else (0, 100, 1000, 3000, LARGE)
    publish("overhead-store", store_rows(tables), options.out)
    shapes = (_LARGE_VARIANTS,) if quick else (_LARGE_VARIANTS, _MANY_VARIANTS)
    rows = [row for variants in shapes for row in large_rows(variants, rounds=1 if quick else 3)]
    publish("overhead-large", rows, options.out)


def sweep_rows(sweeps: list[tuple[int, float]], rounds: int) -> list[dict[str, object]]:
    """A row for each pair of a number of trials and their seconds."""
    with tempfile.TemporaryDirectory() as name:
        numbers = count()

        def sweep(trials: int, seconds: float) -> float:
            return _sweep(Path(name) / str(next(numbers)), trials, seconds)

        sweep(1, 0.0)  # fills the caches
        walls = in_turn(rounds, {str(one): partial(sweep, *one) for one in sweeps})
    return [sweep_row(*one, walls[str(one)], available_cores()) for one in sweeps]


def sweep_row(trials: int, seconds: float, walls: list[float], workers: int) -> dict[str, object]:
    """From the wall times of a sweep to its overhead.

    Of ``trials`` of equal length, the worker with most of them has ``ceil(trials / workers)``. The
    time beyond these is overhead; an idle worker at the end is not.
    """
    rounds = -(-trials // workers)
    spent = [wall - rounds * seconds for wall in walls]
    overhead = median_range(spent)
    share = overhead.median / (overhead.median + rounds * (seconds or TRIAL))
    return {
        "trials": trials,
        "s each": seconds,
        "workers": workers,
        "wall s": median_range(walls),
        "overhead s": overhead,
        "ms per trial": 1000 * overhead.median / trials,
        "share": share,
        "of trials of": f"{seconds or TRIAL:g} s, " + ("measured" if seconds else "computed"),
        "met": share < _SHARE,
    }


def store_rows(sizes: tuple[int, ...]) -> list[dict[str, object]]:
    """Milliseconds to add a trial with its epochs and answers, durably, to tables of each size."""
    plan = stand_ins.large_plan(_LARGE_VARIANTS)
    trials = list(stand_ins.trial_rows(plan, max(sizes) + _ADDITIONS))
    rows: list[dict[str, object]] = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as name, Store(Path(name) / "sweep") as store:
            spec = stand_ins.large_spec(Path(name), _LARGE_VARIANTS)
            store.start(spec, variant_rows(plan), "stand-in")
            _add(store, trials[:size])
            times = [
                1000 * stopwatch(partial(_add, store, [trial]))
                for trial in trials[size : size + _ADDITIONS]
            ]
        rows.append({"stored trials": size, "ms to add a trial": median_range(times)})
    return rows


def _add(store: Store, trials: list[dict[str, Any]]) -> None:
    history = [epoch for trial in trials for epoch in stand_ins.epoch_rows(trial)]
    store.add(trials, history, [stand_ins.answer_row(trial) for trial in trials])


def large_rows(variants: int, rounds: int) -> list[dict[str, object]]:
    """Seconds of each command on a sweep of `LARGE` trials, interpreter start included."""
    with tempfile.TemporaryDirectory() as name:
        results = Path(name)
        sweep = stand_ins.write_large_sweep(results, variants, LARGE)
        tables = load_sweep(sweep, results)

        def command(word: str) -> float:
            return _run(["-m", "scalegrid", word, sweep, "--results", name])

        actions: dict[str, Callable[[], float]] = {
            "scalegrid status": partial(command, "status"),
            "scalegrid plot": partial(command, "plot"),
            "scalegrid recommend": partial(command, "recommend"),
            "load_sweep() alone": lambda: stopwatch(lambda: load_sweep(sweep, results)),
            "recommend() alone": lambda: stopwatch(
                lambda: recommend(tables.variants, tables.trials)
            ),
        }
        times = in_turn(rounds, actions)
    shape = {"variants": len(tables.variants), "trials": len(tables.trials)}
    return [
        {
            "what": what,
            **shape,
            "s": median_range(seconds),
            "met": median_range(seconds).median < _PATIENCE,
        }
        for what, seconds in times.items()
    ]


def _sweep(results: Path, trials: int, seconds: float) -> float:
    variants = min(trials, _VARIANTS)
    call = f"run(Path({str(results)!r}), {variants}, {trials // variants})"
    wall = _run(
        ["-c", f"from pathlib import Path; from benchmarks.stand_ins import run; {call}"],
        {stand_ins.SECONDS: str(seconds)},
    )
    stored = len(load_sweep(None, results).trials)
    if stored != trials:
        raise RuntimeError(f"{stored} trials were stored, not {trials}")
    return wall


def _run(arguments: list[str], environment: dict[str, str] | None = None) -> float:
    """Wall seconds of a fresh interpreter.

    Raises:
        SystemExit: it failed; the message is its standard error.
    """
    began = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - began
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} ended with {ended.returncode}:\n{ended.stderr}")
    return wall


if __name__ == "__main__":
    main()

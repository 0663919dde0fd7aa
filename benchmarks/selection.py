"""How many trials each way of giving them out needs: ``python -m benchmarks.selection``.

Simulated worlds, in which the best candidate is known, tell how often each rule's choice is within
the indifference zone of it, and whether the probability that goes with it is true. ``--replay``
does the same with the trials of a real sweep. Worlds are shared out over the cores; the numbers are
the same on every run, and docs/statistics.md says what they mean.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.selection_tables import (
    calibration,
    curve,
    for_people,
    looks_of,
    sideways,
    stopping,
    trials_needed,
)
from benchmarks.selection_worlds import (
    Rule,
    Setting,
    World,
    draw_worlds,
    ocba,
    replay_worlds,
    run_race,
    run_uniform,
    thompson,
    top_two,
)
from benchmarks.timing import bounded, options_parser
from scalegrid.cli.output import print_table
from scalegrid.results import load_sweep
from scalegrid.util.errors import UserError
from scalegrid.util.processes import available_cores


class Method(NamedTuple):
    """A way of giving out trials and of choosing from their results.

    ``rule`` None is in turn; ``rounds`` is how long to look, in trials a candidate; ``losses``:
    whether the choice is made by the losses as well.
    """

    name: str
    rule: Rule | None
    surface: bool
    rounds: float
    losses: bool = False


RACING = Method("racing", top_two, False, 8)
SURFACE = Method("racing + surface", top_two, True, 6)
METHODS = (Method("uniform + surface", None, True, 12), RACING, SURFACE)
OTHER_RULES = (
    Method("Thompson", thompson, False, 8),
    Method("Thompson + surface", thompson, True, 6),
    Method("OCBA", ocba, False, 8),
    Method("OCBA + surface", ocba, True, 6),
)
SETTINGS = tuple(
    Setting(n, spread, 0.1) for n, spread in ((20, 0.8), (40, 0.8), (20, 0.5), (40, 0.5))
)
UNIFORM_WORLDS, UNIFORM_ROUNDS = 2000, 40  # cheap, so that it is known well
LONGEST = 200  # trials of one candidate, more than any race gives it
BY_LOSSES = (SURFACE, Method("racing + surface + losses", top_two, True, 6, losses=True))
LOSSES = tuple(Setting(16, 0.8, 0.3, agrees) for agrees in (0.998, 0.9, 0.0, -0.5))
ROUGHER = tuple(Setting(20, 0.8, local) for local in (0.4, None))

Draw = Callable[[int, int], Iterable[World]]


class Case(NamedTuple):
    """Worlds (so many, with so many trials of each candidate) and what to try in them."""

    name: str
    draw: Draw
    methods: tuple[Method, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate or replay, print tables, write parquet files."""
    options = _parser().parse_args(arguments)
    worlds = 25 if options.quick else options.worlds
    if options.replay is not None:
        cases, name = [_replay(options.replay)], f"replay-{options.replay.name}"
    elif options.losses:
        cases, name = [_simulation(setting, BY_LOSSES) for setting in LOSSES], "losses"
    else:
        cases, name = _simulations(quick=options.quick), "simulated"
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with ProcessPoolExecutor(available_cores(), get_context("spawn")) as pool:
        looks = pd.concat([_looks(case, worlds, pool) for case in cases], ignore_index=True)
    tables = {
        "curve": curve(looks),
        "trials": trials_needed(looks),
        "stopping": stopping(looks),
        "calibration": calibration(looks),
    }
    for part, frame in tables.items():
        if part != "curve":
            print_table(for_people(sideways(frame) if part == "calibration" else frame))
        frame.to_parquet(options.out / f"selection-{name}-{part}.parquet", index=False)


def _simulations(*, quick: bool) -> list[Case]:
    if quick:
        return [_simulation(setting, (RACING, SURFACE)) for setting in SETTINGS[:3]]
    return [
        _simulation(SETTINGS[0], METHODS + OTHER_RULES),
        *(_simulation(setting, METHODS) for setting in SETTINGS[1:]),
        *(_simulation(setting, METHODS) for setting in ROUGHER),
    ]


def _simulation(setting: Setting, methods: tuple[Method, ...]) -> Case:
    def draw(count: int, rounds: int) -> Iterable[World]:
        return draw_worlds(setting, count, rounds)

    return Case(str(setting), draw, methods)


def _replay(folder: Path) -> Case:
    tables = load_sweep(folder.name, folder.parent)

    def draw(count: int, rounds: int) -> Iterable[World]:
        return replay_worlds(tables, count, rounds)

    return Case(folder.name, draw, (*METHODS, BY_LOSSES[-1]))


def _looks(case: Case, worlds: int, pool: Executor) -> pd.DataFrame:
    """Every look at every race: columns as in `selection_tables`."""
    in_turn = list(run_uniform(case.draw(UNIFORM_WORLDS, UNIFORM_ROUNDS), UNIFORM_ROUNDS))
    frames = [looks_of(case.name, "uniform", in_turn)]
    for method in case.methods:
        started = time.monotonic()
        race = partial(
            run_race,
            rule=method.rule,
            surface=method.surface,
            rounds=method.rounds,
            losses=method.losses,
        )
        races = list(pool.map(race, case.draw(worlds, LONGEST), chunksize=5))
        frames.append(looks_of(case.name, method.name, races))
        seconds = time.monotonic() - started
        print(f"{case.name}: {method.name}, {worlds} worlds, {seconds:.0f} s", file=sys.stderr)
    looks: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return looks


def _parser() -> argparse.ArgumentParser:
    parser = options_parser("selection", __doc__)
    parser.add_argument(
        "--worlds", type=bounded(int, 1), default=200, help="worlds of each setting"
    )
    parser.add_argument("--losses", action="store_true", help="worlds that have a loss as well")
    parser.add_argument("--replay", type=Path, help="a sweep's folder, such as results/NAME")
    return parser


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))

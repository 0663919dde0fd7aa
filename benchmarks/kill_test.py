"""Kill a small sweep again and again, and compare its tables with those of an undisturbed run.

``python -m benchmarks.kill_test [--quick] [--rungs] [--kills 20] [--seed 0]``

The sweep trains the `nano` baseline, through the command line, in its own process group. SIGKILL
goes to the whole group at a random moment of each run, from the start of the interpreter to the
last trial; then the same command runs again. After every kill, all files can be read, no row is
lost, and no row is written a second time, as training a trial twice would do. ``--quick`` uses a
stand-in for the training. With ``--rungs`` trials continue from checkpoints, over three rungs.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd

from benchmarks.timing import bounded
from scalegrid.results import SweepTables, load_sweep
from scalegrid.results.schema import MEASURED

ROOT = Path(__file__).resolve().parent.parent
REAL = (
    *("-c", "from scalegrid.cli.main import main; main()", "sweep", "--baseline", "nano"),
    *("--resolution", "32", "--train-images", "256", "--val-images", "100", "--epochs", "2"),
    *("--candidates", "4", "--seeds", "3", "--workers", "2", "--name", "sweep"),
)
STAND_IN = (str(ROOT / "tests" / "light_sweep.py"),)
STAND_IN_SIZE = ("4", "5", "2")  # variants, seeds, workers
RUNGS = ("1", "2", "4")


def command(results: Path, *, quick: bool, rungs: bool) -> list[str]:
    """The command of one sweep."""
    if quick:
        return [sys.executable, *STAND_IN, str(results), *STAND_IN_SIZE, *RUNGS[: 3 * rungs]]
    more = ("--rungs", ",".join(RUNGS), "--seeds", "1") if rungs else ()
    return [sys.executable, *REAL, "--results", str(results), *more]


def run(results: Path, cache: Path, after: float | None, *, quick: bool, rungs: bool) -> int | None:
    """Run a sweep, and kill it ``after`` so many seconds; its exit status, or None if killed."""
    environment = {
        **os.environ,
        "SCALEGRID_CACHE": str(cache),
        "PYTHONPATH": str(ROOT),
        "LIGHT_SECONDS": "0.1",
    }
    process = subprocess.Popen(
        command(results, quick=quick, rungs=rungs),
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=environment,
        text=True,
    )
    try:
        _, errors = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None
    if process.returncode != 0:
        raise SystemExit(f"the sweep ended with status {process.returncode}:\n{errors}")
    return process.returncode


def tables(results: Path) -> SweepTables | None:
    """The tables on disk, None before there is a sweep; an error unless all can be read."""
    if not any(results.glob("*/sweep.yaml")):
        return None
    return load_sweep(None, results)


def check_kept(before: SweepTables | None, after: SweepTables | None) -> None:
    """Every earlier row is there, with its time of writing."""
    if before is None or before.trials.empty:
        return
    assert after is not None
    kept = after.trials[after.trials["trial"].isin(before.trials["trial"])]
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), before.trials)


def check_equal(one: SweepTables, other: SweepTables) -> None:
    """Equal tables, except for measured times."""
    measured = list(MEASURED)
    for name in ("variants", "trials", "history", "answers"):
        left, right = getattr(one, name), getattr(other, name)
        pd.testing.assert_frame_equal(
            left.drop(columns=measured, errors="ignore"),
            right.drop(columns=measured, errors="ignore"),
        )


def phase(found: SweepTables | None) -> str:
    """The phase in which a sweep was killed."""
    if found is None:
        return "before anything was written"
    return "before the first trial ended" if found.trials.empty else "between trials"


def main() -> None:
    """Kill, check, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a stand-in for the training")
    parser.add_argument("--rungs", action="store_true", help="three rungs, with checkpoints")
    parser.add_argument("--kills", type=bounded(int, 1), default=20)
    parser.add_argument("--seed", type=bounded(int, 0), default=0, help="of the random moments")
    given = parser.parse_args()
    draw = random.Random(given.seed)
    kind = {"quick": given.quick, "rungs": given.rungs}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = folder / "cache"
        began = time.monotonic()
        run(folder / "undisturbed", cache, None, **kind)
        length = time.monotonic() - began
        undisturbed = tables(folder / "undisturbed")
        assert undisturbed is not None
        phases: Counter[str] = Counter()
        sweeps = 0
        while sum(phases.values()) < given.kills:
            results = folder / f"killed-{sweeps}"
            found = tables(results)
            began = time.monotonic()
            status = run(results, cache, draw.uniform(0, length), **kind)
            after = tables(results)
            check_kept(found, after)
            if status is None:
                phases[phase(after)] += 1
                print(f"kill {sum(phases.values())}: {phase(after)}", file=sys.stderr)
            else:
                sweeps += 1
                length = min(length, time.monotonic() - began)
        for number in range(sweeps + 1):
            results = folder / f"killed-{number}"
            run(results, cache, None, **kind)
            finished = tables(results)
            assert finished is not None
            check_equal(finished, undisturbed)
        print(f"undisturbed run: {length:.1f} s, {len(undisturbed.trials)} trials")
        for what, count in phases.items():
            print(f"killed {what}: {count}")
        print(
            f"{sum(phases.values())} kills of {sweeps + 1} sweeps: all tables equal the "
            "undisturbed run's, no row lost or written twice, no file corrupt"
        )


if __name__ == "__main__":
    main()

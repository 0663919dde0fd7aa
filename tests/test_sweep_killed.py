"""SIGKILL at random moments loses nothing, repeats nothing and corrupts nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from light_sweep import light_spec, run_light_sweep

from scalegrid.results import load_sweep
from scalegrid.results.schema import MEASURED

TESTS = Path(__file__).parent
SEEDS, RUNGS = 2, (1, 2)
TRIALS = 4 * SEEDS * len(RUNGS)


def start(results: Path, log: Path) -> subprocess.Popen[bytes]:
    """A sweep of 16 trials of about a fifth of a second or more each, on two workers."""
    numbers = map(str, (4, SEEDS, 2, *RUNGS))
    arguments = [sys.executable, str(TESTS / "light_sweep.py"), str(results), *numbers]
    environment = {
        **os.environ,
        "LIGHT_SECONDS": "0.1",
        "LIGHT_LOG": str(log),
        "PYTHONPATH": str(TESTS.parent),
        "SCALEGRID_CACHE": str(log.with_name("cache")),
    }
    return subprocess.Popen(
        arguments, stderr=subprocess.DEVNULL, start_new_session=True, env=environment
    )


def stored(results: Path) -> pd.DataFrame:
    """The trials on disk; an error unless all files can be read."""
    if not (results / "light-leaves-32" / "sweep.yaml").exists():
        empty: pd.DataFrame = pd.DataFrame({"trial": []})
        return empty
    trials: pd.DataFrame = load_sweep(None, results).trials
    return trials


@pytest.mark.skipif(sys.platform != "linux", reason="process groups")
def test_a_sweep_killed_at_random_moments_equals_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "cache"))
    draw = random.Random(0)
    log = tmp_path / "log"
    kills = 0
    begun = 0
    while kills < 2:
        log.write_text("")
        before = set(stored(tmp_path / "killed")["trial"])
        with start(tmp_path / "killed", log) as process:
            while not log.read_text() and process.poll() is None:  # the first trial has begun
                time.sleep(0.01)
            time.sleep(draw.uniform(0, 0.5))
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        rows = stored(tmp_path / "killed")
        begun += len(rows) > 0
        assert before <= set(rows["trial"])  # nothing is lost
        assert not before & set(log.read_text().split())  # nothing is trained again
    assert 0 < len(rows) < TRIALS
    assert begun > 1
    with start(tmp_path / "killed", log) as process:
        assert process.wait() == 0
    spec = light_spec(tmp_path / "undisturbed", candidates=4, seeds=SEEDS, rungs=RUNGS)
    run_light_sweep(spec)
    killed, undisturbed = (load_sweep(None, tmp_path / name) for name in ("killed", "undisturbed"))
    for table in ("variants", "trials", "history", "answers"):
        pd.testing.assert_frame_equal(
            *(
                getattr(one, table).drop(columns=list(MEASURED), errors="ignore")
                for one in (killed, undisturbed)
            )
        )
    folder = tmp_path / "killed" / "light-leaves-32"
    assert not list(folder.glob("*.partial"))
    assert not (folder / "checkpoints").exists()

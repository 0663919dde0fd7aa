"""SIGKILL at random moments: a search goes on to the tables of an undisturbed one."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from light_search import KILLED, light_spec, run_light

from scalegrid.results.schema import MEASURED

TESTS = Path(__file__).parent.parent


def start(folder: Path, log: Path, settings: str) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "LIGHT_SECONDS": "0.1",
        "LIGHT_LOG": str(log),
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
    }
    arguments = [sys.executable, str(TESTS / "light_search.py"), str(folder), "killed", settings]
    return subprocess.Popen(
        arguments, stderr=subprocess.DEVNULL, start_new_session=True, env=environment
    )


@pytest.mark.skipif(sys.platform != "linux", reason="process groups")
@pytest.mark.slow
@pytest.mark.parametrize("settings", ["sampling", "race"])
def test_a_search_killed_at_random_moments_equals_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str
) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "cache"))
    folder, log, draw = tmp_path / "results" / "killed", tmp_path / "log", random.Random(0)
    whole = run_light(light_spec(tmp_path, "whole", **KILLED[settings])).folder
    made: set[str] = set()
    for _ in range(2 if settings == "sampling" else 9):
        log.write_text("")
        with start(tmp_path, log, settings) as process:
            while not log.read_text() and process.poll() is None:  # the first trial has begun
                time.sleep(0.01)
            time.sleep(draw.uniform(0, 0.6))
            os.killpg(process.pid, signal.SIGKILL)
        begun = {line.split()[0] for line in log.read_text().splitlines()}
        assert not made & begun  # nothing is trained again
        now = set(pd.read_parquet(folder / "trials.parquet")["trial"])
        assert made <= now  # nothing is lost
        made = now
    assert 0 < len(made) < len(pd.read_parquet(whole / "trials.parquet"))
    with start(tmp_path, log, settings) as process:
        assert process.wait() == 0
    for table in ("networks", "trials", "history", "answers"):
        one, other = (
            pd.read_parquet(each / f"{table}.parquet").drop(columns=list(MEASURED), errors="ignore")
            for each in (folder, whole)
        )
        pd.testing.assert_frame_equal(one, other)

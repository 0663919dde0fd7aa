"""Several heads, each `scalegrid sweep … --join`, make each trial of a sweep once."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from light_sweep import light, light_spec, run_light_sweep
from light_training import epoch_of

from scalegrid.executors import Event, InlineExecutor
from scalegrid.progress.status import read_status
from scalegrid.results import Store, load_sweep, read_stored
from scalegrid.results.heads import Heads
from scalegrid.results.joined import JoinedStore
from scalegrid.results.schema import MEASURED
from scalegrid.rounds import SweepOutcome
from scalegrid.spec import SweepSpec
from scalegrid.sweep import run_sweep
from scalegrid.training.trial import Epoch, Outcome, Trial
from scalegrid.util.errors import UserError

TESTS = Path(__file__).parent
NAME = "light-leaves-32"


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where trials say that they begin."""
    monkeypatch.setenv("LIGHT_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("LIGHT_SECONDS", "0.02")
    (tmp_path / "log").touch()
    return tmp_path / "log"


def begun(log: Path) -> Counter[str]:
    """How often each trial has begun."""
    return Counter(line.split()[0] for line in log.read_text().splitlines())


def heads(count: int, spec: SweepSpec, function: str = "light_training:train") -> list[Any]:
    """The outcomes of so many heads, in threads that start at once."""
    together = threading.Barrier(count)

    def run() -> SweepOutcome:
        together.wait()
        return run_sweep(
            spec,
            make_executor=lambda _placement: InlineExecutor(function=function),
            measure_rate=False,
            join=True,
        )

    with light(), ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(run) for _ in range(count)]]


def assert_as_undisturbed(results: Path, other: Path, **settings: Any) -> None:
    run_light_sweep(light_spec(other, **settings))
    tables = [load_sweep(NAME, one) for one in (results, other)]
    for name in ("variants", "trials", "history", "answers"):
        pd.testing.assert_frame_equal(
            *(getattr(one, name).drop(columns=list(MEASURED), errors="ignore") for one in tables)
        )
    left = [{path.name for path in (one / NAME).iterdir()} for one in (results, other)]
    assert left[0] == left[1]


def test_two_heads_make_each_trial_once_and_leave_what_one_leaves(
    tmp_path: Path, log: Path
) -> None:
    settings: dict[str, Any] = {"candidates": 4, "seeds": 2, "rungs": (1, 2)}
    ended = heads(2, light_spec(tmp_path / "two", **settings))
    assert set(begun(log).values()) == {1}
    assert [one.exit_status for one in ended] == [0, 0]
    made = [one.trained for one in ended]
    assert sum(made) == len(begun(log)) > max(made) > 0
    status = read_status(tmp_path / "two" / NAME)
    assert status is not None
    assert (status.state, status.ended) == ("finished", sum(made))
    assert_as_undisturbed(tmp_path / "two", tmp_path / "one", **settings)


def test_a_trial_that_another_has_stored_meanwhile_counts_once(tmp_path: Path) -> None:
    """As where a head is suspended for so long that the others take it for dead."""
    settings: dict[str, Any] = {"candidates": 4}
    run_light_sweep(light_spec(tmp_path / "one", **settings))
    made = read_stored(tmp_path / "one" / NAME)
    assert made is not None
    tables = (made.trials, made.history, made.answers)

    class Suspended(InlineExecutor):
        """By the time it hears of a trial, another head has stored it."""

        def collect(self, timeout: float | None = None) -> list[Event]:
            events = super().collect(timeout)
            ended = [event.trial for event in events if isinstance(event, Outcome)]
            with Heads(tmp_path / "two" / NAME) as another, JoinedStore(another) as store:
                rows = ([row for row in one.to_pylist() if row["trial"] in ended] for one in tables)
                store.add(*rows)
            return events

    outcome = run_light_sweep(
        light_spec(tmp_path / "two", **settings),
        make_executor=lambda _placement: Suspended(function="light_training:train"),
        join=True,
    )
    assert (outcome.finished, len(load_sweep(NAME, tmp_path / "two").trials)) == (4, 4)
    assert_as_undisturbed(tmp_path / "two", tmp_path / "three", **settings)


def test_a_head_of_another_number_format_stops_and_stores_nothing(tmp_path: Path) -> None:
    """As a CPU beside a GPU, where a sweep leaves the format to the device."""
    settings: dict[str, Any] = {"candidates": 4}
    run_light_sweep(light_spec(tmp_path / "one", **settings))
    made = read_stored(tmp_path / "one" / NAME)
    assert made is not None
    tables = [one.to_pylist() for one in (made.trials, made.history, made.answers)]
    other = tables[0][1]["trial"]
    elsewhere = [[row for row in rows if row["trial"] == other] for rows in tables]
    elsewhere[0][0]["number_format"] = "bf16"

    class Second(InlineExecutor):
        """When its first trial ends, another head has stored one in bfloat16."""

        def collect(self, timeout: float | None = None) -> list[Event]:
            events = super().collect(timeout)
            with Heads(tmp_path / "two" / NAME) as another, JoinedStore(another) as store:
                store.add(*elsewhere)
            return events

    with pytest.raises(UserError, match=r"trials before are in bf16, and on this machine .* fp32"):
        run_light_sweep(
            light_spec(tmp_path / "two", **settings),
            make_executor=lambda _placement: Second(function="light_training:train"),
            join=True,
        )
    stored = load_sweep(NAME, tmp_path / "two").trials
    assert stored[["trial", "number_format"]].to_numpy().tolist() == [[other, "bf16"]]


def test_a_baseline_that_does_not_learn_is_trained_once_and_stops_all(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHT_TOP1", "0.1")
    ended = heads(2, light_spec(tmp_path, check_learning=True), "light_training:learn")
    assert [one.exit_status for one in ended] == [4, 4]
    assert len(load_sweep(NAME, tmp_path).trials) == 2
    status = read_status(tmp_path / NAME)
    assert status is not None
    assert status.state == "stopped"


def test_a_head_that_asks_for_other_trials_is_refused_until_it_is_alone(tmp_path: Path) -> None:
    def meet(*_arguments: object) -> None:
        for other, said in (
            ({"seeds": 2}, "with --seeds 1, and here it is 2; give the same, or wait for them"),
            ({"candidates": 5}, "with --candidates 4, and here it is 5"),
        ):
            with pytest.raises(UserError, match=said):
                run_sweep(light_spec(tmp_path, **{"candidates": 4, **other}), join=True)

    spec = light_spec(tmp_path, candidates=4)
    with mock.patch("scalegrid.rounds.FirstTrials.take", meet):
        assert run_light_sweep(spec, join=True).trained == 4
    assert run_light_sweep(spec.model_copy(update={"seeds": 2}), join=True).trained == 4


def test_a_head_knows_the_workers_of_the_others(tmp_path: Path) -> None:
    found: list[int] = []

    def look(*_arguments: object) -> None:
        another = Heads(tmp_path / NAME)
        another.look()
        found.extend(head.workers for head in another.others)

    with mock.patch("scalegrid.rounds.FirstTrials.take", look):
        run_light_sweep(light_spec(tmp_path, workers=2), join=True)
    assert set(found) == {2}


def test_the_time_of_a_race_is_that_of_the_workers_of_all_heads(tmp_path: Path) -> None:
    run_light_sweep(light_spec(tmp_path, max_hours=1.0, max_trials=5))
    spec, path = tmp_path / NAME / "sweep.yaml", tmp_path / NAME / "trials.parquet"
    spec.write_text(spec.read_text().replace("max_trials: 5", "max_trials: 8"))
    trials = pq.read_table(path)
    column = trials.schema.get_field_index("seconds")
    hours = pa.array([2 * 3600.0 / 5] * 5)  # of two workers one, of four half of one
    pq.write_table(trials.set_column(column, trials.schema.field(column), hours), path)
    limited = light_spec(tmp_path, max_hours=1.0, max_trials=8)
    assert run_light_sweep(limited).trained == 0
    other = {"host": "elsewhere", "space": "", "pid": 1, "workers": 2, "claims": [], "beat": 1}
    (tmp_path / NAME / ".head-0").write_text(json.dumps(other))
    assert run_light_sweep(limited, join=True).trained == 3


def test_a_head_that_died_on_another_machine_does_not_refuse_other_settings_for_ever(
    tmp_path: Path,
) -> None:
    spec = light_spec(tmp_path, candidates=4)
    run_light_sweep(spec)
    dead = {"host": "elsewhere", "space": "", "pid": 1, "workers": 1, "claims": ["t"], "beat": 9}
    (tmp_path / NAME / ".head-dead").write_text(json.dumps(dead))
    more = spec.model_copy(update={"seeds": 2})
    with (
        mock.patch("scalegrid.results.heads.LEASE", 1.0),
        pytest.raises(UserError, match=r"have died; run the same command again\."),
    ):
        run_light_sweep(more, join=True)
    assert run_light_sweep(more, join=True).trained == 4


def start(results: Path, *numbers: int) -> subprocess.Popen[str]:
    """A head in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, str(TESTS / "light_sweep.py"), "--join", str(results), *map(str, numbers)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "LIGHT_SECONDS": "0.1", "PYTHONPATH": str(TESTS.parent)},
    )


@pytest.mark.engine
@pytest.mark.skipif(sys.platform != "linux", reason="process groups")
def test_of_three_heads_one_is_killed_at_a_random_moment_twenty_times(
    tmp_path: Path, log: Path
) -> None:
    draw, settings = random.Random(0), {"candidates": 4, "seeds": 3, "rungs": (1, 2)}
    made = []  # trials that were stored when one was killed
    for attempt in range(20):
        log.write_text("")
        results = tmp_path / str(attempt)
        processes = [start(results, 4, 3, 1, 1, 2) for _ in range(3)]
        if attempt % 4:  # else while they start
            wait_for(lambda: bool(log.read_text()), processes)
        time.sleep(draw.uniform(0, 2.0))
        killed = processes.pop(draw.randrange(3))
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()
        kept = stored(results)
        made.append(len(kept))
        said = [process.communicate(timeout=300)[1] for process in processes]
        assert [process.returncode for process in processes] == [0, 0], said
        again = begun(log)
        assert len(again) == 24
        assert all(again[trial] == 1 for trial in kept)
        # What the killed one was training, and what had just ended and was not stored yet.
        assert sum(again.values()) <= 24 + 1 + Store.commit_every / 0.1
        assert_as_undisturbed(results, tmp_path / f"{attempt}-alone", **settings)
    assert sum(0 < one < 24 for one in made) >= 5, made


@pytest.mark.engine
@pytest.mark.skipif(sys.platform != "linux", reason="process groups")
def test_an_interrupted_head_gives_back_its_trials_and_the_others_go_on(
    tmp_path: Path, log: Path
) -> None:
    processes = [start(tmp_path / "r", 4, 3, 1) for _ in range(2)]
    wait_for(lambda: len(stored(tmp_path / "r")) > 1, processes)
    os.killpg(processes[0].pid, signal.SIGINT)
    assert "run the same command again to go on" in processes[0].communicate(timeout=60)[1]
    running = read_status(tmp_path / "r" / NAME)
    assert running is not None
    assert (running.state, len(running.running)) == ("running", 1)
    processes[1].communicate(timeout=300)
    assert [process.returncode for process in processes] == [130, 0]
    assert_as_undisturbed(tmp_path / "r", tmp_path / "alone", candidates=4, seeds=3)


def ranked(trial: Trial, report: Callable[[Epoch], None], device: str) -> None:
    """One epoch, whose top-1 is 1.5 points higher for each later variant, with noise of a point."""
    with Path(os.environ["LIGHT_LOG"]).open("a") as log:
        log.write(f"{trial.trial}\n")
    noise = random.Random(f"{trial.variant} {trial.seed}").gauss(0, 0.01)
    top1 = 0.5 + 0.015 * int(trial.variant[1:]) + noise
    time.sleep(0.02)
    report(epoch_of(1, 1.0, 1.0, top1, top1, 0.1, 1000.0, 0.01))


@pytest.mark.engine
def test_a_race_of_three_heads_ends_with_an_answer_as_certain(tmp_path: Path, log: Path) -> None:
    settings: dict[str, Any] = {"candidates": 6, "max_trials": 200, "seeds": 2, "epochs": 1}
    ended = heads(3, light_spec(tmp_path / "r", **settings), f"{__name__}:ranked")
    assert [one.exit_status for one in ended] == [0, 0, 0]
    trials = load_sweep(NAME, tmp_path / "r").trials["trial"]
    assert len(trials) == trials.nunique() == sum(begun(log).values()) < 200
    run_light_sweep(light_spec(tmp_path / "one", **settings), f"{__name__}:ranked")
    for results in (tmp_path / "r", tmp_path / "one"):
        status = read_status(results / NAME)
        assert status is not None
        assert (status.state, status.ended) == ("finished", len(stored(results)))
        assert status.certainty is not None
        assert status.certainty >= 0.95
        assert load_sweep(NAME, results).recommend().ranking[0].variant == "v005"


@pytest.mark.engine
def test_the_page_is_right(tmp_path: Path) -> None:
    text = (TESTS.parent / "docs" / "cluster.md").read_text(encoding="utf-8")
    section = text.split("## Several heads")[1]
    commands = re.findall(r"^scalegrid (.+)$", section.split("### Rules")[0], re.MULTILINE)
    sweep, *readers = ([sys.executable, "-m", "scalegrid", *shlex.split(one)] for one in commands)

    def begin(command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        )

    together = [begin(sweep) for _ in range(2)]
    said = [process.communicate(timeout=500) for process in together]
    assert [process.returncode for process in together] == [0, 0], said
    assert all("together is finished" in errors for _, errors in said)
    assert sum("trial " in line for _, errors in said for line in errors.splitlines()) >= 5
    for reader in readers:
        shown = begin(reader)
        output, errors = shown.communicate(timeout=100)
        assert (shown.returncode, bool(output)) == (0, True), errors


def stored(results: Path) -> list[str]:
    """The trials on disk."""
    if not (results / NAME / "sweep.yaml").exists():
        return []
    trials: list[str] = load_sweep(NAME, results).trials["trial"].tolist()
    return trials


def wait_for(come: Callable[[], bool], processes: list[subprocess.Popen[str]]) -> None:
    while not come() and all(process.poll() is None for process in processes):
        time.sleep(0.02)

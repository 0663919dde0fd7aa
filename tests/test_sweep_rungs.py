"""Sweeps over rungs: what they train, what they keep meanwhile, and how they go on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pandas as pd
import pytest
from light_sweep import light_spec, run_light_sweep

from scalegrid.analysis import recommend
from scalegrid.executors import InlineExecutor
from scalegrid.executors.base import Event
from scalegrid.progress.display import Ended, Silence
from scalegrid.progress.status import Status
from scalegrid.results import Store, load_sweep
from scalegrid.results.schema import MEASURED
from scalegrid.spec import SweepSpec
from scalegrid.training.trial import Outcome, Trial
from scalegrid.util.errors import UserError

RUNGS = (1, 3, 9)
NAME = "light-leaves-32"


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path_factory.getbasetemp() / "rungs"))


class Notes(Silence):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.ended_at: list[int] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def ended(self, trial: Ended, status: Status) -> None:
        self.ended_at.append(trial.rung)

    def about_the_start(self) -> list[str]:
        return [note for note in self.notes if "is trained from its start" in note]


class Inline(InlineExecutor):
    """Trains here, tells ``submitted`` what it gets, and is interrupted after ``most`` trials."""

    def __init__(self, most: int, submitted: Callable[[Trial], None]) -> None:
        super().__init__(function="light_training:train")
        self._left, self._submitted = most, submitted

    def submit(self, trial: Trial) -> None:
        self._submitted(trial)
        super().submit(trial)

    def collect(self, timeout: float | None = None) -> list[Event]:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        return super().collect(timeout)


def run(
    results: Path,
    *,
    most: int = 10_000,
    submitted: Callable[[Trial], None] = lambda trial: None,
    display: Silence | None = None,
    **settings: Any,
) -> Any:
    spec = rung_spec(results, **settings)
    executor = Inline(most, submitted)
    return run_light_sweep(spec, make_executor=lambda _: executor, display=display)


def rung_spec(results: Path, **settings: Any) -> SweepSpec:
    return light_spec(results, **{"rungs": RUNGS, "candidates": 4, **settings})


def frames(results: Path) -> dict[str, pd.DataFrame]:
    tables = load_sweep(NAME, results)
    names = ("variants", "trials", "history", "answers")
    return {
        one: getattr(tables, one).drop(columns=list(MEASURED), errors="ignore") for one in names
    }


def assert_equal(one: Path, other: Path) -> None:
    wanted = frames(other)
    for name, frame in frames(one).items():
        pd.testing.assert_frame_equal(frame, wanted[name])


def files(results: Path) -> list[Path]:
    return sorted((results / NAME / "checkpoints").glob("*"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A sweep over three rungs, and what was seen of it."""
    results = tmp_path_factory.mktemp("undisturbed")
    trials: list[Trial] = []
    kept: list[int] = []

    def look(trial: Trial) -> None:
        trials.append(trial)
        kept.append(len(files(results)))

    display = Notes()
    with mock.patch.object(Store, "commit_every", 0.0):
        outcome = run(results, submitted=look, display=display)
    return SimpleNamespace(
        results=results, outcome=outcome, trials=trials, kept=kept, display=display
    )


def test_trials_of_three_rungs_are_rows_with_all_their_epochs(undisturbed: Any) -> None:
    tables = load_sweep(NAME, undisturbed.results)
    trials = tables.trials
    assert undisturbed.outcome.finished == len(trials) == len(undisturbed.trials)
    assert trials["trial"].is_unique
    assert set(trials["rung"]) == set(RUNGS)
    assert (trials["epochs"] == 2 * trials["rung"]).all()
    assert tables.history.groupby("trial").size()[trials["trial"]].tolist() == (
        trials["epochs"].tolist()
    )
    assert (trials.groupby(["variant", "seed"])["rung"].max() >= 3).all()
    order = trials.merge(tables.variants, on="variant")[["order", "seed", "rung"]]
    assert order.equals(order.sort_values(["order", "seed", "rung"]))
    assert tables.spec["schedule"] == "wsd"
    assert undisturbed.display.ended_at == sorted(undisturbed.display.ended_at)
    assert "at most" in undisturbed.display.notes[0]


def test_checkpoints_are_kept_while_they_can_be_wanted_and_no_longer(undisturbed: Any) -> None:
    top = [trial.rung == RUNGS[-1] for trial in undisturbed.trials]
    assert [trial.keep for trial in undisturbed.trials] == [not one for one in top]
    lines = 4
    assert undisturbed.kept[: lines + 1] == [*range(lines), lines]
    assert max(undisturbed.kept) == lines
    assert undisturbed.kept[-1] == 2, "of the last line, and of the one that has just ended"
    assert not undisturbed.display.about_the_start()
    assert not (undisturbed.results / NAME / "checkpoints").exists()


def test_a_sweep_interrupted_again_and_again_ends_like_an_undisturbed_one(
    undisturbed: Any, tmp_path: Path
) -> None:
    recalled = Notes()
    for most in (2, 3, 2, 1, 1):
        assert run(tmp_path, most=most, display=recalled).interrupted
        assert files(tmp_path)
        (tmp_path / NAME / "checkpoints" / ".0123-1.safetensors.99.partial").touch()
    assert not run(tmp_path, display=recalled).interrupted
    assert not recalled.about_the_start()
    assert_equal(tmp_path, undisturbed.results)
    assert not files(tmp_path)


def test_lost_checkpoints_cost_time_alone_and_are_told_of_once(
    undisturbed: Any, tmp_path: Path
) -> None:
    run(tmp_path, most=5)
    shutil.rmtree(tmp_path / NAME / "checkpoints")
    display = Notes()
    run(tmp_path, display=display)
    (note,) = display.about_the_start()
    assert "at rung 3×" in note
    assert_equal(tmp_path, undisturbed.results)


class KilledOnce(Inline):
    """Whose first trial of rung 3× is killed."""

    def collect(self, timeout: float | None = None) -> list[Event]:
        events = super().collect(timeout)
        for i, event in enumerate(events):
            if isinstance(event, Outcome) and event.history[-1].epoch > 2 and not self.killed:
                self.killed = True
                error = "worker killed by signal 9 (SIGKILL)"
                events[i] = Outcome(event.trial, "failed", error=error)
        return events

    killed = False


def test_a_killed_trial_has_its_checkpoint_when_it_is_made_again(
    undisturbed: Any, tmp_path: Path
) -> None:
    executor = KilledOnce(10_000, lambda trial: None)
    outcome = run_light_sweep(rung_spec(tmp_path), make_executor=lambda _: executor)
    assert (outcome.failed, len(files(tmp_path))) == (1, 1)
    display = Notes()
    assert run(tmp_path, display=display).failed == 0
    assert not display.about_the_start()
    assert_equal(tmp_path, undisturbed.results)
    assert not files(tmp_path)


@pytest.mark.parametrize("kept", [0, 3])
def test_checkpoints_stay_within_their_bound(undisturbed: Any, tmp_path: Path, kept: int) -> None:
    one = 1.05 * 4 * 2 * 5000  # bytes of weights and momentum
    seen: list[int] = []
    run(
        tmp_path,
        keep_checkpoints=(kept + 0.5) * one / 1e9,
        submitted=lambda _: seen.append(len(files(tmp_path))),
    )
    assert max(seen) == kept
    assert_equal(tmp_path, undisturbed.results)


def test_fewer_checkpoints_than_there_are_may_be_kept_from_now_on(tmp_path: Path) -> None:
    run(tmp_path, most=4)
    before = files(tmp_path)
    assert len(before) == 4
    seen: list[list[Path]] = []
    keep = 2.5 * before[0].stat().st_size / 1e9
    run(tmp_path, most=1, keep_checkpoints=keep, submitted=lambda _: seen.append(files(tmp_path)))
    assert len(seen[0]) == 2
    assert set(seen[0]) <= set(before)


def test_too_little_disk_is_known_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "scalegrid.results.checkpoints.shutil.disk_usage", lambda _: SimpleNamespace(free=1000)
    )
    with pytest.raises(UserError, match=r"may need 0\.00017 GB.*1e-06 GB free.*--keep-checkpoints"):
        run(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert run(tmp_path / "new", most=0, keep_checkpoints=1e-7).interrupted
    assert run(tmp_path / "other", most=0, rungs_from="scratch").interrupted


def test_from_scratch_every_trial_trains_all_of_its_epochs_by_any_schedule(
    undisturbed: Any, tmp_path: Path
) -> None:
    trials: list[Trial] = []
    display = Notes()
    run(tmp_path, most=5, rungs_from="scratch", submitted=trials.append, display=display)
    assert trials[-1].rung == 3
    assert {trial.recipe.schedule for trial in trials} == {"onecycle"}
    assert {trial.checkpoints for trial in trials} == {None}
    assert not display.about_the_start()
    run(tmp_path / "wsd", rungs_from="scratch", schedule="wsd")
    assert_equal(tmp_path / "wsd", undisturbed.results)


def test_a_finished_sweep_goes_on_to_more_rungs_if_its_schedule_allows_it(
    undisturbed: Any, tmp_path: Path
) -> None:
    run(tmp_path / "wsd", rungs=(1,), schedule="wsd")
    first = set(load_sweep(NAME, tmp_path / "wsd").trials["trial"])
    run(tmp_path / "wsd")
    assert_equal(tmp_path / "wsd", undisturbed.results)
    assert first < set(load_sweep(NAME, tmp_path / "wsd").trials["trial"])
    run(tmp_path / "wsd", rungs=(1,))  # fewer are there already
    run(tmp_path / "onecycle", rungs=(1,))
    with pytest.raises(UserError, match=r"schedule 'onecycle'.*--rungs-from scratch"):
        run(tmp_path / "onecycle")
    run(tmp_path / "onecycle", rungs_from="scratch", rungs=(1, 2))
    assert set(load_sweep(NAME, tmp_path / "onecycle").trials["rung"]) == {1, 2}


def test_what_a_run_that_was_killed_at_its_end_has_left_goes_at_the_next(
    undisturbed: Any, tmp_path: Path
) -> None:
    shutil.copytree(undisturbed.results, tmp_path / "results")
    folder = tmp_path / "results" / NAME / "checkpoints"
    folder.mkdir()
    (folder / "0123-3.safetensors").touch()
    outcome = run(tmp_path / "results", most=0)
    assert outcome.trained == 0
    assert not folder.exists()


def test_a_race_over_rungs_goes_on_where_it_was(tmp_path: Path) -> None:
    race: dict[str, Any] = {"rungs": (1, 2), "max_trials": 9}
    for most in (5, 10_000):
        run(tmp_path / "parts", most=most, **race)
    run(tmp_path / "whole", **race)
    assert_equal(tmp_path / "parts", tmp_path / "whole")
    assert len(load_sweep(NAME, tmp_path / "whole").trials["rung"].unique()) > 1
    assert not files(tmp_path / "parts")


def test_the_answer_is_that_of_the_highest_rung_by_all_trials(undisturbed: Any) -> None:
    tables = load_sweep(NAME, undisturbed.results)
    found = recommend(tables.planned, tables.trials)
    assert found.rung == RUNGS[-1]
    assert found.verdict is not None
    assert found.verdict.rungs == RUNGS
    assert found.pace.trials == len(tables.trials)
    brief = tables.trials[tables.trials["rung"] == 1]
    candidates = {one.variant for one in recommend(tables.planned, brief).ranking}
    assert {one.variant for one in found.ranking} == candidates
    top = tables.trials[tables.trials["rung"] == RUNGS[-1]]
    assert {one.variant for one in found.ranking if one.trials} == candidates & set(top["variant"])


@pytest.mark.parametrize("schedule", ["cosine", "onecycle", "none"])
def test_a_schedule_that_cannot_hold_is_refused_in_one_sentence(
    tmp_path: Path, schedule: str
) -> None:
    with pytest.raises(UserError, match=r"--schedule wsd, or --rungs-from scratch\.$"):
        run(tmp_path / "new", schedule=schedule)
    assert not (tmp_path / "new").exists()

"""A sweep whose baseline does not learn stops after it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from light_sweep import in_workers, light_plan, light_spec, run_light_sweep
from test_sweep import Recorder

from scalegrid.cli.main import main
from scalegrid.executors import InlineExecutor
from scalegrid.progress.status import read_status
from scalegrid.results import load_sweep
from scalegrid.rounds import SweepOutcome
from scalegrid.training.trial import Trial
from scalegrid.util.errors import UserError


def run(
    results: Path, monkeypatch: pytest.MonkeyPatch, top1: str, **settings: Any
) -> tuple[SweepOutcome, list[tuple[str, int]], Recorder]:
    """The outcome, the trials made (variant, seed), and what was shown."""
    monkeypatch.setenv("LIGHT_TOP1", top1)
    shown = Recorder()
    spec = light_spec(results, epochs=1, check_learning=True, **settings)
    outcome = run_light_sweep(spec, "light_training:learn", display=shown)
    trials = load_sweep(outcome.name, results).trials
    return outcome, list(zip(trials["variant"], trials["seed"], strict=True)), shown


BASELINE = [("v000", 0), ("v000", 1)]


@pytest.mark.parametrize(
    ("top1", "problem"),
    [
        ("0.06 0.07", "the baseline has not learnt: its top-1 is 6 % and 7 %"),
        ("0.3 0.6", "the baseline's accuracy depends on the seed: its top-1 is 30 % and 60 %"),
        ("0.4 -1", "depends on the seed"),  # diverged
        ("-1 -1", "has not learnt"),
    ],
)
def test_nothing_else_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top1: str, problem: str
) -> None:
    outcome, trials, shown = run(tmp_path, monkeypatch, top1)
    assert (outcome.exit_status, trials) == (4, BASELINE)
    assert problem in str(outcome.problem)
    note = shown.notes[-1]
    assert note.startswith("light-leaves-32 stops after the baseline: ")
    assert problem in note
    for remedy in ("--rates tune", "--epochs 2", "--no-check-learning"):
        assert remedy in note
    known = "-1 -1" not in top1  # of trainings that diverge at once no speed is known
    assert (" before the sweep)" in note) == (" in all; " in note) == known


@pytest.mark.parametrize("settings", [{}, {"max_trials": 8}, {"max_trials": 2}])
def test_the_same_command_says_so_again_and_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, int]
) -> None:
    run(tmp_path, monkeypatch, "0.06 0.07", **settings)
    outcome, trials, _ = run(tmp_path, monkeypatch, "0.9", **settings)
    assert (outcome.exit_status, outcome.trained, trials) == (4, 0, BASELINE)


class Refused(InlineExecutor):
    """It takes one trial."""

    taken = False

    def submit(self, trial: Trial) -> None:
        if self.taken:
            raise UserError("the jobs are refused; see --slurm.")
        self.taken = True
        super().submit(trial)


def test_an_executor_that_cannot_go_on_is_no_fault_of_the_baseline(tmp_path: Path) -> None:
    shown = Recorder()
    with pytest.raises(UserError, match=r"^the jobs are refused; see --slurm\.$"):
        run_light_sweep(
            light_spec(tmp_path),
            display=shown,
            make_executor=lambda _placement: Refused(function="light_training:train"),
        )
    folder = tmp_path / "light-leaves-32"
    assert shown.notes[-1] == f"Stopped: 1 of 5 trials are done, and kept in {folder}."
    status = read_status(folder)
    assert status is not None
    assert (status.state, status.problem) == ("stopped", "the jobs are refused; see --slurm.")


def test_where_the_workers_of_the_baseline_are_killed_its_trials_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = light_spec(tmp_path, epochs=1, check_learning=True, baseline="kill", name="s")
    workers = partial(in_workers, function="light_training:misbehave")
    with pytest.raises(UserError, match=r"first trials failed.* killed by signal 9.* same command"):
        run_light_sweep(spec, make_executor=workers)
    killed = load_sweep("s", tmp_path).trials
    assert list(zip(killed["variant"], killed["seed"], strict=True)) == BASELINE
    shown = CliRunner().invoke(main, ["status", "--results", str(tmp_path)]).output
    assert shown.startswith("s is stopped: 2 of ")
    assert "first trials failed" in shown
    outcome, trials, _ = run(tmp_path, monkeypatch, "0.06 0.07", baseline="kill", name="s")
    assert (outcome.exit_status, outcome.trained, trials) == (4, 2, BASELINE)


def test_status_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, *_ = run(tmp_path, monkeypatch, "0.06 0.07")
    shown = CliRunner().invoke(main, ["status", "--results", str(tmp_path)]).output
    assert f"{str(outcome.problem)[1:]}." in shown


def test_without_the_check_the_others_are_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, monkeypatch, "0.06 0.07")
    spec = light_spec(tmp_path, epochs=1, check_learning=False)
    outcome = run_light_sweep(spec, "light_training:learn")
    ids = [variant.variant for variant in light_plan(spec).variants]
    trials = load_sweep(outcome.name, tmp_path).trials
    assert outcome.exit_status == 0
    assert sorted(trials["variant"]) == sorted(["v000", *ids])


@pytest.mark.parametrize("settings", [{}, {"seeds": 3}, {"max_trials": 8}])
def test_a_baseline_that_learns_comes_first_and_the_sweep_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, int]
) -> None:
    outcome, trials, shown = run(tmp_path, monkeypatch, "0.5 0.52 0.51", **settings)
    assert outcome.exit_status == 0
    first = {label.split()[0] for label in (trial.label for trial, _ in shown.trials[:2])}
    assert first == {"baseline"}
    seeds = settings.get("seeds", 1)
    expected = settings.get("max_trials", max(2, seeds) + 4 * seeds)
    assert len(trials) == outcome.finished == expected
    assert shown.trials[-1][1].total == expected

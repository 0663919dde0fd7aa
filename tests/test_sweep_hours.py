"""A sweep that plans for some hours: its plan is kept, and it ends in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from light_sweep import light_spec, run_light_sweep

from scalegrid.results import load_sweep
from scalegrid.spec import SweepSpec
from scalegrid.util import yaml
from scalegrid.util.errors import UserError

RATE = 1e-6  # seconds per activation: a light trial would take 0.3 s
CHOSEN = ("hours", "max_hours", "candidates", "rungs", "epochs", "train_images")


class Notes:
    """A display that keeps what it is to say."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


@pytest.fixture(autouse=True)
def rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalegrid.sweep.stored_rate", lambda *_: RATE)


def stored(results: Path) -> dict[str, Any]:
    spec = yaml.load(SweepSpec, load_sweep(None, results).folder / "sweep.yaml", "specification")
    return {key: getattr(spec, key) for key in CHOSEN}


def test_it_ends_and_has_said_what_it_would_do(tmp_path: Path) -> None:
    shown = Notes()
    outcome = run_light_sweep(light_spec(tmp_path, hours=0.001), display=shown)
    assert outcome.exit_status == 0
    assert outcome.finished >= 5
    assert shown.notes[0].startswith("Note: within 4 s: 4 candidates")
    assert "to be expected" in shown.notes[1]
    found = stored(tmp_path)
    assert found["hours"] == 0.001
    assert 0 < found["max_hours"] < 0.001


def test_a_restart_goes_on_by_the_plan_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = light_spec(tmp_path, hours=0.002, max_trials=7)
    run_light_sweep(given)
    before = stored(tmp_path)
    monkeypatch.setattr("scalegrid.sweep.stored_rate", lambda *_: 50 * RATE)  # a slow machine now
    shown = Notes()
    run_light_sweep(light_spec(tmp_path, hours=0.002, max_trials=9), display=shown)
    assert stored(tmp_path) == before
    assert len(load_sweep(None, tmp_path).trials) == 9
    assert not any("within" in note for note in shown.notes)


def test_other_hours_move_the_end_and_nothing_else(tmp_path: Path) -> None:
    run_light_sweep(light_spec(tmp_path, hours=0.002, max_trials=7))
    before = stored(tmp_path)
    run_light_sweep(light_spec(tmp_path, hours=0.004, max_trials=8))
    after = stored(tmp_path)
    assert after["max_hours"] == pytest.approx(before["max_hours"] + 0.002), "the last as long"
    assert {**after, "hours": 0, "max_hours": 0} == {**before, "hours": 0, "max_hours": 0}


def test_fewer_hours_than_a_trial_takes_leave_no_time_to_begin_one(tmp_path: Path) -> None:
    run_light_sweep(light_spec(tmp_path, hours=0.5, max_hours=0.2, max_trials=7))
    assert run_light_sweep(light_spec(tmp_path, hours=1e-6, max_trials=8)).trained == 0


def test_a_sweep_without_hours_gets_a_limit_by_them(tmp_path: Path) -> None:
    run_light_sweep(light_spec(tmp_path))
    run_light_sweep(light_spec(tmp_path, hours=0.5, max_trials=7))
    assert stored(tmp_path)["max_hours"] == 0.5
    run_light_sweep(light_spec(tmp_path, hours=0.3, max_trials=8))
    assert stored(tmp_path)["max_hours"] == 0.3
    with pytest.raises(UserError, match=r"^--max-hours 0.5 is more than --hours 0.3"):
        run_light_sweep(light_spec(tmp_path, hours=0.3, max_hours=0.5))
    run_light_sweep(light_spec(tmp_path, hours=0.5, max_hours=0.25, max_trials=9))
    assert stored(tmp_path)["max_hours"] == 0.25

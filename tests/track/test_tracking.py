"""Tracking beside a sweep: nothing lost, nothing twice, and no harm to the sweep."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from light_sweep import in_workers, light_spec, run_light_sweep
from tracked_store import draw, stored_sweep, trial_rows

from scalegrid.progress.display import Silence
from scalegrid.results import load_sweep, read_stored
from scalegrid.track import Run, Tracking
from scalegrid.track.sending import TRACKED_FILE
from scalegrid.util.errors import UserError


class Notes(Silence):
    """Remembers the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def event_files(folder: Path) -> dict[str, Path]:
    """The event file of each run, by the ids of trials; one each."""
    found = sorted((folder / "tensorboard").glob("*/*"))
    files = {path.parent.name.rpartition("-")[2]: path for path in found}
    assert len(files) == len(found)
    return files


def test_a_sweep_sends_its_trials_and_one_that_goes_on_those_that_it_lacks(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    spec = light_spec(tmp_path, candidates=4)
    run_light_sweep(spec)  # before tracking is switched on
    notes = Notes()
    more = spec.model_copy(update={"seeds": 2, "track": ("tensorboard",)})
    ended = run_light_sweep(more, display=notes, make_executor=in_workers)
    assert (ended.exit_status, ended.trained) == (0, 4)
    assert notes.notes[-1].startswith("9 runs have been sent to tensorboard")
    files = event_files(ended.folder)
    trials = load_sweep(None, tmp_path).trials["trial"].tolist()
    assert len(trials) == 8
    assert files.keys() > set(trials)
    pictures = max(files.values(), key=lambda path: path.stat().st_size).read_bytes()
    assert pictures.count(b"\x89PNG") >= 2

    notes.notes.clear()
    assert run_light_sweep(more, display=notes).exit_status == 0
    assert notes.notes[-1] == "tensorboard has all runs already."
    assert event_files(ended.folder) == files


def test_a_tracker_that_fails_is_one_note_and_the_next_run_sends_all_without_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.setattr("scalegrid.sweep.draw", draw)
    spec = light_spec(tmp_path, candidates=4, track="tensorboard")
    folder = tmp_path / "light-leaves-32"
    folder.mkdir()
    (folder / "tensorboard").write_text("in the way")
    notes = Notes()
    assert run_light_sweep(spec, display=notes).exit_status == 0
    (note,) = [note for note in notes.notes if "tensorboard" in note]
    assert note.startswith("Nothing more is sent to tensorboard: ")
    assert note.endswith("; the same command sends the rest.")
    assert not (folder / TRACKED_FILE).exists()

    (folder / "tensorboard").unlink()
    before = {path: path.read_bytes() for path in folder.glob("*.parquet")}
    notes.notes.clear()
    assert run_light_sweep(spec, display=notes, make_executor=None).exit_status == 0
    _, sending, left_out, sent = notes.notes
    assert left_out == "left out: cannot draw axes: there is no paper left."
    assert sending == "Sending 5 runs to tensorboard."
    assert sent.startswith("5 runs have been sent to tensorboard; `tensorboard --logdir ")
    assert len(event_files(folder)) == 5
    assert {path: path.read_bytes() for path in before} == before


def test_a_process_that_ends_early_is_one_note(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    folder = stored_sweep(tmp_path, trial_rows())
    notes = Notes()
    with Tracking(["tensorboard"], folder, notes, leave) as tracking:
        assert tracking.finish()
        assert tracking.finish()
    assert notes.notes[0] == "Sending 4 runs to tensorboard."
    assert "the process that sends has ended" in notes.notes[1]
    stored = read_stored(folder)
    assert stored is not None
    (sent,) = json.loads((folder / TRACKED_FILE).read_text()).values()
    assert sorted(sent) == sorted(stored.trials["trial"].to_pylist())  # noted before


@dataclass
class Void:
    """A tracker that keeps nothing, and needs no package."""

    destination: str
    packages: tuple[str, ...] = ()
    hint: str = "look elsewhere"

    def send(self, run: Run) -> None:
        """Forgotten."""


def test_figures_that_are_left_out_are_noted_once_for_all_trackers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scalegrid.track.tracking.tracker_for", lambda name, _: Void(name))
    folder = stored_sweep(tmp_path, trial_rows())
    notes = Notes()
    with Tracking(["one", "two"], folder, notes, refuse) as tracking:
        assert tracking.finish()
    assert notes.notes[2:] == [
        "left out: cannot draw axes: too few points.",
        "left out: cannot draw any: no trial has finished.",
        "4 runs have been sent to one; look elsewhere.",
        "4 runs have been sent to two; look elsewhere.",
    ]


def refuse(*_arguments: object, warn: Callable[[str], None]) -> list[Path]:
    """One figure is left out, and then all of them."""
    warn("cannot draw axes: too few points.")
    raise UserError("cannot draw any: no trial has finished.")


def leave(*_arguments: object, **_named: object) -> list[Path]:
    """Drawing ends the process, as a lack of memory does."""
    os._exit(1)


@pytest.mark.parametrize("found", [lambda _: None, lambda name: ModuleSpec(name, None)])
@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio", "mlflow"])
def test_a_missing_package_is_named_before_anything_is_trained(
    name: str, found: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scalegrid.track.trackers.find_spec", found)
    spec = light_spec(tmp_path / "results", track=name)  # a folder of that name is no package
    with pytest.raises(UserError, match=rf"^--track {name} needs {name}.*'scalegrid\[{name}\]'\.$"):
        run_light_sweep(spec, make_executor=None)
    assert not (tmp_path / "results").exists()


def test_without_trackers_there_is_nothing_to_do(tmp_path: Path) -> None:
    folder = stored_sweep(tmp_path, trial_rows())
    notes = Notes()
    with Tracking([], folder, notes, draw) as tracking:
        tracking.update()
        assert tracking.finish()
    assert notes.notes == []

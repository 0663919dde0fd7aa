"""A training that goes on from a checkpoint is the one that was never interrupted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from training_helpers import Small, make_trial, shades

from scalegrid.data import CachedData
from scalegrid.training import Epoch, Outcome, Trial, attempt, loop
from scalegrid.training.checkpoint import Checkpoints
from scalegrid.training.loop import train


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CachedData:
    return shades(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials train a small network that draws random numbers."""

    def build(trial: Trial, device: torch.device) -> nn.Module:
        model = Small(trial.data.num_classes).to(device)
        return model.to(memory_format=torch.channels_last)

    monkeypatch.setattr(loop, "build_model", build)


def at_rung(data: CachedData, rung: int, folder: Path | None = None, **recipe: Any) -> Trial:
    """A trial of a schedule that can branch; kept if it has a folder."""
    settings = {"epochs": 3, "schedule": "wsd", "learning_rate": 0.01, "batch_size": 8, **recipe}
    trial = make_trial(data, **settings)
    return replace(
        trial,
        trial=f"{trial.trial}-{rung}",
        rung=rung,
        checkpoints=None if folder is None else str(folder),
        keep=folder is not None,
    )


def numbers(outcome: Outcome) -> list[tuple[float, ...]]:
    """Everything but times."""
    return [
        (e.epoch, e.train_loss, e.val_loss, e.top1, e.top5, e.learning_rate)
        for e in outcome.history
    ]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"ema_decay": 0.8},
        {"optimizer": "adamw"},
        {"optimizer": "muon", "flip": True},
        {"epochs": 1},  # the branch lies within the only epoch of rung 1
        {"epochs": 10, "batch_size": 24},  # and here between two epochs
    ],
    ids=str,
)
def test_going_on_equals_an_uninterrupted_training(
    data: CachedData, tmp_path: Path, recipe: dict[str, Any]
) -> None:
    for rung in (1, 2, 5):
        went_on = attempt(train, at_rung(data, rung, tmp_path, **recipe))
        whole = attempt(train, at_rung(data, rung, **recipe))
        assert went_on.status == whole.status == "finished"
        assert numbers(went_on) == numbers(whole)
        assert went_on.answers == whole.answers
        assert len(whole.history) == rung * recipe.get("epochs", 3)


def test_a_whole_network_goes_on_too(data: CachedData, tmp_path: Path) -> None:
    recipe: dict[str, Any] = {"epochs": 1, "batch_size": 16, "ema_decay": 0.9}
    outcomes = [attempt(train, at_rung(data, rung, tmp_path, **recipe)) for rung in (1, 2)]
    assert numbers(outcomes[1]) == numbers(attempt(train, at_rung(data, 2, **recipe)))


@pytest.mark.usefixtures("small")
def test_it_trains_only_what_is_missing(
    data: CachedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates: list[int] = []
    whole = loop.Training.update

    def counted(training: Any, *batch: torch.Tensor) -> torch.Tensor:
        updates.append(training.step)
        return whole(training, *batch)

    monkeypatch.setattr(loop.Training, "update", counted)
    attempt(train, at_rung(data, 1, tmp_path, epochs=5))  # 30 updates, of which 9 decay
    assert updates == list(range(30))
    updates.clear()
    attempt(train, at_rung(data, 3, tmp_path, epochs=5))
    assert updates == list(range(21, 90))  # the difference, and the decay once more


@pytest.mark.usefixtures("small")
def test_only_the_latest_checkpoint_is_kept_and_none_of_a_last_rung(
    data: CachedData, tmp_path: Path
) -> None:
    def files() -> list[str]:
        return sorted(path.name.rpartition("-")[2] for path in tmp_path.iterdir())

    attempt(train, at_rung(data, 1, tmp_path))
    assert files() == ["1.safetensors"]
    attempt(train, at_rung(data, 3, tmp_path))
    assert files() == ["3.safetensors"]
    attempt(train, replace(at_rung(data, 9, tmp_path), keep=False))
    assert files() == ["3.safetensors"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("harm", ["lost", "cut", "rubbish", "another machine", "another seed"])
def test_a_checkpoint_that_cannot_serve_is_passed_over(
    data: CachedData, tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt(train, at_rung(data, 1, tmp_path))
    (path,) = tmp_path.iterdir()
    if harm == "lost":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif harm == "rubbish":
        path.write_bytes(b"\x10" * 400)
    elif harm == "another machine":
        monkeypatch.setattr(loop, "device_name", lambda device: "cpu, another")
    else:
        path.rename(tmp_path / f"{'0' * 12}-1.safetensors")
    outcome = attempt(train, at_rung(data, 2, tmp_path))
    assert numbers(outcome) == numbers(attempt(train, at_rung(data, 2)))


@pytest.mark.usefixtures("small")
def test_a_full_disk_costs_the_checkpoint_alone(data: CachedData, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    outcome = attempt(train, at_rung(data, 1, blocked))
    assert outcome.status == "finished"
    assert numbers(outcome) == numbers(attempt(train, at_rung(data, 1)))


@pytest.mark.usefixtures("small")
def test_earlier_epochs_are_reported_again(data: CachedData, tmp_path: Path) -> None:
    reported: list[Epoch] = []
    first = attempt(train, at_rung(data, 1, tmp_path))
    second = attempt(train, at_rung(data, 2, tmp_path), reported.append)
    assert [epoch.epoch for epoch in reported] == [1, 2, 3, 4, 5, 6]
    assert second.history[:2] == first.history[:2]  # as measured then; the third epoch decayed
    # The branch is after 13 of 18 updates, 6 an epoch.
    assert [epoch.own for epoch in reported] == pytest.approx([0, 0, 5 / 6, 1, 1, 1])
    assert second.history[2] != first.history[2]


def test_what_is_no_plain_data_is_refused(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "line", ["cpu"])
    with pytest.raises(TypeError, match="cannot hold a set"):
        checkpoints.write(1, {"step": {1, 2}})
    assert not list(tmp_path.iterdir())


def test_plain_data_come_back_as_they_were(tmp_path: Path) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    state: dict[Any, Any] = {
        "tensors": [shared, shared.T, torch.tensor(3, dtype=torch.int64)],
        1: (0.1, -3, True, None, "text"),
        "nested": {"empty": {}, "none": ()},
    }
    checkpoints = Checkpoints(tmp_path, "line", ["cpu"])
    checkpoints.write(3, state)
    found: Any = checkpoints.latest(3)
    assert checkpoints.latest(2) is None
    for one, other in zip(found.pop("tensors"), state.pop("tensors"), strict=True):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype
    assert found == state


def test_of_a_damaged_file_nothing_is_used(tmp_path: Path) -> None:
    """Whichever bit of it has turned: what it says, or what a tensor holds."""
    checkpoints = Checkpoints(tmp_path, "line", ["cpu"])
    state = {"step": 3, "weights": torch.arange(4.0), "half": torch.ones(2, dtype=torch.bfloat16)}
    checkpoints.write(1, state)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        assert checkpoints.latest(1) is None or content[at : at + 1].isspace(), at

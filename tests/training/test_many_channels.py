"""From files of 13 channels, or of one, to a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from training_helpers import CPU

from scalegrid.data import prepare
from scalegrid.plan import make_plan, make_trial
from scalegrid.spec import SweepSpec
from scalegrid.training import Epoch
from scalegrid.training.loop import build_model, train

BLOCKS = Path(__file__).parents[1] / "fixtures" / "blocks.yaml"


def save(path: Path, values: Any) -> None:
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")


@pytest.mark.parametrize(
    ("baseline", "suffix", "channels", "given"),
    [
        ("nano", ".tif", 13, None),
        ("nano", ".npy", 13, 13),
        ("nano", ".npy", 1, 1),
        (str(BLOCKS), ".npy", 13, None),
    ],
)
def test_a_folder_is_planned_and_a_trial_of_it_trained(
    tmp_path: Path, baseline: str, suffix: str, channels: int, given: int | None
) -> None:
    rng = np.random.default_rng(0)
    for index in range(12):
        folder = tmp_path / "set" / ("val" if index >= 8 else "train") / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        values = rng.integers(0, 3000, (32, 32, channels), dtype=np.uint16)
        save(folder / f"{index}{suffix}", values)
    spec = SweepSpec(
        baseline=baseline,
        resolution=32,
        data=str(tmp_path / "set"),
        channels=given,
        candidates=4,
        epochs=1,
        batch_size=4,
    )
    plan = make_plan(spec)
    assert "the images are uint16 and are mapped to 8 bits" in plan.notes[0]
    data = prepare(plan.source, [32], cache_dir=tmp_path / "cache")
    trial = make_trial(plan, plan.variants[0], 0, data, plan.recipe)
    inputs = next(build_model(trial, CPU).parameters()).shape[1]
    assert inputs == channels
    epochs: list[Epoch] = []
    train(trial, epochs.append)
    assert [np.isfinite(epoch.val_loss) for epoch in epochs] == [True]

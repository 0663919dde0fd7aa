"""Steps that are timed in the place of a training."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from training_helpers import make_trial

from scalegrid.data import CachedData
from scalegrid.spec import Precision
from scalegrid.training import Epoch, Trial, attempt
from scalegrid.training import probe as probing
from scalegrid.training.loop import Training, train
from scalegrid.training.trial import Outcome, Probe


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_SECONDS", 0.0)  # one step a round
    monkeypatch.setattr(probing, "_REPEATS", 1)


def probe(precisions: tuple[Precision, ...], *, limits: bool, channels: int = 3) -> Outcome:
    data = CachedData(Path(), "noise", 4, (), channels=channels)
    return attempt(train, replace(make_trial(data), probe=Probe(precisions, limits)))


def test_each_format_is_an_epoch_with_its_speed_and_limits() -> None:
    with mock.patch.object(probing, "_bf16_products_are_faster", return_value=True):
        outcome = probe(("fp32", "bf16"), limits=True)
    assert outcome.error is None
    assert outcome.answers is None, "nothing was evaluated"
    for epoch in outcome.history:
        assert epoch.images_per_second > 0
        assert epoch.figures is not None
        products, correlations, taps = (epoch.figures[name] for name in probing.LIMITS)
        assert products in (9, 16, 36, 64)
        assert correlations in (36, 256, 1296, 4096)
        assert taps in (1, 4, 16, 64)


def test_steps_are_the_updates_of_a_training_in_the_format() -> None:
    seen: list[tuple[str, torch.Size]] = []
    update = Training.update

    def spied(self: Training, pixels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.append((self.recipe.precision, pixels.shape))
        return update(self, pixels, labels)

    with mock.patch.object(Training, "update", spied):
        (epoch,) = probe(("fp32",), limits=False, channels=5).history
    assert epoch.figures is None
    assert set(seen) == {("fp32", torch.Size((16, 5, 32, 32)))}


def test_bfloat16_is_not_timed_where_its_products_are_slow() -> None:
    with mock.patch.object(probing, "_bf16_products_are_faster", return_value=False):
        single, half = probe(("fp32", "bf16"), limits=True).history
    assert single.images_per_second > 0
    assert math.isnan(half.images_per_second)
    assert half.figures is None


def test_bfloat16_in_which_a_network_does_not_run_is_left_out() -> None:
    update = Training.update

    def refusing(self: Training, pixels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.recipe.precision == "bf16":
            raise RuntimeError("no")
        return update(self, pixels, labels)

    with (
        mock.patch.object(probing, "_bf16_products_are_faster", return_value=True),
        mock.patch.object(Training, "update", refusing),
    ):
        single, half = probe(("fp32", "bf16"), limits=False).history
    assert single.images_per_second > 0
    assert math.isnan(half.images_per_second)


def test_bfloat16_that_was_asked_for_is_timed_however_slow() -> None:
    with mock.patch.object(probing, "_bf16_products_are_faster", return_value=False):
        (half,) = probe(("bf16",), limits=True).history
    assert half.images_per_second > 0
    assert half.figures is not None


def test_the_limits_that_were_found_are_those_of_the_steps() -> None:
    seen: list[Trial] = []

    def recording(trial: Trial, *rest: Any) -> Training:
        seen.append(trial)
        return Training(trial, *rest)

    with (
        mock.patch.object(probing, "fastest_limits", return_value=(9, 36, 16)),
        mock.patch.object(probing, "Training", recording),
    ):
        probe(("fp32",), limits=True)
    assert [trial.kernel_limits for trial in seen] == [(9, 36, 16)]


@pytest.mark.parametrize(("faster", "limits"), [(True, (64, 4096, 64)), (False, (9, 36, 1))])
def test_the_limits_are_the_largest_maps_on_which_each_kernel_is_faster(
    faster: bool, limits: tuple[int, int, int]
) -> None:
    trial = make_trial(CachedData(Path(), "noise", 4, ()))
    with mock.patch.object(probing, "_faster", return_value=faster):
        assert probing.fastest_limits(trial, "fp32") == limits


def test_an_error_fails_it_as_any_trial() -> None:
    reports: list[Epoch] = []
    with mock.patch.object(Training, "update", side_effect=RuntimeError("no")):
        outcome = probe(("fp32",), limits=False)
    assert outcome.error == "RuntimeError: no"
    assert not reports

"""A trial of every family, unscaled and at each corner, completes with finite losses."""

from __future__ import annotations

import math

import pytest

from scalegrid import baselines
from scalegrid.coefficients import IDENTITY, corners
from scalegrid.data import CachedData, open_source, prepare
from scalegrid.spec import Recipe
from scalegrid.training import Outcome, Trial, attempt
from scalegrid.training.loop import train

SCALINGS = {"baseline": IDENTITY, **corners()}
SMALLEST = [members[0] for members in baselines.families().values()]
RECIPE = Recipe(epochs=1, batch_size=16, learning_rate=1e-3, flip=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CachedData:
    source = open_source("glyphs", train_images=48, val_images=20)
    cache = tmp_path_factory.mktemp("images")
    return prepare(source, [32, 48, 64, 96], cache_dir=cache, workers=1)


def outcome(name: str, role: str, data: CachedData) -> Outcome:
    """A trial at about twice the total stride."""
    baseline, scaling = baselines.get(name), SCALINGS[role]
    px = 2 * max(16, baseline.total_stride) * (3 if role == "resolution" else 2) // 2
    trial = Trial(
        trial=f"{name}-{role}",
        variant=name,
        seed=0,
        baseline=name,
        depth=scaling.alpha,
        width=scaling.beta,
        resolution=px,
        data=data,
        recipe=RECIPE,
    )
    return attempt(train, trial)


def assert_trained(result: Outcome) -> None:
    assert result.status == "finished", result.error
    assert all(math.isfinite(e.train_loss + e.val_loss) for e in result.history)
    assert result.history[-1].train_loss < 2 * math.log(10)


@pytest.mark.parametrize("role", ["baseline", "width"])
@pytest.mark.parametrize("name", ["nano", "mobilenetv3_small", "regnetx_002"])
def test_some_families_train(name: str, role: str, data: CachedData) -> None:
    assert_trained(outcome(name, role, data))


@pytest.mark.slow
@pytest.mark.parametrize("role", SCALINGS)
@pytest.mark.parametrize("name", SMALLEST)
def test_every_family_trains(name: str, role: str, data: CachedData) -> None:
    assert_trained(outcome(name, role, data))

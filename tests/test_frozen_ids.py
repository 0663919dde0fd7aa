"""Ids of variants and trials, as they were when the first results were published.

A trial is found again by its id: results of an id that has changed are lost to their owners.
`fixtures/ids.json` was written by scalegrid 0.1.0 and is never written again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from scalegrid.baselines import BUILT_IN, get, network_id
from scalegrid.data import EMBEDDED, open_source
from scalegrid.spec import Precision, Recipe
from scalegrid.training.trial import trial_id

FIXTURES = Path(__file__).parent / "fixtures"
FROZEN = json.loads((FIXTURES / "ids.json").read_text())
SCALINGS = ((1.0, 1.0), (2.0, 1.0), (1.0, 1.5), (1.2, 1.1))


def variant_ids(name: str) -> list[str]:
    """Ids of the unscaled network, a deeper, a wider and a compound one, at 64 px."""
    baseline = get(name)
    return [network_id(baseline, baseline.layout(d, w), 64) for d, w in SCALINGS]


def test_no_built_in_baseline_is_missing() -> None:
    own = {"blocks.yaml", "tinynet:tinynet"}
    assert set(FROZEN["variants"]) == {*BUILT_IN, *own}


@pytest.mark.parametrize("name", FROZEN["variants"])
def test_variant_ids_stay(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    assert variant_ids(name) == FROZEN["variants"][name]


def test_the_channels_of_the_images_are_part_of_an_id_unless_three() -> None:
    nano = get("nano")
    ids = [network_id(nano, nano.layout(1.0, 1.0), 64, channels) for channels in (1, 3, 13)]
    assert ids[1] == FROZEN["variants"]["nano"][0]
    assert len(set(ids)) == 3


def test_trial_ids_stay() -> None:
    once = Recipe(epochs=2, batch_size=32, learning_rate=0.5, flip=False)  # the defaults of old
    recipes = {
        "default": once,
        "other": once.model_copy(update={"epochs": 7, "optimizer": "adamw", "flip": None}),
    }
    found = {
        name: [trial_id("0123456789ab", seed, "glyphs", recipe) for seed in (0, 1)]
        for name, recipe in recipes.items()
    }
    assert found == FROZEN["trials"]


def test_the_ids_of_float32_are_those_of_before_and_bfloat16_has_its_own() -> None:
    ids = {
        precision: trial_id("0123456789ab", 0, "glyphs", Recipe(precision=precision))
        for precision in get_args(Precision)
    }
    assert ids["fp32"] == ids["auto"] != ids["bf16"]


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_embedded_data_keep_their_fingerprint(name: str) -> None:
    assert open_source(name).fingerprint == FROZEN[name]

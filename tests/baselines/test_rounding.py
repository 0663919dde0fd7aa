"""Multiplied layers and channels: timm's own rounding, and no artefacts of floating point."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from timm.layers import helpers

from scalegrid.baselines.rounding import scale_channels, scale_layers


@given(st.integers(1, 2048), st.floats(1, 8), st.sampled_from([1, 2, 4, 8, 16, 24, 40]))
def test_channels_are_rounded_as_timm_rounds_them(channels: int, width: float, by: int) -> None:
    timm_helpers: Any = helpers
    width = round(width, 9)
    expected = timm_helpers.make_divisible(channels * width, by)
    assert scale_channels(channels, width, by) == expected


def test_a_root_squared_is_a_whole_multiplier() -> None:
    assert math.sqrt(2) ** 2 > 2
    assert scale_layers(5, math.sqrt(2) ** 2) == 10


def test_layers_round_up_or_to_the_nearest() -> None:
    assert [scale_layers(3, d) for d in (1, 1.01, 4 / 3, 1.34)] == [3, 4, 4, 5]
    assert [scale_layers(3, d, "round") for d in (1, 1.1, 1.2, 1.5)] == [3, 3, 4, 4]


def test_no_layers_stay_none() -> None:
    assert scale_layers(0, 2.0) == 0

from __future__ import annotations

import pytest

from scalegrid.figures.text import (
    bytes_unit,
    flops_text,
    flops_unit,
    ratio_text,
    seconds_unit,
)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (9e4, 2e5, "thousand"),
        (38e6, 1e8, "million"),
        (390e6, 900e6, "million"),
        (390e6, 1.6e9, "billion"),
        (38e6, 3e9, "million"),
        (37e9, 80e9, "billion"),
        (2e12, 4e12, "trillion"),
    ],
)
def test_the_unit_keeps_numbers_short(low: float, high: float, word: str) -> None:
    assert flops_unit(low, high)[1] == word


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [(24, 92, (1, "s")), (24, 900, (60, "min")), (2, 900, (1, "s")), (9e3, 4e4, (3600, "h"))],
)
def test_durations_have_a_unit_by_their_range(
    low: float, high: float, unit: tuple[float, str]
) -> None:
    assert seconds_unit(low, high) == unit


def test_bytes_have_the_unit_of_counts() -> None:
    assert bytes_unit(13e6, 25e6) == (1e6, "MB")
    assert bytes_unit(4e8, 2e9) == (1e9, "GB")


@pytest.mark.parametrize(
    ("flops", "text"),
    [(390e6, "390 M"), (4.2e9, "4.2 B"), (37.02e9, "37 B"), (90_400, "90.4 k"), (1.5e12, "1.5 T")],
)
def test_counts_of_flops_have_three_digits_and_a_unit(flops: float, text: str) -> None:
    assert flops_text(flops) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("ratio", "text"), [(1, "1×"), (1.004, "1.00×"), (2.126, "2.13×"), (9.996, "10×"), (64, "64×")]
)
def test_ratios_have_three_digits(ratio: float, text: str) -> None:
    assert ratio_text(ratio) == text

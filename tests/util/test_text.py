from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalegrid.util.text import count, did_you_mean, duration, percent, sentence

KNOWN = ("b0", "B7-large", "resnet50")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("bo0", "did you mean 'b0'?"),
        ("b7-larg", "did you mean 'B7-large'?"),
        ("ResNet-50", "did you mean 'resnet50'?"),
        ("zzz", "there are three."),
    ],
)
def test_the_nearest_word_is_suggested_as_it_is_spelled(word: str, hint: str) -> None:
    assert did_you_mean(word, KNOWN, "there are three.") == hint


def test_without_a_near_word_the_hint_is_empty_by_default() -> None:
    assert did_you_mean("zzz", KNOWN) == ""


def test_several_words_are_suggested_nearest_first() -> None:
    known = ("vgg16", "resnet18", "resnet50d")
    assert did_you_mean("resnet50", known, most=2) == "did you mean 'resnet50d' or 'resnet18'?"


@given(st.sampled_from(KNOWN), st.floats(0.0, 1.0))
def test_a_known_word_is_always_near(word: str, cutoff: float) -> None:
    assert did_you_mean(word.upper(), KNOWN, cutoff=cutoff) == f"did you mean {word!r}?"


@given(st.text())
def test_a_sentence_ends_once(text: str) -> None:
    ended = sentence(text)
    assert ended.endswith((".", "?"))
    assert sentence(ended) == ended
    assert ended.removesuffix(".") == text.removesuffix(".")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (512, "512"),
        (1000, "1.00 k"),
        (385_800_000, "385.8 M"),
        (4_390_000_000, "4.39 B"),
        (41_100_000_000, "41.1 B"),
        (-2_500_000, "-2.50 M"),
    ],
)
def test_counts_have_a_unit(value: float, text: str) -> None:
    assert count(value) == text


@given(st.floats(1, 9e11))
def test_a_count_is_accurate_to_half_a_per_cent(value: float) -> None:
    number, _, unit = count(value).partition(" ")
    size = {"": 1.0, "k": 1e3, "M": 1e6, "B": 1e9}[unit]
    assert abs(float(number) * size - value) <= max(0.5 * (unit == ""), 0.0051 * value)


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0, "< 1 %"), (0.005, "< 1 %"), (0.0051, "1 %"), (0.37, "37 %"), (0.994, "99 %")],
)
def test_percentages_are_whole(probability: float, text: str) -> None:
    assert percent(probability) == text


@given(st.floats(0, 1))
def test_no_percentage_claims_certainty(probability: float) -> None:
    assert percent(probability) not in ("0 %", "100 %")


@pytest.mark.parametrize("probability", [0.995, 1.0])
def test_near_certainty_has_a_bound(probability: float) -> None:
    assert percent(probability) == "> 99 %"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (48.4, "48 s"),
        (89.9, "90 s"),
        (90, "2 min"),
        (360, "6 min"),
        (3600, "1 h"),
        (4800, "1 h 20 min"),
        (86_400, "1 d"),
        (183_600, "2 d 3 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(0, 1e7))
def test_a_duration_is_accurate_to_half_of_its_last_unit(seconds: float) -> None:
    sizes = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
    parts = re.findall(r"(\d+) (s|min|h|d)", duration(seconds))
    read = sum(int(number) * sizes[unit] for number, unit in parts)
    last = 3600 if seconds >= 86_370 else sizes[parts[-1][1]] if seconds < 90 else 60
    assert abs(read - seconds) <= last / 2

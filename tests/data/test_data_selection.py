from __future__ import annotations

from collections import Counter
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalegrid.data.selection import hold_out, stratified_order, subset
from scalegrid.data.sources import Labels
from scalegrid.util.errors import UserError

COUNTS = st.lists(st.integers(2, 12), min_size=2, max_size=6)


def labels_of(counts: list[int]) -> Labels:
    """Labels in a random but fixed order."""
    labels = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    return np.random.default_rng(3).permutation(labels)


@given(COUNTS)
def test_the_order_is_a_permutation_that_depends_on_nothing_else(counts: list[int]) -> None:
    labels = labels_of(counts)
    order = stratified_order(labels)
    assert sorted(order.tolist()) == list(range(len(labels)))
    assert order.tolist() == stratified_order(labels.copy()).tolist()


@given(COUNTS, st.data())
def test_every_prefix_is_stratified(counts: list[int], data: st.DataObject) -> None:
    labels = labels_of(counts)
    size = data.draw(st.integers(1, len(labels)))
    seen = Counter(labels[stratified_order(labels)[:size]].tolist())
    for label, count in enumerate(counts):
        assert seen[label] <= ceil(size * count / len(labels))
        assert seen[label] >= (size >= len(counts))


@given(COUNTS)
def test_a_class_is_shuffled(counts: list[int]) -> None:
    """The order within a class is not that of the data."""
    labels = labels_of([*counts, 200])
    order = stratified_order(labels)
    of_last = [index for index in order.tolist() if labels[index] == len(counts)]
    assert of_last != sorted(of_last)


@given(COUNTS, st.data())
def test_larger_subsets_contain_smaller_ones(counts: list[int], data: st.DataObject) -> None:
    labels = labels_of(counts)
    small = data.draw(st.integers(len(counts), len(labels)))
    large = data.draw(st.integers(small, len(labels)))
    assert subset(labels, large, "x")[:small].tolist() == subset(labels, small, "x").tolist()
    assert subset(labels, None, "x").tolist() == subset(labels, len(labels), "x").tolist()


@given(COUNTS, st.data())
def test_held_out_images_are_disjoint_and_of_every_class(
    counts: list[int], data: st.DataObject
) -> None:
    labels = labels_of(counts)
    names = [str(i) for i in range(len(counts))]
    wanted = data.draw(st.none() | st.integers(len(counts), max(len(counts), len(labels) // 3)))
    train, val = hold_out(labels, None, wanted, names)
    assert sorted([*train, *val]) == list(range(len(labels)))
    assert set(labels[val]) == set(labels[train]) == set(range(len(counts)))
    assert len(val) == (wanted or max(len(counts), round(len(labels) / 10)))


def test_a_tenth_of_a_balanced_set_is_balanced() -> None:
    labels = labels_of([50] * 4)
    train, val = hold_out(labels, 80, None, "abcd")
    assert Counter(labels[val].tolist()) == dict.fromkeys(range(4), 5)
    assert Counter(labels[train].tolist()) == dict.fromkeys(range(4), 20)


def test_fewer_training_images_keep_the_validation_set() -> None:
    labels = labels_of([30, 20])
    all_train, val = hold_out(labels, None, 10, "ab")
    few_train, same_val = hold_out(labels, 12, 10, "ab")
    assert val.tolist() == same_val.tolist()
    assert few_train.tolist() == all_train[:12].tolist()


@pytest.mark.parametrize(
    ("train", "val", "sentence"),
    [
        (46, 5, "train_images is 46, but there are only 45 images"),
        (None, 51, "val_images is 51, but there are only 50 images"),
        (1, 5, "train_images is 1, but there are 2 classes"),
        (None, 1, "val_images is 1, but there are 2 classes"),
        (None, 50, "val_images is 50 of 50 images, which leaves none of class 'a'"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(
    train: int | None, val: int | None, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        hold_out(labels_of([30, 20]), train, val, "ab")


def test_a_class_of_one_image_cannot_be_held_out() -> None:
    with pytest.raises(UserError, match="class 'b' has a single image"):
        hold_out(labels_of([5, 1]), None, None, "ab")

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from training_helpers import CPU, Small, noise_images

from scalegrid.data import CachedImages, ordered_batches
from scalegrid.training import evaluation
from scalegrid.training.answers import unpack
from scalegrid.training.evaluation import balanced, evaluate


def slowly(model: nn.Module, images: CachedImages) -> tuple[float, float, float, float, list[bool]]:
    """The same figures from one image after the other, by sorting."""
    model.eval()
    five = 0
    loss = 0.0
    right = []
    of_class: dict[int, list[bool]] = {}
    with torch.no_grad():
        for pixels, labels in ordered_batches(images, 1, device=CPU):
            outputs = model(pixels)[0].tolist()
            label = int(labels)
            ranked = sorted(range(len(outputs)), key=lambda c: -outputs[c])
            right.append(ranked[0] == label)
            of_class.setdefault(label, []).append(right[-1])
            five += label in ranked[:5]
            loss -= torch.tensor(outputs, dtype=torch.float64).log_softmax(0)[label].item()
    count = len(images.labels)
    mean = sum(sum(own) / len(own) for own in of_class.values()) / len(of_class)
    return sum(right) / count, five / count, mean, loss / count, right


@given(count=st.integers(1, 40), classes=st.integers(2, 12), batch=st.integers(1, 17))
@settings(deadline=None, max_examples=25)
def test_any_batches_give_the_figures_of_a_slow_loop(count: int, classes: int, batch: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(count)
        model = Small(classes)
    images = noise_images(count, classes=classes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "BATCH", batch)
        found = evaluate(model, images, CPU)
    *figures, right = slowly(model, images)
    assert found[:4] == pytest.approx(tuple(figures))
    assert found.answers.images == count
    assert unpack([found.answers.correct], count).tolist() == [right]


def test_balanced_accuracy_is_the_mean_of_that_of_each_class() -> None:
    # 9 of 10 images of class 0, 1 of 2 of class 1, none of 1 of class 3; there are none of class 2.
    right = np.array([True] * 9 + [False, True, False, False])
    labels = np.array([0] * 10 + [1, 1, 3])
    assert balanced(right, labels) == pytest.approx((0.9 + 0.5 + 0.0) / 3)
    # To always give the commonest class is as good as to guess, however common it is.
    assert balanced(labels == 0, labels) == pytest.approx(1 / 3)
    assert balanced(np.ones(13, bool), labels) == 1.0


def test_balanced_accuracy_of_equal_classes_is_top1() -> None:
    right = np.random.default_rng(0).random(60) < 0.7
    assert balanced(right, np.arange(60) % 12) == pytest.approx(right.mean())


def test_top5_of_fewer_classes_is_one() -> None:
    assert evaluate(Small(4), noise_images(10, classes=4), CPU).top5 == 1.0


def test_mode_and_statistics_are_kept() -> None:
    model = Small(3).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    evaluate(model, noise_images(10), CPU)
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from training_helpers import CPU, Small, noise_images

from scalegrid.data import CachedImages, ordered_batches
from scalegrid.training import evaluation
from scalegrid.training.answers import unpack
from scalegrid.training.evaluation import evaluate


def slowly(model: nn.Module, images: CachedImages) -> tuple[float, float, float, list[bool]]:
    """The same figures from one image after the other, by sorting."""
    model.eval()
    five = 0
    loss = 0.0
    right = []
    with torch.no_grad():
        for pixels, labels in ordered_batches(images, 1, device=CPU):
            outputs = model(pixels)[0].tolist()
            label = int(labels)
            ranked = sorted(range(len(outputs)), key=lambda c: -outputs[c])
            right.append(ranked[0] == label)
            five += label in ranked[:5]
            loss -= torch.tensor(outputs, dtype=torch.float64).log_softmax(0)[label].item()
    count = len(images.labels)
    return sum(right) / count, five / count, loss / count, right


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
    assert found[:3] == pytest.approx(tuple(figures))
    assert found.answers.images == count
    assert unpack([found.answers.correct], count).tolist() == [right]


def test_top5_of_fewer_classes_is_one() -> None:
    assert evaluate(Small(4), noise_images(10, classes=4), CPU).top5 == 1.0


def test_mode_and_statistics_are_kept() -> None:
    model = Small(3).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    evaluate(model, noise_images(10), CPU)
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())

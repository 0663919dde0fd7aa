"""Accuracy and loss of a network over all images of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn

from scalegrid.data.batching import ordered_batches
from scalegrid.data.images import Images
from scalegrid.training.answers import Answers
from scalegrid.training.precision import total

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scalegrid.training.answers import Flags

BATCH = 125
"""Images of a batch; it decides the speed and, through rounding, the last digits."""


class Evaluation(NamedTuple):
    """Shares of right answers in [0, 1], the mean cross-entropy in nats, and top-1 by image.

    ``balanced`` is the mean of top-1 within each class that has images.
    """

    top1: float
    top5: float
    balanced: float
    loss: float
    answers: Answers


@torch.inference_mode()
def evaluate(model: nn.Module, images: Images, device: torch.device) -> Evaluation:
    """Evaluate ``model`` in evaluation mode on every image, the last incomplete batch included.

    Top-5 counts the right label among the five highest outputs, or among all if there are fewer.
    The model's mode is restored afterwards.
    """
    was_training = model.training
    model.eval()
    hits = torch.zeros((), dtype=torch.int64, device=device)  # of the five
    right = []
    loss = total(device)
    for pixels, labels in ordered_batches(images, BATCH, device=device):
        outputs = model(pixels).float()
        best = outputs.topk(min(5, outputs.shape[1])).indices == labels[:, None]
        right.append(best[:, 0])
        hits += best.sum()
        loss += nn.functional.cross_entropy(outputs, labels, reduction="sum")
    model.train(was_training)
    count = len(images.labels)
    first = torch.cat(right).cpu().numpy()
    top1 = int(first.sum()) / count
    return Evaluation(
        top1,
        hits.item() / count,
        balanced(first, images.labels.numpy()),
        loss.item() / count,
        Answers.pack(first),
    )


def balanced(right: Flags, labels: NDArray[np.int64]) -> float:
    """The mean over classes of the share of their images that are right.

    Args:
        right: one flag an image, (images,).
        labels: the class of each; a class without images does not count.
    """
    images = np.bincount(labels)
    hits = np.bincount(labels, weights=right)
    return float(np.mean(hits[images > 0] / images[images > 0]))

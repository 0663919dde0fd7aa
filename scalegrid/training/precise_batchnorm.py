"""Precise batch-norm statistics: those of the present weights, not running averages."""

from __future__ import annotations

from itertools import islice

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from scalegrid.data.batching import Augment, batches
from scalegrid.data.images import Images

BATCH, BATCHES = 64, 4
"""Training images that the statistics are computed from: few, and enough for them to settle."""


def set_precise_statistics(
    model: nn.Module, images: Images, *, seed: int, device: torch.device
) -> None:
    """Replace the running statistics of every batch norm by precise ones, of unaugmented images.

    Running averages lag behind weights that change quickly, as they do in a brief training:
    evaluated with them, a network that has learnt can look like chance. Precise statistics are
    averaged over batches with the present weights (Wu & Johnson, "Rethinking 'Batch' in
    BatchNorm", 2021, section 3).

    Args:
        model: the network; its mode is kept.
        images: at most ``BATCH * BATCHES`` of them are used, chosen by ``seed``.
        seed: of the trial.
        device: where the model is.
    """
    chosen = batches(images, BATCH, seed=seed, epoch=0, device=device, augment=Augment(shift=0.0))
    update_bn((pixels for pixels, _ in islice(chosen, BATCHES)), model)

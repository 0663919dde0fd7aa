"""Batch-norm statistics that belong to the weights they are used with."""

from __future__ import annotations

from itertools import islice

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from scalegrid.data.batching import Augment, batches
from scalegrid.data.images import Images

BATCH, BATCHES = 64, 4
"""How many training images the statistics are taken from: enough to settle, cheap to pass."""


def estimate_statistics(
    model: nn.Module, images: Images, *, seed: int, device: torch.device
) -> None:
    """Replace the running statistics of every batch norm by those of unaugmented training images.

    Running averages lag behind weights that change quickly, and a brief training is all quick
    change: evaluated with them, a network that has learnt can look like chance. Statistics are
    averaged over batches with the present weights instead (Wu & Johnson, "Rethinking 'Batch' in
    BatchNorm", 2021, section 3).

    Args:
        model: the network; its mode is kept.
        images: at most ``BATCH * BATCHES`` of them are used, chosen by ``seed``.
        seed: of the trial.
        device: where the model is.
    """
    chosen = batches(images, BATCH, seed=seed, epoch=0, device=device, augment=Augment(shift=0.0))
    update_bn((pixels for pixels, _ in islice(chosen, BATCHES)), model)

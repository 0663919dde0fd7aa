"""The memory of a training step's activations, estimated without training.

Autograd keeps tensors of the forward pass for the backward pass, and they are most of what a step
needs. Their number follows the activations of a network: within a family, elements kept for each
activation differ by less than 3 % over depth, width and resolution, so one network tells them. The
peak of a step in float32, weights and gradients apart, was 0.8 to 1.05 times this (six families on
a CPU); where layers compute in 16 bits, up to half as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalegrid.baselines import skeleton
from scalegrid.cost.counting import measure
from scalegrid.cost.table import Costs

if TYPE_CHECKING:
    from torch import Tensor, nn

BYTES = 4
"""Of an element: float32."""


def kept_per_activation(costs: Costs, resolution: int) -> float:
    """Elements kept for the backward pass for each activation of the network at this px.

    NaN for a network that does not train on torch's meta device.
    """
    known = costs.baseline.kept_per_activation
    if known is not None:
        return known
    model = skeleton(costs.baseline, 1.0, 1.0, costs.num_classes, resolution, costs.in_chans)
    try:
        kept = kept_elements(model, resolution, costs.in_chans)
    except Exception:  # the user's code may raise anything, and a plan can do without
        return float("nan")
    return kept / measure(model, resolution, costs.in_chans).activations


def kept_elements(model: nn.Module, resolution: int, in_chans: int = 3) -> float:
    """Elements that autograd keeps of one image, parameters left out; ``model`` stays as it was."""
    import torch
    from torch.autograd.graph import saved_tensors_hooks

    own = {t.untyped_storage()._cdata for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, Tensor] = {}  # by storage; holding them keeps the numbers distinct

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()._cdata
        if storage not in own:
            kept.setdefault(storage, tensor)
        return tensor

    like = next(model.parameters())
    images = torch.zeros(2, in_chans, resolution, resolution, device=like.device, dtype=like.dtype)
    was_training = {module: module.training for module in model.modules()}
    try:
        with saved_tensors_hooks(keep, lambda tensor: tensor):
            model.train()(images).logsumexp(1).sum()
    finally:
        for module, training in was_training.items():
            module.training = training
    size = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    return size / like.element_size() / len(images)

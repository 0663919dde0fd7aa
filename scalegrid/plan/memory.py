"""The memory that trials need: of activations, estimated without training; whether all fits.

Autograd keeps tensors of the forward pass for the backward pass, and they are most of what a step
needs. Their number follows the activations of a network: within a family, elements kept for each
activation differ by less than 6 % over depth, width and resolution, so one network tells them. The
peak of a step in float32, weights and gradients apart, was 0.8 to 1.05 times this (six families on
a CPU); where layers compute in 16 bits, up to half as much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scalegrid.baselines import skeleton
from scalegrid.cost.counting import measure, mode_kept
from scalegrid.cost.table import Costs
from scalegrid.executors import Placement, placement_for
from scalegrid.plan.variants import Variant
from scalegrid.spec import SweepSpec
from scalegrid.training.devices import device_memory
from scalegrid.util.processes import available_cores
from scalegrid.util.text import plural

if TYPE_CHECKING:
    from torch import Tensor, nn

BYTES = 4
"""Of an element: float32."""

_COPIES = 4
"""Of the parameters: weights, gradients, and two moments of an optimiser."""


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
    from torch.autograd.graph import saved_tensors_hooks

    from scalegrid.baselines.introspection import black_images

    own = {t.untyped_storage()._cdata for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, Tensor] = {}  # by storage; holding them keeps the numbers distinct

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()._cdata
        if storage not in own:
            kept.setdefault(storage, tensor)
        return tensor

    images = black_images(model, resolution, 2, in_chans)
    with mode_kept(model), saved_tensors_hooks(keep, lambda tensor: tensor):
        model.train()(images).logsumexp(1).sum()
    size = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    return size / images.element_size() / len(images)


def memory_notes(variants: Sequence[Variant], spec: SweepSpec) -> list[str]:
    """A sentence if the largest trials, as many as run at once, may need more than a device has.

    And one if there are fewer workers than cores for want of memory. Images that are held on a GPU,
    and what its driver needs, come on top of what is estimated. Of other machines nothing is known.
    """
    if spec.executor != "local":
        return []
    placement = placement_for(spec)
    return _few_workers(spec, placement) + _too_large(variants, placement)


def _few_workers(spec: SweepSpec, placement: Placement) -> list[str]:
    cores, memory = max(1, available_cores() // spec.threads), device_memory("cpu") / 2**30
    if placement.devices != ("cpu",) or spec.workers or placement.workers >= cores:
        return []
    return [
        f"{memory:.1f} GiB of memory have room for {plural(placement.workers, 'worker')}, though "
        f"{plural(cores, 'core')} are free; --workers sets another number"
    ]


def _too_large(variants: Sequence[Variant], placement: Placement) -> list[str]:
    device = placement.devices[0]
    at_once = math.ceil(placement.workers / len(placement.devices))
    known = [v for v in variants if v.memory is not None]
    largest = max(known, key=memory_of, default=None)
    if largest is None:
        return []
    needed, there = at_once * memory_of(largest), device_memory(device)
    if needed <= there:
        return []
    trials = f"{at_once} trials at once" if at_once > 1 else "a trial"
    fewer = "workers" if device == "cpu" else "trials-per-device"
    fewer = "a smaller --batch-size" + (f" or fewer --{fewer}" if at_once > 1 else "")
    return [
        f"{trials} of the largest variant ({largest.resolution} px) need about "
        f"{needed / 2**30:.1f} GiB, and {device} has {there / 2**30:.1f} GiB; give {fewer}"
    ]


def training_bytes(activations: int, params: int) -> int:
    """Bytes of a training step: those of activations, weights and what belongs to them."""
    return activations + _COPIES * BYTES * params


def memory_of(variant: Variant) -> int:
    """Bytes of a training step of a variant; of its weights alone where activations are unknown."""
    return training_bytes(variant.memory or 0, variant.params)

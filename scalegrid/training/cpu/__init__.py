"""Layers that train faster on a CPU than PyTorch's own, with the same numbers to rounding.

- `depthwise`: weight gradients of depthwise convolutions without the library's slow path;
- `dense`: weight gradients of dense convolutions on small maps, a tap at a time;
- `pointwise`: 1×1 convolutions of small maps as matrix products;
- `activations`: activations whose input autograd need not copy;
- `squeeze`: squeeze-and-excitation whose two input gradients are added in one pass.

`keep_freed_memory` lets a process reuse what one training step frees for the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scalegrid.training.cpu.memory import keep_freed_memory

if TYPE_CHECKING:
    from torch import nn

__all__ = ["accelerate", "keep_freed_memory"]


def accelerate(model: nn.Module, limits: tuple[int, int, int] | None = None) -> None:
    """Let the layers of ``model`` compute in the faster ways above, where they apply.

    ``limits`` are those of `pointwise`, `depthwise` and `dense`; by default what suits a processor
    with AVX2. Structure, ``state_dict`` and printed form stay as they are. Idempotent.
    """
    # Here, since whoever keeps memory alone does without torch and timm.
    from scalegrid.training.cpu import activations, dense, depthwise, pointwise, squeeze

    kernels = (pointwise, depthwise, dense)
    for kernel, limit in zip(kernels, limits or (k.LIMIT for k in kernels), strict=True):
        kernel.accelerate(model, limit)
    activations.accelerate(model)
    squeeze.accelerate(model)

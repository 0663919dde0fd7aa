"""Squeeze-and-excitation whose two input gradients are added in one pass.

Squeeze-and-excitation averages its input and multiplies the input by a function of the average.
Autograd expands the gradient of the average to a whole map, in another memory layout than the
network's, and then adds two maps of different layouts. Here the addition expands it. (Measured on
EfficientNet-B0 on a CPU at 64 px: 3 % of a training step.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from timm.models._efficientnet_blocks import SqueezeExcite

if TYPE_CHECKING:
    from torch import Tensor, nn


def accelerate(model: nn.Module) -> int:
    """Give timm's squeeze-and-excitation the faster gradient; returns how many ``model`` has.

    Values are the same bits, gradients equal to rounding. The model's structure, ``state_dict`` and
    printed form stay. Idempotent.
    """
    count = 0
    for module in model.modules():
        if type(module) is SqueezeExcite:
            module.__class__ = _SqueezeExcite
        count += type(module) is _SqueezeExcite
    return count


class _SqueezeExcite(SqueezeExcite):
    def forward(self, x: Tensor) -> Tensor:
        whole, average = _Averaged.apply(x)
        inside = self.act1(self.conv_reduce(average))
        result: Tensor = whole * self.gate(self.conv_expand(inside))
        return result

    def _get_name(self) -> str:
        return "SqueezeExcite"


class _Averaged(torch.autograd.Function):
    """A map unchanged, and its average over all positions."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.positions = x.shape[2] * x.shape[3]
        return x.view_as(x), x.mean((2, 3), keepdim=True)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, of_average: Tensor) -> Tensor:
        both: Tensor = grad + of_average / ctx.positions
        return both

"""Give convolutions of a built model a faster way of computing the same values.

A patched convolution changes its class, gets a ``limit``, and nothing else changes: its position in
the model, its parameters, hooks, ``state_dict`` keys and printed form stay, and it can be copied
and pickled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class PatchedConv2d(nn.Conv2d):
    """A convolution that prints as the `torch.nn.Conv2d` it was built as.

    ``limit`` is the largest map for which it computes in the other way, in the unit of its kernel.
    """

    limit: int

    def _get_name(self) -> str:
        return "Conv2d"

    def _library_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        result: Tensor = nn.Conv2d._conv_forward(self, x, weight, bias)
        return result


def patch(
    model: nn.Module, cls: type[PatchedConv2d], eligible: Callable[[nn.Conv2d], bool], limit: int
) -> int:
    """Turn the eligible plain `torch.nn.Conv2d` of ``model`` into ``cls``, in place.

    Subclasses of Conv2d (other than ``cls``) stay, since their forward computes something else.
    Returns how many modules of the model are now ``cls``. Idempotent.
    """
    count = 0
    for module in model.modules():
        if type(module) is nn.Conv2d and eligible(module):
            module.__class__ = cls
        if type(module) is cls:
            module.limit = limit
            count += 1
    return count


def runs_eagerly_on_cpu(x: Tensor, weight: Tensor) -> bool:
    """Whether this call is plain CPU arithmetic: in single or double precision, or in bfloat16.

    In bfloat16 under autocast alone. Other autocast, tracing and compilation are left to the
    library.
    """
    if torch.is_autocast_enabled("cpu"):
        plain = torch.get_autocast_dtype("cpu") == torch.bfloat16
        plain = plain and x.dtype in (torch.float32, torch.bfloat16)
    else:
        plain = x.dtype == weight.dtype and x.dtype in (torch.float32, torch.float64)
    return (
        plain
        and x.dim() == 4
        and x.device.type == weight.device.type == "cpu"
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        and not torch.compiler.is_compiling()
    )

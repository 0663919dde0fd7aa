"""1×1 convolutions of small maps as matrix products.

oneDNN re-orders the weight in every call of a convolution, forward and twice backward. On small
maps that takes longer than the product itself. In channels_last memory a map already is a matrix of
positions by channels. Measured: forward and backward of EfficientNet-B0's shapes, float32, one
thread of a Xeon with AVX-512, PyTorch 2.14.1, time of the convolution over that of the product.

=====  =====  =========  =========  ===============  =========
batch  1 × 1  2 × 2      3 × 3      4 × 4 and 6 × 6  8 × 8
=====  =====  =========  =========  ===============  =========
16     3.8    1.9        --         1.25-1.28        1.19-1.39
64     3.9    1.44-1.61  1.09-1.23  1.11-1.34        0.92-1.19
256    3.6    1.30       --         0.95-1.04        0.89-1.14
=====  =====  =========  =========  ===============  =========

On an EPYC with AVX2 the ratios are up to twice as large for 1 × 1 to 4 × 4. The product is faster
at 8 × 8 too (1.0 to 1.9), but whole training steps are not. In bfloat16 (an EPYC with its
instructions) both take half the time or less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from scalegrid.training.cpu.patching import PatchedConv2d, patch, runs_eagerly_on_cpu

if TYPE_CHECKING:
    from torch import Tensor, nn

LIMIT = 36
"""Positions of a map up to which the product is faster for every shape at batch 64: 6 × 6."""


def accelerate(model: nn.Module, limit: int = LIMIT) -> int:
    """Let every 1×1 convolution of ``model`` run as a matrix product where that is faster.

    These are plain `torch.nn.Conv2d` with one group, stride 1 and no padding, those of
    squeeze-and-excitation included. It is faster on a CPU, for maps of up to ``limit`` positions in
    channels_last memory, in single or double precision and under autocast to bfloat16. Values and
    gradients equal the library's to rounding. The model's structure and ``state_dict`` stay as
    they are. Returns how many convolutions. Idempotent.
    """
    return patch(model, _PointwiseConv2d, _eligible, limit)


class _PointwiseConv2d(PatchedConv2d):
    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        positions = input.shape[2] * input.shape[3]
        if positions > self.limit or not runs_eagerly_on_cpu(input, weight):
            return self._library_forward(input, weight, bias)
        rows = input.permute(0, 2, 3, 1)
        if not rows.is_contiguous():
            return self._library_forward(input, weight, bias)
        product = functional.linear(rows.flatten(0, 2), weight.flatten(1), bias)
        return product.view(*rows.shape[:3], -1).permute(0, 3, 1, 2)


def _eligible(conv: nn.Conv2d) -> bool:
    return (
        conv.kernel_size == conv.stride == (1, 1)
        and conv.groups == 1
        and conv.padding in ((0, 0), "valid", "same")
    )

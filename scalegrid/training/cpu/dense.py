"""Weight gradients of dense convolutions on small maps, one tap of the kernel at a time.

The library's weight gradient of a convolution with many channels is slow on small maps. A tap
connects each output position with one input position, if that is not padding: its gradient is the
matrix product of the two over all images and positions. No product with padding is computed, which
on a map of 2 × 2 is 20 of 36.

Measured: channels_last, one thread of an EPYC with AVX-512 and its bfloat16 instructions, PyTorch
2.14.1; ms of the weight gradient, kernel 3.

=====  =====  ==============  ======  =============  =====  ==============  =====
batch  map    channels        stride  fp32: library  taps   bf16: library   taps
=====  =====  ==============  ======  =============  =====  ==============  =====
64     1 × 1  512 → 512       1                8.86   0.62            8.37   0.30
64     2 × 2  512 → 512       1               29.14   7.38           12.00   3.47
64     4 × 4  256 → 256       1               16.03   9.81            6.53   5.10
64     8 × 8  128 → 128       1               11.57  12.68            5.98   6.29
64     2 × 2  256 → 512       2                6.26   0.98            5.59   0.58
64     4 × 4  256 → 512       2               18.66   5.47            9.91   2.73
64     8 × 8  128 → 256       2                8.32   6.38            5.85   3.40
16     1 × 1  512 → 512       1                5.87   0.31            4.52   0.18
16     2 × 2  512 → 512       1               18.54   3.01            6.47   1.51
16     4 × 4  256 → 256       1                3.78   2.74            2.05   1.55
64     4 × 4  32 → 32         1                0.21   0.38            0.21   0.49
=====  =====  ==============  ======  =============  =====  ==============  =====
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from scalegrid.training.cpu.convolution import (
    Pair,
    convolve,
    library_input_gradient,
    output_size,
    pair,
    plain_geometry,
)
from scalegrid.training.cpu.patching import PatchedConv2d, patch, runs_eagerly_on_cpu

if TYPE_CHECKING:
    from torch import Tensor, nn

LIMIT = 0
"""Output positions up to which it is faster: none, where it was not measured."""

# Fewest weights of a tap: with fewer the library is faster on any map.
_FEWEST = 128 * 128


def accelerate(model: nn.Module, limit: int = LIMIT) -> int:
    """Let every dense convolution of ``model`` use taps where that is faster; returns how many.

    These are plain `torch.nn.Conv2d` with one group, a kernel of more than one position, many
    channels, dilation 1 and numeric zero padding. They do so for outputs of up to ``limit``
    positions on a CPU, in single or double precision and under autocast to bfloat16. Values are the
    library's, gradients equal its to rounding. The model's structure and ``state_dict`` stay as
    they are. Idempotent.
    """
    return patch(model, _DenseConv2d, _eligible, limit)


def weight_gradient_by_taps(
    x: Tensor, grad: Tensor, kernel: Pair, stride: Pair, padding: Pair
) -> Tensor:
    """The weight gradient (K, C, rows, columns) of input (N, C, h, w), gradient (N, K, h', w')."""
    inputs, outputs = x.permute(0, 2, 3, 1), grad.permute(0, 2, 3, 1)
    result = x.new_zeros((outputs.shape[3], *kernel, inputs.shape[3]))
    rows, columns = (
        [_span(size, out, s, p, tap) for tap in range(taps)]
        for size, out, taps, s, p in zip(
            *(x.shape[2:], grad.shape[2:], kernel, stride, padding), strict=True
        )
    )
    for row, (top, above) in enumerate(rows):
        for column, (left, before) in enumerate(columns):
            reached = inputs[:, above, before].flatten(0, 2)
            if len(reached):
                products = outputs[:, top, left].flatten(0, 2).t() @ reached
                result[:, row, column].copy_(products)
    return result.permute(0, 3, 1, 2)


def _span(size: int, out: int, stride: int, padding: int, tap: int) -> tuple[slice, slice]:
    """Along one side: the outputs for which a tap meets the map, and the inputs that it meets."""
    first = max(0, -(-(padding - tap) // stride))
    last = min(out - 1, (size - 1 + padding - tap) // stride)
    if last < first:
        return slice(0), slice(0)
    begin, end = (o * stride + tap - padding for o in (first, last))
    return slice(first, last + 1), slice(begin, end + 1, stride)


class _DenseConv2d(PatchedConv2d):
    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not torch.is_grad_enabled() or not runs_eagerly_on_cpu(input, weight):
            return self._library_forward(input, weight, bias)
        size, kernel = pair(input.shape[2:]), pair(weight.shape[2:])
        rows, columns = output_size(size, kernel, pair(self.stride), pair(self.padding))
        if min(rows, columns) < 1 or rows * columns > self.limit:
            return self._library_forward(input, weight, bias)
        return convolve(
            self, input, weight, bias, (library_input_gradient, weight_gradient_by_taps)
        )


def _eligible(conv: nn.Conv2d) -> bool:
    many = conv.in_channels * conv.out_channels >= _FEWEST
    return many and conv.groups == 1 and conv.kernel_size != (1, 1) and plain_geometry(conv)

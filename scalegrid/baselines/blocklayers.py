"""The layers that timm's builder makes of block strings, known without building.

Planning counts tens of thousands of networks, and importing torch and timm takes longer than that.
The common kinds of block are described here; of others, networks are built and counted
(`scalegrid.cost.assembly`). Tests hold both equal on all families, and a sweep checks its plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from scalegrid.baselines.blockstring import split_block
from scalegrid.baselines.rounding import round_channels

_KINDS = ("ir", "ds", "dsa", "er", "cn")
_DESCRIBED = ("r", "k", "s", "e", "c", "se", "skip")  # and activations, and noskip

Squeeze = Callable[[int, float, float], int]
"""Channels inside squeeze-and-excitation, of: expanded channels, its ratio, the expansion."""


class Layer(NamedTuple):
    """A convolution or linear layer; what has no batch norm after it has a bias.

    ``pooled`` ones are applied once an image, others at every place of their output map.
    """

    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    norm: bool = True
    pooled: bool = False

    @property
    def weights(self) -> int:
        """Elements of the weight: multiply-adds at each place."""
        return self.inputs // self.groups * self.outputs * self.kernel**2

    @property
    def params(self) -> int:
        """Weight, and bias or the batch norm's scale and shift."""
        return self.weights + self.outputs * (2 if self.norm else 1)


class _Options(NamedTuple):
    kind: str
    kernel: int
    expansion: float
    squeeze: float


def block_layers(
    string: str, inputs: int, outputs: int, stride: int, squeeze: Squeeze
) -> list[Layer] | None:
    """The layers of one block, in order.

    Args:
        string: its block string, of which channels, repeats and stride do not count here.
        inputs: channels that enter.
        outputs: channels that leave.
        stride: of this block.
        squeeze: the network's rule.

    Returns:
        None for a kind of block, or an option, that is not described here.
    """
    options = _read(string)
    if options is None:
        return None
    kind, kernel, expansion, ratio = options
    if kind == "cn":
        return [Layer(inputs, outputs, kernel, stride)]
    # Its product rounded to multiples of 8 as timm does, without scale_channels' nine digits.
    middle = inputs if kind in ("ds", "dsa") else round_channels(inputs * expansion)
    layers = []
    if kind == "er":
        layers.append(Layer(inputs, middle, kernel, stride))
    else:
        if kind == "ir":
            layers.append(Layer(inputs, middle))
        layers.append(Layer(middle, middle, kernel, stride, groups=middle))
    if ratio:
        inside = squeeze(middle, ratio, expansion)
        layers += _squeeze_and_excitation(middle, inside)
    return [*layers, Layer(middle, outputs)]


def _squeeze_and_excitation(channels: int, inside: int) -> Iterator[Layer]:
    yield Layer(channels, inside, norm=False, pooled=True)
    yield Layer(inside, channels, norm=False, pooled=True)


@lru_cache(maxsize=1024)
def _read(string: str) -> _Options | None:
    """What decides the layers; None if there is something that is not known here."""
    kind, options = split_block(string)
    described = all(key in _DESCRIBED or key.startswith("n") for key in options)
    kernel = options.get("k", "")
    # Even kernels are padded unevenly, mixed ones share the channels.
    if kind not in _KINDS or not described or not kernel.isdigit() or int(kernel) % 2 == 0:
        return None
    return _Options(
        kind,
        int(kernel),
        float(options["e"]) if kind in ("ir", "er") else 1.0,
        float(options.get("se", 0)) if kind != "cn" else 0.0,
    )

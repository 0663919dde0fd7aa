"""timm's block strings, and the layers of the blocks, read without importing timm.

``ir_r2_k3_s2_e6_c24_se0.25`` is an inverted residual block: 2 repeats, kernel 3, stride 2,
expansion 6, 24 channels, squeeze-and-excitation at a quarter of the block's input channels.

Planning counts tens of thousands of networks, and importing torch and timm takes longer than that.
So the layers of the common kinds of block are described here; networks with other kinds are built
and counted (`scalegrid.cost`). Tests compare both on all families, and a sweep checks its plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from scalegrid.baselines.base import Layer
from scalegrid.baselines.rounding import round_channels

_NAMES = {
    "ir": "MBConv{expansion:g}",
    "er": "FusedMBConv{expansion:g}",
    "uir": "UIB{expansion:g}",
    "ds": "MBConv1",
    "dsa": "SepConv",
    "cn": "Conv",
}
_EXPANDING = ("ir", "er", "uir")
_DESCRIBED_KINDS = ("ir", "ds", "dsa", "er", "cn")
_DESCRIBED_OPTIONS = ("r", "k", "s", "e", "c", "se", "skip")  # and activations, and noskip

Squeeze = Callable[[int, float, float], int]
"""Channels inside squeeze-and-excitation, of: expanded channels, its ratio, the expansion."""


class Block(NamedTuple):
    """What a ``string`` says; ``kernel`` is the largest of the spatial convolutions.

    ``squeeze`` is the ratio of squeeze-and-excitation, 0 for none. `block_layers` covers the
    ``described`` ones.
    """

    string: str
    kind: str
    kernel: int
    stride: int
    channels: int
    repeats: int
    expansion: float
    squeeze: float
    described: bool

    @property
    def operator(self) -> str:
        """The block as the paper names it, such as ``MBConv6``; unknown kinds keep their name."""
        return _NAMES.get(self.kind, self.kind.upper()).format(expansion=self.expansion)


@lru_cache(maxsize=1024)
def read_block(string: str) -> Block:
    """Read a block string that timm understands."""
    kind, *parts = string.split("_")
    found = (re.match(r"([a-z]+)(.*)", part) for part in parts)
    options = {match[1]: match[2] for match in found if match}
    keys = ("a", "k", "p") if kind == "uir" else ("k",)  # of other kinds, a and p are pointwise
    sizes = [int(size) for key in keys for size in options.get(key, "0").split(".")]
    described = (
        kind in _DESCRIBED_KINDS
        and all(key in _DESCRIBED_OPTIONS or key.startswith("n") for key in options)
        and len(sizes) == 1  # mixed kernels share the channels
        and sizes[0] % 2 == 1  # even ones are padded unevenly
    )
    return Block(
        string=string,
        kind=kind,
        kernel=max(sizes),
        stride=int(options["s"]),
        channels=int(options["c"]),
        repeats=int(options["r"]),
        expansion=float(options.get("e", 1)) if kind in _EXPANDING else 1.0,
        squeeze=float(options.get("se", 0)),
        described=described,
    )


def rewritten(string: str, repeats: int, scale: Callable[[int], int]) -> str:
    """The same kind of block with other numbers.

    Args:
        string: a block string.
        repeats: its number of layers.
        scale: what its channels become, and those that it is made to expand (``fc``).
    """
    numbers: dict[str, Callable[[int], int]] = {"r": lambda _: repeats, "c": scale, "fc": scale}

    def changed(part: str) -> str:
        found = re.fullmatch(r"(r|c|fc)(\d+)", part)
        return f"{found[1]}{numbers[found[1]](int(found[2]))}" if found else part

    return "_".join(map(changed, string.split("_")))


def block_layers(
    block: Block, inputs: int, outputs: int, stride: int, squeeze: Squeeze
) -> list[Layer]:
    """The layers of one block, in order.

    Args:
        block: a described one, whose own channels, repeats and stride are not used.
        inputs: channels that enter.
        outputs: channels that leave.
        stride: of this block.
        squeeze: the network's rule.
    """
    kind, kernel = block.kind, block.kernel
    if kind == "cn":
        return [Layer(inputs, outputs, kernel, stride)]
    # As timm does: multiples of 8, without the nine digits of scale_channels.
    middle = round_channels(inputs * block.expansion) if kind in _EXPANDING else inputs
    depthwise = Layer(middle, middle, kernel, stride, groups=middle)
    if kind == "er":
        layers = [Layer(inputs, middle, kernel, stride)]
    elif kind == "ir":
        layers = [Layer(inputs, middle), depthwise]
    else:
        layers = [depthwise]
    if block.squeeze:
        inside = squeeze(middle, block.squeeze, block.expansion)
        layers.append(Layer(middle, inside, norm=False, pooled=True))
        layers.append(Layer(inside, middle, norm=False, pooled=True))
    return [*layers, Layer(middle, outputs)]

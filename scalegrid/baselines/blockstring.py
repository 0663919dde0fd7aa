"""What a layer table tells of timm's block strings, read without importing timm.

``ir_r2_k3_s2_e6_c24_se0.25`` reads: inverted residual, 2 repeats, kernel 3, stride 2, expansion 6,
24 channels, squeeze-and-excitation at a quarter of the block's input channels.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_NAMES = {
    "ir": "MBConv{expansion:g}",
    "er": "FusedMBConv{expansion:g}",
    "uir": "UIB{expansion:g}",
    "ds": "MBConv1",
    "dsa": "SepConv",
    "cn": "Conv",
}
_KERNELS = {"uir": ("a", "k", "p")}  # of other kinds, `a` and `p` are pointwise layers


class Block(NamedTuple):
    """The blocks of one string; ``kernel`` is the largest of their spatial convolutions."""

    operator: str
    kernel: int
    stride: int
    channels: int
    repeats: int


def split_block(string: str) -> tuple[str, dict[str, str]]:
    """The kind of block, and its options; those without a number have an empty value."""
    kind, *parts = string.split("_")
    found = (re.match(r"([a-z]+)(.*)", part) for part in parts)
    return kind, {match[1]: match[2] for match in found if match}


@lru_cache(maxsize=1024)
def read_block(string: str) -> Block:
    """Read a block string that timm understands; kinds of block unknown here go by their name."""
    kind, options = split_block(string)
    sizes = ".".join(options.get(key, "0") for key in _KERNELS.get(kind, ("k",)))
    expansion = float(options.get("e", 1))
    return Block(
        operator=_NAMES.get(kind, kind.upper()).format(expansion=expansion),
        kernel=max(int(size) for size in sizes.split(".")),
        stride=int(options["s"]),
        channels=int(options["c"]),
        repeats=int(options["r"]),
    )

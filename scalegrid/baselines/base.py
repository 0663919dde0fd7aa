"""What every baseline offers, and the layer table it is described by."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from scalegrid.util.files import digest

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Row:
    """One row of a layer table (paper, Table 1): ``layers`` blocks of one kind.

    ``stride`` is that of the first block; ``channels`` counts what the last one puts out.
    ``detail`` identifies what the other columns and the baseline's definition leave open, such as
    hidden widths; it is empty where they leave nothing open.
    """

    operator: str
    kernel: int
    stride: int
    channels: int
    layers: int
    detail: str = ""


LayerRow = Row

Layout = tuple[Row, ...]
"""The realised layer table of a network, from stem to head, after all rounding."""


class Baseline(Protocol):
    """A network that can be scaled; multipliers are relative to φ = 0 of this baseline.

    Depth alone decides ``depths`` and width alone decides ``channels``: two multiplier pairs with
    the same values of both are the same network.
    """

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def origin(self) -> str:
        """Where it comes from."""

    @property
    def resolution(self) -> int:
        """The authors' input side in px."""

    @property
    def brief_resolution(self) -> int:
        """The input side in px that a brief sweep starts from."""

    @property
    def total_stride(self) -> int:
        """Input px per px of the last feature map; no input may be smaller."""

    @property
    def definition(self) -> Any:
        """What, beside the layer table, decides the network; anything JSON can hold."""

    def depths(self, depth: float) -> Hashable:
        """The realised depth: equal for two multipliers if and only if they build the same."""

    def channels(self, width: float) -> Hashable:
        """The realised width: equal for two multipliers if and only if they build the same."""

    def layout(self, depth: float, width: float) -> Layout:
        """The layer table after rounding."""

    def known_layers(self, depth: float, width: float, num_classes: int) -> Any:
        """x"""

    def build(self, depth: float, width: float, num_classes: int) -> nn.Module:
        """The network itself, freshly initialised, taking (N, 3, R, R) to (N, num_classes)."""


def network_id(baseline: Baseline, layout: Layout, resolution: int) -> str:
    """The digest of a realised network at a resolution in px: a variant's id."""
    return digest([baseline.definition, [asdict(row) for row in layout], resolution])

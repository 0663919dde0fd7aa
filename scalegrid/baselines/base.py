"""What every baseline offers, and the layer table that describes its networks."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from scalegrid.coefficients import DepthRounding, DepthRule
from scalegrid.util.files import digest

if TYPE_CHECKING:
    from torch import nn
    from typing_extensions import Self

Origin = Literal["built-in", "timm", "yaml", "code"]
"""Where a baseline comes from; built-in ones are sound, and ``code`` may change unnoticed."""


@dataclass(frozen=True)
class LayerRow:
    """One row of a layer table (paper, Table 1): ``layers`` blocks of one kind.

    ``stride`` is that of the first block; ``channels`` are the outputs of the last.
    ``detail`` identifies what the other columns and the baseline's definition leave open, such as
    hidden widths; it is empty where they leave nothing open.
    """

    operator: str
    kernel: int
    stride: int
    channels: int
    layers: int
    detail: str = ""


Layout = tuple[LayerRow, ...]
"""The realised layer table of a network, from stem to head, after all rounding."""


class Layer(NamedTuple):
    """A convolution or linear layer, with batch norm (``norm``) or a bias.

    It is applied at every output position, or once per image if it is ``pooled``.
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
        """Elements of the weight: multiply-adds at each output position."""
        return self.inputs // self.groups * self.outputs * self.kernel**2

    @property
    def params(self) -> int:
        """Weight, and bias or the batch norm's scale and shift."""
        return self.weights + self.outputs * (2 if self.norm else 1)


class Run(NamedTuple):
    """The layers of a run of blocks: of the ``first``, and of each of the ``rest``."""

    first: list[Layer]
    rest: list[Layer]


@runtime_checkable
class Baseline(Protocol):
    """A network that can be scaled; multipliers are relative to φ = 0 of this baseline.

    Depth alone decides ``depths`` and width alone decides ``channels``: two multiplier pairs with
    the same values of both are the same network.
    """

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def origin(self) -> Origin:
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
    def depth_rounding(self) -> DepthRounding | None:
        """How multiplied layers are rounded; None if that is not known, as of a user's code."""

    @property
    def resolution_step(self) -> int:
        """The px between allowed resolutions, unless the user says otherwise: see `usual_step`."""

    @property
    def definition(self) -> Any:
        """What, beside the layer table, decides the network; anything JSON can hold."""

    @property
    def counting_device(self) -> str:
        """Where networks are built to be counted: ``meta``, or ``cpu`` if they need values."""

    @property
    def kept_per_activation(self) -> float | None:
        """Elements that training keeps for each activation; None: to be measured by building."""

    def rounded(self, rule: DepthRule, /) -> Self:
        """The same networks, found by another rule of rounding layers; itself if it has no rule.

        The rule is not part of a network's identity: equal layer tables are equal networks.
        """

    def placed(self, placement: float, /) -> Self:
        """Networks whose layers are added early (-1), evenly (0) or late (1): see `stage_depths`.

        Where there is one stage these are the same. Equal layer tables are equal networks.

        Raises:
            UserError: its stages are not known, and the placement is not 0.
        """

    def depths(self, depth: float, /) -> Hashable:
        """The realised depth: equal for two multipliers if and only if they build the same."""

    def channels(self, width: float, /) -> Hashable:
        """The realised width: equal for two multipliers if and only if they build the same."""

    def layout(self, depth: float, width: float) -> Layout:
        """The layer table after rounding."""

    def known_layers(self, width: float, num_classes: int, in_chans: int = 3) -> list[Run] | None:
        """The layers of the network in order, or None if they are known only by building it.

        If known, ``depths`` are tuples of the numbers of blocks; there is a run for each number,
        and before and after these one for the stem and one for the head.
        """

    def build(
        self,
        depth: float,
        width: float,
        num_classes: int,
        *,
        resolution: int | None = None,
        in_chans: int = 3,
    ) -> nn.Module:
        """The network itself, freshly initialised, taking (N, in_chans, R, R) to (N, num_classes).

        Args:
            depth: multiplier.
            width: multiplier.
            num_classes: outputs.
            resolution: R in px, for networks that are built for one (position embeddings); others
                take any.
            in_chans: channels of the images.
        """


def usual_step(total_stride: int) -> int:
    """The px between allowed resolutions of a convolutional network: an eighth of its stride.

    Between two multiples of the total stride every stage but the last has steps of its own, and an
    eighth reaches those of the last four; for a stride of 32 that is 4 px. It is 2 px at least.
    """
    return max(2, total_stride // 8)


def network_id(baseline: Baseline, layout: Layout, resolution: int, in_chans: int = 3) -> str:
    """The digest of a realised network for images of a resolution in px: a variant's id."""
    others = [] if in_chans == 3 else [in_chans]
    return digest([baseline.definition, [asdict(row) for row in layout], resolution, *others])
